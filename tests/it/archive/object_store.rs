//! A third-party S3 server on loopback, behind a proxy that can lose requests and responses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use propsbot_backends::{BucketAccess, BucketArchive, BucketPlace, ObjectStoreKind};
use propsbot_network::Network;
use s3s::{
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

const KEY: &str = "who";
pub(super) const SECRET: &str = "what proves it";
pub(crate) const BUCKET: &str = "props";

/// An S3 server with one bucket. Stops when dropped.
pub(crate) struct ObjectStore {
    pub(super) folder: TempDir,
    url: String,
    pub(super) faults: Arc<Faults>,
    serving: JoinHandle<()>,
}

/// Faults of the proxy in front of the server.
pub(super) struct Faults {
    service: S3Service,
    pub(super) requests: AtomicUsize,
    /// From this request on, none arrives.
    pub(super) cut: AtomicUsize,
    /// The response to this request is lost.
    pub(super) lost: AtomicUsize,
    /// Whether the precondition "create only if absent" is ignored.
    pub(super) unconditional: AtomicBool,
    /// Whether uploads of rows are held back, those of an archive and those of tables, and how many are.
    holds_rows: watch::Sender<bool>,
    held: AtomicUsize,
    /// Whether objects without a checksum are rejected, like by a bucket with Object Lock.
    pub(super) needs_checksums: AtomicBool,
    /// The content type of each uploaded object.
    pub(super) content_types: Mutex<BTreeMap<String, String>>,
    pub(super) folder: PathBuf,
}

pub(super) const NEVER: usize = usize::MAX;

/// Amazon's error message.
const NO_CHECKSUM: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>InvalidRequest</Code>\
    <Message>Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock \
    parameters</Message><RequestId>A</RequestId><HostId>B</HostId></Error>";

impl ObjectStore {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let files = s3s_fs::FileSystem::new(folder.path()).unwrap();
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let faults = Arc::new(Faults {
            service: builder.build(),
            requests: AtomicUsize::new(0),
            cut: AtomicUsize::new(NEVER),
            lost: AtomicUsize::new(NEVER),
            unconditional: AtomicBool::new(false),
            holds_rows: watch::Sender::new(false),
            held: AtomicUsize::new(0),
            needs_checksums: AtomicBool::new(false),
            content_types: Mutex::default(),
            folder: folder.path().to_owned(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new()
            .fallback(serve)
            .with_state(Arc::clone(&faults));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            folder,
            url,
            faults,
            serving,
        }
    }

    pub(crate) fn archive(&self, prefix: &str) -> BucketArchive {
        self.archive_with(prefix, &[])
    }

    /// The same, with additional variables.
    pub(super) fn archive_with(
        &self,
        prefix: &str,
        more: &[(&'static str, &str)],
    ) -> BucketArchive {
        let variables = self.variables();
        let variables = variables.into_iter().chain(more.iter().copied());
        let access = BucketAccess(
            variables
                .map(|(name, value)| (name, value.to_owned()))
                .collect(),
        );
        let place = BucketPlace::new(ObjectStoreKind::S3, BUCKET, prefix);
        BucketArchive::new(place, &access, &Network::default()).unwrap()
    }

    /// Stores an object of this many zero bytes.
    pub(crate) fn lay(&self, name: &str, bytes: u64) {
        let path = self.folder.path().join(BUCKET).join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len(bytes).unwrap();
    }

    /// Ignores conditions, or keeps them.
    pub(crate) fn ignore_conditions(&self, ignores: bool) {
        self.faults.unconditional.store(ignores, Ordering::Relaxed);
    }

    /// Rejects objects without a checksum, or takes them.
    pub(crate) fn need_checksums(&self, needs: bool) {
        self.faults.needs_checksums.store(needs, Ordering::Relaxed);
    }

    /// Holds uploads of rows back, or releases them.
    pub(crate) fn hold_rows(&self, holds: bool) {
        self.faults.holds_rows.send_replace(holds);
    }

    /// Number of uploads held back so far.
    pub(crate) fn held(&self) -> usize {
        self.faults.held.load(Ordering::Relaxed)
    }

    /// Refuses all requests from this one on.
    pub(super) fn cut(&self, request: usize) {
        self.faults.cut.store(request, Ordering::Relaxed);
    }

    /// Number of requests so far.
    pub(crate) fn requests(&self) -> usize {
        self.faults.requests.load(Ordering::Relaxed)
    }

    /// The contents of an object.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(BUCKET).join(name)).unwrap()
    }

    /// The contents of an object that is text.
    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).unwrap()
    }

    /// The variables that configure `propsbot` for it.
    pub(crate) fn variables(&self) -> [(&'static str, &str); 3] {
        [
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET),
            ("AWS_ENDPOINT_URL", &self.url),
        ]
    }

    /// The archive as a later process finds it: no faults, and old claims.
    pub(super) fn later(&self) -> BucketArchive {
        self.faults.cut.store(NEVER, Ordering::Relaxed);
        self.faults.lost.store(NEVER, Ordering::Relaxed);
        self.archive("a").with_lease(Duration::ZERO)
    }

    /// All object names under the prefix.
    pub(crate) fn objects(&self, prefix: &str) -> BTreeSet<String> {
        fn collect(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path: PathBuf = entry.unwrap().path();
                if path.is_dir() {
                    collect(&path, root, found);
                } else {
                    let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                    found.insert(name.to_owned());
                }
            }
        }
        let root = self.folder.path().join(BUCKET).join(prefix);
        let mut found = BTreeSet::new();
        collect(&root, &root, &mut found);
        found
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(State(faults): State<Arc<Faults>>, request: Request) -> Response {
    let number = faults.requests.fetch_add(1, Ordering::Relaxed);
    if number >= faults.cut.load(Ordering::Relaxed) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let path = request.uri().path();
    let is_of_rows = path.contains("/rows/") || path.ends_with(".parquet");
    if is_of_rows && *faults.holds_rows.borrow() {
        faults.held.fetch_add(1, Ordering::Relaxed);
        let mut holds = faults.holds_rows.subscribe();
        holds.wait_for(|holds| !holds).await.unwrap();
    }
    let (head, body) = request.into_parts();
    if head.method == Method::PUT {
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let content_type = header("content-type").unwrap_or_default().to_owned();
        let path = head.uri.path().to_owned();
        let mut seen = faults.content_types.lock().unwrap();
        seen.insert(path, content_type);
        let has_checksum = header("x-amz-checksum-sha256").is_some()
            || header("x-amz-checksum-crc64nvme").is_some();
        if faults.needs_checksums.load(Ordering::Relaxed) && !has_checksum {
            return (StatusCode::BAD_REQUEST, NO_CHECKSUM).into_response();
        }
    }
    let conditional = head.headers.contains_key(header::IF_NONE_MATCH);
    if conditional && faults.unconditional.load(Ordering::Relaxed) {
        let _ = fs::remove_file(faults.folder.join(&head.uri.path()[1..]));
    }
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let request = Request::from_parts(head, body.into());
    let answer = faults.service.call(request).await.unwrap();
    if number == faults.lost.load(Ordering::Relaxed) {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    answer.map(Body::new)
}
