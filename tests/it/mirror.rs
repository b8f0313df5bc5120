//! The fixture: a simulated Discord, the built `propsbot` as its own process, and the contents of
//! both as comparable lines.

mod lines;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{PoisonError, RwLock, RwLockWriteGuard},
    time::{Duration, Instant},
};

use memchr::memmem;
use propsbot_archive::{Depth, ReadError, Verification, verify};
use propsbot_backends::FolderArchive;
use propsbot_model::{ChannelKind, GuildId};
use propsbot_rows::{SCHEMA, Snapshot};
use propsbot_store::{Store, StoreError};
use simulator::discord::{Discord, Options, Seed, TruthChannel, World, bit};
use tempfile::TempDir;
use tokio::time::sleep;

pub(crate) use lines::{differences, whole};

use lines::{assert_same, channels, lines, true_lines};

/// The longest a command may take.
const PATIENCE: Duration = Duration::from_secs(90);
/// Polling interval for processes.
const GLANCE: Duration = Duration::from_millis(5);

/// Between fork and exec, a child holds all our file handles, including locks. So no process may
/// start while a store is open here, or the store would seem to be in use.
static FORKING: RwLock<()> = RwLock::new(());

/// A store opened in this process.
pub(crate) struct Opened {
    store: Store,
    #[expect(dead_code, reason = "held until the store is closed")]
    no_forks: RwLockWriteGuard<'static, ()>,
}

impl Deref for Opened {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A store's tables, open in this process.
pub(crate) struct RawStore {
    db: sled::Db,
    #[expect(dead_code, reason = "held until the store is closed")]
    no_forks: RwLockWriteGuard<'static, ()>,
}

/// Opens a store's tables as sled has them.
pub(crate) fn raw_store(store: &Path) -> RawStore {
    let no_forks = FORKING.write().unwrap_or_else(PoisonError::into_inner);
    let (path, begun) = (store.join("sled"), Instant::now());
    let db = loop {
        // A child of the simulator may hold the lock for a moment, as in `open`.
        match sled::open(&path) {
            Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(GLANCE),
            opened => break opened.unwrap(),
        }
    };
    RawStore { db, no_forks }
}

impl Deref for RawStore {
    type Target = sled::Db;

    fn deref(&self) -> &sled::Db {
        &self.db
    }
}

/// Opens a store that no process has open.
pub(crate) fn open(path: &Path) -> Result<Opened, StoreError> {
    let no_forks = FORKING.write().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    // Simulators also start processes, without this lock, but release handles at once.
    let is_held = |store_error: &StoreError| matches!(store_error, StoreError::Unusable { source, .. } if source.to_string().contains("acquire lock"));
    let store = loop {
        match Store::open(path) {
            Err(error) if is_held(&error) && begun.elapsed() < PATIENCE => {
                std::thread::sleep(GLANCE);
            }
            opened => break opened?,
        }
    };
    Ok(Opened { store, no_forks })
}

/// A Discord, and a home for the bot with store and archive.
pub(crate) struct Mirror {
    pub(crate) discord: Discord,
    pub(crate) home: TempDir,
    /// Whether the bot can manage threads. If not, private threads aren't mirrored, not even those
    /// it was invited to.
    manages_threads: bool,
    /// Additional environment variables.
    pub(crate) variables: Vec<(String, String)>,
}

/// A running process.
pub(crate) struct Running {
    child: Child,
    output: PathBuf,
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// `None` if a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A `propsbot` command in `home` that inherits nothing from this environment.
pub(crate) fn propsbot(home: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_propsbot"));
    command
        .current_dir(home)
        .env_clear()
        .envs(variables.iter().copied())
        .args(arguments);
    command
}

/// Starts a process. Tests start them only here.
pub(crate) fn spawn(command: &mut Command) -> Child {
    let _forking = FORKING.read().unwrap_or_else(PoisonError::into_inner);
    command.spawn().unwrap()
}

/// Starts a process with output to files, so that it never blocks on a reader.
pub(crate) fn start(mut command: Command) -> Running {
    let output = tempfile::Builder::new()
        .prefix("output-")
        .tempdir_in(command.get_current_dir().expect("a home"))
        .unwrap()
        .keep();
    let file = |name: &str| Stdio::from(fs::File::create(output.join(name)).unwrap());
    command
        .stdin(Stdio::null())
        .stdout(file("stdout"))
        .stderr(file("stderr"));
    let child = spawn(&mut command);
    Running { child, output }
}

impl Running {
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn stderr(&self) -> String {
        fs::read_to_string(self.output.join("stderr")).unwrap()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends SIGKILL.
    pub(crate) async fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.wait().await
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        let pid = self.id().to_string();
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &pid]);
        let sent = spawn(&mut kill).wait();
        assert!(sent.unwrap().success());
    }

