//! The end in the running process: accepts commands, and tells each client how its command goes.
//!
//! A command that writes goes on when its client leaves. All of them end when the process stops.

use std::{sync::Arc, time::Duration};

use futures::future::join;
use rustix::process::{Uid, geteuid};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::sleep,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{debug, info, warn};

use super::{
    Event, Session,
    protocol::{Hello, LONGEST_REQUEST, LineError, Lines, PAGE, Request, TEXT, VERSION},
    socket,
};
use crate::app::{Error, console::Console};

/// How many commands may be under way. Further clients wait.
const AT_ONCE: usize = 16;

/// How many events may wait for a client to read them.
const WAITING: usize = 8;

/// How long commands may take to end on shutdown.
const ENDING: Duration = Duration::from_secs(7);

/// How long to wait before accepting again if the system refuses, for example for lack of handles.
const REFUSED: Duration = Duration::from_secs(1);

/// How long a client may take on shutdown to read the result of its command.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Accepts commands until it is finished.
pub(in super::super) struct Server {
    closing: CancellationToken,
    stop: CancellationToken,
    served: AbortOnDropHandle<()>,
}

/// Accepts commands for a session whose store is open, until `stop`. `None` if the socket can't be
/// made, which is logged: the process does without.
pub(in super::super) fn serve(session: &Arc<Session>, stop: &CancellationToken) -> Option<Server> {
    let store = &session.config.store_path;
    let listener = match socket::listen(store) {
        Ok(listener) => listener,
        Err(error) => {
            warn!(
                path = %socket::path(store).display(),
                "commands such as `propsbot status` can't reach this process: could not listen on its \
                 socket: {error}"
            );
            return None;
        }
    };
    let closing = stop.child_token();
    let accepting = accept(listener, Arc::clone(session), closing.clone(), stop.clone());
    Some(Server {
        closing,
        stop: stop.clone(),
        served: AbortOnDropHandle::new(tokio::spawn(accepting)),
    })
}

impl Server {
    /// Accepts no more commands, and waits for those under way; on `stop`, at most [`ENDING`].
    pub(in super::super) async fn finish(self) {
        self.closing.cancel();
        let late = async {
            self.stop.cancelled().await;
            sleep(ENDING).await;
        };
        tokio::select! {
            _ = self.served => {}
            () = late => warn!("a command or its client took too long to end"),
        }
    }
}

async fn accept(
    listener: UnixListener,
    session: Arc<Session>,
    closing: CancellationToken,
    stop: CancellationToken,
) {
    let free = Arc::new(Semaphore::new(AT_ONCE));
    let mut clients = JoinSet::new();
    loop {
        let next = async {
            let permit = Arc::clone(&free).acquire_owned().await;
            (permit, listener.accept().await)
        };
        tokio::select! {
            biased;
            () = closing.cancelled() => break,
            Some(_) = clients.join_next() => {}
            (permit, accepted) = next => match accepted {
                Ok((stream, _)) => {
                    let (session, stop) = (Arc::clone(&session), stop.clone());
                    clients.spawn(async move {
                        let _permit = permit;
                        if let Err(error) = serve_client(stream, &session, &stop).await {
                            debug!("a client of the control socket: {error}");
                        }
                    });
                }
                Err(error) => {
                    warn!("can't accept a command: {error}");
                    sleep(REFUSED).await;
                }
            }
        }
    }
    // In this order: whoever finds the socket can connect.
    if let Err(error) = socket::remove(&session.config.store_path) {
        debug!("could not remove the control socket: {error}");
    }
    drop(listener);
    while clients.join_next().await.is_some() {}
}

/// Whether commands of this user are carried out: those of the process's own one, and root's.
fn may_command(user: u32, own: u32) -> bool {
    user == own || user == Uid::ROOT.as_raw()
}

async fn serve_client(
    stream: UnixStream,
    session: &Session,
    stop: &CancellationToken,
) -> Result<(), LineError> {
    let user = stream.peer_cred()?.uid();
    let mut lines = Lines::new(stream, LONGEST_REQUEST);
    let asked = stop.run_until_cancelled(ask(&mut lines, user)).await;
    match asked.transpose()?.flatten() {
        Some(request) => answer(lines, request, session, stop).await,
        None => Ok(()),
    }
}

