//! The arguments of the command line, and their help.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use propsbot::app::{
    CheckOrder, CredOrder, KeepOrder, LedgerCommand, PluginOrder, QueryOrder, SiteOrder,
    StoreCommand, TablesOrder,
};
use propsbot_archive::Id;
use propsbot_backends::ArchiveSpec;

/// Mirrors a Discord community and turns its thanks into SourceCred props.
///
/// Configured by environment variables or a .env file; see .env.example.
/// Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 done, but the mirror is incomplete.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) request: Request,
}

/// Help for `check`.
const CHECK: &str = "\
Check the configuration, Discord or GitHub, the archive and this machine.

A line for each thing that the bot needs: ✓ it's fine, ✗ it's wrong, ! a person should look at it, or it
couldn't be checked; then what to do. Changes nothing, and works while a bot is running. Ends with 0 if
nothing is wrong, with 2 if the configuration can't be read, else with 1.";

/// Help for `compact`.
const COMPACT: &str = "\
Make the store's folder as small as what is in it; stop the bot first.

The store's files keep what was replaced and removed, and only grow. This rewrites them with what is
current. It takes as much free disk space as the rows have (`propsbot check` shows both), and can be killed
at any time: what is in the store stays.";

/// Help for `sync --recheck`.
const RECHECK: &str = "\
Re-read all history and every reaction list.

After an outage, a plain sync re-reads only the week before it (a setting). This finds edits, deletions
and reactions that happened to older messages; so does `propsbot run`, which continuously re-reads
history. If it is interrupted, the next `sync --recheck` resumes there.";

/// Help for `sync --json`.
const JSON_LINES: &str = "\
Write progress as JSON lines to stdout, for programs: one a second, and one at every change of phase.

Fields: guild, name, phase (discovering, fetching, waiting, done), channels_done, channels, messages,
lists_done, lists, requests, eta_seconds (null while unknown), failures. The last line of a guild has
phase \"done\", complete (true or false), incomplete_channels, unreadable_channels, refused, missing
(the names of what the mirror lacks), unreadable (the channels the bot has no permission to read; they
don't make the mirror incomplete), contradicted (reaction lists whose length differs from Discord's
count), found (missed changes to history that was already fetched), and error if the guild couldn't be
synced.";

/// Help for `car`.
const CAR: &str = "\
Write an archive's current generation as a CAR file, for IPFS.

The file (CAR version 1) has two roots: manifest.json, and a folder in which every file of the archive
is at its path. Everything is checked first, as by `restore`; a damaged archive gives no file.
`ipfs dag import FILE` adds it to IPFS. What others have copied from there can't be taken back.";

/// Help for `openrank`.
const OPENRANK: &str = "\
Write the thanks that count as CSV, for EigenTrust tools such as OpenRank.

The columns are from,to,value,time: the giver's user id, the receiver's, how often the message thanks them, and
the time of what they are thanked for (RFC 3339). It has the thanks of the props graph, but no one who isn't
shown by name.";

/// Help for `tables`.
const TABLES: &str = "\
Write an archive's rows as Parquet files, for DuckDB, Spark and pandas.

One folder a table, divided by space and, where rows have a time, by month:
messages/space=ID/month=2026-03/part-0.parquet. Only files whose rows changed are written again, and what
left the archive is removed. If the archive has spaces of several providers, each has a folder: discord/messages,
github/issues. PLACE is a folder, or s3://BUCKET/PREFIX (gs://, az://). See docs/analytics.md.";

/// Help for `site`.
const SITE: &str = "\
Write web pages of an archive's thanks, which need no server: open index.html in a browser.

Who thanked whom, for what, leaderboards, a graph, a search, and what the mirror knows. Shows only what is in the
archive, without members who chose not to be shown. Only pages that changed are written, and those that are no
longer needed are removed. PLACE is a folder, or git:URL@BRANCH, whose branch is replaced. See docs/site.md.";

/// Help for `completions`.
const COMPLETIONS: &str = "\
Write a shell's completions of propsbot's commands and options to stdout. For example, for bash:

propsbot completions bash > ~/.local/share/bash-completion/completions/propsbot";

