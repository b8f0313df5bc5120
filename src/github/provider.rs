//! GitHub as a provider: implements the program's interface to mirrors.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use propsbot_archive::{DataArchive, Id, Schema, one_line};
use propsbot_mirror::{
    DataProvider, Exports, Finding, ForgetRequest, Mirror, Progress as Shown, ProviderError,
    ReadRows as _, Record, Rewrite, SpaceStatus, Stamp, StoreError, SyncRequest, SyncedSpace, ask,
    claim,
};
use propsbot_network::Network;
use serde_json::{Map, Value, json};
use tokio::{sync::OnceCell, task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    client::{Client, Login},
    clock::{self, Clock},
    exclusions::Exclusion,
    export::Store,
    merge::{Fact, Github, Observation, Reader},
    records::{Progress, Read},
    restore,
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, Reaction, Release,
        Repository, Review, User,
    },
    schema::SCHEMA,
    sync::Found,
    vitals::Signals,
    wanted::Wanted,
};

/// How long a question of `check` may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a mirror of GitHub needs.
#[derive(Clone, Debug)]
pub struct GithubOptions {
    /// The store's folder.
    pub store_path: PathBuf,
    /// How to reach GitHub; `None` if only the store is needed.
    pub login: Option<Login>,
    /// How connections are made.
    pub network: Network,
    /// Which repositories are mirrored.
    pub repositories: Wanted,
    /// Logins of whom nothing is kept.
    pub excluded: Vec<String>,
    /// Private repositories that are exported: `owner/name` in lower case.
    pub private: BTreeSet<String>,
    /// Where GitHub's deliveries come in; `None` for nowhere.
    pub webhook: Option<crate::webhook::Webhook>,
}

/// Mirrors GitHub repositories.
pub struct GithubProvider {
    pub(crate) options: GithubOptions,
    store: OnceCell<Arc<Store>>,
    shown: Mutex<BTreeMap<Id, Shown>>,
    /// One reading at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
    pub(crate) signals: Signals,
}

impl GithubProvider {
    /// Opens and connects nothing yet.
    pub fn new(options: GithubOptions) -> Self {
        Self {
            options,
            store: OnceCell::new(),
            shown: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            signals: Signals::default(),
        }
    }

    /// The store, created if missing.
    pub async fn store(&self) -> Result<(), ProviderError> {
        self.opened().await.map(|_| ())
    }

    pub(crate) async fn opened(&self) -> Result<&Arc<Store>, ProviderError> {
        self.store.get_or_try_init(|| self.open()).await
    }

    async fn open(&self) -> Result<Arc<Store>, ProviderError> {
        let path = self.options.store_path.clone();
        let excluded = self.options.excluded.clone();
        let private = self.options.private.clone();
        let wanted = self.options.repositories.clone();
        let opened = spawn_blocking(move || {
            claim(&path, SCHEMA.provider, false)?;
            let mut mirror = Mirror::<Github>::open(&path)?;
            if mirror.0.rewritten_under()? == Some(0) {
                if let Rewrite::NoRoom(bytes) = mirror.rewrite()? {
                    warn!(
                        bytes,
                        "purging what was deleted from the store's files takes more free disk space"
                    );
                }
                mirror = Mirror::open(&path)?;
            }
            let store = Store {
                mirror,
                private,
                wanted,
            };
            exclude(&store, &excluded)?;
            Ok::<_, StoreError>(store)
        });
        Ok(Arc::new(opened.await??))
    }

    pub(crate) fn is_open(&self) -> bool {
        self.store.initialized()
    }

    pub(crate) async fn existing(&self) -> Result<&Arc<Store>, ProviderError> {
        let path = &self.options.store_path;
        if !path.exists() {
            return Err(wrong(format!(
                "there is no store at {} (STORE_PATH); `propsbot sync` creates one",
                path.display()
            )));
        }
        self.opened().await
    }