/// What the client wants; `None` if it gets none of it, and knows why.
async fn ask(lines: &mut Lines, user: u32) -> Result<Option<Request>, LineError> {
    lines.send(&Hello::own()).await?;
    let hello: Hello = lines.soon().await?;
    if hello.propsbot_control != VERSION {
        return Ok(None);
    }
    let own = geteuid().as_raw();
    let refused = if may_command(user, own) {
        match lines.soon().await {
            Err(LineError::Unexpected(error)) => Event::End {
                code: 2,
                error: format!("the running propsbot could not understand the command: {error}"),
            },
            request => return Ok(Some(request?)),
        }
    } else {
        Event::End {
            code: 1,
            error: format!(
                "this propsbot belongs to user {own}, and takes no commands of user {user}"
            ),
        }
    };
    lines.send(&refused).await?;
    Ok(None)
}

/// Carries out a command, and tells the client how it goes.
async fn answer(
    mut lines: Lines,
    Request { command, archive }: Request,
    session: &Session,
    stop: &CancellationToken,
) -> Result<(), LineError> {
    if command.writes() {
        info!(command = command.name(), "carrying out a command");
    }
    let (events, told) = mpsc::channel(WAITING);
    let console = Console::Client(events.clone());
    let (left, ended) = (CancellationToken::new(), CancellationToken::new());
    let working = async {
        let own_archive = session.config.archive.absolute().to_string();
        if command.exports_to_own() && archive != own_archive {
            let note = format!(
                "the archive is {own_archive}, the ARCHIVE of the running propsbot; here it is {archive}"
            );
            console.notify(note).await;
        }
        let work = session.execute(&command, &console, stop);
        let done = if command.writes() {
            work.await
        } else {
            tokio::select! {
                done = work => done,
                () = left.cancelled() => Err(stopping()),
                () = stop.cancelled() => Err(stopping()),
            }
        };
        ended.cancel();
        report(done, &events).await;
        drop((console, events));
    };
    let relaying = async {
        let late = async {
            ended.cancelled().await;
            stop.cancelled().await;
            sleep(LAST_WORDS).await;
        };
        let _left = left.clone().drop_guard();
        tokio::select! {
            relayed = relay(&mut lines, told) => relayed,
            () = late => Err(LineError::Late),
        }
    };
    join(working, relaying).await.1
}

/// The error of a command that the end of the process cuts short.
pub(in super::super) fn stopping() -> Error {
    Error::Failed(anyhow::anyhow!("the running propsbot is stopping"))
}

/// Sends the result of a command, in events of bounded size.
async fn report(done: Result<Vec<String>, Error>, events: &mpsc::Sender<Event>) {
    let end = match done {
        Ok(texts) => {
            for text in texts {
                for part in parts(&text) {
                    let _ = events.send(Event::Out(part)).await;
                }
            }
            Event::End {
                code: 0,
                error: String::new(),
            }
        }
        Err(error) => Event::End {
            code: error.exit_code(),
            error: error.to_string(),
        },
    };
    let _ = events.send(end).await;
}

/// The lines of a text, together while they fit into an event.
fn parts(text: &str) -> Vec<String> {
    let mut parts: Vec<String> = Vec::new();
    for line in text.split('\n') {
        match parts.last_mut() {
            Some(part) if part.len() + line.len() < TEXT => {
                part.push('\n');
                part.push_str(line);
            }
            _ => parts.push(line.to_owned()),
        }
    }
    parts
}

/// Passes events on until there are no more, or the client has left.
async fn relay(lines: &mut Lines, mut told: mpsc::Receiver<Event>) -> Result<(), LineError> {
    loop {
        let event = tokio::select! {
            event = told.recv() => event,
            () = lines.closed() => return Err(LineError::Closed),
        };
        match event {
            Some(event) => lines.send_within(PAGE, &event).await?,
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_own_user_and_root_may_command() {
        assert!(may_command(1000, 1000) && may_command(0, 1000));
        assert!(!may_command(1001, 1000) && !may_command(1000, 0));
    }

    #[test]
    fn parts_are_bounded_and_lose_nothing() {
        for text in ["", "a", "a\n\nb\n", &"line\n".repeat(TEXT)] {
            let parts = parts(text);
            assert_eq!(parts.join("\n"), text);
            assert!(parts.iter().all(|part| part.len() <= TEXT));
        }
    }
}
