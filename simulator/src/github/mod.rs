//! A GitHub on loopback: REST and GraphQL as documented, over a real git repository and a world of repositories to read.
//!
//! From the inside out: `git` keeps the archive's repository by running git. `world` is everything else there is to read. `viewer` decides permissions, `limits` rates.
//! `rest` and `graphql` respond; `serve` processes every request around that, and `admit` lets it in; `faults` are planned, `record` logs.
//! `handle` is for tests. Settings, budgets and the log are behind the lock of `state`; git runs off the async
//! threads, without that lock.

mod admit;
mod answer;
mod control;
mod faults;
mod git;
mod graphql;
mod handle;
mod limits;
mod node;
mod options;
mod record;
mod rest;
mod serve;
mod state;
mod viewer;
mod webhooks;
pub mod world;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::extract::Request as HttpRequest;
use axum::http::{Response, StatusCode};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use control::act_in_line;
pub use faults::{Fault, Kind, What};
pub use limits::{Limits, Rate};
pub use options::{Access, Options, Role, Visibility};
pub use record::{Counters, Request};
pub use webhooks::{Delivery, Fate};

use faults::Faults;
use git::Repository;
use limits::Limiter;
use record::Log;
use state::{Settings, Shared, State};

/// The largest body that is read before refusing it.
const LARGEST_BODY: usize = 256 * 1024 * 1024;

/// A running GitHub with one repository. Dropping it stops it, and deletes the repository unless its path was given.
#[derive(Debug)]
pub struct Github {
    shared: Arc<Shared>,
    server: Option<JoinHandle<()>>,
}

impl Github {
    /// Binds 127.0.0.1 and starts serving. Needs the `git` program.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", options.port)).await;
        let listener =
            listener.with_context(|| format!("cannot listen on 127.0.0.1:{}", options.port))?;
        let address = listener.local_addr().context("no local address")?;
        let git = Repository::open(options.path.as_deref(), &options.branch)?;
        let token = options.token.unwrap_or_else(|| {
            // Shaped like a fine-grained token.
            let (number, name) = ("11SIMULATED0", "archive");
            format!("github_pat_{number}_{name}{:0>52}", options.login)
        });
        let state = State {
            settings: Settings {
                url: format!("http://{address}"),
                owner: options.owner,
                repo: options.repo,
                former: None,
                renamed: BTreeMap::new(),
                visibility: options.visibility,
                archived: false,
                deleted: false,
                protected: BTreeSet::new(),
                restricts_creations: false,
                token,
                source_token: options.source_token,
                login: options.login,
                role: options.role,
                access: options.access,
                expires: None,
                created: Timestamp::from_second(Timestamp::now().as_second())?,
            },
            limiter: Limiter::new(options.limits),
            faults: Faults::default(),
            log: Log::new(options.record.as_deref())?,
        };
        let mut world = options.source;
        world.begin();
        let shared = Shared::new(state, git, world);
        if let Some((url, secret)) = options.webhook {
            shared.webhooks.set(&url, &secret);
        }
        // A repository found at the path keeps its contents.
        if !options.files.is_empty() && shared.git.is_empty()? {
            shared.somebody_commits(options.files)?;
        }
        let server = tokio::spawn(run(listener, Arc::clone(&shared)));
        tokio::spawn(webhooks::deliver(Arc::clone(&shared)));
        Ok(Self {
            shared,
            server: Some(server),
        })
    }

    /// Closes every connection, frees the port, and flushes the record.
    pub async fn stop(mut self) {
        self.shared.stop.cancel();
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(Duration::from_secs(2), &mut server)
                .await
                .is_err()
        {
            server.abort();
        }
        self.shared.lock().log.flush();
    }
}

impl Drop for Github {
    fn drop(&mut self) {
        self.shared.stop.cancel();
        self.shared.lock().log.flush();
    }
}

async fn run(listener: TcpListener, shared: Arc<Shared>) {
    let stop = shared.stop.clone();
    let app =
        Router::new().fallback(move |request: HttpRequest| receive(Arc::clone(&shared), request));
    let served = axum::serve(listener, app)
        .with_graceful_shutdown(stop.cancelled_owned())
        .await;
    if let Err(error) = served {
        tracing::error!("the simulated GitHub stopped serving: {error}");
    }
}

async fn receive(shared: Arc<Shared>, request: HttpRequest) -> Response<Body> {
    let (parts, body) = request.into_parts();
    if let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await {
        serve::serve(shared, parts, body).await
    } else {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        response
    }
}