#[derive(Subcommand)]
pub(crate) enum Request {
    #[command(flatten)]
    Command(Box<Command>),
    /// Write a shell's completions of propsbot's commands and options
    #[command(long_about = COMPLETIONS)]
    Completions {
        #[arg(value_name = "SHELL")]
        shell: clap_complete::Shell,
    },
    /// Write the manual page
    Man {
        /// Write this page and one for each command into this folder, which must exist
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// What needs the configuration.
#[derive(Subcommand)]
pub(crate) enum Command {
    /// Run the bot until SIGINT or SIGTERM
    Run,
    /// Check the configuration, Discord, the archive and this machine
    #[command(long_about = CHECK)]
    Check(CheckOrder),
    /// Fetch all missing history, then stop
    Sync {
        /// Sync only this guild
        #[arg(long, value_name = "ID")]
        guild: Option<Id>,
        /// Re-read all history and every reaction list; resumes where it was interrupted
        #[arg(long, long_help = RECHECK)]
        recheck: bool,
        /// Write progress as JSON lines to stdout, for programs
        #[arg(long, long_help = JSON_LINES)]
        json: bool,
    },
    /// Export changes to the archive
    Export {
        /// Export to this archive instead of ARCHIVE, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        to: Option<ArchiveSpec>,
        /// Take over an archive written by another store, and replace its contents
        #[arg(long)]
        replace: bool,
        /// First check the whole archive, and recreate missing or damaged files from the store
        #[arg(long)]
        repair: bool,
        /// Write nothing; show what would be exported, withdrawn or kept back, and why
        #[arg(long, conflicts_with_all = ["replace", "repair"])]
        dry_run: bool,
    },
    /// Build SourceCred's graph from an archive
    Graph {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        /// Folder for graph.json, declaration.json and identityProposals.json; with several plugins, for a folder of
        /// each
        #[arg(long, value_name = "DIR", required_unless_present = "diff")]
        out: Option<PathBuf>,
        #[command(flatten)]
        plugin: PluginOrder,
        /// Only this guild, if the archive holds several; the discord plugin's config names its own
        #[arg(long, value_name = "ID", conflicts_with_all = ["config", "improved"])]
        guild: Option<Id>,
        /// Compare each member's minted weight with an earlier graph: the folder that --out had, or the only
        /// graph's graph.json
        #[arg(long, value_name = "OLD")]
        diff: Option<PathBuf>,
        /// Write the comparison as JSON, for programs
        #[arg(long, requires = "diff")]
        json: bool,
    },
    /// List the graph plugins
    Plugins {
        /// Write JSON, for programs
        #[arg(long)]
        json: bool,
    },
    /// Write the thanks that count as CSV, for EigenTrust tools such as OpenRank
    #[command(long_about = OPENRANK)]
    Openrank {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        /// Only this guild, if the archive holds several
        #[arg(long, value_name = "ID")]
        guild: Option<Id>,
    },
    /// Compute everyone's cred as SourceCred does, and say why
    Cred(Box<CredOrder>),
    /// Give SourceCred's ledger what members asked for
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Compute the cred that a running bot answers from; the bot runs this itself
    #[command(hide = true)]
    KeepCred(KeepOrder),
    /// Write rows of an archive as JSON lines or CSV, for other programs
    Query {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        #[command(flatten)]
        order: QueryOrder,
    },
    /// Write an archive's rows as Parquet files, for SQL engines and data frames
    #[command(long_about = TABLES)]
    Tables {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        #[command(flatten)]
        order: TablesOrder,
    },
    /// Write web pages of an archive's thanks
    #[command(long_about = SITE)]
    Site {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        #[command(flatten)]
        order: SiteOrder,
    },
    /// Check every hash, count and reference in an archive
    Verify {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        /// Check only manifests, lists and indexes, not the files of rows
        #[arg(long)]
        structure_only: bool,
        /// Check every file of rows too (the default)
        #[arg(long, conflicts_with = "structure_only")]
        read_data: bool,
    },
    /// Rebuild an empty store from an archive
    Restore {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
    },
    /// Write an archive's current generation as a CAR file, for IPFS
    #[command(long_about = CAR)]
    Car {
        /// The archive, for example dir:./archive
        #[arg(long, value_name = "ARCHIVE")]
        from: ArchiveSpec,
        /// The file to write
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
        /// Replace the file if it exists
        #[arg(long)]
        replace: bool,
    },
    /// Delete a member's data at their request, or all data of a guild
    Forget {
        /// The member's user id
        #[arg(long, value_name = "ID", required_unless_present_any = ["guild", "github"])]
        user: Option<Id>,
        /// The login of somebody on GitHub, of whom nothing is to be kept in a mirror of GitHub
        #[arg(long, value_name = "LOGIN", conflicts_with_all = ["user", "guild"])]
        github: Option<Id>,
        /// Only in this guild; without --user, all data of the guild
        #[arg(long, value_name = "ID")]
        guild: Option<Id>,
    },
    /// Make the store's folder as small as what is in it; stop the bot first
    #[command(long_about = COMPACT)]
    Compact,
    /// Show how complete the mirror is
    Status(StatusArguments),
}

#[derive(Args)]
pub(crate) struct StatusArguments {
    /// Write JSON, for programs
    #[arg(long)]
    json: bool,
    /// Write nothing if the mirror is complete and up to date; otherwise say why not, and exit with 3
    #[arg(long, conflicts_with = "json")]
    check: bool,
    /// How old the mirror may be, for --check
    #[arg(long, value_name = "TIME", default_value = "2h", requires = "check",
          value_parser = humantime::parse_duration)]
    max_age: Duration,
}

impl From<StatusArguments> for StoreCommand {
    fn from(arguments: StatusArguments) -> Self {
        let StatusArguments {
            json,
            check,
            max_age,
        } = arguments;
        let max_age = check.then_some(max_age);
        Self::Status { json, max_age }
    }
}
