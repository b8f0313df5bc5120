//! GraphQL: any query within the simulated schema, strictly validated; and commits of many files.

use serde_json::{Value, json};

use super::client::{COMMIT, ask, commit, commit_input, error, query};
use super::{empty, filled, head, start};

#[tokio::test(flavor = "multi_thread")]
async fn one_query_covers_all_archive_needs() {
    let github = start(filled()).await;
    let oid = head(&github);
    let answer = query(
        &github,
        "query All($owner: String!, $name: String!, $from: String) {
           repository(owner: $owner, name: $name) {
             id nameWithOwner isPrivate visibility isEmpty isArchived viewerPermission owner { login }
             defaultBranchRef { ...Where }
             absent: ref(qualifiedName: \"refs/heads/none\") { name }
             object(expression: $from) { oid ... on Blob { text byteSize isBinary isTruncated } }
             binary: object(expression: \"main:data/one.bin\") { ... on Blob { text isBinary } }
           }
           viewer { login }
           rateLimit { remaining }
         }
         fragment Where on Ref {
           name prefix
           target { __typename oid ... on Commit {
             message tree { oid entries { path type } } file(path: \"data/one.bin\") { path size type mode }
             history(first: 1) { totalCount nodes { oid } pageInfo { hasNextPage } }
           } }
         }",
        json!({"owner": "octo-org", "name": "archive", "from": "main:README.md"}),
    )
    .await;
    assert_eq!(answer.get("errors"), None, "{answer}");
    let found = &answer["data"]["repository"];
    assert_eq!(
        (&found["visibility"], &found["isPrivate"]),
        (&json!("PRIVATE"), &json!(true))
    );
    assert_eq!(found["viewerPermission"], "ADMIN");
    let branch = &found["defaultBranchRef"];
    assert_eq!(
        (&branch["name"], &branch["prefix"]),
        (&json!("main"), &json!("refs/heads/"))
    );
    let target = &branch["target"];
    assert_eq!(
        (&target["__typename"], &target["oid"]),
        (&json!("Commit"), &json!(oid))
    );
    assert_eq!(
        target["file"],
        json!({"path": "data/one.bin", "size": 4, "type": "blob", "mode": 0o100_644})
    );
    assert_eq!(target["history"]["totalCount"], 1);
    assert_eq!(found["absent"], Value::Null);
    assert_eq!(found["object"]["text"], "# archive\n");
    assert_eq!(found["binary"], json!({"text": null, "isBinary": true}));
    // Without limits there is no budget to report.
    assert_eq!(answer["data"]["rateLimit"], Value::Null);
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_queries_outside_the_schema() {
    let github = start(filled()).await;
    for document in [
        "{ repository(owner: \"octo-org\", name: \"archive\") { colour } }",
        "{ repository(owner: \"octo-org\") { id } }",
        "{ repository(owner: \"octo-org\", name: \"archive\") }",
        "mutation { createCommitOnBranch(input: {branch: {branchName: \"main\"}, expectedHeadOid: \"x\"}) { commit { oid } } }",
        "{ viewer { login ",
    ] {
        let answer = query(&github, document, Value::Null).await;
        assert_eq!(answer.get("data"), None, "{document}: {answer}");
        assert!(!error(&answer).1.is_empty(), "{document}");
    }
    assert_eq!(github.violations().len(), 5);
    let not_json = ask(&github, "POST", "/graphql", json!("text")).await;
    assert_eq!(not_json.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_require_the_expected_head() {
    let github = start(filled()).await;
    let first = head(&github);
    let done = commit(&github, &first, &[("a/b.txt", b"b")], &["README.md"]).await;
    let payload = &done["data"]["createCommitOnBranch"];
    assert_eq!(payload["ref"]["target"]["oid"], json!(head(&github)));
    assert_eq!(payload["clientMutationId"], "one");
    assert_eq!(
        github.message_of("main").expect("git"),
        "Change\n\nFor a reason."
    );
    let stale = commit(&github, &first, &[("c", b"c")], &[]).await;
    assert_eq!(stale["data"], json!({"createCommitOnBranch": null}));
    let (kind, message) = error(&stale);
    assert_eq!(kind, "STALE_DATA");
    assert_eq!(
        message,
        format!("Expected branch to point to \"{first}\" but it did not.  Pull and try again.")
    );
    assert_eq!(stale["errors"][0]["path"], json!(["createCommitOnBranch"]));
    assert_eq!(github.history("main").expect("git").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn rejects_invalid_changes_completely() {
    let github = start(filled()).await;
    let first = head(&github);
    let (kind, message) =
        error(&commit(&github, &first, &[("new", b"x")], &["README.md", "absent"]).await);
    assert_eq!(kind, "NOT_FOUND");
    assert!(
        message
            .starts_with("A path was requested for deletion which does not exist as of commit oid")
    );
    for path in ["/absolute", "a//b", "../up", ".git/config", ""] {
        let (kind, _) = error(&commit(&github, &first, &[(path, b"x")], &[]).await);
        assert_eq!(kind, "UNPROCESSABLE", "{path}");
    }
    let mut input = commit_input(&first, &[("a", b"a")], &[]);
    input["input"]["fileChanges"]["additions"][0]["contents"] = json!("no base64!");
    let answer = query(&github, COMMIT, input).await;
    assert!(error(&answer).1.contains("Base64String"), "{answer}");
    let mut input = commit_input(&first, &[], &[]);
    input["input"]["branch"]["branchName"] = json!("none");
    assert_eq!(error(&query(&github, COMMIT, input).await).0, "NOT_FOUND");
    assert_eq!(head(&github), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_repositories_have_no_branch_to_commit_to() {
    let github = start(empty()).await;
    let document = "{ repository(owner: \"octo-org\", name: \"archive\") { isEmpty defaultBranchRef { name } object(expression: \"HEAD\") { oid } } }";
    let answer = query(&github, document, Value::Null).await;
    let expected = json!({"isEmpty": true, "defaultBranchRef": null, "object": null});
    assert_eq!(answer, json!({"data": {"repository": expected}}));
    let refused = commit(&github, &"0".repeat(40), &[("a", b"a")], &[]).await;
    assert_eq!(error(&refused).0, "NOT_FOUND");
}

/// `updateRefs` creates, resets, moves and deletes, all or nothing.
#[tokio::test(flavor = "multi_thread")]
async fn refs_change_together_or_not_at_all() {
    let github = start(filled()).await;
    let first = head(&github);
    let second = github.commit_as_somebody([("b", "b")]).expect("git");
    let asked = "{ repository(owner: \"octo-org\", name: \"archive\") { id } }";
    let id = query(&github, asked, Value::Null).await["data"]["repository"]["id"].clone();
    let update = async |updates: Value| {
        let text = "mutation($i: UpdateRefsInput!) { updateRefs(input: $i) { clientMutationId } }";
        let input = json!({"i": {"repositoryId": id, "refUpdates": updates}});
        query(&github, text, input).await
    };
    let absent = "0".repeat(40);
    let side = "refs/heads/a/side";
    let head_of = |name: &str| github.head_of(name).expect("git");

    let made = update(json!([{"name": side, "beforeOid": absent, "afterOid": first}])).await;
    assert_eq!(made.get("errors"), None, "{made}");
    assert_eq!(github.branches().expect("git"), ["a/side", "main"]);
    // It is there by now.
    let again = update(json!([{"name": side, "beforeOid": absent, "afterOid": first}])).await;
    let (kind, message) = error(&again);
    assert_eq!(kind, "UNPROCESSABLE");
    let says = format!("Ref {side} is at {first} but expected {absent}");
    assert_eq!(message, says);
    let forward = update(json!([{"name": side, "afterOid": second}])).await;
    assert_eq!(forward.get("errors"), None, "{forward}");
    let back = |force| json!([{"name": side, "afterOid": first, "force": force}]);
    assert_eq!(
        error(&update(back(false)).await).1,
        "Update is not a fast forward"
    );
    assert_eq!(update(back(true)).await.get("errors"), None);
    assert_eq!(head_of("a/side"), Some(first.clone()));

    // One that does not fit keeps the other where it is.
    let both = |before: &str| {
        json!([
            {"name": "refs/heads/main", "beforeOid": second, "afterOid": first, "force": true},
            {"name": side, "beforeOid": before, "afterOid": absent},
        ])
    };
    assert_eq!(error(&update(both(&second)).await).0, "UNPROCESSABLE");
    assert_eq!(
        (head_of("main"), head_of("a/side")),
        (Some(second.clone()), Some(first.clone()))
    );
    assert_eq!(update(both(&first)).await.get("errors"), None);
    assert_eq!(
        (head_of("main"), head_of("a/side")),
        (Some(first.clone()), None)
    );

    github.set_creations_restricted(true);
    let refused = update(json!([{"name": side, "afterOid": first}])).await;
    let (kind, message) = error(&refused);
    assert_eq!(kind, "UNPROCESSABLE");
    assert!(
        message.contains("Cannot create ref due to creations being restricted"),
        "{message}"
    );
    let moved = update(json!([{"name": "refs/heads/main", "afterOid": second}])).await;
    assert_eq!(moved.get("errors"), None, "{moved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn creates_moves_and_deletes_refs() {
    let github = start(filled()).await;
    let first = head(&github);
    let second = github.commit_as_somebody([("b", "b")]).expect("git");
    let ids = query(&github, "{ repository(owner: \"octo-org\", name: \"archive\") { id ref(qualifiedName: \"main\") { id } } }", Value::Null).await;
    let (repository, main) = (
        &ids["data"]["repository"]["id"],
        &ids["data"]["repository"]["ref"]["id"],
    );
    let create = "mutation($i: CreateRefInput!) { createRef(input: $i) { ref { id name } } }";
    let input = json!({"i": {"repositoryId": repository, "name": "refs/heads/side", "oid": first}});
    let made = query(&github, create, input.clone()).await;
    assert_eq!(made["data"]["createRef"]["ref"]["name"], "side");
    assert_eq!(
        error(&query(&github, create, input).await).0,
        "UNPROCESSABLE"
    );
    let update = "mutation($i: UpdateRefInput!) { updateRef(input: $i) { ref { name } } }";
    let back = json!({"i": {"refId": main, "oid": first}});
    assert_eq!(
        error(&query(&github, update, back).await).1,
        "Update is not a fast forward"
    );
    let back = json!({"i": {"refId": main, "oid": first, "force": true}});
    assert_eq!(query(&github, update, back).await.get("errors"), None);
    assert_eq!(head(&github), first);
    let updates = "mutation($i: UpdateRefsInput!) { updateRefs(input: $i) { clientMutationId } }";
    let both = |before: &str| {
        let all = json!([
            {"name": "refs/heads/main", "beforeOid": before, "afterOid": second},
            {"name": "refs/heads/side", "afterOid": "0".repeat(40)},
        ]);
        query(
            &github,
            updates,
            json!({"i": {"repositoryId": repository, "refUpdates": all}}),
        )
    };
    assert_eq!(error(&both(&second).await).0, "UNPROCESSABLE");
    assert_eq!(github.head_of("side").expect("git"), Some(first.clone()));
    assert_eq!(both(&first).await.get("errors"), None);
    assert_eq!(head(&github), second);
    assert_eq!(github.head_of("side").expect("git"), None);
}