    pub(crate) async fn wait(self) -> Ended {
        self.wait_for(PATIENCE).await
    }

    /// Waits for its end; after the timeout, kills it and fails the test.
    pub(crate) async fn wait_for(mut self, patience: Duration) -> Ended {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > patience {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("not done after {patience:?}:\n{}", self.stderr());
            }
            sleep(GLANCE).await;
        };
        Ended {
            code: status.code(),
            stdout: fs::read_to_string(self.output.join("stdout")).unwrap(),
            stderr: self.stderr(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Failed tests leave no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Asserts this exit code, these words on stderr, and an empty stdout.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, says: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for words in says {
            assert!(self.stderr.contains(words), "no {words:?} in {self:#?}");
        }
        assert_eq!(self.stdout, "", "{self:#?}");
        assert!(!self.stderr.contains("panicked"), "{self:#?}");
    }
}

impl Mirror {
    pub(crate) async fn new(options: Options) -> Self {
        Self {
            discord: Discord::start(options).await.expect("a free port"),
            home: tempfile::tempdir().unwrap(),
            manages_threads: false,
            variables: Vec::new(),
        }
    }

    /// Gives the bot access to all private threads.
    pub(crate) fn manage_threads(&mut self) {
        let bot = self.discord.bot_id();
        let members = self.discord.truth().members;
        let own = members
            .iter()
            .find(|member| member.id == bot)
            .unwrap()
            .roles[0];
        let granted = self
            .discord
            .update_role(own, |discord| discord.permissions |= bit::MANAGE_THREADS);
        assert!(granted);
        self.manages_threads = true;
    }

    /// A small community whose last days are within the look-back.
    pub(crate) async fn seeded(seed: u64) -> Self {
        Self::new(Options {
            seed: Seed {
                seed,
                messages: 800,
                days: 60,
                ..Seed::default()
            },
            ..Options::default()
        })
        .await
    }

    /// Only the owner and the bot.
    pub(crate) async fn empty() -> Self {
        Self::new(Options {
            world: World::Empty,
            ..Options::default()
        })
        .await
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let (token, url) = (self.discord.token(), self.discord.url());
        let variables = [("DISCORD_TOKEN", &*token), ("DISCORD_API_URL", &*url)];
        let mut command = propsbot(self.home.path(), &variables, arguments);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        start(self.command(arguments))
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait().await
    }

    pub(crate) async fn sync(&self) -> Ended {
        self.run(&["sync"]).await
    }

    pub(crate) fn guild(&self) -> GuildId {
        GuildId(self.discord.guild_id())
    }

