//! A bare repository, by its path and over http from `git http-backend`, with faults at the server.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use propsbot_backends::{ArchiveSpec, GitAccess, GitArchive, GitPlace};
use propsbot_network::Network;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

use crate::mirror::spawn;

/// What goes wrong at a request.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The server answers with this status and does nothing.
    Status(u16),
    /// The server does what is asked, but answers with this status.
    DoneBut(u16),
    /// Someone else commits first.
    Overtaken,
    /// The server does what is asked, and never answers.
    Silent,
    /// The server never does anything.
    Dead,
}

/// A git host.
pub(crate) struct Host {
    folder: TempDir,
    url: String,
    state: Arc<Server>,
    serving: JoinHandle<()>,
}

struct Server {
    root: PathBuf,
    /// What a login has to have; `None` if everyone can read and write.
    token: Option<String>,
    /// Whether everyone can read, and only writing takes the token.
    is_public: AtomicBool,
    requests: AtomicUsize,
    /// From which request on what goes wrong, and how many times.
    fault: Mutex<Option<(usize, usize, Fault)>>,
    /// How much was answered and how much was asked, in bytes.
    sent: AtomicU64,
    received: AtomicU64,
    arrived: Notify,
}

/// Runs git in this folder, and returns its output.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let (is_success, output) = try_git(folder, arguments, b"");
    assert!(is_success, "git {arguments:?}");
    output
}

fn try_git(folder: &Path, arguments: &[&str], input: &[u8]) -> (bool, String) {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = spawn(&mut command);
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    (output.status.success(), stdout)
}

impl Host {
    /// A host with an empty repository, which asks for this token.
    pub(crate) async fn start(token: Option<&str>) -> Self {
        Self::with_format(token, "sha1").await
    }

