//! Runs the `git` program: how its output is read, and how it is stopped.

use std::{
    fs::File,
    io::{self, BufReader, Read as _, Seek as _},
    path::PathBuf,
    process::{ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use process_wrap::std::{CommandWrap, ProcessSession};
use rustix::process::{Pid, Signal, kill_process_group};

use super::{GitError, environment::Environment, scratch::Scratch};

/// The oldest version with all that is used here, such as `GIT_CONFIG_COUNT`.
const OLDEST: (u32, u32) = (2, 31);
pub(super) const OLDEST_TEXT: &str = "2.31";

/// How long a program may be silent until it is stopped. Transfers show progress.
pub(super) const STALL: Duration = Duration::from_mins(2);

/// How long a program may take to end by itself, and remove its lock files, once it is told to.
const ENDING: Duration = Duration::from_secs(2);

/// The most that is read of most outputs, in bytes.
pub(super) const ANSWER: u64 = 1 << 20;

/// How much of stderr is kept, in bytes: its end has the error.
const TOLD: u64 = 16 << 10;

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
        // Its own process group, so that its children can be stopped with it, and a Ctrl-C is ours alone. Without a
        // terminal, ssh and whatever else would ask there fails instead of waiting for an answer.
        let mut command = CommandWrap::from(command);
        command.wrap(ProcessSession);
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
        let stdout = child.stdout().take().expect("stdout is a pipe");
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
    use crate::git::place::GitPlace;

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
