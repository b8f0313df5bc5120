//! A Discourse on loopback: what its API documentation says of the requests that the provider makes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header::RETRY_AFTER},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};

/// How many topics are on a page, and how many posts are shown at once. The real ones are larger.
const PAGE: usize = 2;
const CHUNK: usize = 3;

/// 2026-01-01.
const BEGIN: i64 = 1_767_225_600_000;

#[derive(Default)]
pub(crate) struct Forum {
    topics: BTreeMap<u64, TopicOf>,
    hours: i64,
    ids: u64,
    /// The paths that were asked for.
    pub(crate) requests: Vec<String>,
    /// How many more requests are too many.
    pub(crate) too_many: u32,
    /// What to answer to requests whose path begins so.
    pub(crate) fault: Option<(&'static str, StatusCode)>,
    /// A topic in which somebody posts as soon as the first page of topics was read.
    pub(crate) bumped_next: Option<u64>,
    /// Posts that are listed, but not shown.
    pub(crate) unshown: Vec<u64>,
}

struct TopicOf {
    title: String,
    created_at: String,
    bumped_at: String,
    posts: Vec<PostOf>,
    is_public: bool,
}

struct PostOf {
    id: u64,
    number: u64,
    user: i64,
    text: String,
    created_at: String,
    updated_at: String,
    likes: u64,
    is_user_deleted: bool,
}

impl Forum {
    fn now(&mut self) -> String {
        self.hours += 1;
        let now = jiff::Timestamp::from_millisecond(BEGIN + self.hours * 3_600_000);
        now.unwrap().to_string()
    }

    fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub(crate) fn topic(&mut self, title: &str) -> u64 {
        let (id, created_at) = (self.id(), self.now());
        let topic = TopicOf {
            title: title.to_owned(),
            bumped_at: created_at.clone(),
            created_at,
            posts: Vec::new(),
            is_public: true,
        };
        self.topics.insert(id, topic);
        id
    }

    pub(crate) fn post(&mut self, topic: u64, user: i64, text: &str) -> u64 {
        let (id, now) = (self.id(), self.now());
        let topic = self.topics.get_mut(&topic).unwrap();
        topic.bumped_at.clone_from(&now);
        let number = topic.posts.last().map_or(1, |post| post.number + 1);
        topic.posts.push(PostOf {
            id,
            number,
            user,
            text: text.to_owned(),
            created_at: now.clone(),
            updated_at: now,
            likes: 0,
            is_user_deleted: false,
        });
        id
    }

    fn change(&mut self, id: u64, change: impl FnOnce(&mut PostOf, String)) {
        let now = self.now();
        let mut posts = self.topics.values_mut().flat_map(|topic| &mut topic.posts);
        change(posts.find(|post| post.id == id).unwrap(), now);
    }

    pub(crate) fn edit(&mut self, id: u64, text: &str) {
        self.change(id, |post, now| {
            text.clone_into(&mut post.text);
            post.updated_at = now;
        });
    }

    pub(crate) fn like(&mut self, id: u64) {
        self.change(id, |post, _| post.likes += 1);
    }

    /// By its author: a note stays for a day.
    pub(crate) fn user_deletes(&mut self, id: u64) {
        self.change(id, |post, _| post.is_user_deleted = true);
    }

    /// By a moderator: it is no longer listed.
    pub(crate) fn delete(&mut self, id: u64) {
        for topic in self.topics.values_mut() {
            topic.posts.retain(|post| post.id != id);
        }
    }

    pub(crate) fn set_public(&mut self, topic: u64, is_public: bool) {
        self.topics.get_mut(&topic).unwrap().is_public = is_public;
    }