    pub(crate) fn store_path(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The store; no process may have it open.
    pub(crate) fn store(&self) -> Opened {
        open(&self.store_path()).unwrap()
    }

    /// The store's tables as sled has them. No process may have the store open.
    pub(crate) fn raw_store(&self) -> RawStore {
        raw_store(&self.store_path())
    }

    pub(crate) fn archive_path(&self) -> PathBuf {
        self.home.path().join("archive")
    }

    /// The manifest of the guild in the archive.
    pub(crate) fn manifest_path(&self) -> PathBuf {
        self.archive_path()
            .join(format!("spaces/{}.json", self.guild()))
    }

    pub(crate) async fn archived(&self) -> Snapshot {
        let archive = FolderArchive::new(self.archive_path());
        Snapshot::read(&archive).await.unwrap()
    }

    pub(crate) async fn verified(&self) -> Verification {
        let archive = FolderArchive::new(self.archive_path());
        verify(&archive, &SCHEMA, Depth::Whole).await.unwrap()
    }

    /// The guild in `status --json`.
    pub(crate) async fn status(&self) -> serde_json::Value {
        let ended = self.run(&["status", "--json"]).await.ok();
        let mut guilds: Vec<serde_json::Value> = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(guilds.len(), 1, "{guilds:?}");
        guilds.remove(0)
    }

    /// The objects that `status --json` reports as failed, with reasons.
    pub(crate) async fn failures(&self) -> BTreeMap<String, String> {
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let status = self.status().await;
        let all = status["failures"].as_array().unwrap();
        all.iter()
            .map(|failure| (text(&failure["object"]), text(&failure["reason"])))
            .collect()
    }

    /// Exports, and asserts that the archive is valid.
    pub(crate) async fn export(&self) -> Ended {
        let ended = self.run(&["export"]).await.ok();
        let found = self.verified().await;
        assert!(found.is_valid(), "{:#?}", found.faults);
        ended
    }

    /// Asserts that the store equals everything the bot can see on Discord.
    #[track_caller]
    pub(crate) fn check_store(&self) {
        let truth = self.discord.truth();
        let threads =
            |kind| self.manages_threads || ChannelKind(kind) != ChannelKind::PRIVATE_THREAD;
        let readable = channels(&truth, |channel| channel.readable && threads(channel.kind));
        let mut snapshot = whole(&self.store(), self.guild());
        snapshot.channels.retain(|channel| threads(channel.kind.0));
        // Archived threads are listed only with permission to read history.
        let known = |truth_channel: &TruthChannel| {
            threads(truth_channel.kind) && (!truth_channel.archived || truth_channel.readable)
        };
        assert_same(&differences(
            &lines(&snapshot, &readable),
            &true_lines(&truth, known, &readable),
        ));
    }

    /// Asserts that the archive equals what `@everyone` can see.
    pub(crate) async fn check_archive(&self) {
        assert_same(&self.archive_differences().await);
        let public = channels(&self.discord.truth(), |channel| {
            channel.public && channel.readable
        });
        let snapshot = self.archived().await;
        let deleted = snapshot
            .channels
            .iter()
            .filter(|channel| channel.deleted_at.is_some());
        let deleted: BTreeSet<u64> = deleted.map(|deleted| deleted.id.0).collect();
        for row in &snapshot.messages {
            let channel = row.channel_id.0;
            assert!(
                public.contains(&channel) || deleted.contains(&channel),
                "a private message is in the archive: {row:?}"
            );
        }
    }

    /// Differences between the archive and what `@everyone` can see on Discord.
    pub(crate) async fn archive_differences(&self) -> Vec<String> {
        let archive = FolderArchive::new(self.archive_path());
        let snapshot = match Snapshot::read(&archive).await {
            Ok(snapshot) => snapshot,
            Err(error @ (ReadError::Empty | ReadError::Superseded)) => {
                return vec![error.to_string()];
            }
            Err(error) => panic!("{error}"),
        };
        let truth = self.discord.truth();
        let public = channels(&truth, |channel| channel.public && channel.readable);
        let known = |truth_channel: &TruthChannel| {
            truth_channel.public && (!truth_channel.archived || truth_channel.readable)
        };
        differences(
            &lines(&snapshot, &public),
            &true_lines(&truth, known, &public),
        )
    }
}

/// What a file says, inflated if it is compressed, whatever its name: archives compress their files.
pub(crate) fn content(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes;
    }
    let mut inflate = Command::new("gzip");
    let file = fs::File::open(path).unwrap();
    inflate.arg("-dc").stdin(file).stdout(Stdio::piped());
    let inflated = spawn(&mut inflate).wait_with_output().unwrap();
    assert!(inflated.status.success(), "{}", path.display());
    inflated.stdout
}

/// What all files in a folder say, one after another.
pub(crate) fn content_below(folder: &Path) -> Vec<u8> {
    let entries = fs::read_dir(folder).unwrap();
    let all = entries.flat_map(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            content_below(&path)
        } else {
            content(&path)
        }
    });
    all.collect()
}

/// Whether any file in the folder says these words.
pub(crate) fn holds(folder: &Path, words: &[u8]) -> bool {
    memmem::find(&content_below(folder), words).is_some()
}
