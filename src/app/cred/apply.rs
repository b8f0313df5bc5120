//! `ledger apply`: gives SourceCred's ledger what members asked for with `/link`.

use std::{
    fs,
    io::{self, IsTerminal as _, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail};
use clap::{Args, Subcommand};

use super::instance::{Instance, LEDGER};
use crate::{
    app::{
        Error,
        archive::as_of,
        error::Tried as _,
        output::{notify, print_line},
    },
    config::Config,
};
use propsbot_archive::{Id, Millis, printable, read_rows};
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

Every change is shown first. In a terminal you are asked before each merge of two accounts, and once more before
anything is written: SourceCred can't undo a merge, or take an alias away. Elsewhere nothing is written without --yes,
which answers all questions; if there is something to write, the exit code is 1 then.

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
    let tried = || format!("could not read the links in {from}");
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let guild = order.guild.as_ref();
    let reading = read_rows(archive.as_ref(), &SCHEMA, guild, |rows| {
        wishes(rows, alias_of, &people())
    });
    let (wishes, manifests) = reading.await.tried(tried)?;
    notify(&as_of(&manifests, now).tried(tried)?);
    let applying = tokio::task::spawn_blocking(move || apply(&order, &wishes, now));
    applying.await.context("could not apply the links")?
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
    let old = instance.text(LEDGER).map_err(Error::Wrong)?;
    let text = old.as_deref().unwrap_or_default();
    let path = order.instance.join(LEDGER);
    let wrong = |error| {
        let context = format!("could not use {}", path.display());
        Error::Wrong(anyhow::Error::new(error).context(context))
    };
    let mut ledger = Ledger::parse(text).map_err(wrong)?;
    let mut is_declined = false;
    for wish in wishes {
        let mut may_merge = |merge: &_| match consent {
            Consent::Given => true,
            Consent::Asked => agreed(&format!("{merge}. This can't be undone. Merge them?")),
            Consent::Missing => false,
        };
        let done = ledger.fulfil(wish, now, &mut may_merge).map_err(wrong)?;
        for change in &done.changes {
            print_line(&printable(&change.to_string()))?;
        }
        for kept_back in &done.kept_back {
            is_declined |= matches!(kept_back, KeptBack::Declined(_));
            print_line(&printable(&format!("kept back: {kept_back}")))?;
        }
    }
    let events = counted(ledger.added().len(), "event");
    let missing = || {
        let why = "nothing was written, because there is nobody to ask: run this in a terminal, or with --yes";
        Error::Failed(anyhow!(why))
    };
    if ledger.added().is_empty() {
        // A merge would have been something to write.
        return match consent {
            Consent::Missing if is_declined => Err(missing()),
            _ => Ok(vec![format!("{}: nothing to add", path.display())]),
        };
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

/// Replaces the ledger at once, unless another program has changed it meanwhile.
fn replace(
    instance: &Instance<'_>,
    path: &Path,
    old: Option<&str>,
    new: &str,
) -> anyhow::Result<()> {
    let folder = path.parent().context("a ledger is in a folder")?;
    let partial = folder.join(".ledger.json.partial");
    let write = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut file = fs::File::create(&partial)?;
        file.write_all(new.as_bytes())?;
        if old.is_some() {
            file.set_permissions(fs::metadata(path)?.permissions())?;
        }
        file.sync_all()
    };
    write().with_context(|| format!("could not write {}", partial.display()))?;
    if instance.text(LEDGER)?.as_deref() != old {
        let _ = fs::remove_file(&partial);
        bail!(
            "{} was changed meanwhile by another program, so nothing was written: run this again",
            path.display()
        );
    }
    let replaced = fs::rename(&partial, path).and_then(|()| fs::File::open(folder)?.sync_all());
    replaced.with_context(|| format!("could not replace {}", path.display()))
}
