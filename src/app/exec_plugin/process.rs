//! The process of a program: its pipes, its bounds, its end.

use std::{
    collections::VecDeque,
    fmt,
    io::{BufRead as _, BufReader, Read, Write as _},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    time::{error::Elapsed, timeout},
};

use super::{
    needs::{Need, Scopes},
    output::{Line, Output},
};
use propsbot_archive::one_line;

/// How much a program may write: a longer graph.json than that of this output is of no use to SourceCred.
const OUTPUT: u64 = 256 << 20;
/// How long a line may be.
const LINE: u64 = 1 << 16;
/// How much of what it says on stderr is shown.
const SAID: usize = 2048;
/// How long what it said is waited for after its end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Where programs are found that a program runs.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";
/// How many chunks wait to be written.
const AHEAD: usize = 4;

/// A program, and how it is run.
#[derive(Debug)]
pub(super) struct Program {
    path: PathBuf,
    patience: Duration,
    runtime: Handle,
}

/// Why a program was stopped before it was done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    #[error("it could not be started: {0}")]
    NotStarted(std::io::Error),
    #[error("it took longer than {} {doing}, and was stopped{said}", humantime::format_duration(*.patience))]
    TooSlow {
        patience: Duration,
        doing: &'static str,
        said: Said,
    },
    #[error("line {line} of its output: {problem}{said}")]
    Wrong {
        line: u64,
        problem: String,
        said: Said,
    },
    #[error("its output: {problem}{said}")]
    Incomplete { problem: String, said: Said },
}

/// The end of what a program said on stderr.
#[derive(Clone, Debug, Default)]
pub(super) struct Said(String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            "" => Ok(()),
            said => write!(f, "; it said: {said}"),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

/// What the output of a program comes to.
enum Told {
    Needs(Vec<Need>),
    Ended(Box<Output>),
    /// It is wrong: in which line, and why.
    Wrong(Option<u64>, String),
}

impl Program {
    pub(super) fn new(path: &Path, patience: Duration) -> anyhow::Result<Self> {
        let tried = || format!("could not find the program {}", path.display());
        // Its path must not depend on PATH.
        let path = path.canonicalize().with_context(tried)?;
        if !path.is_file() {
            bail!("{} is no file that can be run", path.display());
        }
        Ok(Self {
            path,
            patience,
            runtime: Handle::current(),
        })
    }

    /// Waits for this, as long as there is patience.
    fn within<T>(&self, what: impl Future<Output = T>) -> Result<T, Elapsed> {
        // Timers are made on the runtime.
        let waiting = async { timeout(self.patience, what).await };
        self.runtime.block_on(waiting)
    }

    /// Starts it.
    pub(super) fn start(&self, name: &str, scopes: Scopes) -> Result<Running<'_>, Stopped> {
        let mut command = Command::new(&self.path);
        command
            .env_clear()
            .env("PATH", PATH)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // So that its children can be stopped with it.
            .process_group(0);
        let mut child = command.spawn().map_err(Stopped::NotStarted)?;
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        let stdout = child.stdout.take().expect("stdout is a pipe");
        let mut stderr = child.stderr.take().expect("stderr is a pipe");
        let (rows, mut to_write) = mpsc::channel::<Vec<u8>>(AHEAD);
        thread::spawn(move || {
            while let Some(chunk) = to_write.blocking_recv() {
                // It may have heard enough: what it draws decides.
                if stdin.write_all(&chunk).is_err() {
                    while to_write.blocking_recv().is_some() {}
                }
            }
        });
        let (tell, told) = mpsc::channel(2);
        let output = Output::new(name);
        thread::spawn(move || listen(BufReader::new(stdout), output, &scopes, &tell));
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let saying = Arc::clone(&said);
        let (silent, silence) = mpsc::channel::<()>(1);
        thread::spawn(move || {
            // Dropped at the end.
            let _silent = silent;
            let mut some = [0; 1024];
            while let Ok(count @ 1..) = stderr.read(&mut some) {
                let mut said = saying.lock().unwrap_or_else(PoisonError::into_inner);
                said.extend(&some[..count]);
                let over = said.len().saturating_sub(SAID);
                said.drain(..over);
            }
        });
        Ok(Running {
            program: self,
            child,
            rows: Some(rows),
            told,
            said,
            silence,
            is_over: false,
        })
    }
}

