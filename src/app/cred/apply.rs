//! `ledger apply`: gives SourceCred's ledger what members asked for with `/link`.

use std::{
    fs::{self, TryLockError},
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};

use super::{
    instance::{Instance, LEDGER},
    logins::Logins,
};
use crate::{
    app::{
        Error,
        error::Tried as _,
        output::{notify, print_line},
        verify::as_of,
    },
    config::Config,
};
use propsbot_archive::{Id, Manifest, Millis, printable, read_rows};
use propsbot_backends::ArchiveSpec;
use propsbot_github::graph::{alias_of, people};
use propsbot_graph::wishes;
use propsbot_jobs::clock::Clock;
use propsbot_model::counted;
use propsbot_rows::SCHEMA;
use propsbot_sourcecred::cred::{KeptBack, Ledger, Wish};

/// Help for `ledger apply`.
const APPLY: &str = "\
Give SourceCred's ledger what members asked for with /link.

Members prove which GitHub login is theirs, and say whether they want to receive Grain. This reads it from the
archive, and adds to data/ledger.json what isn't in it yet: accounts, aliases, merges and activations. Doing it again
adds nothing. Events that are there stay as they are.

Every change is shown first. In a terminal you are asked before each merge of two accounts, before a member gets an
account that has Grain or other aliases, and once more before anything is written: SourceCred can't undo a merge, or
take an alias away. Elsewhere nothing is written without --yes, which answers all questions; if there is something to
write, the exit code is 1 then.

A login isn't assigned if its GitHub account no longer has it, if another account has it too, or if its user is left
out of the mirror (GITHUB_EXCLUDE_USERS, `propsbot forget --github`). That is looked up in GITHUB_ARCHIVE, or else in
the archive with the links, if GitHub's users are there.

Two accounts that each have a Discord member are never merged.";

#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// Give SourceCred's ledger what members asked for with /link
    #[command(long_about = APPLY)]
    Apply(ApplyOrder),
}

#[derive(Args, Clone, Debug)]
pub struct ApplyOrder {
    /// The folder of the SourceCred instance
    #[arg(long, value_name = "DIR")]
    pub instance: PathBuf,
    /// The archive with the links, instead of ARCHIVE, for example dir:./archive
    #[arg(long, value_name = "ARCHIVE")]
    pub from: Option<ArchiveSpec>,
    /// Only what was asked in this guild, if the archive holds several
    #[arg(long, value_name = "ID")]
    pub guild: Option<Id>,
    /// Write without asking, merges included
    #[arg(long)]
    pub yes: bool,
}

/// Who says whether something may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Consent {
    /// `--yes` said so.
    Given,
    /// The person at the terminal.
    Asked,
    /// Nobody can be asked.
    Missing,
}

/// Shows what the ledger lacks, and adds it.
pub async fn ledger(config: &Config, command: LedgerCommand) -> Result<Vec<String>, Error> {
    let LedgerCommand::Apply(order) = command;
    let now = Clock::now();
    let from = order.from.as_ref().unwrap_or(&config.archive);
    let logins = Logins::read(config, config.github_archive_or(from)).await?;
    let (wishes, manifests) = asked(config, from, order.guild.as_ref(), logins).await?;
    let tried = || format!("could not read the links in {from}");
    notify(&as_of(&manifests, now).tried(tried)?);
    let applying = tokio::task::spawn_blocking(move || apply(&order, &wishes, now));
    applying.await.context("could not apply the links")?
}

/// What members asked for, in one guild or in all, from an archive with these manifests.
pub(super) async fn asked(
    config: &Config,
    from: &ArchiveSpec,
    guild: Option<&Id>,
    logins: Logins,
) -> Result<(Vec<Wish>, Vec<Manifest>), Error> {
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let reading = read_rows(archive.as_ref(), &SCHEMA, guild, move |rows| {
        let is_current = |id: &str, login: &str| logins.may_be(id, login);
        wishes(rows, alias_of, &people(), is_current)
    });
    let read = reading.await;
    read.tried(|| format!("could not read the links in {from}"))
}

