//! Permissions, and GitHub's refusals.

use serde_json::{Value, json};

use super::client::{Ask, HOME, commit, error, get, headers, here, query};
use super::{Access, Github, Role, Visibility, filled, head, start};

async fn with(github: &Github, change: impl FnOnce(&mut Vec<(&str, String)>)) -> (u16, String) {
    let mut headers = headers(github);
    change(&mut headers);
    let ask = Ask {
        method: "GET",
        path: HOME,
        headers,
        body: Vec::new(),
    };
    let answered = ask.send(github).await.expect("an answer");
    let message = answered.json()["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    (answered.status, message)
}

async fn write(github: &Github) -> (u16, (String, String)) {
    let blob = here(github, "POST", "/git/blobs", json!({"content": "x"})).await;
    (
        blob.status,
        error(&commit(github, &head(github), &[("x", b"x")], &[]).await),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_tokens_and_user_agents() {
    let github = start(filled()).await;
    let bad = with(&github, |headers| headers[1].1 = "Bearer wrong".to_owned()).await;
    assert_eq!(bad, (401, "Bad credentials".to_owned()));
    let (status, message) = with(&github, |headers| drop(headers.remove(0))).await;
    assert_eq!(status, 403);
    assert!(message.contains("User-Agent"), "{message}");
    assert_eq!(github.violations().len(), 2);
    // Without a token, a public repository is readable and a private one doesn't exist.
    assert_eq!(
        with(&github, |headers| drop(headers.remove(1))).await.0,
        404
    );
    github.set_visibility(Visibility::Public);
    assert_eq!(
        with(&github, |headers| drop(headers.remove(1))).await.0,
        200
    );
    let anonymous = Ask {
        method: "POST",
        path: "/graphql",
        headers: vec![("user-agent", "x".to_owned())],
        body: b"{\"query\":\"{viewer{login}}\"}".to_vec(),
    };
    assert_eq!(
        anonymous.send(&github).await.expect("an answer").status,
        401
    );
    let token = github.token();
    github.set_token("another");
    assert_eq!(
        with(&github, |headers| headers[1].1 = format!("token {token}"))
            .await
            .0,
        401
    );
    assert_eq!(
        with(&github, |headers| headers[1].1 = "token another".to_owned())
            .await
            .0,
        200
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_tokens_cannot_write() {
    let github = start(filled()).await;
    github.set_access(Access::Read);
    let refused = "Resource not accessible by personal access token".to_owned();
    assert_eq!(
        write(&github).await,
        (403, ("FORBIDDEN".to_owned(), refused.clone()))
    );
    // The account's permissions aren't the token's.
    assert_eq!(get(&github, "").await.json()["permissions"]["push"], true);
    github.set_access(Access::Metadata);
    assert_eq!(get(&github, "").await.status, 200);
    assert_eq!(get(&github, "/contents/README.md").await.status, 403);
    github.set_access(Access::None);
    assert_eq!(get(&github, "").await.status, 404);
    let unseen = query(
        &github,
        "{ repository(owner: \"octo-org\", name: \"archive\") { id } }",
        Value::Null,
    )
    .await;
    assert_eq!(error(&unseen).0, "NOT_FOUND");
    assert_eq!(unseen["data"], json!({"repository": null}));
    assert_eq!(
        error(&commit(&github, &head(&github), &[], &[]).await).0,
        "NOT_FOUND"
    );
    github.set_access(Access::Write);
    github.set_role(Role::Read);
    assert_eq!(write(&github).await.0, 403);
    github.set_role(Role::Write);
    assert_eq!(write(&github).await, (201, (String::new(), String::new())));
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_repositories_and_protected_branches_reject_commits() {
    let github = start(filled()).await;
    let first = head(&github);
    github.set_archived(true);
    let message = "Repository was archived so is read-only.".to_owned();
    assert_eq!(
        write(&github).await,
        (403, ("FORBIDDEN".to_owned(), message))
    );
    assert_eq!(get(&github, "").await.json()["archived"], true);
    github.set_archived(false);
    github.set_protected("main", true);
    let (status, (kind, message)) = write(&github).await;
    assert_eq!((status, kind.as_str()), (201, "UNPROCESSABLE"));
    assert!(
        message.contains("Changes must be made through a pull request"),
        "{message}"
    );
    let put = json!({"message": "x", "content": ""});
    assert_eq!(here(&github, "PUT", "/contents/new", put).await.status, 409);
    let patch = json!({"sha": first, "force": true});
    assert_eq!(
        here(&github, "PATCH", "/git/refs/heads/main", patch)
            .await
            .status,
        422
    );
    assert_eq!(head(&github), first);
    github.set_protected("main", false);
    assert_eq!(write(&github).await.1.0, "");
    assert_ne!(head(&github), first);
}
