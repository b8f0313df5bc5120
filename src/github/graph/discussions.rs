//! Discussions, the comments on them and releases, as improved rules draw them.

use propsbot_sourcecred::WeightedGraph;

use super::draw::{Entity, Scene, edge};

impl Scene<'_> {
    pub(super) fn add_discussions(&mut self) {
        let view = self.view;
        let base = self.url();
        for (id, post) in &view.discussions {
            let discussion = &post.row;
            let number = discussion.number;
            let url = format!("{base}/discussions/{number}");
            let entity = Entity {
                address: self.address(&["DISCUSSION"], &[&number]),
                description: format!("[#{number}]({url}): {}", discussion.title),
                url,
                at: discussion.created_at,
                parent: Some(self.repository()),
                authors: discussion.author_id.iter().cloned().collect(),
            };
            self.entities.insert(id, entity);
            self.references.push((id, &post.references));
        }
        for (id, post) in &view.discussion_comments {
            let comment = &post.row;
            let Some(discussion) = view.discussions.get(&comment.discussion_id) else {
                continue;
            };
            let (number, own) = (discussion.row.number, comment.number);
            let about = &self.entities[&comment.discussion_id].description;
            let url = format!("{base}/discussions/{number}#discussioncomment-{own}");
            // The comment that it replies to may be gone.
            let above = comment.reply_to_id.as_ref();
            let above = above.and_then(|above| view.discussion_comments.get(above));
            let parent = match above {
                Some(above) => {
                    self.address(&["COMMENT", "DISCUSSION"], &[&number, &above.row.number])
                }
                None => self.address(&["DISCUSSION"], &[&number]),
            };
            let entity = Entity {
                address: self.address(&["COMMENT", "DISCUSSION"], &[&number, &own]),
                description: format!("[comment]({url}) on {about}"),
                url,
                at: comment.created_at,
                parent: Some(parent),
                authors: comment.author_id.iter().cloned().collect(),
            };
            self.entities.insert(id, entity);
            self.references.push((id, &post.references));
        }
        for post in &view.releases {
            let release = &post.row;
            let url = format!("{base}/releases/tag/{}", release.tag);
            let title = if release.name.is_empty() {
                &release.tag
            } else {
                &release.name
            };
            let entity = Entity {
                address: self.address(&["RELEASE"], &[&release.tag]),
                description: format!("[{title}]({url})"),
                url,
                at: release.created_at,
                parent: Some(self.repository()),
                authors: release.author_id.iter().cloned().collect(),
            };
            self.entities.insert(&release.id, entity);
            self.references.push((&release.id, &post.references));
        }
    }

    pub(super) fn draw_answers(&self, graph: &mut WeightedGraph) {
        for (id, discussion) in &self.view.discussions {
            let answer = discussion.row.answer_id.as_ref();
            let answer = answer.and_then(|answer| self.entities.get(answer));
            if let (Some(answer), Some(discussion)) = (answer, self.entities.get(id)) {
                let (from, to) = (&answer.address, &discussion.address);
                let edge = edge("ANSWERS", &[from]);
                graph.add_edge(edge, from.clone(), to.clone(), answer.at);
            }
        }
    }
}
