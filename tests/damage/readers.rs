//! `verify`, `restore` and `graph`, as the program runs them, within a limit of memory.

use std::{
    array,
    collections::BTreeMap,
    future::Future,
    panic,
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use propsbot::{
    app::{self, Error, GraphOrder, PluginOrder},
    config::{Config, Needs},
};
use propsbot_archive::Depth;
use propsbot_backends::ArchiveSpec;
use tempfile::TempDir;

use crate::{MEMORY, archive::propsbot, files::Files};

/// The longest that a command may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// How many times its named size a file may take in memory, and what may come on top whatever is read: of `verify`,
/// `restore` and `graph`. A store keeps what it writes in buffers for a while.
const TIMES: usize = 4;
const SLACK: [usize; 3] = [128 << 10, 4 << 20, 128 << 10];

/// How often the sound archive is read to learn what a command takes: up to sixteen short files are in memory at a time,
/// and how many of them at the peak is a matter of chance.
const SOUND_READINGS: usize = 20;

/// How often anything has panicked.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// An archive in a folder, and what commands need to read it.
pub(crate) struct Readers {
    home: TempDir,
    files: Files,
    sound: Files,
    /// What a graph is without damage, and the most memory that each command takes.
    graph: Files,
    memory: [usize; 3],
}

/// What commands make of an archive: what they print, or why they refuse it.
#[derive(Debug)]
pub(crate) struct Verdicts {
    verify: Result<Vec<String>, String>,
    restore: Result<Vec<String>, String>,
    graph: Result<Files, String>,
}

impl Verdicts {
    /// Whether the archive is trusted.
    pub(crate) fn are_trusting(&self) -> bool {
        self.verify.is_ok()
    }

    /// Asserts that all agree. A graph may be drawn of a refused archive, if it reads nothing of what is wrong: then
    /// it is the one of the sound archive.
    fn assert_agreed(&self, sound: &Files) {
        assert_eq!(self.verify.is_ok(), self.restore.is_ok(), "{self:#?}");
        match &self.graph {
            Ok(_) if self.are_trusting() => {}
            Ok(graph) => assert!(graph == sound, "a graph is another, and {:?}", self.verify),
            Err(_) => assert!(!self.are_trusting(), "{self:#?}"),
        }
    }

    /// Asserts that processes end so: with 0 or 1, or 2 for what another program wrote.
    pub(crate) fn assert_same(&self, [verify, restore, graph]: [Option<i32>; 3]) {
        let is_right = |is_ok: bool, code| match code {
            Some(0) => is_ok,
            Some(1 | 2) => !is_ok,
            _ => false,
        };
        assert!(
            is_right(self.verify.is_ok(), verify),
            "{verify:?}, and {self:?}"
        );
        assert!(
            is_right(self.restore.is_ok(), restore),
            "{restore:?}, and {self:?}"
        );
        assert!(
            is_right(self.graph.is_ok(), graph),
            "{graph:?}, and {self:?}"
        );
    }
}

impl Readers {
    pub(crate) async fn new(sound: Files) -> Self {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
        let mut readers = Self {
            home: TempDir::new().unwrap(),
            files: Files(BTreeMap::new()),
            graph: Files(BTreeMap::new()),
            memory: [usize::MAX / 2; 3],
            sound,
        };
        let sound = readers.sound.clone();
        // Once for what is made once and kept.
        let (verdicts, _) = readers.read(sound.clone()).await;
        readers.graph = verdicts.graph.clone().unwrap();
        let mut most = [0; 3];
        for _ in 0..SOUND_READINGS {
            let (verdicts, memory) = readers.read(sound.clone()).await;
            verdicts.assert_agreed(&readers.graph);
            most = array::from_fn(|command| most[command].max(memory[command]));
        }
        readers.memory = most;
        readers
    }

    pub(crate) fn sound(&self) -> &Files {
        &self.sound
    }

    /// What commands make of these files, which they agree on.
    pub(crate) async fn trust(&mut self, files: Files) -> Verdicts {
        let (verdicts, _) = self.read(files).await;
        verdicts.assert_agreed(&self.graph);
        verdicts
    }

    /// The same of files that aren't named soundly, unless they say what was exported.
    pub(crate) async fn recognize(&mut self, files: Files) {
        let verdicts = self.trust(files).await;
        if let Ok(graph) = &verdicts.graph {
            assert!(*graph == self.graph, "a graph is another: {verdicts:?}");
        }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("archive")
    }

    async fn read(&mut self, files: Files) -> (Verdicts, [usize; 3]) {
        let panics = PANICS.load(Ordering::Relaxed);
        self.files.write(&self.folder(), &files);
        let changed = files
            .0
            .iter()
            .filter(|(path, bytes)| self.sound.0.get(*path) != Some(*bytes));
        // What names a damaged file may say that it is as long as before.
        let changed = changed.map(|(path, bytes)| {
            let before = self.sound.0.get(path);
            let before = before.map_or(0, |_| self.sound.bytes(path).len());
            bytes.len().max(before)
        });
        let named: usize = changed.sum();
        self.files = files;
        let home = TempDir::new_in(self.home.path()).unwrap();
        let out = home.path().join("graph");
        let variables = BTreeMap::from([(
            "STORE_PATH".to_owned(),
            home.path().join("data").to_str().unwrap().to_owned(),
        )]);
        let config = Config::read(&variables, Needs::Local).unwrap();
        let spec: ArchiveSpec = format!("dir:{}", self.folder().display()).parse().unwrap();
        let plugin = PluginOrder::default();
        let order = GraphOrder {
            plugin: &plugin,
            out: Some(&out),
            space: None,
            diff: None,
            json: false,
        };
        let within = |command: usize| self.memory[command] + TIMES * named + SLACK[command];
        let verify = limited(within(0), app::verify(&config, &spec, Depth::Whole)).await;
        let restore = limited(within(1), app::restore(&config, &spec)).await;
        let graph = limited(within(2), app::graph(&config, &spec, order)).await;
        assert_eq!(PANICS.load(Ordering::Relaxed), panics, "something panicked");
        let memory = [verify.1, restore.1, graph.1];
        let verdicts = Verdicts {
            verify: verify.0,
            restore: restore.0,
            graph: graph.0.map(|_| Files::read(&out)),
        };
        (verdicts, memory)
    }

    /// How the built program ends with this archive: `verify`, `restore` and `graph`.
    pub(crate) fn exit_codes(&self) -> [Option<i32>; 3] {
        let home = TempDir::new().unwrap();
        let archive = format!("dir:{}", self.folder().display());
        let run = |arguments: &[&str]| {
            let ended = propsbot(home.path()).args(arguments).output().unwrap();
            let told = String::from_utf8_lossy(&ended.stderr).into_owned();
            assert!(!told.contains("panicked"), "{arguments:?}: {told}");
            ended.status.code()
        };
        [
            run(&["verify", "--from", &archive]),
            run(&["restore", "--from", &archive]),
            run(&["graph", "--from", &archive, "--out", "graph"]),
        ]
    }
}

/// What a command answers, and the most memory that it took. It ends in time, within this limit of memory, and exits
/// with 1 if it fails.
async fn limited(
    limit: usize,
    command: impl Future<Output = Result<Vec<String>, Error>>,
) -> (Result<Vec<String>, String>, usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let ended = tokio::time::timeout(PATIENCE, command)
        .await
        .expect("it hangs");
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(
        taken <= limit,
        "{taken} bytes of memory, {limit} were allowed"
    );
    let ended = ended.map_err(|error| {
        // What is another provider's, or of another format, is a mistake of whoever named it.
        let is_other = error.to_string().contains("of the provider")
            || error.to_string().contains("of format");
        assert!(error.exit_code() == 1 || is_other, "{error}");
        error.to_string()
    });
    (ended, taken)
}