    pub(crate) async fn with_format(token: Option<&str>, format: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let format = format!("--object-format={format}");
        let init = [
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=trunk",
            &format,
            "archive.git",
        ];
        git(folder.path(), &init);
        let state = Arc::new(Server {
            root: folder.path().to_owned(),
            token: token.map(str::to_owned),
            is_public: AtomicBool::new(false),
            requests: AtomicUsize::new(0),
            fault: Mutex::default(),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            arrived: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/archive.git", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&state));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            folder,
            url,
            state,
            serving,
        }
    }

    /// The repository.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("archive.git")
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The same at an address that isn't known to be near: Linux connects 0.0.0.0 to this machine.
    pub(crate) fn far_url(&self) -> String {
        self.url.replace("127.0.0.1", "0.0.0.0")
    }

    /// Lets everyone read the repository, or only those with the token.
    pub(crate) fn make_public(&self, is_public: bool) {
        self.state.is_public.store(is_public, Ordering::SeqCst);
    }

    /// The archive over http. `suffix` is its branch and folder.
    pub(crate) fn archive(&self, suffix: &str) -> GitArchive {
        let access = GitAccess {
            token: self.state.token.clone(),
            ..GitAccess::default()
        };
        open(&format!("{}{suffix}", self.url), &access)
    }

    /// The archive by its path.
    pub(crate) fn local(&self, suffix: &str) -> GitArchive {
        let path = self.path();
        open(
            &format!("{}{suffix}", path.display()),
            &GitAccess::default(),
        )
    }

    /// Lets something go wrong at a request, counted from now, and at those that follow.
    pub(crate) fn fail(&self, after: usize, times: usize, fault: Fault) {
        let first = self.requests() + after;
        *self.state.fault.lock().unwrap() = Some((first, times, fault));
    }

    pub(crate) fn heal(&self) {
        *self.state.fault.lock().unwrap() = None;
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    /// How many bytes were sent.
    pub(crate) fn sent(&self) -> u64 {
        self.state.sent.load(Ordering::SeqCst)
    }

    /// How many bytes arrived.
    pub(crate) fn received(&self) -> u64 {
        self.state.received.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have arrived.
    pub(crate) async fn reached(&self, requests: usize) {
        loop {
            let arrived = self.state.arrived.notified();
            if self.requests() >= requests {
                return;
            }
            arrived.await;
        }
    }

    /// How many commits a branch has.
    pub(crate) fn commits(&self, branch: &str) -> usize {
        let (is_there, count) = try_git(&self.path(), &["rev-list", "--count", branch, "--"], b"");
        if is_there {
            count.trim().parse().unwrap()
        } else {
            0
        }
    }

    /// The files of a branch below a folder, without git's own.
    pub(crate) fn files(&self, branch: &str, folder: &str) -> BTreeSet<String> {
        let listed = git(
            &self.path(),
            &["ls-tree", "-r", "--name-only", "--full-tree", branch],
        );
        let folder = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let own = listed.lines().filter_map(|line| line.strip_prefix(&folder));
        own.filter(|path| *path != ".gitattributes")
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn commit_as_somebody(&self, branch: &str, files: &BTreeMap<String, Vec<u8>>) {
        commit(&self.path(), branch, files);
    }

    /// Makes the repository refuse every push, like a protected branch.
    pub(crate) fn protect(&self) {
        let hook = self.path().join("hooks/pre-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(
            &hook,
            "#!/bin/sh\necho 'You are not allowed to push to protected branches'\nexit 1\n",
        )
        .unwrap();
        let mut chmod = Command::new("chmod");
        assert!(spawn(chmod.arg("+x").arg(hook)).wait().unwrap().success());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// The archive at `git:` and this place.
pub(crate) fn open(place: &str, access: &GitAccess) -> GitArchive {
    GitArchive::new(parse(place), access, &Network::default(), None).unwrap()
}

pub(crate) fn parse(place: &str) -> GitPlace {
    match format!("git:{place}").parse() {
        Ok(ArchiveSpec::Git(place)) => place,
        other => panic!("{other:?}"),
    }
}

fn commit(path: &Path, branch: &str, files: &BTreeMap<String, Vec<u8>>) {
    let name = format!("refs/heads/{branch}");
    let is_there = try_git(path, &["rev-parse", "--quiet", "--verify", &name], b"").0;
    let mut stream =
        format!("commit {name}\ncommitter somebody <s@example.org> now\ndata 6\ntheirs\n")
            .into_bytes();
    if is_there {
        stream.extend_from_slice(format!("from {name}^0\n").as_bytes());
    }
    for (path, bytes) in files {
        stream.extend_from_slice(
            format!("M 100644 inline {path}\ndata {}\n", bytes.len()).as_bytes(),
        );
        stream.extend_from_slice(bytes);
        stream.push(b'\n');
    }
    let import = ["fast-import", "--quiet", "--date-format=now"];
    assert!(try_git(path, &import, &stream).0);
}

async fn serve(State(server): State<Arc<Server>>, request: Request) -> Response {
    let number = server.requests.fetch_add(1, Ordering::SeqCst);
    server.arrived.notify_waiters();
    let fault = server.fault.lock().unwrap().clone();
    let fault = fault.filter(|(first, times, _)| number >= *first && number - first < *times);
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let length = body.len() as u64;
    server.received.fetch_add(length, Ordering::SeqCst);
    let is_reading = parts.uri.to_string().ends_with("git-upload-pack");
    if let Some(token) = &server.token
        && !has_token(&parts.headers, token)
        && !(is_reading && server.is_public.load(Ordering::SeqCst))
    {
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"")];
        return (StatusCode::UNAUTHORIZED, ask).into_response();
    }
    let status = |code: u16| StatusCode::from_u16(code).unwrap().into_response();
    let handled = async {
        let (root, headers) = (server.root.clone(), parts.headers.clone());
        let (method, uri) = (parts.method.to_string(), parts.uri.clone());
        let answered = tokio::task::spawn_blocking(move || {
            let query = uri.query().unwrap_or_default();
            backend(&root, &method, uri.path(), query, &headers, &body)
        });
        let answer = answered.await.unwrap();
        server
            .sent
            .fetch_add(answer.1.len() as u64, Ordering::SeqCst);
        answer
    };
    match fault.map(|(.., fault)| fault) {
        Some(Fault::Status(code)) => return status(code),
        Some(Fault::DoneBut(code)) => {
            handled.await;
            return status(code);
        }
        Some(Fault::Overtaken) => {
            let files = [("theirs.txt".to_owned(), number.to_string().into_bytes())];
            commit(&server.root.join("archive.git"), "trunk", &files.into());
        }
        Some(Fault::Silent) => {
            handled.await;
            tokio::time::sleep(Duration::from_hours(1)).await;
            return status(500);
        }
        Some(Fault::Dead) => {
            tokio::time::sleep(Duration::from_hours(1)).await;
            return status(500);
        }
        None => {}
    }
    let (head, body) = handled.await;
    let mut answer = Response::builder();
    for line in head.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        answer = match name {
            "Status" => answer.status(&value[..3]),
            _ => answer.header(name, value),
        };
    }
    answer.body(Body::from(body)).unwrap()
}

fn has_token(headers: &HeaderMap, token: &str) -> bool {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok());
    let given = given.and_then(|given| String::from_utf8(given).ok());
    given.is_some_and(|given| {
        given
            .split_once(':')
            .is_some_and(|(_, password)| password == token)
    })
}

/// Runs `git http-backend`, a CGI program; returns its headers and body.
fn backend(
    root: &Path,
    method: &str,
    path: &str,
    query: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> (String, Bytes) {
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let mut command = Command::new("git");
    command
        .arg("http-backend")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("REMOTE_USER", "somebody")
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REQUEST_METHOD", method)
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("CONTENT_TYPE", header("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = spawn(&mut command);
    let (mut stdin, body) = (child.stdin.take().unwrap(), body.clone());
    let writing = std::thread::spawn(move || {
        // It may not want all of it.
        let _ = stdin.write_all(&body);
    });
    let output = child.wait_with_output().unwrap().stdout;
    writing.join().unwrap();
    let end = output
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("headers");
    let head = String::from_utf8(output[..end].to_vec()).unwrap();
    (head, Bytes::from(output).slice(end + 4..))
}
