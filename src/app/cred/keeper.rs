//! Keeps each guild's cred up to date with the archive while the bot runs.
//!
//! One task does so: an export only wakes it, and waits for nothing. Cred is computed in a process of its own, which
//! can't take more memory or time than it may, and which ends when the bot does.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::{self, Read},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::{sync::Notify, task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::keep::{Github, basis};
use crate::config::Config;
use propsbot_archive::{ArchiveReader, Id, Manifest, ReadError, one_line};
use propsbot_jobs::{
    clock::Clock,
    cred::{CLEARED, CredBasis, CredBoard, CredFailure},
};
use propsbot_mirror::Follower;
use propsbot_model::GuildId;
use propsbot_rows::SCHEMA;

/// How long one guild's cred may take. A million messages take seconds.
const LONGEST: Duration = Duration::from_mins(10);
/// After how long an archive that couldn't be read is tried again, if there is no export before.
const AGAIN: Duration = Duration::from_mins(5);
/// How often an archive of GitHub is looked at for exports of another process, at the soonest; at the latest it's [`AGAIN`].
const LOOK: Duration = Duration::from_secs(10);
/// How many times as long as a look took it rests until the next one.
const LOOK_REST: u32 = 100;
/// How many times as long as computing took it rests afterwards, however often there are exports.
const REST: u32 = 9;
/// How much of the end of what the process says is logged, in bytes.
const REASON: usize = 2_000;
/// The most files of an instance that are looked at.
const MOST_FILES: usize = 10_000;

/// Keeps each guild's cred up to date with the archive.
pub(in crate::app) struct CredKeeper {
    config: Config,
    board: CredBoard,
    awake: Arc<Notify>,
    /// What can't be computed. It's tried again once anything about it has changed.
    futile: BTreeMap<GuildId, CredBasis>,
}

/// Wakes the keeper after each export.
struct Wakes(Arc<Notify>);

#[async_trait]
impl Follower for Wakes {
    async fn follow(&self, _stop: &CancellationToken) -> Result<(), String> {
        self.0.notify_one();
        Ok(())
    }
}

impl CredKeeper {
    /// One for this configuration; `None` if cred isn't to be computed. What is kept of it goes then, because nothing
    /// would take out of it what members delete.
    pub(in crate::app) fn new(config: &Config) -> Option<Self> {
        if config.cred.memory == 0
            && let Err(error) = super::kept(config).clear_if_any(Clock::now())
        {
            warn!("could not remove the cred that was kept: {error}");
        }
        (config.cred.memory > 0).then(|| Self {
            board: super::kept(config),
            config: config.clone(),
            awake: Arc::default(),
            futile: BTreeMap::new(),
        })
    }

    /// What it has to be told of exports with.
    pub(in crate::app) fn follower(&self) -> Arc<dyn Follower> {
        Arc::new(Wakes(Arc::clone(&self.awake)))
    }

    /// What members are answered from.
    pub(in crate::app) fn board(&self) -> CredBoard {
        self.board.clone()
    }

    /// Computes what is missing now, and again after each export, also of GitHub's process, until stopped.
    pub(in crate::app) async fn run(mut self, stop: CancellationToken) {
        let awake = Arc::clone(&self.awake);
        loop {
            let begun = Instant::now();
            let updating = stop.run_until_cancelled(async {
                let generations = self.github_generations().await.ok();
                (generations, self.update().await)
            });
            let Some((generations, is_done)) = updating.await else {
                return;
            };
            let next = async {
                tokio::time::sleep(begun.elapsed() * REST).await;
                if is_done {
                    tokio::select! {
                        () = awake.notified() => {}
                        () = self.exports_of_github(generations) => {}
                    }
                } else {
                    let _ = timeout(AGAIN, awake.notified()).await;
                }
            };
            if stop.run_until_cancelled(next).await.is_none() {
                return;
            }
        }
    }

    /// Waits until the archive of GitHub has other generations than these, which are `None` if they couldn't be read.
    async fn exports_of_github(&self, known: Option<Vec<(Id, u64)>>) {
        loop {
            let begun = Instant::now();
            if let Ok(generations) = self.github_generations().await
                && known.as_ref() != Some(&generations)
            {
                return;
            }
            let rest = begun.elapsed().saturating_mul(LOOK_REST);
            tokio::time::sleep(rest.clamp(LOOK, AGAIN)).await;
        }
    }

