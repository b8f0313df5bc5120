//! The end in a command: asks the running process, and prints what it tells.

use anyhow::anyhow;
use propsbot_archive::printable;
use propsbot_backends::{ArchiveSpec, drop_copies};
use tokio_util::sync::CancellationToken;

use super::{
    Event, StoreCommand,
    protocol::{Hello, LONGEST_EVENT, LineError, Lines, PATIENCE, Request, VERSION},
    socket,
};
use crate::{
    app::{Error, output},
    config::Config,
};

/// Has the process that has the store open carry out a command. `None` if no process answers.
///
/// Once it began to write, it goes on whatever becomes of this process.
pub async fn ask_running(
    config: &Config,
    command: &StoreCommand,
    stop: &CancellationToken,
) -> Option<Result<Vec<String>, Error>> {
    let path = socket::path(&config.store_path);
    let stream = match socket::connect(&config.store_path) {
        Ok(stream) => stream?,
        Err(error) => {
            return Some(Err(Error::Failed(anyhow!(
                "could not reach the running propsbot at {}: {error}",
                path.display()
            ))));
        }
    };
    let lines = Lines::new(stream, LONGEST_EVENT);
    let asked = stop.run_until_cancelled(ask(lines, config, command)).await;
    Some(asked.unwrap_or_else(|| {
        Err(Error::Failed(anyhow!(
            "no longer waiting for the running propsbot, which finishes what it has begun"
        )))
    }))
}

async fn ask(
    mut lines: Lines,
    config: &Config,
    command: &StoreCommand,
) -> Result<Vec<String>, Error> {
    if let Some(to) = command.destination()
        && let ArchiveSpec::Git(place) = to.spec()
        && place.url_with_secret(false).is_some()
    {
        return Err(Error::Wrong(anyhow!(
            "the password in the URL of {to} isn't sent to the running propsbot; leave it out, and set \
             GIT_TOKEN for that one, or stop it first"
        )));
    }
    let unanswered = |error: LineError| {
        Error::Failed(anyhow!(
            "{} is in use by another process, which doesn't answer as propsbot does: {error}",
            config.store_path.display()
        ))
    };
    let own = Hello::own();
    lines.send(&own).await.map_err(unanswered)?;
    // Silent clients that came before may take up all places, until the other end's patience with them ends.
    let hello = lines.within(3 * PATIENCE).await;
    let other: Hello = hello.map_err(unanswered)?;
    if other.propsbot_control != VERSION {
        return Err(Error::Wrong(anyhow!(
            "the running propsbot has version {} of the control protocol (release {}), this one has version {} \
             (release {}). Use the same release for both: after an upgrade, restart the running one",
            other.propsbot_control,
            other.release,
            own.propsbot_control,
            own.release,
        )));
    }
    let request = Request {
        command: command.clone(),
        archive: config.archive.absolute().to_string(),
    };
    lines.send(&request).await.map_err(unanswered)?;
    loop {
        match lines.next().await {
            Ok(Event::Out(text)) => output::print_line(&printable(&text))?,
            Ok(Event::Note(text)) => output::notify(&[text]),
            Ok(Event::End { code: 0, .. }) => break,
            Ok(Event::End { code, error }) => return Err(Error::with_code(code, error)),
            Err(error) => {
                return Err(Error::Failed(anyhow!(
                    "lost the running propsbot before the command was done: {error}. Look with `propsbot \
                     status`, or run it again"
                )));
            }
        }
    }
    // Those of this user, which the running process may not know.
    if let StoreCommand::Forget { .. } = command
        && let Err(error) = drop_copies(&config.access)
    {
        return Ok(vec![super::super::forget::left_copies(&error)]);
    }
    Ok(Vec::new())
}
