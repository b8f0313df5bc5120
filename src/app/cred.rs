//! `cred`: what everyone earned, as SourceCred's `credrank` computes it, and why.

mod apply;
mod instance;
mod keep;
mod keeper;
mod logins;
mod patch;
mod tables;

use std::{
    fs,
    io::{self, BufWriter},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::{ArgGroup, Args};
use flate2::{Compression, write::ZlibEncoder};
use jiff::Timestamp;
use serde::Serialize;

pub(super) use self::instance::plugin_id;
use self::instance::{Instance, read_json};
use super::{Error, PluginOrder, drawn::draw_from, output::notify};
use crate::config::Config;
use propsbot_archive::{Id, Millis, printable_json};
use propsbot_backends::ArchiveSpec;
use propsbot_jobs::{clock::Clock, cred::CredBoard};
use propsbot_model::counted;
use propsbot_sourcecred::{
    Drawing, NodeAddress, Parts,
    cred::{Budget, Cred, CredChange, CredError, CredGrainView, Earlier, Inputs, Reasons, Report},
};

pub use apply::{LedgerCommand, ledger};
pub use keep::{KeepOrder, keep_cred};
pub(super) use keeper::CredKeeper;

/// Where a running bot keeps the cred that it computes.
pub(super) fn kept(config: &Config) -> CredBoard {
    CredBoard::new(config.store_path.join("cred"))
}

/// How many contributions programs are told of each participant.
const TOP: usize = 3;
/// How many contributions `--why` shows.
const SHOWN: usize = 10;

/// Help for `--instance`.
const INSTANCE: &str = "\
The folder of a SourceCred instance.

Read as `sourcecred credrank` reads it: the graphs in output/graphs, the ledger, and weights.json,
pluginBudgets.json, dependencies.json and personalAttributions.json in config. Where the graph of an external
plugin is missing, its files in config/plugins are read, and the accounts that it proposes are added in memory.
Nothing is written.";

/// Help for `--from`.
const FROM: &str = "\
The archive to draw graphs from, for example dir:./archive.

Without --instance, the graphs of the plugins are all there is, and everyone in it gets an account; --ledger gives the accounts
that there are. With --instance, each takes the place of the instance's own graph of that plugin.";

/// Help for `--out`.
const OUT: &str = "\
Folder for credGrainView and credGraph, as `sourcecred credrank` writes them.

If it is an instance's output folder, `sourcecred grain` and `sourcecred site` go on from there.";

/// Help for `--patch`.
const PATCH: &str = "\
Print what `sourcecred credrank` would have written into the instance besides, as a patch.

That is: new accounts in data/ledger.json, and ids and names in config/dependencies.json and
config/personalAttributions.json. `patch -p1` in the instance applies it.";

/// Help for `--why`.
const WHY: &str = "\
Explain one member's cred: the ten contributions that brought most of it, and what the others brought.

MEMBER is the name of an account, its id, or the last part of one of its aliases, such as the id of a Discord
user. A contribution brought the share of the cred that is its share of all that flowed to the member, not
counting what only moved between the member's weeks.";

/// Help for `--converge`.
const CONVERGE: &str = "\
Go on where SourceCred stops, until cred no longer moves, and show what that changes.

SourceCred stops when a step moves less than a 10,000,000th of everything, or after 255 steps.";

/// What to compute cred from, and what to show of it.
#[derive(Args, Debug, Default)]
#[command(group(ArgGroup::new("source").required(true).multiple(true).args(["instance", "from"])))]
#[command(group(ArgGroup::new("format").args(["json", "csv", "patch"])))]
#[expect(clippy::struct_excessive_bools, reason = "flags of the command line")]
pub struct CredOrder {
    /// The folder of a SourceCred instance
    #[arg(long, value_name = "DIR", long_help = INSTANCE)]
    pub instance: Option<PathBuf>,
    /// The archive to draw the graph from, for example dir:./archive
    #[arg(long, value_name = "ARCHIVE", long_help = FROM)]
    pub from: Option<ArchiveSpec>,
    #[command(flatten)]
    pub plugin: PluginOrder,
    /// Only this guild, if the archive holds several; the discord plugin's config names its own
    #[arg(long, value_name = "ID", requires = "from", conflicts_with_all = ["config", "improved"])]
    pub guild: Option<Id>,
    /// SourceCred's ledger, if there is no instance
    #[arg(long, value_name = "FILE", conflicts_with = "instance")]
    pub ledger: Option<PathBuf>,
    /// When new accounts are created, instead of now: RFC 3339
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// Folder for credGrainView and credGraph, as SourceCred writes them
    #[arg(long, value_name = "DIR", long_help = OUT)]
    pub out: Option<PathBuf>,
    /// Write the result as JSON, for programs
    #[arg(long)]
    pub json: bool,
    /// With --json: add every contribution, with the cred that it brought to all together
    #[arg(long, requires = "json", conflicts_with_all = ["why", "diff"])]
    pub contributions: bool,
    /// Write everyone's cred by week as CSV
    #[arg(long, conflicts_with_all = ["why", "diff"])]
    pub csv: bool,
    /// Print what SourceCred would have written into the instance besides
    #[arg(long, conflicts_with_all = ["why", "diff"], long_help = PATCH)]
    pub patch: bool,
    /// Explain one member's cred
    #[arg(long, value_name = "MEMBER", conflicts_with = "diff", long_help = WHY)]
    pub why: Option<String>,
    /// Compare with earlier cred: a credGrainView, or a folder that has it
    #[arg(long, value_name = "OLD", conflicts_with = "converge")]
    pub diff: Option<PathBuf>,
    /// Go on where SourceCred stops, and show what that changes
    #[arg(long, long_help = CONVERGE)]
    pub converge: bool,
}

/// Computes cred, and shows it.
pub async fn cred(config: &Config, order: CredOrder) -> Result<Vec<String>, Error> {
    let now = Clock::now();
    let (drawn, budgets, notes) = match &order.from {
        Some(from) => {
            let guild = order.guild.as_ref();
            let drawn = draw_from(config, from, &order.plugin, guild, now).await?;
            let notes = [drawn.as_of.clone(), drawn.warnings(), drawn.incomplete];
            (drawn.graphs, drawn.budgets, notes.concat())
        }
        None if order.plugin.is_default() => (Vec::new(), Vec::new(), Vec::new()),
        None => {
            let why = "--plugin, --plugin-exec, --weights, --config and --improved say how to draw a graph: they \
                       need --from";
            return Err(Error::Wrong(anyhow::Error::msg(why)));
        }
    };
    let computing =
        tokio::task::spawn_blocking(move || compute(&order, drawn, budgets, notes, now));
    computing.await.context("could not compute cred")?
}

fn compute(
    order: &CredOrder,
    drawn: Vec<(String, Drawing)>,
    budgets: Vec<Budget>,
    mut notes: Vec<String>,
    now: Millis,
) -> Result<Vec<String>, Error> {
    let now = order.now.map_or(now, |now| Millis(now.as_millisecond()));
    let instance = Instance::new(order.instance.as_deref(), order.ledger.as_deref());
    let mut inputs = instance.inputs(drawn, now).map_err(Error::Wrong)?;
    for budget in budgets {
        let mut known = inputs.budgets.iter();
        if known.any(|known| known.plugin() == budget.plugin()) {
            continue;
        }
        if order.instance.is_some() {
            notes.push(format!(
                "warning: the budget of {} is only in its own file: without one in config/pluginBudgets.json, \
                 SourceCred lets it mint without bounds",
                budget.plugin()
            ));
        }
        inputs.budgets.push(budget);
    }
    let earlier = order
        .diff
        .as_deref()
        .map(read_earlier)
        .transpose()
        .map_err(Error::Wrong)?;
    let before = (inputs.dependencies.clone(), inputs.attributions.clone());
    let mut cred = computed(inputs)?;
    let mut changes = None;
    if order.converge {
        let earlier = Earlier::from(&cred.view().map_err(wrong)?);
        let steps = cred.steps();
        cred = cred.to_fixed_point();
        notes.push(format!(
            "SourceCred stops after {}, cred no longer moves after {}",
            counted(steps, "step"),
            counted(cred.steps(), "step")
        ));
        if !cred.has_converged() {
            notes
                .push("warning: it still moves: these are the numbers of the last step".to_owned());
        }
        changes = Some(earlier.changes(&cred.view().map_err(wrong)?));
    }
    let view = cred.view().map_err(wrong)?;
    if let Some(out) = &order.out {
        for path in write(&cred, &view, out).map_err(Error::Failed)? {
            notes.push(format!("wrote {}", path.display()));
        }
    }
    let added = cred.ledger().added_accounts();
    if added > 0 {
        notes.push(format!(
            "{} not in the ledger yet: --patch shows what SourceCred would add",
            counted(added, "account")
        ));
    }
    if let Some(earlier) = earlier {
        changes = Some(earlier.changes(&view));
    }
    show(
        order,
        &instance,
        &cred,
        &view,
        changes.as_deref(),
        &before,
        notes,
    )
}

type Configured = (
    Vec<propsbot_sourcecred::cred::Dependency>,
    Vec<propsbot_sourcecred::cred::Attribution>,
);

fn show(
    order: &CredOrder,
    instance: &Instance<'_>,
    cred: &Cred,
    view: &CredGrainView<'_>,
    changes: Option<&[CredChange]>,
    before: &Configured,
    mut notes: Vec<String>,
) -> Result<Vec<String>, Error> {
    if order.patch {
        notify(&notes);
        let patch = patch::patch(instance, cred, before).map_err(Error::Failed)?;
        let patch = patch.strip_suffix('\n').map(ToOwned::to_owned);
        return Ok(patch.into_iter().collect());
    }
    if order.csv {
        notify(&notes);
        return Ok(vec![tables::csv(view)]);
    }
    if let Some(member) = &order.why {
        let index = find(view, member).ok_or_else(|| {
            Error::Wrong(anyhow::anyhow!(
                "there is no account {member:?}: --why takes its name, its id, or the last part of an alias"
            ))
        })?;
        let why = cred.reasons().of(index);
        if order.json {
            return Ok(vec![json(&tables::WhyJson::new(&why, SHOWN), &notes)?]);
        }
        notes.push(tables::why(&why, SHOWN));
        return Ok(notes);
    }
    if order.json {
        return Ok(vec![match changes {
            Some(changes) if order.diff.is_some() => json(&ChangesJson { changes }, &notes)?,
            changes => {
                let report = cred.report(TOP).map_err(wrong)?;
                let reasons = order.contributions.then(|| cred.reasons());
                let all = reasons.as_ref().map(Reasons::brought_to_all);
                let result = ReportJson {
                    report,
                    contributions: all.map(|all| all.map(ContributionJson::from).collect()),
                    changes,
                };
                json(&result, &notes)?
            }
        }]);
    }
    notes.push(match changes {
        Some(changes) => tables::changes(changes),
        None => tables::everyone(view),
    });
    Ok(notes)
}

#[derive(Serialize)]
struct ReportJson<'a> {
    #[serde(flatten)]
    report: Report<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contributions: Option<Vec<ContributionJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a [CredChange]>,
}