    /// The generation of each repository in the archive of GitHub; none if cred counts nothing of it.
    async fn github_generations(&self) -> Result<Vec<(Id, u64)>, ReadError> {
        if self.config.cred.instance.is_some() {
            return Ok(Vec::new());
        }
        let Config {
            access, network, ..
        } = &self.config;
        let from = self.config.github_archive();
        let archive = propsbot_backends::open_to_read(from, access, network)?;
        let reader = match ArchiveReader::open(archive.as_ref(), &propsbot_github::SCHEMA).await {
            // Nothing was exported there, or only by another provider's process.
            Err(ReadError::Empty | ReadError::OtherProvider { .. }) => return Ok(Vec::new()),
            reader => reader?,
        };
        let manifests = reader.manifests().into_iter();
        Ok(manifests
            .map(|manifest| (manifest.space, manifest.generation))
            .collect())
    }

    /// Computes the cred of each guild that isn't kept as it is in the archive, one after the other. False if an archive
    /// couldn't be read: it is tried again.
    async fn update(&mut self) -> bool {
        let manifests = match self.manifests().await {
            Ok(manifests) => manifests,
            // Nothing was exported yet, or only by another provider's process.
            Err(ReadError::Empty | ReadError::OtherProvider { .. }) => Vec::new(),
            Err(error) => {
                warn!("could not look for what to compute cred from: {error}");
                return false;
            }
        };
        let config = self.config.clone();
        let Ok(configured) = spawn_blocking(move || configured(&config)).await else {
            return false;
        };
        let github = match self.config.cred.instance {
            // An instance has its own graph of GitHub, or none.
            Some(_) => Ok(None),
            None => Github::read(&self.config).await,
        };
        let guild = |manifest: &Manifest| manifest.space.as_str().parse().ok().map(GuildId);
        let found = manifests
            .iter()
            .filter_map(|manifest| Some((guild(manifest)?, manifest)));
        let found: BTreeMap<GuildId, &Manifest> = found.collect();
        self.board.retain(|guild| found.contains_key(&guild));
        if let Err(error) = self.remove_others(&found) {
            warn!("could not remove cred that is no longer needed: {error}");
        }
        let configured = match github {
            Ok(None) => configured,
            Ok(Some(github)) => with_github(configured, &github),
            // Without GitHub, everybody's cred would change for as long as it can't be read.
            Err(error) => {
                let from = self.config.github_archive();
                warn!(
                    "could not read {from}, whose public repositories count in cred (GITHUB_ARCHIVE): {error}; cred stays \
                     as it is meanwhile"
                );
                return false;
            }
        };
        for (guild, manifest) in found {
            self.update_guild(guild, basis(manifest, configured)).await;
        }
        true
    }

    async fn manifests(&self) -> Result<Vec<Manifest>, ReadError> {
        let Config {
            archive,
            access,
            network,
            ..
        } = &self.config;
        let archive = propsbot_backends::open_to_read(archive, access, network)?;
        let reader = ArchiveReader::open(archive.as_ref(), &SCHEMA).await?;
        Ok(reader.manifests())
    }

    /// Removes the files of guilds that aren't in the archive.
    fn remove_others(&self, kept: &BTreeMap<GuildId, &Manifest>) -> io::Result<()> {
        let folder = self.folder();
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let guild = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse().ok());
            let is_marker = path.extension() == Some(CLEARED.as_ref());
            if !is_marker && guild.is_none_or(|guild| !kept.contains_key(&GuildId(guild))) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.config.store_path.join("cred")
    }

    async fn update_guild(&mut self, guild: GuildId, basis: CredBasis) {
        let kept = match self.board.kept(guild) {
            Ok(kept) => kept,
            // It's made again.
            Err(error) => {
                warn!("could not read the cred that is kept of guild {guild}: {error}");
                None
            }
        };
        let kept = kept.map(|kept| kept.basis().clone());
        let is_current = kept.as_ref() == Some(&basis);
        self.board.set(guild, |standing| {
            standing.as_of = kept.map(|kept| kept.exported_at);
            if is_current {
                standing.failure = None;
            }
        });
        let may_keep = self.board.may_keep(guild, basis.exported_at);
        let may_keep = may_keep.unwrap_or_else(|error| {
            warn!("could not look at the cred that is kept of guild {guild}: {error}");
            false
        });
        if is_current || !may_keep || self.futile.get(&guild) == Some(&basis) {
            return;
        }
        self.board
            .set(guild, |standing| standing.is_computing = true);
        let begun = Instant::now();
        let computed = self.compute(guild, &basis).await;
        let as_of = self.board.kept(guild).ok().flatten();
        self.board.set(guild, |standing| {
            standing.is_computing = false;
            standing.failure = computed.as_ref().err().map(|(failure, _)| *failure);
            standing.as_of = as_of.map(|kept| kept.basis().exported_at);
        });
        match computed {
            Ok(()) => {
                let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                info!(guild = guild.0, took_ms, "computed cred");
            }
            Err((failure, reason)) => {
                error!(guild = guild.0, "could not compute cred: {reason}");
                if failure != CredFailure::Failed {
                    self.futile.insert(guild, basis);
                }
            }
        }
    }

    /// Has a process compute and keep a guild's cred. If that fails, also says why, for the log.
    async fn compute(
        &self,
        guild: GuildId,
        basis: &CredBasis,
    ) -> Result<(), (CredFailure, String)> {
        let failed =
            |error: io::Error| (CredFailure::Failed, format!("no process for it: {error}"));
        let memory = self.config.cred.memory;
        let mut command = Command::new(program().map_err(failed)?);
        command
            .arg0("propsbot")
            .arg("keep-cred")
            .args(["--guild", &guild.to_string()])
            .args(["--memory", &memory.to_string()])
            .args(["--configured", &basis.configured().to_string()])
            .arg("--out")
            .arg(self.folder().join(format!("{guild}.cred")))
            .env_remove("DISCORD_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A Ctrl-C in a terminal is for the bot alone.
            .process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let stderr = child.stderr.take().expect("stderr is a pipe");
        let running = Running(Arc::new(Mutex::new(child)));
        let child = Arc::clone(&running.0);
        let waiting = spawn_blocking(move || {
            let said = end_of(stderr);
            let ended = child.lock().unwrap_or_else(PoisonError::into_inner).wait();
            (said, ended)
        });
        let Ok(waited) = timeout(LONGEST, waiting).await else {
            let minutes = LONGEST.as_secs() / 60;
            let reason = format!("it took longer than {minutes} minutes");
            return Err((CredFailure::TooSlow(minutes), reason));
        };
        let (said, ended) = waited.map_err(|error| failed(error.into()))?;
        let ended = ended.map_err(failed)?;
        if ended.success() {
            return Ok(());
        }
        let failure = failure(ended, &said, memory);
        let reason = match failure {
            CredFailure::TooLarge(memory) => {
                format!("it takes more than {memory} MiB (CRED_MEMORY): {said}")
            }
            _ => format!("{said} ({ended})"),
        };
        Err((failure, one_line(&reason)))
    }
}