    /// A client of GitHub, if there is a token.
    pub(crate) fn client(&self) -> Result<Client, ProviderError> {
        let login = self.options.login.as_ref();
        let login = login.expect("what connects to GitHub is configured with a login");
        let signals = self.signals.clone();
        Ok(Client::new(login, &self.options.network, signals)?)
    }

    /// Shows what is being done in a repository.
    pub(crate) fn show(&self, space: &str, name: &str, phase: &'static str, is_done: bool) {
        let shown = Shown {
            space: Id::new(space),
            phase,
            is_done,
            text: format!("{}: {phase}", one_line(name)),
            gauges: Vec::new(),
            details: Map::from_iter([
                ("repository".to_owned(), Value::from(name)),
                ("phase".to_owned(), Value::from(phase)),
            ]),
        };
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(shown.space.clone(), shown);
    }

    /// Deletes data while other work goes on. The store's files contain it until the store is opened again.
    ///
    /// # Errors
    /// A store that can't be written, and a repository that is configured.
    pub async fn forget_live(&self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError> {
        let store = self.existing().await?;
        match request {
            ForgetRequest::User { space: Some(_), .. } => Err(wrong(
                "somebody is left out of all repositories, not of one: leave out --guild",
            )),
            ForgetRequest::User { user, space: None } => {
                let login = user.to_string();
                let name = login.clone();
                // A reading may go on for hours meanwhile: what it reads later obeys the choice.
                ask(store, move |store| {
                    store.mirror.owe_rewrite()?;
                    exclude(store, &[login])
                })
                .await??;
                Ok(vec![format!(
                    "{name}: nothing is kept of this login's accounts any more; the archive follows with the next \
                     export (`propsbot export`). Add {name} to GITHUB_EXCLUDE_USERS too, so that a restored store \
                     doesn't fetch it again"
                )])
            }
            ForgetRequest::Space(space) => self.forget_repository(store, space).await,
        }
    }

    async fn forget_repository(
        &self,
        store: &Arc<Store>,
        space: &Id,
    ) -> Result<Vec<String>, ProviderError> {
        let _turn = self.turn.lock().await;
        let asked = space.to_string();
        let found = ask(store, move |store| {
            let all = store.mirror.0.scan::<Repository>(())?.into_iter();
            let mut all = all.filter(|repository| {
                let name = format!("{}/{}", repository.owner, repository.name);
                repository.id.0 == asked || name.eq_ignore_ascii_case(&asked)
            });
            Ok::<_, StoreError>(all.next())
        });
        let Some(repository) = found.await?? else {
            return Err(wrong(format!("the store has no repository {space}")));
        };
        let name = format!("{}/{}", repository.owner, repository.name);
        if self
            .options
            .repositories
            .has(&repository.owner, &repository.name)
        {
            return Err(wrong(format!(
                "GITHUB_REPOSITORIES names {name}, so the next run would mirror it again; remove it there first"
            )));
        }
        let id = repository.id.0;
        ask(store, move |store| {
            let mirror = &store.mirror;
            mirror.owe_rewrite()?;
            mirror.remove::<Commit>(id.clone())?;
            mirror.remove::<Issue>(id.clone())?;
            mirror.remove::<Review>(id.clone())?;
            mirror.remove::<Comment>(id.clone())?;
            mirror.remove::<Reaction>(id.clone())?;
            mirror.remove::<Label>(id.clone())?;
            mirror.remove::<Milestone>(id.clone())?;
            mirror.remove::<Release>(id.clone())?;
            mirror.remove::<Discussion>(id.clone())?;
            mirror.remove::<DiscussionComment>(id.clone())?;
            mirror.remove::<User>(id.clone())?;
            mirror.remove::<Read>(id.clone())?;
            mirror.remove::<Progress>(id.clone())?;
            mirror.remove::<Repository>(id)
        })
        .await??;
        Ok(vec![format!(
            "{name}: deleted; the archive follows with the next export (`propsbot export`)"
        )])
    }
}

/// Leaves out these logins.
fn exclude(store: &Store, logins: &[String]) -> Result<(), StoreError> {
    let newest = propsbot_mirror::Clock::of(&store.mirror.0)?.newest;
    let clock = Clock::after(newest);
    let known = store.mirror.0.scan::<Exclusion>(())?;
    let new = logins.iter().filter(|login| {
        let login = login.to_lowercase();
        known.iter().all(|known| known.login != login)
    });
    let facts = new.map(|login| Observation {
        at: clock.stamp(),
        fact: Fact::Exclude(login.clone()),
    });
    let facts: Vec<Observation> = facts.collect();
    if facts.is_empty() {
        return Ok(());
    }
    store.mirror.merge(&[facts]).map(|_| ())
}

pub(crate) fn wrong(text: impl Into<String>) -> ProviderError {
    ProviderError::Wrong(text.into().into())
}

/// How many rows of a table a repository has that aren't gone.
pub(crate) fn counted<R: Record>(reader: &Reader, space: &str) -> Result<usize, StoreError> {
    let table = R::TABLE.number;
    let key = (space.to_owned(), table);
    reader.0.count::<Read>(key.clone()..=key, usize::MAX)
}

#[async_trait]
impl DataProvider for GithubProvider {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    async fn check(&self) -> Vec<Finding> {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => {
                return vec![Finding::wrong("github", "GitHub can't be reached").error(&error)];
            }
        };
        let asked = timeout(
            PATIENCE,
            client.query("query { viewer { login } }", json!({})),
        )
        .await;
        let login = match asked {
            Ok(Ok(answer)) => answer.data["viewer"]["login"]
                .as_str()
                .unwrap_or("?")
                .to_owned(),
            Ok(Err(error)) => {
                return vec![
                    Finding::wrong("github token", "GitHub couldn't be asked").error(&error),
                ];
            }
            Err(_) => {
                let remedy = "check the connection, GITHUB_SOURCE_API_URL and HTTPS_PROXY";
                let found = Finding::wrong("github token", "no answer within 20 s");
                return vec![found.remedy(remedy)];
            }
        };
        let mut findings = vec![
            Finding::ok("github token", "GitHub accepts it").names(login),
            clock::check(Clock::now(), client.date()),
        ];
        let stop = CancellationToken::new();
        match timeout(
            PATIENCE,
            self.discover(&client, &[], &BTreeSet::new(), &stop),
        )
        .await
        {
            Ok(Ok(found)) => {
                for Found {
                    named, overview, ..
                } in found
                {
                    let check = "repositories";
                    findings.push(match overview {
                        Some(overview) => {
                            let id = Id::new(&overview.id);
                            Finding::ok(check, "it can be read")
                                .names(named)
                                .of(id, None)
                        }
                        None => Finding::wrong(check, "a repository can't be read")
                            .names(named)
                            .remedy("check its name, and that GITHUB_SOURCE_TOKEN may read it"),
                    });
                }
            }
            Ok(Err(error)) => {
                findings
                    .push(Finding::wrong("repositories", "GitHub couldn't be asked").error(&error));
            }
            Err(_) => findings.push(Finding::wrong("repositories", "no answer within 20 s")),
        }
        findings
    }