#[derive(Serialize)]
struct ContributionJson<'a> {
    address: Parts<'a>,
    cred: f64,
}

impl<'a> From<(&'a NodeAddress, f64)> for ContributionJson<'a> {
    fn from((address, cred): (&'a NodeAddress, f64)) -> Self {
        Self {
            address: address.parts(),
            cred,
        }
    }
}

#[derive(Serialize)]
struct ChangesJson<'a> {
    changes: &'a [CredChange],
}

fn json(result: &impl Serialize, notes: &[String]) -> Result<String, Error> {
    #[derive(Serialize)]
    struct Output<'a, T> {
        #[serde(flatten)]
        result: &'a T,
        notes: &'a [String],
    }
    let json = serde_json::to_string(&Output { result, notes })?;
    Ok(printable_json(&json))
}

fn computed(inputs: Inputs) -> Result<Cred, Error> {
    Cred::compute(inputs).map_err(wrong)
}

fn wrong(error: CredError) -> Error {
    Error::Wrong(anyhow::Error::new(error).context("could not compute cred"))
}

/// The participant with this name, id or alias.
fn find(view: &CredGrainView<'_>, member: &str) -> Option<usize> {
    let mut identities = view
        .participants()
        .iter()
        .map(|participant| &participant.account.identity);
    let is_exact = identities.clone().position(|identity| {
        let name = identity.name.as_str();
        name.eq_ignore_ascii_case(member) || identity.id.as_str() == member
    });
    is_exact.or_else(|| {
        identities.position(|identity| {
            let aliases = identity.aliases.iter();
            aliases
                .map(|alias| alias.address.last_part())
                .any(|part| part == member)
        })
    })
}

