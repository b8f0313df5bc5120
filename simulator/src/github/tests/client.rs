//! A minimal client over plain TCP.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::github::Github;

/// The repository's path in the API.
pub(super) const HOME: &str = "/repos/octo-org/archive";

/// A response: status, header lines, body.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = |line: &'_ str| {
            line.split_once(": ")
                .is_some_and(|half| half.0.eq_ignore_ascii_case(name))
        };
        let line = self.head.lines().find(|line| found(line))?;
        line.split_once(": ").map(|(_, value)| value)
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub(super) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .expect("a message")
            .to_owned()
    }
}

/// A request as sent.
pub(super) struct Ask<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) headers: Vec<(&'a str, String)>,
    pub(super) body: Vec<u8>,
}

impl Ask<'_> {
    /// Sends it; an error if the connection breaks before the complete response.
    pub(super) async fn send(self, github: &Github) -> anyhow::Result<Answered> {
        let url = github.url();
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
        let mut request = format!(
            "{} {} HTTP/1.1\r\nhost: simulator\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            write!(request, "{name}: {value}\r\n")?;
        }
        let length = self.body.len();
        write!(
            request,
            "content-length: {length}\r\nconnection: close\r\n\r\n"
        )?;
        stream.write_all(request.as_bytes()).await?;
        stream.write_all(&self.body).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let end = answer.windows(4).position(|pair| pair == b"\r\n\r\n");
        let end = end.ok_or_else(|| anyhow::anyhow!("no answer"))?;
        let head = String::from_utf8(answer[..end].to_vec())?;
        let answered = Answered {
            status: head.split(' ').nth(1).unwrap_or_default().parse()?,
            body: answer[end + 4..].to_vec(),
            head,
        };
        let length = answered
            .header("content-length")
            .and_then(|header| header.parse().ok());
        anyhow::ensure!(
            matches!(answered.status, 204 | 304) || length == Some(answered.body.len()),
            "the answer was cut off"
        );
        Ok(answered)
    }
}

/// The headers of a well-behaved client.
pub(super) fn headers(github: &Github) -> Vec<(&'static str, String)> {
    vec![
        ("user-agent", "tests".to_owned()),
        ("authorization", format!("Bearer {}", github.token())),
        ("accept", "application/vnd.github+json".to_owned()),
    ]
}

pub(super) async fn try_ask(
    github: &Github,
    method: &str,
    path: &str,
    body: Value,
) -> anyhow::Result<Answered> {
    let ask = Ask {
        method,
        path,
        headers: headers(github),
        body: if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        },
    };
    ask.send(github).await
}

pub(super) async fn ask(github: &Github, method: &str, path: &str, body: Value) -> Answered {
    try_ask(github, method, path, body)
        .await
        .expect("an answer")
}

/// A request within the repository.
pub(super) async fn here(github: &Github, method: &str, path: &str, body: Value) -> Answered {
    ask(github, method, &format!("{HOME}{path}"), body).await
}

pub(super) async fn get(github: &Github, path: &str) -> Answered {
    here(github, "GET", path, Value::Null).await
}

/// The raw bytes at a path.
pub(super) async fn raw(github: &Github, path: &str) -> Answered {
    let mut headers = headers(github);
    headers[2].1 = "application/vnd.github.raw+json".to_owned();
    let path = format!("{HOME}{path}");
    let ask = Ask {
        method: "GET",
        path: &path,
        headers,
        body: Vec::new(),
    };
    ask.send(github).await.expect("an answer")
}

pub(super) async fn query(github: &Github, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let answered = ask(github, "POST", "/graphql", body).await;
    assert_eq!(answered.status, 200, "{:?}", answered.json());
    answered.json()
}

pub(super) const COMMIT: &str = "mutation($input: CreateCommitOnBranchInput!) { createCommitOnBranch(input: $input) { commit { oid url } ref { name target { oid } } clientMutationId } }";

/// The input of `createCommitOnBranch`.
pub(super) fn commit_input(expected: &str, add: &[(&str, &[u8])], delete: &[&str]) -> Value {
    let additions: Vec<_> = add
        .iter()
        .map(|(path, bytes)| json!({"path": path, "contents": STANDARD.encode(bytes)}))
        .collect();
    let deletions: Vec<_> = delete.iter().map(|path| json!({"path": path})).collect();
    json!({"input": {
        "branch": {"repositoryNameWithOwner": "octo-org/archive", "branchName": "main"},
        "message": {"headline": "Change", "body": "For a reason."},
        "expectedHeadOid": expected,
        "fileChanges": {"additions": additions, "deletions": deletions},
        "clientMutationId": "one",
    }})
}

/// Commits over GraphQL.
pub(super) async fn commit(
    github: &Github,
    expected: &str,
    add: &[(&str, &[u8])],
    delete: &[&str],
) -> Value {
    query(github, COMMIT, commit_input(expected, add, delete)).await
}

/// The type and message of the first error.
pub(super) fn error(answer: &Value) -> (String, String) {
    let error = &answer["errors"][0];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("type"), text("message"))
}
