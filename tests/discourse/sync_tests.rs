//! What a sync fetches, and what it claims.

use std::{fs, path::Path};

use axum::http::StatusCode;
use propsbot_archive::Id;
use propsbot_mirror::{Domain as _, ForgetRequest, MemoryRows, Outcome, ProviderError, Stamp};
use proptest::prelude::*;

use super::*;
use crate::{
    merge::{Fact, Rules, Seen},
    rows::{Forgotten, Topic},
};

const ALWAYS: [&str; 4] = [
    "/about.json",
    "/latest.json?page=0",
    "/latest.json?page=1",
    "/latest.json?page=0",
];

#[tokio::test]
async fn fetches_only_what_changed() {
    let world = World::new().await;
    let (bread, first) = {
        let mut forum = world.server.forum();
        forum.topic("empty");
        let rust = forum.topic("lifetimes");
        forum.post(rust, 1, "why?");
        let bread = forum.topic("bread");
        let first = forum.post(bread, 1, "sourdough");
        for number in 0..25 {
            forum.post(bread, 2, &number.to_string());
        }
        (bread, first)
    };
    let provider = world.provider();
    let (state, text) = sync(&provider).await;
    assert_eq!(state, SyncedState::Complete);
    assert_eq!(text, "The Forum: 3 topics, 3 read");
    assert_eq!(mirrored(&provider).await.len(), 27);
    // Of 26 posts, three come with the topic, the others in two requests.
    assert_eq!(world.server.requests().len(), ALWAYS.len() + 3 + 2);

    sync(&provider).await;
    assert_eq!(world.server.requests(), ALWAYS);

    world.server.forum().like(first);
    sync(&provider).await;
    let requests = world.server.requests();
    let topic = format!("/t/{bread}.json");
    assert_eq!(
        (&requests[..4], &requests[4]),
        (&ALWAYS.map(String::from)[..], &topic)
    );
    assert_eq!(requests.len(), 7);
    assert_eq!(mirrored(&provider).await[1].likes, 1);

    // The list doesn't show an edit of an older post: only reading all again does.
    world.server.forum().edit(first, "rye");
    sync(&provider).await;
    assert_eq!(world.server.requests(), ALWAYS);
    let again = SyncRequest {
        recheck: true,
        ..SyncRequest::default()
    };
    provider
        .sync(&again, &CancellationToken::new())
        .await
        .unwrap();
    let posts = mirrored(&provider).await;
    assert_eq!(posts[1].text.as_deref(), Some("<p>rye</p>"));
    assert!(posts[1].updated_at > posts[1].created_at);
}

/// The topic on the second page moves to the first one, which was read before.
#[tokio::test]
async fn finds_topics_that_move_while_they_are_listed() {
    let world = World::new().await;
    let oldest = ["one", "two", "three"].map(|title| world.server.forum().topic(title))[0];
    world.server.forum().bumped_next = Some(oldest);
    let provider = world.provider();
    assert_eq!(sync(&provider).await.1, "The Forum: 3 topics, 3 read");
    assert_eq!(texts(&mirrored(&provider).await), ["<p>bump</p>"]);
}

#[tokio::test]
async fn deleted_posts_leave_tombstones() {
    let world = World::new().await;
    let (own, removed) = {
        let mut forum = world.server.forum();
        let topic = forum.topic("lifetimes");
        let posts = ["why?", "because", "spam"].map(|text| forum.post(topic, 1, text));
        (posts[1], posts[2])
    };
    let provider = world.provider();
    sync(&provider).await;
    world.server.forum().user_deletes(own);
    world.server.forum().delete(removed);
    sync(&provider).await;
    let posts = mirrored(&provider).await;
    assert_eq!(texts(&posts), ["<p>why?</p>", "-", "-"]);
    let deleted: Vec<bool> = posts.iter().map(|post| post.is_deleted).collect();
    assert_eq!(deleted, [false, true, true]);
}

#[tokio::test]
async fn waits_when_it_asked_too_often() {
    let world = World::new().await;
    let topic = world.server.forum().topic("lifetimes");
    world.server.forum().post(topic, 1, "why?");
    world.server.forum().too_many = 4;
    let provider = world.provider();
    assert_eq!(sync(&provider).await.0, SyncedState::Complete);

    world.server.forum().too_many = 5;
    let (state, text) = sync(&provider).await;
    assert_eq!(state, SyncedState::Failed);
    assert!(text.contains("429"), "{text}");
}

/// What wasn't read is not claimed, and is read next time.
#[tokio::test]
async fn claims_only_what_it_read() {
    let world = World::new().await;
    let (hidden, broken) = {
        let mut forum = world.server.forum();
        let rust = forum.topic("lifetimes");
        let hidden = forum.post(rust, 1, "why?");
        let bread = forum.topic("bread");
        forum.post(bread, 2, "sourdough");
        (hidden, bread)
    };
    assert_eq!(broken, 3);
    world.server.forum().unshown.push(hidden);
    world.server.forum().fault = Some(("/t/3", StatusCode::BAD_GATEWAY));
    let provider = world.provider();
    let (state, text) = sync(&provider).await;
    assert_eq!(state, SyncedState::Incomplete);
    assert!(text.contains("topic 1: unseen posts: 1"), "{text}");
    assert!(text.contains("/t/3.json answered 502"), "{text}");
    let status = provider.status().await.unwrap().remove(0);
    assert_eq!((status.current, status.lacks.len()), (None, 1));
    let view = provider.exports().await.unwrap().view().unwrap();
    let space = &view.contents.spaces[0];
    assert_eq!(
        (space.synced["topics"], space.synced["posts"]),
        (Some(NOW), None)
    );
    assert!(space.parts.iter().all(|part| part.covered.is_empty()));

    world.server.forum().unshown.clear();
    world.server.forum().fault = None;
    assert_eq!(sync(&provider).await.0, SyncedState::Complete);
    let view = provider.exports().await.unwrap().view().unwrap();
    let space = &view.contents.spaces[0];
    assert!(space.synced["posts"].is_some());
    assert!(space.parts.iter().all(|part| part.covered.len() == 1));
    assert_eq!(mirrored(&provider).await.len(), 2);
}

