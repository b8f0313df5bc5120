//! Discourse's REST API, as <https://docs.discourse.org> describes it.

use std::{collections::BTreeMap, time::Duration};

use propsbot_archive::{Millis, layout::is_row_time};
use propsbot_mirror::{ProviderError, kinds};
use propsbot_network::{
    Network,
    body::{BodyError, BodyLimit},
    told_wait_text,
};
use reqwest::{StatusCode, header::RETRY_AFTER};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::rows::{Post, Topic};

const ATTEMPTS: u32 = 5;
const LONGEST_WAIT: Duration = Duration::from_mins(10);
const TIMEOUT: Duration = Duration::from_mins(1);

/// Most pages of topics that are read: 30 topics each.
const PAGES: u32 = 10_000;

/// How many posts are asked for at once, which is how many Discourse itself shows.
const CHUNK: usize = 20;

/// Why Discourse couldn't be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("can't reach {url}: check the address and the network")]
    Unreachable { url: String, source: reqwest::Error },
    #[error("{url} answered {status}; the next sync tries again")]
    Refused { url: String, status: StatusCode },
    #[error("there is no public Discourse at {url}: check DISCOURSE_URL")]
    NoForum { url: String },
    #[error("can't understand what {url} answered ({reason})")]
    Unreadable { url: String, reason: String },
}

kinds! {
    ProviderError;
    ApiError: |error| matches!(error, ApiError::NoForum { .. });
}

/// What the list of topics says of one. If it says the same again, so do the topic's posts, except for
/// what the list doesn't show: edits of posts before the last one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Listed {
    pub(crate) id: u64,
    bumped_at: Option<String>,
    highest_post_number: u64,
    posts_count: u64,
    #[serde(default)]
    like_count: u64,
}

#[derive(Deserialize)]
struct About {
    about: AboutSite,
}

#[derive(Deserialize)]
struct AboutSite {
    title: String,
}

#[derive(Deserialize)]
struct Latest {
    topic_list: TopicList,
}

#[derive(Deserialize)]
struct TopicList {
    topics: Vec<Listed>,
    more_topics_url: Option<String>,
}

#[derive(Deserialize)]
struct TopicView {
    title: String,
    created_at: String,
    post_stream: PostStream,
}

#[derive(Deserialize)]
struct PostStream {
    posts: Vec<PostView>,
    /// The ids of all posts of the topic.
    #[serde(default)]
    stream: Vec<u64>,
}

#[derive(Deserialize)]
struct PostsView {
    post_stream: PostStream,
}

#[derive(Deserialize)]
struct PostView {
    id: u64,
    post_number: u64,
    created_at: String,
    updated_at: String,
    user_id: Option<i64>,
    username: Option<String>,
    cooked: String,
    #[serde(default)]
    actions_summary: Vec<Action>,
    #[serde(default)]
    user_deleted: bool,
    deleted_at: Option<String>,
}

#[derive(Deserialize)]
struct Action {
    id: u64,
    #[serde(default)]
    count: u64,
}

/// The action of liking a post.
const LIKE: u64 = 2;

/// A topic with all of its posts.
pub(crate) struct WholeTopic {
    pub(crate) topic: Topic,
    pub(crate) posts: BTreeMap<u64, Post>,
    /// How many posts were listed, but not shown.
    pub(crate) lacks: usize,
}

pub(crate) struct Api {
    http: reqwest::Client,
    site: String,
    url: String,
    bodies: BodyLimit,
}

impl Api {
    pub(crate) fn new(site: &str, url: &str, network: &Network) -> Result<Self, ApiError> {
        let http = network.client().timeout(TIMEOUT).build();
        Ok(Self {
            http: http.map_err(|source| ApiError::Unreachable {
                url: url.to_owned(),
                source,
            })?,
            site: site.to_owned(),
            url: url.trim_end_matches('/').to_owned(),
            bodies: BodyLimit::new(1 << 20, 32 << 20),
        })
    }

    /// The site's title.
    pub(crate) async fn title(&self) -> Result<String, ApiError> {
        let about: Option<About> = self.get("/about.json").await?;
        let url = self.url.clone();
        Ok(about.ok_or(ApiError::NoForum { url })?.about.title)
    }

