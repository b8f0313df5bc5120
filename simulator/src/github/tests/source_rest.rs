//! A world of repositories as a source of data: REST over it.

use serde_json::{Value, json};

use super::client::{Answered, Ask, ask, headers};
use super::{filled, start};
use crate::github::world::{Action, Content, ItemKind, Seed, World};
use crate::github::{Github, Limits, Options};

async fn seeded() -> Github {
    start(Options {
        source: World::seeded(&Seed::default()),
        limits: Limits::github(),
        ..filled()
    })
    .await
}

async fn get(github: &Github, path: &str) -> Answered {
    ask(github, "GET", path, Value::Null).await
}

async fn get_if_changed(github: &Github, path: &str, tag: &str) -> Answered {
    let mut headers = headers(github);
    headers.push(("if-none-match", tag.to_owned()));
    let ask = Ask {
        method: "GET",
        path,
        headers,
        body: Vec::new(),
    };
    ask.send(github).await.expect("an answer")
}

/// The ids of all pages, followed by their links.
async fn all(github: &Github, path: &str) -> Vec<u64> {
    let (mut found, mut path) = (Vec::new(), path.to_owned());
    loop {
        let page = get(github, &path).await;
        assert_eq!(page.status, 200, "{path}");
        let list = page.json();
        let list = list.as_array().expect("a list");
        found.extend(list.iter().filter_map(|one| one["id"].as_u64()));
        let link = page.header("link").unwrap_or_default();
        let next = link.split(", ").find(|one| one.ends_with("rel=\"next\""));
        let Some(next) = next else { return found };
        let next = next.split('>').next().expect("an address");
        path = next.trim_start_matches('<').replace(&github.url(), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_complete_over_their_links() {
    let github = seeded().await;
    let ids = |wanted: &dyn Fn(ItemKind) -> bool| {
        github.world(|world| {
            let alpha = world.repository_named("octo-org/alpha").expect("alpha").id;
            let items = world
                .items()
                .filter(|item| item.repository == alpha && wanted(item.kind));
            items.map(|item| item.id).collect::<Vec<_>>()
        })
    };
    let sorted = |mut ids: Vec<u64>| {
        ids.sort_unstable();
        ids
    };
    let home = "/repos/octo-org/alpha";
    for (path, wanted) in [
        (
            "/issues?state=all&per_page=7&sort=updated&direction=asc",
            &(|kind: ItemKind| kind.is_thread()) as &dyn Fn(ItemKind) -> bool,
        ),
        ("/pulls?state=all&per_page=3", &|kind| {
            kind == ItemKind::PullRequest
        }),
        ("/issues/comments?per_page=11", &|kind| {
            kind == ItemKind::Comment
        }),
        ("/pulls/comments?per_page=100", &|kind| {
            kind == ItemKind::ReviewComment
        }),
    ] {
        let found = all(&github, &format!("{home}{path}")).await;
        assert_eq!(sorted(found), ids(wanted), "{path}");
        assert!(!ids(wanted).is_empty());
    }
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn unchanged_answers_are_free() {
    let github = seeded().await;
    let path = "/repos/octo-org/alpha/issues?state=all&since=2020-01-01T00:00:00Z&sort=updated&direction=asc&per_page=100";
    let first = get(&github, path).await;
    let tag = first.header("etag").expect("a tag").to_owned();
    assert_eq!(first.header("x-ratelimit-used"), Some("1"));
    let same = get_if_changed(&github, path, &tag).await;
    assert_eq!((same.status, same.body.len()), (304, 0));
    assert_eq!(same.header("etag"), Some(tag.as_str()));
    assert_eq!(same.header("x-ratelimit-used"), Some("1"));
    let comment = Action::Comment {
        on: "octo-org/alpha#1".into(),
        by: None,
        body: "new".into(),
        at: None,
    };
    github.act_on_world(comment).expect("possible");
    let changed = get_if_changed(&github, path, &tag).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.header("x-ratelimit-used"), Some("2"));
    let counters = github.counters();
    assert_eq!((counters.rest_points, counters.not_modified), (2, 1));
    let last = changed
        .json()
        .as_array()
        .expect("a list")
        .last()
        .expect("one")
        .clone();
    assert_eq!(last["number"], 1);
    // Only what changed since.
    let since = last["updated_at"].as_str().expect("a time");
    let recent = format!("/repos/octo-org/alpha/issues/comments?since={since}");
    let recent = get(&github, &recent).await.json();
    assert_eq!(recent[0]["body"], "new");
    assert_eq!(recent[0]["user"]["login"], "ghost");
    assert_eq!(recent.as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_answers_as_documented() {
    let github = seeded().await;
    let act = |action| github.act_on_world(action).expect("possible");
    let numbers = github.world(|world| {
        let alpha = world.repository_named("octo-org/alpha").expect("alpha");
        let issues = world
            .threads(alpha)
            .filter(|item| item.kind == ItemKind::Issue);
        issues.take(2).map(|item| item.number).collect::<Vec<_>>()
    });
    let [deleted, moved] = numbers[..] else {
        panic!("two issues")
    };
    act(Action::Delete {
        on: format!("octo-org/alpha#{deleted}").into(),
    });
    act(Action::Transfer {
        on: format!("octo-org/alpha#{moved}").into(),
        to: "Octo-Labs/beta".into(),
    });
    let issue =
        async |number| get(&github, &format!("/repos/octo-org/alpha/issues/{number}")).await;
    assert_eq!(issue(deleted).await.status, 410);
    assert_eq!(issue(9999).await.status, 404);
    let redirect = issue(moved).await;
    assert_eq!(redirect.status, 301);
    let to = redirect
        .header("location")
        .expect("an address")
        .replace(&github.url(), "");
    let there = get(&github, &to).await.json();
    assert!(
        there["html_url"]
            .as_str()
            .is_some_and(|url| url.contains("Octo-Labs/beta/issues/"))
    );
    act(Action::RenameRepository {
        repository: "octo-org/alpha".into(),
        to: "gamma".into(),
    });
    let redirect = get(&github, "/repos/octo-org/alpha/pulls?state=all").await;
    assert_eq!(redirect.status, 301);
    let to = redirect
        .header("location")
        .expect("an address")
        .replace(&github.url(), "");
    assert!(to.ends_with("/pulls?state=all"));
    assert_eq!(get(&github, &to).await.status, 200);
    act(Action::SetPrivate {
        repository: "octo-org/gamma".into(),
        private: true,
        readable: false,
    });
    assert_eq!(get(&github, "/repos/octo-org/gamma").await.status, 404);
    assert_eq!(get(&github, &to).await.status, 404);
    assert_eq!(get(&github, "/repositories/1").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_move_no_time() {
    let github = seeded().await;
    let path = "/repos/octo-org/alpha/issues/1";
    let before = get(&github, path).await.json();
    let react = |by: Option<&str>| {
        let action = Action::React {
            on: "octo-org/alpha#1".into(),
            by: by.map(str::to_owned),
            content: Content::Rocket,
            at: None,
        };
        github.act_on_world(action).expect("possible");
    };
    react(None);
    react(Some("amara"));
    react(Some("amara"));
    let after = get(&github, path).await.json();
    assert_eq!(before["updated_at"], after["updated_at"]);
    let list = get(
        &github,
        &format!("{path}/reactions?content=rocket&per_page=100"),
    )
    .await
    .json();
    let users: Vec<_> = list
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["user"]["login"])
        .collect();
    assert!(users.contains(&&Value::Null));
    let hers = users.iter().filter(|login| **login == &json!("amara"));
    assert_eq!(hers.count(), 1);
    let bot = get(&github, "/users/dependabot%5Bbot%5D").await.json();
    assert_eq!(
        (&bot["type"], &bot["login"]),
        (&json!("Bot"), &json!("dependabot[bot]"))
    );
    let owned = get(&github, "/orgs/octo-org/repos").await.json();
    assert_eq!(owned[0]["full_name"], "octo-org/alpha");
}

/// A token for the world and one for the archive see nothing private of the other's.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_can_be_separate() {
    let github = start(Options {
        source: World::seeded(&Seed::default()),
        source_token: Some("github_pat_source".to_owned()),
        ..filled()
    })
    .await;
    let hide = Action::SetPrivate {
        repository: "octo-org/alpha".into(),
        private: true,
        readable: true,
    };
    github.act_on_world(hide).expect("possible");
    let status = async |token: &str, path: &str| {
        let mut headers = headers(&github);
        headers[1].1 = format!("bearer {token}");
        let ask = Ask {
            method: "GET",
            path,
            headers,
            body: Vec::new(),
        };
        ask.send(&github).await.expect("an answer").status
    };
    let paths = [
        "/repos/octo-org/archive",
        "/repos/octo-org/alpha",
        "/repos/octo-labs/beta",
    ];
    let tokens = [
        (github.token(), [200, 404, 200]),
        (github.source_token(), [404, 200, 200]),
    ];
    for (token, expected) in &tokens {
        for (path, expected) in paths.iter().zip(expected) {
            assert_eq!(status(token, path).await, *expected, "{token} {path}");
        }
    }
}