#[tokio::test]
async fn names_what_is_wrong() {
    let world = World::new().await;
    let provider = world.provider();
    assert_eq!(provider.check().await[0].outcome, Outcome::Ok);
    world.server.forum().fault = Some(("/", StatusCode::FORBIDDEN));
    let found = provider.check().await.remove(0);
    assert_eq!(found.outcome, Outcome::Wrong);
    assert!(found.error.unwrap().contains("DISCOURSE_URL"));
    let never = CancellationToken::new();
    let refused = provider.sync(&SyncRequest::default(), &never).await;
    assert!(
        matches!(refused, Err(ProviderError::Wrong(_))),
        "{refused:?}"
    );
    let other = SyncRequest {
        space: Some(Id::new("other.example.org")),
        ..SyncRequest::default()
    };
    assert!(provider.sync(&other, &never).await.is_err());
}

#[tokio::test]
async fn listens_until_it_is_stopped() {
    let world = World::new().await;
    let topic = world.server.forum().topic("lifetimes");
    let provider = world.provider();
    let stop = CancellationToken::new();
    let posting = async {
        world.server.forum().post(topic, 1, "why?");
        while mirrored(&provider).await.is_empty() {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    let (listened, ()) = tokio::join!(provider.listen(stop.clone()), posting);
    listened.unwrap();
    let stopped = provider.sync(&SyncRequest::default(), &stop).await.unwrap();
    assert_eq!(stopped[0].state, SyncedState::Incomplete);
}

#[tokio::test]
async fn what_is_forgotten_leaves_the_files_of_the_store() {
    let world = World::new().await;
    let topic = world.server.forum().topic("lifetimes");
    world.server.forum().post(topic, 1, "a secret of Ana");
    let mut provider = world.provider();
    sync(&provider).await;
    let user = ForgetRequest::User {
        user: Id::new(1),
        space: None,
    };
    let said = provider.forget(&user).await.unwrap();
    assert!(said[1].contains("opened again"), "{said:?}");
    // What the forum shows again stays forgotten.
    world.server.forum().post(topic, 1, "another secret");
    sync(&provider).await;
    drop(provider);
    let store = world.options("one").store;
    assert!(is_in_files(&store, "a secret of Ana"));
    let provider = world.provider();
    assert_eq!(texts(&mirrored(&provider).await), ["-", "-"]);
    assert!(!is_in_files(&store, "a secret of Ana"));
}

/// Whether any file in the folder has this text.
fn is_in_files(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return is_in_files(&path, text);
        }
        let bytes = fs::read(path).unwrap();
        bytes
            .windows(text.len())
            .any(|some| some == text.as_bytes())
    })
}

/// One of a few facts, which contradict each other.
fn fact() -> impl Strategy<Value = Fact> {
    let site = || SITE.to_owned();
    let post = (0..2u64, 1..3u64, any::<bool>()).prop_map(move |(id, user, is_deleted)| {
        let post = Post {
            site: site(),
            topic: 7,
            id,
            number: id,
            created_at: Millis(0),
            updated_at: Millis(0),
            author: Some(user.to_string()),
            username: None,
            text: Some(format!("by {user}")),
            likes: 0,
            is_deleted: false,
        };
        Fact::Post(if is_deleted { post.tombstone() } else { post })
    });
    let topic = any::<bool>().prop_map(move |is_gone| {
        Fact::Topic(Topic {
            site: site(),
            id: 7,
            title: (!is_gone).then(|| "lifetimes".to_owned()),
            created_at: Millis(0),
        })
    });
    let forget = (1..3u64).prop_map(move |user| {
        Fact::Forget(Forgotten {
            site: site(),
            user: user.to_string(),
        })
    });
    prop_oneof![4 => post, 2 => topic, 1 => forget]
}

fn merged<'a>(seen: impl IntoIterator<Item = &'a Seen>) -> MemoryRows {
    let mut rows = MemoryRows::default();
    for seen in seen {
        Rules::merge(&mut rows, seen).unwrap();
    }
    rows
}

proptest! {
    #[test]
    fn order_and_repetition_change_nothing(
        (seen, again) in prop::collection::vec(fact(), 1..12).prop_flat_map(|facts| {
            let seen: Vec<Seen> = facts.into_iter().zip(0..).map(|(fact, at)| {
                Seen { at: Stamp(at), fact }
            }).collect();
            let twice = [seen.clone(), seen.clone()].concat();
            (Just(seen), Just(twice).prop_shuffle())
        })
    ) {
        prop_assert_eq!(merged(&seen), merged(&again));
    }
}
