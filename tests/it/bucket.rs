//! Object stores through the program: who holds the claim after a kill, and what refusals mean.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::Request,
    http::{HeaderValue, Method, StatusCode},
    response::IntoResponse as _,
};
use tokio::{net::TcpListener, task::JoinHandle};

use crate::{
    archive::object_store::ObjectStore,
    cli::run,
    live::SOON,
    mirror::{Mirror, Running},
};

const TO: [&str; 3] = ["export", "--to", "s3://props/a"];

/// A mirror configured for the object store, with something to export.
async fn mirror(objects: &ObjectStore, seed: u64) -> Mirror {
    let mut mirror = Mirror::seeded(seed).await;
    for (name, value) in objects.variables() {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    mirror.sync().await.ok();
    mirror
}

/// An export that has claimed the archive, and whose rows don't arrive.
async fn held(objects: &ObjectStore, mirror: &Mirror) -> Running {
    objects.hold_rows(true);
    let before = objects.held();
    let running = mirror.start(&TO);
    let begun = Instant::now();
    while objects.held() == before {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(objects.objects("a").contains(".writing"));
    running
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_exports_resume_only_from_their_own_store() {
    let objects = ObjectStore::start().await;
    let mirror = mirror(&objects, 21).await;
    held(&objects, &mirror).await.kill().await;
    objects.hold_rows(false);

    let other = self::mirror(&objects, 22).await;
    let busy = other.run(&TO).await;
    busy.failed(
        1,
        &["another process is writing to the archive in s3://props/a"],
    );
    for _ in 0..2 {
        mirror.run(&TO).await.ok();
    }
    assert!(!objects.objects("a").contains(".writing"));
    let verified = mirror.run(&["verify", "--from", "s3://props/a"]).await;
    assert!(verified.ok().stdout.contains("No fault"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopped_exports_release_the_archive() {
    let objects = ObjectStore::start().await;
    let mut mirror = mirror(&objects, 21).await;
    let log = ("RUST_LOG".to_owned(), "info".to_owned());
    mirror.variables.push(log);
    let running = held(&objects, &mirror).await;
    running.terminate();
    let begun = Instant::now();
    while !running.stderr().contains("stopping") {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    objects.hold_rows(false);
    let ended = running.wait().await;
    ended.failed(1, &["stopped before anything was published"]);
    assert_eq!(objects.read("a/.writing"), "left");
    assert!(!objects.objects("a").contains("manifest.json"));

    // No one has to wait for it, another store included.
    let other = self::mirror(&objects, 22).await;
    other.run(&TO).await.ok();
    let verified = other.run(&["verify", "--from", "s3://props/a"]).await;
    assert!(verified.ok().stdout.contains("No fault"));
}

type Answer = (u16, &'static [(&'static str, &'static str)], &'static str);

/// A server that gives the same response to every request.
struct Answerer {
    url: String,
    requests: Arc<AtomicUsize>,
    serving: JoinHandle<()>,
}

impl Answerer {
    /// Responds with this status, headers and body; with 404 to reads of objects if `only_puts`.
    async fn start((status, headers, body): Answer, only_puts: bool) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&requests);
        let answer = move |request: Request| async move {
            counted.fetch_add(1, Ordering::Relaxed);
            if only_puts && request.method() != Method::PUT {
                return StatusCode::NOT_FOUND.into_response();
            }
            let mut answer = body.into_response();
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            for (name, value) in headers {
                let value = HeaderValue::from_static(value);
                answer.headers_mut().insert(*name, value);
            }
            answer
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = axum::Router::new().fallback(answer);
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            requests,
            serving,
        }
    }
}

impl Drop for Answerer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Amazon's responses, and the expected message.
const REFUSALS: [(Answer, &str); 9] = [
    (
        (
            400,
            &[],
            "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization header is malformed; \
             the region 'us-east-1' is wrong; expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>",
        ),
        "set AWS_REGION=eu-west-1",
    ),
    (
        (301, &[("x-amz-bucket-region", "ap-south-1")], ""),
        "set AWS_REGION=ap-south-1",
    ),
    ((301, &[], ""), "set AWS_REGION to the bucket's"),
    (
        (
            400,
            &[],
            "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message>\
             <Token-0>hidden</Token-0></Error>",
        ),
        "AWS_SESSION_TOKEN to a new one's",
    ),
    (
        (
            403,
            &[],
            "<Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the request time and the \
             current time is too large.</Message></Error>",
        ),
        "this machine's clock",
    ),
    (
        (
            403,
            &[],
            "<Error><Code>InvalidAccessKeyId</Code><Message>The AWS Access Key Id you provided does not exist \
             in our records.</Message></Error>",
        ),
        "doesn't know AWS_ACCESS_KEY_ID",
    ),
    (
        (
            403,
            &[],
            "<Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not \
             match the signature you provided.</Message><CanonicalRequest>x-amz-security-token:hidden\
             </CanonicalRequest></Error>",
        ),
        "AWS_SECRET_ACCESS_KEY is not the secret",
    ),
    (
        (
            403,
            &[],
            "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
        ),
        "let the key AWS_ACCESS_KEY_ID read",
    ),
    (
        (
            501,
            &[],
            "<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is \
             not implemented</Message></Error>",
        ),
        "use another object store",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s3_refusals_name_the_variable_to_change() {
    for (answer, says) in REFUSALS {
        let server = Answerer::start(answer, false).await;
        let home = tempfile::tempdir().unwrap();
        let variables = [
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ENDPOINT_URL", &*server.url),
        ];
        let ended = run(
            home.path(),
            &variables,
            &["verify", "--from", "s3://props/a"],
        )
        .await;
        ended.failed(1, &["could not read manifest.json of s3://props/a", says]);
        assert!(!ended.stderr.contains("hidden"), "{}", ended.stderr);
        // Final errors aren't retried.
        assert_eq!(server.requests.load(Ordering::Relaxed), 1, "{says}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_missing_conditional_writes_at_once() {
    let (answer, says) = REFUSALS[8];
    let server = Answerer::start(answer, true).await;
    let mut mirror = Mirror::seeded(23).await;
    mirror.sync().await.ok();
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL", &server.url),
    ] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    let ended = mirror.run(&TO).await;
    ended.failed(1, &["could not write .writing of s3://props/a", says]);
    let requests = server.requests.load(Ordering::Relaxed);
    assert!(requests < 10, "{requests}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_refusals_name_the_variable_to_change() {
    let expired = (
        403,
        &[][..],
        "<Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.</Message>\
         <AuthenticationErrorDetail>Signature not valid in the specified time frame: Start [a] - Expiry [b] - \
         Current [c]</AuthenticationErrorDetail></Error>",
    );
    let server = Answerer::start(expired, false).await;
    let home = tempfile::tempdir().unwrap();
    let endpoint = format!("{}/account", server.url);
    let variables = [
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_SAS_TOKEN", "sv=1&sig=hidden"),
        ("AZURE_STORAGE_ENDPOINT", &*endpoint),
    ];
    let ended = run(
        home.path(),
        &variables,
        &["verify", "--from", "az://props/a"],
    )
    .await;
    ended.failed(1, &["AZURE_STORAGE_SAS_TOKEN has expired"]);
    assert!(!ended.stderr.contains("hidden"), "{}", ended.stderr);
}