    /// All topics that are listed.
    ///
    /// A topic that is bumped meanwhile moves to a page that was read already. So a second round goes
    /// from the first page to one that says nothing new.
    pub(crate) async fn topics(&self) -> Result<BTreeMap<u64, Listed>, ApiError> {
        let mut topics = BTreeMap::new();
        for is_second in [false, true] {
            for page in 0.. {
                let latest: Option<Latest> = self.get(&format!("/latest.json?page={page}")).await?;
                let url = self.url.clone();
                if page == PAGES {
                    let reason = "its list of topics doesn't end".to_owned();
                    return Err(ApiError::Unreadable { url, reason });
                }
                let list = latest.ok_or(ApiError::NoForum { url })?.topic_list;
                let is_last = list.topics.is_empty() || list.more_topics_url.is_none();
                let mut is_new = false;
                for topic in list.topics {
                    is_new |= topics.insert(topic.id, topic.clone()) != Some(topic);
                }
                if is_last || (is_second && !is_new) {
                    break;
                }
            }
        }
        Ok(topics)
    }

    /// A topic with its posts; `None` if it isn't public (any more).
    pub(crate) async fn topic(&self, id: u64) -> Result<Option<WholeTopic>, ApiError> {
        let path = format!("/t/{id}.json");
        let Some(view) = self.get::<TopicView>(&path).await? else {
            return Ok(None);
        };
        let PostStream { posts, stream } = view.post_stream;
        let mut whole = WholeTopic {
            topic: Topic {
                site: self.site.clone(),
                id,
                title: Some(view.title),
                created_at: self.time(&path, &view.created_at)?,
            },
            posts: BTreeMap::new(),
            lacks: 0,
        };
        self.add(&mut whole, posts)?;
        let shown = |whole: &WholeTopic, post: &u64| whole.posts.contains_key(post);
        let rest: Vec<u64> = stream
            .iter()
            .copied()
            .filter(|post| !shown(&whole, post))
            .collect();
        for chunk in rest.chunks(CHUNK) {
            let ids: Vec<String> = chunk.iter().map(|id| format!("post_ids[]={id}")).collect();
            let path = format!("/t/{id}/posts.json?{}", ids.join("&"));
            if let Some(view) = self.get::<PostsView>(&path).await? {
                self.add(&mut whole, view.post_stream.posts)?;
            }
        }
        whole.lacks = stream.iter().filter(|post| !shown(&whole, post)).count();
        Ok(Some(whole))
    }

    fn add(&self, whole: &mut WholeTopic, posts: Vec<PostView>) -> Result<(), ApiError> {
        let topic = whole.topic.id;
        for view in posts {
            let path = format!("/t/{topic}.json");
            let likes = view.actions_summary.iter().find(|action| action.id == LIKE);
            let post = Post {
                site: self.site.clone(),
                topic,
                id: view.id,
                number: view.post_number,
                created_at: self.time(&path, &view.created_at)?,
                updated_at: self.time(&path, &view.updated_at)?,
                author: view.user_id.map(|user| user.to_string()),
                username: view.username,
                text: Some(view.cooked),
                likes: likes.map_or(0, |likes| likes.count),
                is_deleted: false,
            };
            let is_deleted = view.user_deleted || view.deleted_at.is_some();
            let post = if is_deleted { post.tombstone() } else { post };
            whole.posts.insert(post.id, post);
        }
        Ok(())
    }

    fn time(&self, path: &str, text: &str) -> Result<Millis, ApiError> {
        let time = text.parse::<jiff::Timestamp>();
        let time = time.map(|time| Millis(time.as_millisecond()));
        let time = time.ok().filter(|time| is_row_time(*time));
        time.ok_or_else(|| ApiError::Unreadable {
            url: format!("{}{path}", self.url),
            reason: "it has an impossible time".to_owned(),
        })
    }

    /// What is at this path; `None` if nothing that is public.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ApiError> {
        let url = format!("{}{path}", self.url);
        let mut attempt = 1;
        loop {
            let answer = self.http.get(&url).send().await;
            let answer = answer.map_err(|source| ApiError::Unreachable {
                url: url.clone(),
                source,
            })?;
            let status = answer.status();
            let unreadable = |reason: String| ApiError::Unreadable {
                url: url.clone(),
                reason,
            };
            match status {
                StatusCode::OK => {
                    let body = self.bodies.read(answer).await;
                    let body = body.map_err(|error: BodyError| unreadable(error.to_string()))?;
                    let parsed = serde_json::from_slice(&body.bytes);
                    return parsed
                        .map(Some)
                        .map_err(|error| unreadable(error.to_string()));
                }
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE => {
                    return Ok(None);
                }
                StatusCode::TOO_MANY_REQUESTS if attempt < ATTEMPTS => {
                    let told = answer.headers().get(RETRY_AFTER);
                    let told =
                        told.and_then(|told| told_wait_text(told.to_str().ok()?, LONGEST_WAIT));
                    tokio::time::sleep(told.unwrap_or(Duration::from_secs(10))).await;
                    attempt += 1;
                }
                _ => return Err(ApiError::Refused { url, status }),
            }
        }
    }
}
