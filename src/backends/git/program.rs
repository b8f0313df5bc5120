//! Runs the `git` program: with which environment, how its output is read, and how it is stopped.
//!
//! The operator's configuration applies to how a host is reached: ssh, proxies, credential helpers. What
//! is written depends on none of it: there are no hooks, no filters and no working tree. Secrets go to
//! git in its environment, never in its arguments.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _},
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{GitError, place::GitPlace, scratch::Scratch};

/// The oldest version with all that is used here, such as `GIT_CONFIG_COUNT`.
const OLDEST: (u32, u32) = (2, 31);
pub(super) const OLDEST_TEXT: &str = "2.31";

/// How long a program may be silent until it is stopped. Transfers show progress.
pub(super) const STALL: Duration = Duration::from_mins(2);

/// How long a program may take to end by itself, and remove its lock files, once it is told to.
const ENDING: Duration = Duration::from_secs(2);

/// How much of stderr is kept, in bytes: its end has the error.
const TOLD: u64 = 16 << 10;

/// Variables of a surrounding repository or session, which are not passed on.
const DROPPED: [&str; 24] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CURL_VERBOSE",
    "GIT_DEFAULT_HASH",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL_FROM_USER",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_TRACE",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_WORK_TREE",
];

/// The environment, besides the configuration: no questions, no other transports, English output, and
/// no objects fetched one by one unasked.
const FIXED: [(&str, &str); 10] = [
    ("GCM_INTERACTIVE", "never"),
    ("GIT_ALLOW_PROTOCOL", "file:http:https:ssh"),
    ("GIT_ASKPASS", ""),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("LC_ALL", "C"),
    ("SSH_ASKPASS_REQUIRE", "never"),
];