    fn answer(&mut self, uri: &Uri) -> Response {
        self.requests.push(uri.to_string());
        if self.too_many > 0 {
            self.too_many -= 1;
            return (
                StatusCode::TOO_MANY_REQUESTS,
                [(RETRY_AFTER, "0")],
                "slow down",
            )
                .into_response();
        }
        if let Some((path, status)) = self.fault
            && uri.path().starts_with(path)
        {
            return (status, "<html>oops</html>").into_response();
        }
        let query = uri.query().unwrap_or_default();
        let path = uri.path().trim_start_matches('/').trim_end_matches(".json");
        let steps: Vec<&str> = path.split('/').collect();
        let answer = match steps[..] {
            ["about"] => Some(json!({"about": {"title": "The Forum", "version": "3.5.0"}})),
            ["latest"] => Some(self.latest(query.trim_start_matches("page=").parse().unwrap())),
            ["t", id] => self.public(id).map(|(id, topic)| {
                let shown = topic.posts.iter().take(CHUNK).map(|post| self.view(post));
                let stream: Vec<u64> = topic.posts.iter().map(|post| post.id).collect();
                json!({
                    "id": id,
                    "title": topic.title,
                    "created_at": topic.created_at,
                    "post_stream": {
                        "posts": shown.flatten().collect::<Vec<_>>(),
                        "stream": stream,
                    },
                })
            }),
            ["t", id, "posts"] => self.public(id).map(|(id, topic)| {
                let asked = query
                    .split('&')
                    .map(|pair| pair.trim_start_matches("post_ids[]="));
                let asked: Vec<u64> = asked.map(|id| id.parse().unwrap()).collect();
                let posts = topic.posts.iter().filter(|post| asked.contains(&post.id));
                let posts: Vec<Value> = posts.filter_map(|post| self.view(post)).collect();
                json!({"post_stream": {"posts": posts}, "id": id})
            }),
            _ => None,
        };
        if steps == ["latest"]
            && let Some(topic) = self.bumped_next.take()
        {
            self.post(topic, 9, "bump");
        }
        match answer {
            Some(answer) => answer.to_string().into_response(),
            None => (StatusCode::NOT_FOUND, "{\"error_type\":\"not_found\"}").into_response(),
        }
    }

    fn public(&self, id: &str) -> Option<(u64, &TopicOf)> {
        let id = id.parse().ok()?;
        let topic = self.topics.get(&id)?;
        topic.is_public.then_some((id, topic))
    }

    fn latest(&self, page: usize) -> Value {
        let public = self.topics.iter().filter(|(_, topic)| topic.is_public);
        let mut topics: Vec<_> = public.collect();
        topics.sort_by_key(|(_, topic)| std::cmp::Reverse(&topic.bumped_at));
        let count = topics.len();
        let topics = topics.into_iter().skip(page * PAGE).take(PAGE);
        let topics = topics.map(|(id, topic)| {
            json!({
                "id": id,
                "title": topic.title,
                "bumped_at": topic.bumped_at,
                "highest_post_number": topic.posts.last().map_or(0, |post| post.number),
                "posts_count": topic.posts.len(),
                "like_count": topic.posts.iter().map(|post| post.likes).sum::<u64>(),
                "pinned": false,
            })
        });
        let mut list = json!({"per_page": PAGE, "topics": topics.collect::<Vec<_>>()});
        if count > (page + 1) * PAGE {
            list["more_topics_url"] = format!("/latest?page={}", page + 1).into();
        }
        json!({"users": [], "topic_list": list})
    }

    fn view(&self, post: &PostOf) -> Option<Value> {
        let mut actions = Vec::new();
        if post.likes > 0 {
            actions.push(json!({"id": 2, "count": post.likes}));
        }
        let text = if post.is_user_deleted {
            "(post deleted by author)"
        } else {
            &post.text
        };
        let view = json!({
            "id": post.id,
            "post_number": post.number,
            "user_id": post.user,
            "username": format!("user{}", post.user),
            "created_at": post.created_at,
            "updated_at": post.updated_at,
            "cooked": format!("<p>{text}</p>"),
            "actions_summary": actions,
            "user_deleted": post.is_user_deleted,
        });
        (!self.unshown.contains(&post.id)).then_some(view)
    }
}

/// Serves the forum. Ends with the test.
pub(crate) struct Server {
    pub(crate) url: String,
    forum: Arc<Mutex<Forum>>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let forum = Arc::new(Mutex::new(Forum::default()));
        let answer = |State(forum): State<Arc<Mutex<Forum>>>, uri: Uri| async move {
            forum.lock().unwrap().answer(&uri)
        };
        let app = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&forum));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { url, forum }
    }

    pub(crate) fn forum(&self) -> MutexGuard<'_, Forum> {
        self.forum.lock().unwrap()
    }

    /// The requests since the last call.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.forum().requests)
    }
}
