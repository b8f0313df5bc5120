//! A world of repositories as a source of data: GraphQL over it.

use std::time::Instant;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::client::{error, query};
use super::{filled, start};
use crate::github::world::{Action, Content, ItemKind, Seed, World};
use crate::github::{Github, Options};

async fn seeded(seed: Seed) -> Github {
    start(Options {
        source: World::seeded(&seed),
        ..filled()
    })
    .await
}

/// All issues of a repository, page by page.
async fn all_issues(github: &Github, size: usize, order: &str) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let text = format!(
            "query($after: String) {{ repository(owner: \"octo-org\", name: \"alpha\") {{
               issues(first: {size}, after: $after, orderBy: {order}) {{
                 totalCount nodes {{ id number updatedAt }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
        );
        let answer = query(github, &text, json!({"after": cursor})).await;
        let page = &answer["data"]["repository"]["issues"];
        let nodes = page["nodes"].as_array().expect("nodes");
        found.extend(nodes.iter().cloned());
        if page["pageInfo"]["hasNextPage"] != true {
            assert_eq!(page["totalCount"], json!(found.len()));
            return found;
        }
        cursor = page["pageInfo"]["endCursor"].clone();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_cover_everything_in_either_direction() {
    let github = seeded(Seed::default()).await;
    let expected = github.world(|world| {
        let alpha = world.repository_named("octo-org/alpha").expect("alpha");
        let threads = world.threads(alpha);
        threads.filter(|item| item.kind == ItemKind::Issue).count()
    });
    assert!(expected > 10);
    let up = all_issues(&github, 7, "{field: CREATED_AT, direction: ASC}").await;
    let mut down = all_issues(&github, 100, "{field: CREATED_AT, direction: DESC}").await;
    assert_eq!(up.len(), expected);
    down.reverse();
    assert_eq!(up, down);
    let by_update = all_issues(&github, 5, "{field: UPDATED_AT, direction: ASC}").await;
    let times: Vec<_> = by_update
        .iter()
        .map(|one| one["updatedAt"].as_str())
        .collect();
    assert!(times.is_sorted() && times.len() == expected);
    assert_eq!(github.violations(), [""; 0]);
}

#[expect(
    clippy::too_many_lines,
    reason = "a world, and one query over all of it"
)]
#[tokio::test(flavor = "multi_thread")]
async fn one_query_reads_everything_about_an_issue_and_a_pull_request() {
    let github = start(filled()).await;
    let act = |action| github.act_on_world(action).expect("possible");
    act(Action::Repository {
        name: "Octo-Labs/Beta".into(),
    });
    for login in ["ana", "ben"] {
        act(Action::Account {
            login: login.into(),
            kind: crate::github::world::AccountKind::User,
        });
    }
    let by = |login: &str| Some(login.to_owned());
    act(Action::Commit {
        repository: "octo-labs/beta".into(),
        message: "First\n\nCo-authored-by: Ben <ben@example.org>".into(),
        by: by("ana"),
        name: Some("Ana A.".into()),
        at: Some(1_700_000_000),
    });
    let pull = act(Action::Pull {
        repository: "octo-labs/beta".into(),
        by: by("ben"),
        title: "Add".into(),
        body: "Adds it.".into(),
        at: None,
    });
    let review = act(Action::Review {
        on: pull.into(),
        by: by("ana"),
        state: crate::github::world::ReviewState::Approved,
        body: "Good".into(),
        at: None,
    });
    let said = act(Action::ReviewComment {
        on: review.into(),
        by: None,
        body: "Here".into(),
        at: None,
    });
    for user in [None, by("ben")] {
        act(Action::React {
            on: said.into(),
            by: user,
            content: Content::Heart,
            at: None,
        });
    }
    act(Action::Merge {
        on: pull.into(),
        by: by("ana"),
        message: None,
    });
    let answer = query(
        &github,
        "{ repository(owner: \"octo-labs\", name: \"beta\") {
             nameWithOwner owner { __typename login }
             pullRequest(number: 1) {
               url state merged mergeCommit { message } author { login ... on User { databaseId } }
               participants(first: 9) { nodes { login } }
               reviewThreads(first: 9) { nodes { isResolved path comments(first: 1) { nodes { body } } } }
               latestReviews(first: 9) { nodes { body } }
               reviews(first: 1) { nodes { state comments(first: 1) { nodes {
                 url author { login }
                 reactionGroups { content reactors(first: 3) { totalCount } }
                 reactions(first: 5) { nodes { content user { login } } }
               } } } }
             }
             defaultBranchRef { target { ... on Commit { history(first: 9) {
               totalCount nodes { messageHeadline authors(first: 5) { nodes { name user { login } } } parents(first: 5) { totalCount } }
             } } } }
             labels(first: 1) { totalCount } description
         } }",
        Value::Null,
    )
    .await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    let found = &answer["data"]["repository"];
    assert_eq!(found["nameWithOwner"], "Octo-Labs/Beta");
    let shown = &found["pullRequest"];
    assert_eq!(shown["url"], "https://github.com/Octo-Labs/Beta/pull/1");
    assert_eq!(
        (&shown["state"], &shown["merged"]),
        (&json!("MERGED"), &json!(true))
    );
    assert_eq!(shown["mergeCommit"]["message"], "Add (#1)");
    let logins = &shown["participants"]["nodes"];
    assert_eq!(logins, &json!([{"login": "ana"}, {"login": "ben"}]));
    let thread = &shown["reviewThreads"]["nodes"][0];
    assert_eq!(thread["comments"]["nodes"], json!([{"body": "Here"}]));
    assert_eq!(shown["latestReviews"]["nodes"], json!([{"body": "Good"}]));
    let comment = &shown["reviews"]["nodes"][0]["comments"]["nodes"][0];
    assert_eq!(comment["author"], Value::Null);
    assert_eq!(
        comment["reactions"]["nodes"],
        json!([{"content": "HEART", "user": null}, {"content": "HEART", "user": {"login": "ben"}}])
    );
    assert_eq!(comment["reactionGroups"][5]["reactors"]["totalCount"], 1);
    let history = &found["defaultBranchRef"]["target"]["history"];
    assert_eq!(history["totalCount"], 2);
    let first = &history["nodes"][1];
    assert_eq!(
        first["authors"]["nodes"],
        json!([{"name": "Ana A.", "user": {"login": "ana"}}, {"name": "Ben", "user": {"login": "ben"}}])
    );
    assert_eq!(found["labels"]["totalCount"], 0);
    // What isn't there is an error beside the rest.
    let text = format!(
        "{{ nodes(ids: [\"{}\", \"I_nothing\"]) {{ __typename id }} }}",
        "R_kgDOAAAAAA"
    );
    let answer = query(&github, &text, Value::Null).await;
    assert_eq!(answer["data"]["nodes"], json!([null, null]));
    assert_eq!(error(&answer).0, "NOT_FOUND");
    assert_eq!(answer["errors"][1]["path"], json!(["nodes", 1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_is_gone_and_what_is_renamed_is_found() {
    let github = seeded(Seed::default()).await;
    let (issue, node, repository) = github.world(|world| {
        let alpha = world.repository_named("octo-org/alpha").expect("alpha");
        let mut threads = world.threads(alpha);
        let issue = threads
            .find(|item| item.kind == ItemKind::Issue)
            .expect("one");
        (issue.id, issue.node_id(), alpha.node_id())
    });
    let act = |action| github.act_on_world(action).expect("possible");
    let text = "query($ids: [ID!]!) { nodes(ids: $ids) { id __typename ... on Repository { nameWithOwner } } }";
    let ask = async |ids: Value| query(&github, text, json!({"ids": ids})).await;
    act(Action::RenameRepository {
        repository: "octo-org/alpha".into(),
        to: "gamma".into(),
    });
    let answer = ask(json!([repository, node])).await;
    assert_eq!(
        answer["data"]["nodes"][0]["nameWithOwner"],
        "octo-org/gamma"
    );
    assert_eq!(answer["data"]["nodes"][1]["id"], json!(node));
    let former = "{ repository(owner: \"octo-org\", name: \"ALPHA\") { name } }";
    assert_eq!(
        query(&github, former, Value::Null).await["data"]["repository"]["name"],
        "gamma"
    );
    let moved = act(Action::Transfer {
        on: issue.into(),
        to: "Octo-Labs/beta".into(),
    });
    let new = github.world(|world| world.item(moved).expect("it").node_id());
    let answer = ask(json!([node, new])).await;
    assert_eq!(answer["data"]["nodes"][0], Value::Null);
    assert_eq!(answer["data"]["nodes"][1]["__typename"], "Issue");
    act(Action::SetPrivate {
        repository: "Octo-Labs/beta".into(),
        private: true,
        readable: false,
    });
    assert_eq!(error(&ask(json!([new])).await).0, "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_have_limits() {
    let github = seeded(Seed::default()).await;
    let repository = |inner: &str| {
        format!("{{ repository(owner: \"octo-org\", name: \"alpha\") {{ {inner} }} }}")
    };
    for (inner, kind) in [
        ("issues { nodes { id } }", "MISSING_PAGINATION_BOUNDARIES"),
        (
            "issues(first: 101) { nodes { id } }",
            "EXCESSIVE_PAGINATION",
        ),
        (
            "issues(first: 1, after: \"x\") { nodes { id } }",
            "INVALID_CURSOR_ARGUMENTS",
        ),
        ("issue(number: 99999) { id }", "NOT_FOUND"),
        (
            "issues(first: 1) { nodes { timelineItems(first: 1) { totalCount } } }",
            "INTERNAL",
        ),
    ] {
        let answer = query(&github, &repository(inner), Value::Null).await;
        assert_eq!(error(&answer).0, kind, "{inner}: {answer}");
    }
    // The number alone needs no page.
    let answer = query(&github, &repository("issues { totalCount }"), Value::Null).await;
    assert_eq!(answer.get("errors"), None);
    let nodes = "issues(first: 100) { nodes { comments(first: 100) { nodes { reactions(first: 100) { totalCount } } } } }";
    let answer = query(&github, &repository(nodes), Value::Null).await;
    assert_eq!(error(&answer).0, "MAX_NODE_LIMIT_EXCEEDED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_github_s() {
    let github = start(filled()).await;
    let text = "{ __type(name: \"SponsorsListing\") { kind fields { name } } }";
    let answer = query(&github, text, Value::Null).await;
    assert_eq!(answer["data"]["__type"]["kind"], "OBJECT");
}

/// Equal seeds give equal worlds; and making them is no burden on tests.
#[test]
fn worlds_come_from_their_seeds() {
    let seed = Seed {
        until: Some(1_760_000_000),
        ..Seed::default()
    };
    let (one, two) = (World::seeded(&seed), World::seeded(&seed));
    assert!(one.items().eq(two.items()) && one.repositories().eq(two.repositories()));
    let large = Seed {
        issues: 10_000,
        comments: 50_000,
        ..seed
    };
    let started = Instant::now();
    assert!(World::seeded(&large).items().count() >= 60_000);
    println!("60,000 items in {:?}", started.elapsed());
}

/// Whatever happens, everything that exists is found by its id and in its place, and nothing else is.
#[tokio::test(flavor = "multi_thread")]
async fn random_lives_leave_a_sound_world() {
    let github = seeded(Seed::default()).await;
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let done = (0..600).filter(|_| github.live(&mut rng)).count();
    assert!(done > 500, "{done}");
    let ids: Vec<String> = github.world(|world| {
        for item in world.items() {
            let home = world.repository(item.repository).expect("its repository");
            let thread = world.thread_of(item).expect("its thread");
            let is_listed = match thread.kind {
                ItemKind::Discussion => home.discussions.contains(&thread.id),
                ItemKind::Release => home.releases.contains(&thread.id),
                _ => world.thread(home, thread.number) == Some(thread),
            };
            assert!(is_listed, "{thread:?}");
            for id in &item.markers {
                let marker = world.marker(*id).expect("its marker");
                assert_eq!(marker.repository, item.repository);
            }
            assert_eq!(
                (thread.number, thread.repository),
                (item.number, item.repository)
            );
        }
        world
            .items()
            .map(crate::github::world::Item::node_id)
            .collect()
    });
    let text = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Comment { body } ... on Reactable { reactions(first: 100) { totalCount } } } }";
    for some in ids.chunks(100) {
        let answer = query(&github, text, json!({"ids": some})).await;
        assert_eq!(answer.get("errors"), None, "{answer}");
        let found = answer["data"]["nodes"].as_array().expect("nodes").iter();
        assert!(
            found
                .map(|node| node["id"].as_str())
                .eq(some.iter().map(|id| Some(id.as_str())))
        );
    }
    let lists = github.world(|world| {
        world
            .repositories()
            .map(|home| {
                let threads = home.numbers.len() + home.discussions.len() + home.releases.len();
                threads + home.comments.len() + home.review_comments.len()
            })
            .sum::<usize>()
    });
    let others = github.world(|world| {
        let others = [ItemKind::Review, ItemKind::DiscussionComment];
        let all = world.items();
        all.filter(|item| others.contains(&item.kind)).count()
    });
    assert_eq!(lists + others, ids.len());
}