/// Reads what a program writes, and tells what it comes to.
fn listen(
    mut stdout: impl std::io::BufRead,
    output: Output,
    scopes: &Scopes,
    tell: &mpsc::Sender<Told>,
) {
    let mut output = Some(output);
    let (mut number, mut bytes, mut has_needs) = (0, 0, false);
    let mut line = Vec::new();
    let told = loop {
        line.clear();
        number += 1;
        let read = stdout.by_ref().take(LINE + 1).read_until(b'\n', &mut line);
        bytes += line.len() as u64;
        let wrong = |problem: String| Told::Wrong(Some(number), problem);
        match read {
            Err(error) => break Told::Wrong(None, format!("it can't be read: {error}")),
            Ok(0) => break Told::Wrong(None, "it stopped without {\"end\": true}".to_owned()),
            Ok(_) if line.len() as u64 > LINE => {
                break wrong(format!("it is longer than {LINE} bytes"));
            }
            Ok(_) if bytes > OUTPUT => {
                break wrong(format!("the output is longer than {OUTPUT} bytes"));
            }
            Ok(_) => {}
        }
        let parsed = match serde_json::from_slice::<Line>(&line) {
            Ok(parsed) => parsed,
            Err(error) => break wrong(format!("it is not a line of the protocol: {error}")),
        };
        match parsed {
            Line::Needs(asked) if !has_needs => {
                has_needs = true;
                match Need::all(asked, scopes) {
                    Ok(needs) => {
                        if tell.blocking_send(Told::Needs(needs)).is_err() {
                            return;
                        }
                    }
                    Err(problem) => break wrong(problem),
                }
            }
            _ if !has_needs => break wrong("the first line has to say what it needs".to_owned()),
            Line::End(_) => {
                let output = output.take().expect("an output ends once");
                break match output.end_of() {
                    Ok(output) => Told::Ended(Box::new(output)),
                    Err((line, problem)) => Told::Wrong(line, problem),
                };
            }
            drawn => {
                let output = output.as_mut().expect("the output goes on");
                if let Err(problem) = output.take(number, drawn) {
                    break wrong(problem);
                }
            }
        }
    };
    // Nobody waits for it after a time-out.
    let _ = tell.blocking_send(told);
}

/// A program that runs. It is killed with its process group when this is dropped.
pub(super) struct Running<'a> {
    program: &'a Program,
    child: Child,
    /// `None` once there are no more.
    rows: Option<mpsc::Sender<Vec<u8>>>,
    told: mpsc::Receiver<Told>,
    said: Arc<Mutex<VecDeque<u8>>>,
    /// Closed once nobody can write to its stderr.
    silence: mpsc::Receiver<()>,
    is_over: bool,
}

impl Running<'_> {
    /// Writes to it.
    pub(super) fn send(&self, chunk: Vec<u8>) -> Result<(), Stopped> {
        let rows = self.rows.as_ref().expect("rows are sent before the end");
        let sending = self.program.within(rows.send(chunk));
        match sending {
            // The writer ends only with this.
            Ok(_) => Ok(()),
            Err(_) => Err(self.too_slow("to take rows")),
        }
    }

    /// What it needs.
    pub(super) fn needs(&mut self) -> Result<Vec<Need>, Stopped> {
        match self.next("to say what it needs")? {
            Told::Needs(needs) => Ok(needs),
            Told::Wrong(line, problem) => Err(self.wrong(line, problem)),
            Told::Ended(_) => unreachable!("the first line says what it needs"),
        }
    }

    /// Says that there are no more rows, and waits for the end.
    pub(super) fn finish(mut self) -> Result<Output, Stopped> {
        self.send(b"{\"end\":true}\n".to_vec())?;
        self.rows = None;
        match self.next("to end")? {
            Told::Ended(output) => Ok(*output),
            Told::Wrong(line, problem) => Err(self.wrong(line, problem)),
            Told::Needs(_) => unreachable!("only the first line says what it needs"),
        }
    }

    fn next(&mut self, doing: &'static str) -> Result<Told, Stopped> {
        let program = self.program;
        match program.within(self.told.recv()) {
            Ok(Some(told)) => Ok(told),
            Ok(None) => Err(self.wrong(None, "nothing came of it".to_owned())),
            Err(_) => Err(self.too_slow(doing)),
        }
    }

    fn too_slow(&self, doing: &'static str) -> Stopped {
        Stopped::TooSlow {
            patience: self.program.patience,
            doing,
            said: self.said(),
        }
    }

    fn wrong(&mut self, line: Option<u64>, problem: String) -> Stopped {
        if line.is_none() {
            // What it said on stderr may say why it stopped.
            self.kill();
            let silence = async { timeout(LAST_WORDS, self.silence.recv()).await };
            let _ = self.program.runtime.block_on(silence);
        }
        let said = self.said();
        match line {
            Some(line) => Stopped::Wrong {
                line,
                problem,
                said,
            },
            None => Stopped::Incomplete { problem, said },
        }
    }

    fn said(&self) -> Said {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said: Vec<u8> = said.iter().copied().collect();
        Said(one_line(String::from_utf8_lossy(&said).trim()))
    }

    fn kill(&mut self) {
        // Another group may have its number by then.
        if std::mem::replace(&mut self.is_over, true) {
            return;
        }
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}