/// A process that ends with this.
struct Running(Arc<Mutex<Child>>);

impl Drop for Running {
    fn drop(&mut self) {
        // The lock is held only while the process ends by itself.
        if let Ok(mut child) = self.0.try_lock() {
            let _ = child.kill();
        }
    }
}

/// This program, even if its file was replaced meanwhile.
fn program() -> io::Result<PathBuf> {
    let own = Path::new("/proc/self/exe");
    if own.exists() {
        return Ok(own.to_owned());
    }
    std::env::current_exe()
}

/// The end of what a process says. The rest is read, too, so that it isn't held up.
fn end_of(mut stderr: impl Read) -> String {
    let (mut said, mut more) = (Vec::new(), [0; 4_096]);
    while let Ok(count @ 1..) = stderr.read(&mut more) {
        said.extend_from_slice(&more[..count]);
        said.drain(..said.len().saturating_sub(REASON));
    }
    String::from_utf8_lossy(&said).trim().to_owned()
}

/// Why a process ended that has said this at its end.
fn failure(ended: ExitStatus, said: &str, memory: u64) -> CredFailure {
    // An allocation that fails; a file that can't be mapped; a thread without room for its stack.
    let out_of_memory = [
        "memory allocation of",
        "annot allocate memory",
        "emporarily unavailable",
    ];
    match ended.code() {
        _ if out_of_memory.iter().any(|words| said.contains(words)) => {
            CredFailure::TooLarge(memory)
        }
        Some(2) => CredFailure::Misconfigured,
        // The system ended it, most likely because memory ran out.
        None => CredFailure::TooLarge(memory),
        Some(_) => CredFailure::Failed,
    }
}

/// The same with the repositories of GitHub that it counts.
fn with_github(configured: u64, github: &Github) -> u64 {
    let mut hasher = DefaultHasher::new();
    (configured, &github.repositories, &github.generations).hash(&mut hasher);
    hasher.finish()
}

/// A hash of how cred is computed: the files of the instance and the weights, by name, length and time.
fn configured(config: &Config) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut paths: Vec<PathBuf> = config.weights().cloned().into_iter().collect();
    if let Some(instance) = &config.cred.instance {
        let parts = [
            "sourcecred.json",
            "config",
            "data/ledger.json",
            "output/graphs",
        ];
        paths.extend(parts.map(|part| instance.join(part)));
    }
    let mut left = MOST_FILES;
    while let Some(path) = paths.pop() {
        path.hash(&mut hasher);
        if let Ok(entries) = fs::read_dir(&path) {
            let mut within: Vec<PathBuf> = entries
                .flatten()
                .map(|entry| entry.path())
                .take(left)
                .collect();
            left -= within.len();
            within.sort();
            paths.extend(within);
        } else if let Ok(file) = fs::metadata(&path) {
            (file.len(), file.modified().ok()).hash(&mut hasher);
        }
    }
    hasher.finish()
}
