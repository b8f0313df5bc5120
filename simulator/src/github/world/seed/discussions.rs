//! Labels, milestones, releases and discussions of a seeded world.

use rand::Rng as _;
use rand::seq::IndexedRandom as _;

use super::{DAY, LINES, Maker, TEXTS, TITLES};
use crate::github::world::entities::{ItemKind, MarkerKind};

const LABELS: &[(&str, &str)] = &[
    ("bug", "Something isn't working"),
    (
        "documentation",
        "Improvements or additions to documentation",
    ),
    ("good first issue", "Good for newcomers"),
    ("größer 🚀", ""),
];

const CATEGORIES: &[&str] = &["General", "Ideas", "Q&A"];

impl Maker<'_> {
    /// Adds them to what there is. What was made before stays as it is without them.
    pub(super) fn make_more(&mut self, from: i64) {
        for repository in self.repositories.clone() {
            self.mark(repository, from);
            for number in 1..4 {
                let at = from + (self.until - from) / 4 * number;
                self.release(repository, number, at);
            }
        }
        let all = i64::try_from(self.seed.discussions).unwrap_or(0);
        for step in 0..all {
            self.discuss(from + (self.until - from) / all * step);
        }
    }

    fn mark(&mut self, repository: u64, from: i64) {
        let mut markers = Vec::new();
        for (name, description) in LABELS {
            let (name, about) = ((*name).to_owned(), (*description).to_owned());
            let made =
                self.world
                    .add_marker(MarkerKind::Label, repository, name, about, None, from);
            markers.push(made.expect("a repository"));
        }
        for name in ["1.0", "Later"] {
            let (by, about) = (self.person(), self.text(TEXTS));
            let kind = MarkerKind::Milestone;
            let made = self
                .world
                .add_marker(kind, repository, name.to_owned(), about, by, from);
            markers.push(made.expect("a repository"));
        }
        for id in self.threads.clone() {
            if self.world.items[&id].repository != repository {
                continue;
            }
            for _ in 0..self.rng.random_range(0..3) {
                let with = *markers.choose(&mut self.rng).expect("six");
                self.world
                    .mark(id, with)
                    .expect("a thread of the repository");
            }
        }
    }

    fn release(&mut self, repository: u64, number: i64, at: i64) {
        let (by, body) = (self.person(), self.text(TEXTS));
        let title = self.text(LINES);
        let tag = format!("v0.{number}");
        let made = self.world.release(repository, by, tag, title, body, at);
        let id = made.expect("a repository");
        if self.seed.odd && number == 3 {
            let item = self.world.item_mut(id).expect("made just now");
            item.release.as_mut().expect("a release").draft = true;
        }
        self.react(id, at);
    }

    fn discuss(&mut self, at: i64) {
        let repository = *self.repositories.choose(&mut self.rng).expect("one");
        let (author, body, title) = (self.person(), self.text(TEXTS), self.text(TITLES));
        let kind = ItemKind::Discussion;
        let made = self.world.write(kind, repository, 0, author, body, at);
        let id = made.expect("a repository with discussions");
        let category = *CATEGORIES.choose(&mut self.rng).expect("three");
        let item = self.world.item_mut(id).expect("made just now");
        item.title = title;
        if let Some(topic) = &mut item.topic {
            category.clone_into(&mut topic.category);
        }
        self.react(id, at);
        let mut comments = Vec::new();
        for _ in 0..self.rng.random_range(0..6) {
            let later = (at + self.rng.random_range(60..DAY)).min(self.until);
            let on = comments.choose(&mut self.rng).copied();
            // Every third one is a reply.
            let on = on.filter(|_| self.rng.random_ratio(1, 3));
            let (author, body) = (self.person(), self.text(TEXTS));
            let made = self.world.write(
                ItemKind::DiscussionComment,
                repository,
                on.unwrap_or(id),
                author,
                body,
                later,
            );
            let comment = made.expect("a place for a comment");
            if on.is_none() {
                comments.push(comment);
            }
            self.react(comment, later);
        }
        if let Some(answer) = comments.first().filter(|_| category == "Q&A") {
            let (by, later) = (self.person(), (at + DAY).min(self.until));
            self.world
                .choose_answer(*answer, by, later)
                .expect("a comment on a discussion");
        }
    }
}
