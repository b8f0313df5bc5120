//! Labels, milestones, releases and discussions of a world: GraphQL over them.

use serde_json::{Value, json};

use super::client::{error, query};
use super::{filled, start};
use crate::github::world::{Action, ItemKind, MarkerKind, Seed, World};
use crate::github::{Github, Options};

const QUERY: &str = "query { repository(owner: \"octo-org\", name: \"alpha\") {
    hasDiscussionsEnabled
    labels(first: 100) { totalCount nodes { id name color description isDefault createdAt updatedAt url
        issues(first: 100) { totalCount } } }
    milestones(first: 10, orderBy: {field: UPDATED_AT, direction: DESC}) { nodes { id number title state closed updatedAt
        creator { login } progressPercentage } }
    releases(first: 10) { nodes { id name tagName isDraft isPrerelease description author { login } publishedAt
        reactionGroups { content createdAt } } }
    discussions(first: 50) { totalCount nodes { id number title body updatedAt isAnswered answerChosenBy { login }
        category { id name isAnswerable } answer { id isAnswer } labels(first: 5) { totalCount } author { login }
        reactions(first: 10) { nodes { content reactable { id } } }
        comments(first: 50) { totalCount nodes { id body deletedAt url discussion { id } replyTo { id } author { login }
            replies(first: 50) { totalCount nodes { id replyTo { id } } } } } } }
    issues(first: 100) { nodes { number labels(first: 100) { nodes { name } } milestone { title } } } } }";

async fn seeded() -> Github {
    start(Options {
        source: World::seeded(&Seed {
            discussions: 60,
            ..Seed::default()
        }),
        ..filled()
    })
    .await
}

async fn asked(github: &Github) -> Value {
    let answer = query(github, QUERY, json!({})).await;
    assert!(answer["errors"].is_null(), "{}", answer["errors"]);
    answer["data"]["repository"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_query_reads_labels_milestones_releases_and_discussions() {
    let github = seeded().await;
    let found = asked(&github).await;
    let alpha = github.world(|world| {
        world
            .repository_named("octo-org/alpha")
            .expect("it")
            .clone()
    });
    let count = |kind| {
        github.world(|world| {
            let all = world.items().filter(|item| item.repository == alpha.id);
            all.filter(|item| item.kind == kind).count()
        })
    };
    let discussions = &found["discussions"];
    assert_eq!(discussions["totalCount"], count(ItemKind::Discussion));
    let nodes = discussions["nodes"].as_array().expect("nodes");
    let times: Vec<_> = nodes.iter().map(|one| one["updatedAt"].as_str()).collect();
    assert!(
        times.iter().rev().is_sorted(),
        "the last change comes first"
    );
    let comments = nodes
        .iter()
        .flat_map(|one| one["comments"]["nodes"].as_array().expect("nodes"));
    let said = comments.map(|one| 1 + one["replies"]["totalCount"].as_u64().expect("a number"));
    assert_eq!(said.sum::<u64>(), count(ItemKind::DiscussionComment) as u64);
    assert!(
        nodes
            .iter()
            .any(|one| one["isAnswered"] == true && one["answer"]["isAnswer"] == true)
    );
    assert_eq!(found["labels"]["totalCount"], 4);
    assert_eq!(
        found["milestones"]["nodes"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(found["releases"]["nodes"].as_array().map(Vec::len), Some(3));
    let issues = found["issues"]["nodes"].as_array().expect("nodes");
    assert!(issues.iter().any(|issue| !issue["milestone"].is_null()));
    assert!(
        issues
            .iter()
            .any(|issue| issue["labels"]["nodes"] != json!([]))
    );
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deleted_comments_with_replies_stay_empty_and_deleted_labels_go() {
    let github = seeded().await;
    let (comment, label) = github.world(|world| {
        let alpha = world.repository_named("octo-org/alpha").expect("it").id;
        let mut all = world.items().filter(|item| item.repository == alpha);
        let comment =
            all.find(|item| item.kind == ItemKind::DiscussionComment && !item.comments.is_empty());
        let mut labels = world.markers(alpha);
        let label = labels.find(|marker| marker.kind == MarkerKind::Label);
        (comment.expect("one").clone(), label.expect("one").clone())
    });
    for on in [comment.id, label.id] {
        github
            .act_on_world(Action::Delete { on: on.into() })
            .expect("possible");
    }
    let text = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on DiscussionComment { body deletedAt author { login }
        replies(first: 1) { totalCount } } } }";
    let answer = query(
        &github,
        text,
        json!({"ids": [comment.node_id(), label.node_id()]}),
    )
    .await;
    let left = &answer["data"]["nodes"][0];
    assert!(
        left["deletedAt"].is_string() && left["author"].is_null(),
        "{left}"
    );
    assert_eq!(left["body"], "");
    assert!(left["replies"]["totalCount"].as_u64() > Some(0));
    assert_eq!(error(&answer).0, "NOT_FOUND");
    assert_eq!(asked(&github).await["labels"]["totalCount"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn discussions_are_hidden_while_they_are_off_and_refused_without_permission() {
    let github = seeded().await;
    let set = |on, readable| {
        let repository = "octo-org/alpha".into();
        let action = Action::SetDiscussions {
            repository,
            on,
            readable,
        };
        github.act_on_world(action).expect("possible");
    };
    let before = asked(&github).await["discussions"]["totalCount"].clone();
    set(false, true);
    let found = asked(&github).await;
    assert_eq!(
        (
            &found["hasDiscussionsEnabled"],
            &found["discussions"]["totalCount"]
        ),
        (&json!(false), &json!(0))
    );
    set(true, true);
    assert_eq!(asked(&github).await["discussions"]["totalCount"], before);
    set(true, false);
    let answer = query(&github, QUERY, json!({})).await;
    assert_eq!(error(&answer).0, "FORBIDDEN");
    assert!(
        answer["data"]["repository"].is_null(),
        "the list can't be null"
    );
}