/// Configuration that outweighs the operator's.
const CONFIG: [(&str, &str); 13] = [
    ("core.fsync", "none"),
    ("core.hooksPath", "/dev/null"),
    ("core.ignoreCase", "false"),
    ("credential.interactive", "false"),
    ("fetch.writeCommitGraph", "false"),
    ("gc.auto", "0"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("init.defaultBranch", "main"),
    ("maintenance.auto", "false"),
    ("push.followTags", "false"),
    ("push.gpgSign", "false"),
    ("push.pushOption", ""),
];

/// What ssh is told unless the operator configures another command: no questions, no endless waits.
pub(super) const SSH: &str =
    "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

/// The name of the remote, which no configuration of an operator has.
pub(super) const REMOTE: &str = "propsbot-archive";

/// Hands out a login. Its values are in the environment, which only git and its children see.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                      \"$PROPSBOT_GIT_USER\" \"$PROPSBOT_GIT_PASSWORD\"; }; f";

/// What every call of git gets in its environment.
#[derive(Clone)]
pub(super) struct Environment {
    config: Vec<(String, String)>,
    variables: Vec<(&'static str, String)>,
}

impl Environment {
    /// The environment for the archive at this place.
    pub(super) fn new(
        place: &GitPlace,
        token: Option<&str>,
        network: Vec<(&'static str, String)>,
    ) -> Self {
        let fixed = FIXED
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let config = CONFIG
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut made = Self {
            config: config.collect(),
            variables: fixed.chain(network).collect(),
        };
        made.set(&format!("remote.{REMOTE}.url"), &place.remote());
        if place.is_local() {
            // The repository's own configuration has neither by default. These make what is pushed
            // survive a power cut, and let single files be read.
            let receive = "git -c core.fsync=all receive-pack";
            let upload = "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack";
            made.set(&format!("remote.{REMOTE}.receivepack"), receive);
            made.set(&format!("remote.{REMOTE}.uploadpack"), upload);
        }
        if let Some(origin) = place.origin() {
            let login = place.login();
            let password = login.password.as_deref().or(token);
            if let Some(password) = password {
                // Hosts that take tokens as passwords ignore the user's name.
                let user = login.user.as_deref().unwrap_or("git");
                let helper = format!("credential.{origin}.helper");
                made.set(&helper, "");
                made.set(&helper, HELPER);
                made.variables.push(("PROPSBOT_GIT_USER", user.to_owned()));
                made.variables
                    .push(("PROPSBOT_GIT_PASSWORD", password.to_owned()));
            } else if let Some(user) = &login.user {
                made.set(&format!("credential.{origin}.username"), user);
            }
        }
        made
    }

    /// Adds a value, which outweighs earlier ones.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.config.push((key.to_owned(), value.to_owned()));
    }

    /// The same with another value of a variable.
    pub(super) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.variables.push((name, value.to_owned()));
        other
    }

    /// The same without any login.
    pub(super) fn anonymous(&self, origin: &str) -> Self {
        let mut anonymous = self.clone();
        anonymous.set("credential.helper", "");
        anonymous.set(&format!("credential.{origin}.helper"), "");
        anonymous
    }

    fn apply(&self, command: &mut Command) {
        for name in DROPPED {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("GIT_CONFIG_COUNT", self.config.len().to_string());
        for (number, (key, value)) in self.config.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
    }
}

/// Fails if git is missing or too old.
pub(super) fn check_program() -> Result<(), GitError> {
    let asked = Command::new("git")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    let asked = asked.map_err(|error| GitError::NoProgram(error.to_string()))?;
    let told = String::from_utf8_lossy(&asked.stdout);
    match version(&told) {
        Some(version) if version >= OLDEST => Ok(()),
        Some((major, minor)) => Err(GitError::TooOld(format!("{major}.{minor}"))),
        None => Err(GitError::NoProgram("it tells no version".to_owned())),
    }
}

fn version(told: &str) -> Option<(u32, u32)> {
    let numbers = told.strip_prefix("git version ")?;
    let mut numbers = numbers.split(|letter: char| !letter.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The programs that one operation runs, one after the other. Can be stopped from another thread.
#[derive(Clone, Default)]
pub(super) struct Running(Arc<Mutex<Current>>);

#[derive(Default)]
struct Current {
    is_stopped: bool,
    /// The process group of the program that is running.
    group: Option<Pid>,
    /// Its stderr, how long that was when it was last looked at, and since when it is that long.
    told: Option<(File, u64, Instant)>,
}

impl Running {
    fn current(&self) -> MutexGuard<'_, Current> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the program that is running, with its children, and starts no other.
    pub(super) fn stop(&self) {
        let mut current = self.current();
        current.is_stopped = true;
        let Some(group) = current.group else {
            return;
        };
        // It may have ended already. Killed at once, it would leave lock files in a local repository.
        let _ = kill_process_group(group, Signal::TERM);
        let current = self.clone();
        thread::spawn(move || {
            thread::sleep(ENDING);
            if current.current().group == Some(group) {
                let _ = kill_process_group(group, Signal::KILL);
            }
        });
    }

    /// Whether the program that is running has been silent for too long.
    pub(super) fn is_stalled(&self) -> bool {
        let mut current = self.current();
        let Some((file, length, since)) = current.told.as_mut() else {
            return false;
        };
        let now = file.metadata().map_or(*length, |file| file.len());
        if now != *length {
            (*length, *since) = (now, Instant::now());
        }
        since.elapsed() >= STALL
    }
}

/// Stops an operation when its caller is gone.
pub(super) struct StopOnDrop(pub(super) Running);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// How a program ended.
pub(super) struct Ended {
    pub(super) is_success: bool,
    /// The end of its stderr.
    pub(super) told: String,
}

/// The git program in a temporary folder.
#[derive(Clone)]
pub(super) struct Git {
    pub(super) folder: Arc<Scratch>,
    /// The repository within it.
    pub(super) directory: PathBuf,
    pub(super) environment: Environment,
    pub(super) running: Running,
    /// How many times a server was asked.
    pub(super) requests: Arc<AtomicU64>,
}

impl Git {
    fn local(action: &'static str) -> impl FnOnce(io::Error) -> GitError {
        move |error| GitError::Local(action, error.to_string())
    }

    /// A file without a name, which is gone once it is closed.
    pub(super) fn spool(&self) -> Result<File, GitError> {
        let made = tempfile::tempfile_in(self.folder.path());
        made.map_err(Self::local("make a temporary file"))
    }

    /// A spool with these bytes.
    pub(super) fn input(&self, bytes: &[u8]) -> Result<File, GitError> {
        let mut file = self.spool()?;
        let written = io::Write::write_all(&mut file, bytes);
        written.map_err(Self::local("write a temporary file"))?;
        Ok(file)
    }

    /// Runs git in its repository. `read` gets its stdout; if that fails, the program is stopped.
    pub(super) fn run<T>(
        &self,
        arguments: &[&str],
        input: Option<File>,
        read: impl FnOnce(&mut BufReader<ChildStdout>) -> Result<T, GitError>,
    ) -> Result<(T, Ended), GitError> {
        let mut command = Command::new("git");
        self.environment.apply(&mut command);
        command
            .arg("--git-dir")
            .arg(&self.directory)
            .args(arguments);
        let told = self.spool()?;
        let stdin = match input {
            Some(mut file) => {
                file.rewind()
                    .map_err(Self::local("read a temporary file"))?;
                file.into()
            }
            None => Stdio::null(),
        };
        let copy = || {
            told.try_clone()
                .map_err(Self::local("open a temporary file"))
        };
        command.stdin(stdin).stdout(Stdio::piped()).stderr(copy()?);
        // So that its children can be stopped with it, and a Ctrl-C is ours alone.
        command.process_group(0);
        let mut child = {
            let mut current = self.running.current();
            if current.is_stopped {
                return Err(GitError::Stopped);
            }
            let child = command.spawn();
            let child = child.map_err(|error| GitError::NoProgram(error.to_string()))?;
            current.group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            current.told = Some((copy()?, 0, Instant::now()));
            child
        };
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let found = read(&mut BufReader::new(stdout));
        if found.is_err() {
            self.end();
        }
        let status = child.wait();
        let is_stopped = {
            let mut current = self.running.current();
            (current.group, current.told) = (None, None);
            current.is_stopped
        };
        let status = status.map_err(Self::local("wait for git"))?;
        if is_stopped {
            return Err(GitError::Stopped);
        }
        let told = end_of(told).map_err(Self::local("read a temporary file"))?;
        let ended = Ended {
            is_success: status.success(),
            told,
        };
        Ok((found?, ended))
    }

    fn end(&self) {
        if let Some(group) = self.running.current().group {
            let _ = kill_process_group(group, Signal::TERM);
        }
    }

    /// Runs git and returns its stdout of at most `most` bytes.
    pub(super) fn output(
        &self,
        arguments: &[&str],
        input: Option<File>,
        most: u64,
    ) -> Result<(Vec<u8>, Ended), GitError> {
        self.run(arguments, input, |stdout| {
            let mut found = Vec::new();
            let read = stdout.take(most + 1).read_to_end(&mut found);
            read.map_err(Self::local("read git's output"))?;
            if found.len() as u64 > most {
                return Err(GitError::TooLong(most));
            }
            Ok(found)
        })
    }

    /// Like [`Self::output`], as text.
    ///
    /// # Errors
    /// Also if the program fails.
    pub(super) fn ok(
        &self,
        arguments: &[&str],
        input: Option<File>,
        most: u64,
    ) -> Result<String, GitError> {
        let (stdout, ended) = self.output(arguments, input, most)?;
        if !ended.is_success {
            return Err(GitError::of(&ended.told));
        }
        Ok(String::from_utf8_lossy(&stdout).into_owned())
    }

    /// Counts a connection to the host.
    pub(super) fn asks(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }
}

fn end_of(mut told: File) -> io::Result<String> {
    let length = told.metadata()?.len();
    told.seek(io::SeekFrom::Start(length.saturating_sub(TOLD)))?;
    let mut end = Vec::new();
    told.take(TOLD).read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        assert_eq!(version("git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(
            version("git version 2.39.3 (Apple Git-146)\n"),
            Some((2, 39))
        );
        assert_eq!(version("git version 2.9\n"), Some((2, 9)));
        assert_eq!(version("hub version 2"), None);
        check_program().unwrap();
    }

    /// The token goes only to its own server, and only over http and https.
    #[test]
    fn a_login_is_for_one_server() {
        let environment = |place: &str| {
            let place = GitPlace::parse(place).unwrap();
            Environment::new(&place, Some("hidden"), Vec::new())
        };
        let has = |made: &Environment| made.variables.iter().any(|(_, value)| value == "hidden");
        let keys = |made: &Environment| {
            let keys = made.config.iter().map(|(key, _)| key.clone());
            keys.filter(|key| key.starts_with("credential.http"))
                .collect::<Vec<_>>()
        };
        let own = environment("https://example.org:8443/a.git");
        assert!(has(&own));
        assert_eq!(
            keys(&own),
            ["credential.https://example.org:8443.helper"; 2]
        );
        assert!(
            own.config
                .iter()
                .all(|(_, value)| !value.contains("hidden"))
        );
        for place in [
            "ssh://example.org/a.git",
            "git@example.org:a.git",
            "/srv/a.git",
        ] {
            let other = environment(place);
            assert!(!has(&other) && keys(&other).is_empty(), "{place}");
        }
        // A password in the URL is meant more than the general token.
        assert!(!has(&environment("https://me:other@example.org/a.git")));
    }

    /// A program that doesn't end is stopped with its children.
    #[test]
    fn a_stopped_program_ends_with_its_children() {
        let folder = Scratch::new(None).unwrap();
        let place = GitPlace::parse("/nowhere").unwrap();
        let mut environment = Environment::new(&place, None, Vec::new());
        environment.set("alias.sleep", "!sleep 600 & sleep 600");
        let git = Git {
            directory: folder.path().join("none"),
            folder: Arc::new(folder),
            environment,
            running: Running::default(),
            requests: Arc::default(),
        };
        let guard = StopOnDrop(git.running.clone());
        let started = git.clone();
        let waiting = thread::spawn(move || started.output(&["sleep"], None, 0).map(drop));
        while git.running.current().group.is_none() {
            thread::yield_now();
        }
        drop(guard);
        // Its stdout ends once its children have ended, too.
        assert_eq!(waiting.join().unwrap(), Err(GitError::Stopped));
        assert_eq!(
            git.output(&["version"], None, 100).map(drop),
            Err(GitError::Stopped)
        );
    }
}