fn apply(order: &ApplyOrder, wishes: &[Wish], now: Millis) -> Result<Vec<String>, Error> {
    let has_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    let consent = if order.yes {
        Consent::Given
    } else if has_terminal {
        Consent::Asked
    } else {
        Consent::Missing
    };
    let instance = Instance::new(Some(&order.instance), None);
    instance.check().map_err(Error::Wrong)?;
    // Until the end, so that two of these can't both start from the same ledger.
    let _lock = lock(&order.instance).map_err(Error::Failed)?;
    let old = instance.text(LEDGER).map_err(Error::Wrong)?;
    let text = old.as_deref().unwrap_or_default();
    let path = order.instance.join(LEDGER);
    let wrong = |error| {
        let context = format!("could not use {}", path.display());
        Error::Wrong(anyhow::Error::new(error).context(context))
    };
    let mut ledger = Ledger::parse(text).map_err(wrong)?;
    let mut is_unanswered = false;
    for wish in wishes {
        let mut agrees = |question: &_| match consent {
            Consent::Given => true,
            Consent::Asked => agreed(&format!("{question}. This can't be undone. Is that right?")),
            Consent::Missing => false,
        };
        let done = ledger.fulfil(wish, now, &mut agrees).map_err(wrong)?;
        for change in &done.changes {
            print_line(&printable(&change.to_string()))?;
        }
        for kept_back in &done.kept_back {
            let line = match kept_back {
                KeptBack::Declined(question) if consent == Consent::Missing => {
                    is_unanswered = true;
                    format!("only if you agree: {question}")
                }
                kept_back => format!("kept back: {kept_back}"),
            };
            print_line(&printable(&line))?;
        }
    }
    let events = counted(ledger.added().len(), "event");
    let missing = || {
        let why = "nothing was written: run this in a terminal to be asked, or add --yes";
        Error::Failed(anyhow!(why))
    };
    if ledger.added().is_empty() {
        if is_unanswered {
            return Err(missing());
        }
        return Ok(vec![format!("{}: nothing to add", path.display())]);
    }
    match consent {
        Consent::Given => {}
        Consent::Asked if agreed(&format!("Add {events} to {}?", path.display())) => {}
        Consent::Asked => return Ok(vec!["nothing was written".to_owned()]),
        Consent::Missing => return Err(missing()),
    }
    let new = ledger.with_added(text);
    replace(&instance, &path, old.as_deref(), &new).map_err(Error::Failed)?;
    Ok(vec![format!("added {events} to {}", path.display())])
}

/// Asks a question that is answered with y or n. No answer is a no.
fn agreed(question: &str) -> bool {
    let mut answer = String::new();
    let mut to = io::stderr();
    let asked = write!(to, "{} [y/N] ", printable(question)).and_then(|()| to.flush());
    let read = asked.and_then(|()| io::stdin().read_line(&mut answer));
    read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// Keeps other runs of this command away from an instance until it is dropped.
fn lock(instance: &Path) -> anyhow::Result<fs::File> {
    let failed = || format!("could not lock {}", instance.display());
    let folder = fs::File::open(instance).with_context(failed)?;
    match folder.try_lock() {
        Ok(()) => Ok(folder),
        Err(TryLockError::WouldBlock) => bail!(
            "another `propsbot ledger apply` is running on {}: wait until it has ended",
            instance.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(failed),
    }
}

/// Replaces the ledger at once, unless another program has changed it meanwhile. Of a symbolic link, what it leads to.
fn replace(
    instance: &Instance<'_>,
    path: &Path,
    old: Option<&str>,
    new: &str,
) -> anyhow::Result<()> {
    let failed = || format!("could not replace {}", path.display());
    let path = match old {
        Some(_) => fs::canonicalize(path).with_context(failed)?,
        None => path.to_owned(),
    };
    let folder = path.parent().context("a ledger is in a folder")?;
    let mut options = tempfile::Builder::new();
    #[cfg(unix)]
    if old.is_none() {
        // As for any new file, less what the process's mask takes away.
        options.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    let mut write = || {
        fs::create_dir_all(folder)?;
        let mut file = options.prefix(".ledger.json.").tempfile_in(folder)?;
        if old.is_some() {
            // Before anybody could read it.
            file.as_file()
                .set_permissions(fs::metadata(&path)?.permissions())?;
        }
        file.write_all(new.as_bytes())?;
        file.as_file().sync_all()?;
        io::Result::Ok(file)
    };
    let file = write();
    let file = file.with_context(|| format!("could not write a file in {}", folder.display()))?;
    if instance.text(LEDGER)?.as_deref() != old {
        bail!(
            "{} was changed meanwhile by another program, so nothing was written: run this again",
            path.display()
        );
    }
    let replaced = file.persist(&path).map_err(|error| error.error);
    let replaced = replaced.and_then(|_| fs::File::open(folder)?.sync_all());
    replaced.with_context(failed)
}