    async fn sync(
        &self,
        request: &SyncRequest,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError> {
        let client = self.client()?;
        self.sync_with(&client, request, stop).await
    }

    async fn listen(&self, stop: CancellationToken) -> Result<(), ProviderError> {
        self.listen_until(stop).await
    }

    fn progress(&self) -> Vec<Shown> {
        let all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        all.values().cloned().collect()
    }

    async fn status(&self) -> Result<Vec<SpaceStatus>, ProviderError> {
        let store = self.existing().await?;
        let status = ask(store, |store| {
            let reader = &*store.mirror;
            let mut all = Vec::new();
            for repository in reader.0.scan::<Repository>(())? {
                let id = &repository.id.0;
                let progress = reader.0.get::<Progress>(id.clone())?.unwrap_or_default();
                let name = format!("{}/{}", repository.owner, repository.name);
                let counts = [
                    ("issues and pull requests", counted::<Issue>(reader, id)?),
                    ("reviews", counted::<Review>(reader, id)?),
                    ("comments", counted::<Comment>(reader, id)?),
                    ("reactions", counted::<Reaction>(reader, id)?),
                    ("commits", counted::<Commit>(reader, id)?),
                    ("discussions", counted::<Discussion>(reader, id)?),
                    (
                        "comments on discussions",
                        counted::<DiscussionComment>(reader, id)?,
                    ),
                    ("releases", counted::<Release>(reader, id)?),
                    ("labels", counted::<Label>(reader, id)?),
                    ("milestones", counted::<Milestone>(reader, id)?),
                ];
                let [tracker, reactions, history] = progress.complete;
                let mut lacks = Vec::new();
                if tracker.is_none() {
                    lacks.push("not all of its issues, pull requests, discussions and releases were ever read; `propsbot sync` says why".to_owned());
                }
                if history.is_none() {
                    lacks.push("its commits were never read to the end".to_owned());
                }
                if let Some(gone) = repository.deleted_at {
                    lacks.push(format!(
                        "it is gone, or can't be read any more, since {}",
                        gone.0
                    ));
                }
                let shown = counts.map(|(what, count)| format!("{count} {what}"));
                let state = if lacks.is_empty() {
                    "complete".to_owned()
                } else {
                    lacks.join("; ")
                };
                all.push(SpaceStatus {
                    space: Id::from(&repository.id),
                    text: format!("{}: {state}\n  {}", one_line(&name), shown.join(", ")),
                    details: json!({
                        "repository": name,
                        "id": id,
                        "visibility": repository.visibility,
                        "complete": lacks.is_empty(),
                        "missing": lacks,
                        "counts": counts.into_iter().collect::<BTreeMap<_, _>>(),
                        "changes_known_until": tracker,
                        "reactions_known_until": reactions,
                        "discussions_known_until": progress.discussions,
                        "history_known_until": history,
                    }),
                    name,
                    lacks,
                    current: tracker.min(history),
                });
            }
            Ok::<_, StoreError>(all)
        });
        Ok(status.await??)
    }

    async fn exports(&self) -> Result<Arc<dyn Exports>, ProviderError> {
        let store = self.existing().await?;
        Ok(Arc::clone(store) as Arc<dyn Exports>)
    }

    async fn restore(
        &self,
        archive: &dyn DataArchive,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<String, ProviderError> {
        let path = self.options.store_path.clone();
        let opened = spawn_blocking(move || {
            claim(&path, SCHEMA.provider, false)?;
            Mirror::open_to_restore(&path)
        });
        let store = Store {
            mirror: opened.await??,
            private: BTreeSet::new(),
            wanted: Wanted::default(),
        };
        Ok(restore::restore(&Arc::new(store), archive, told).await?)
    }

    async fn forget(&mut self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError> {
        let mut lines = self.forget_live(request).await?;
        let store = self.store.take().expect("it was opened above");
        let store = Arc::into_inner(store);
        let rewritten =
            spawn_blocking(move || store.map(|store| store.mirror.rewrite()).transpose());
        if !matches!(rewritten.await??, Some(Rewrite::Done)) {
            lines.push(
                "warning: the store's files still contain what was deleted; the next start removes it".to_owned(),
            );
        }
        Ok(lines)
    }
}

/// The last stamp of a store.
pub(crate) async fn newest(store: &Arc<Store>) -> Result<Stamp, ProviderError> {
    let newest = ask(store, |store| propsbot_mirror::Clock::of(&store.mirror.0));
    Ok(newest.await??.newest)
}