fn read_earlier(path: &Path) -> anyhow::Result<Earlier> {
    let candidates = if path.is_dir() {
        let names = [
            "credGrainView",
            "credGrainView.json",
            "output/credGrainView",
            "output/credGrainView.json",
        ];
        names.map(|name| path.join(name)).to_vec()
    } else {
        vec![path.to_owned()]
    };
    let found = candidates.iter().find(|path| path.is_file());
    let path = found.with_context(|| {
        format!(
            "could not compare with {}: --diff takes a credGrainView, or the folder that --out wrote, or that \
             of an instance",
            path.display()
        )
    })?;
    read_json(path)?.with_context(|| format!("{} has gone", path.display()))
}

/// Writes SourceCred's two files, and replaces earlier ones only when both are written.
fn write(cred: &Cred, view: &CredGrainView<'_>, folder: &Path) -> anyhow::Result<[PathBuf; 2]> {
    fs::create_dir_all(folder)
        .with_context(|| format!("could not create the folder {}", folder.display()))?;
    let written = [
        compress(folder, "credGrainView", |to| view.write_json(to))?,
        compress(folder, "credGraph", |to| cred.write_graph_json(to))?,
    ];
    for (partial, path) in &written {
        fs::rename(partial, path)
            .with_context(|| format!("could not replace {}", path.display()))?;
    }
    Ok(written.map(|(_, path)| path))
}

type Compressed = BufWriter<ZlibEncoder<fs::File>>;

/// Writes a file beside the one that it replaces; returns both.
fn compress(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&mut Compressed) -> io::Result<()>,
) -> anyhow::Result<(PathBuf, PathBuf)> {
    let path = folder.join(format!(".{name}.partial"));
    let create = || {
        let zlib = ZlibEncoder::new(fs::File::create(&path)?, Compression::fast());
        let mut buffered = BufWriter::with_capacity(1 << 16, zlib);
        write(&mut buffered)?;
        let zlib = buffered
            .into_inner()
            .map_err(io::IntoInnerError::into_error)?;
        zlib.finish().map(drop)
    };
    create().with_context(|| format!("could not write {}", path.display()))?;
    Ok((path, folder.join(name)))
}
