//! `keep-cred`: a guild's cred, as a running bot keeps it. The bot runs this in a process of its own, so that what
//! it takes is limited, and ends with it.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use super::{
    super::{
        Error, PluginOrder,
        drawn::{Drawn, draw},
        error::Tried as _,
        plugins::{github_of, scheduled_events},
    },
    instance::Instance,
    logins::Logins,
};
use crate::config::Config;
use propsbot_archive::{Id, Manifest, Millis, ReadError, Schema, retry};
use propsbot_github::rows::Repository;
use propsbot_graph::{About, member_of};
use propsbot_jobs::{
    clock::Clock,
    cred::{
        CredBasis, CredBoard, KeptContribution, KeptWhat, MemberDetails, NewCred, NewMember,
        WEEK_MS,
    },
};
use propsbot_model::{GuildId, MessageId, UserId};
use propsbot_sourcecred::{
    cred::{Brought, Cred, CredError, Inputs, Wish},
    description,
};

/// How many contributions are kept of each member. Of these, three are shown that the asking member may see.
const TOP: usize = 20;
/// The longest description and link that are kept, in characters.
const LONGEST: usize = 400;

/// Whose cred to compute, and where to keep it.
#[derive(Args, Debug)]
pub struct KeepOrder {
    /// The guild, in ARCHIVE
    #[arg(long, value_name = "ID")]
    pub guild: Id,
    /// The file to replace
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// How much memory it may take
    #[arg(long, value_name = "MIB")]
    pub memory: u64,
    /// A hash of how cred is computed, to be kept with it
    #[arg(long, value_name = "HASH")]
    pub configured: u64,
}

/// Computes a guild's cred from `ARCHIVE`, and keeps it.
///
/// Without an instance, scheduled events count, too, if an admin has them kept, and what members did on GitHub: the graph of the
/// public repositories that are mirrored, and what `/link` proved. An instance has the graphs and the ledger that it has.
pub async fn keep_cred(config: &Config, order: KeepOrder) -> Result<Vec<String>, Error> {
    limit(order.memory).context("could not limit memory")?;
    let plugin = PluginOrder {
        weights: config.weights().cloned(),
        ..PluginOrder::default()
    };
    let now = Clock::now();
    let only = Some(&order.guild);
    let mut plugins = plugin.open(&config.network, now).await?;
    if config.cred.instance.is_none() {
        plugins.push(scheduled_events());
    }
    let github = match &config.cred.instance {
        Some(_) => None,
        None => Github::read(config).await?,
    };
    let wishes = match &github {
        Some(github) => {
            plugins.push(github_of(github.repositories.clone()));
            let logins = Logins::read(config, config.github_archive()).await?;
            super::apply::asked(config, &config.archive, only, logins)
                .await?
                .0
        }
        None => Vec::new(),
    };
    let from = |schema: &Schema| {
        if schema.provider == propsbot_github::SCHEMA.provider {
            config.github_archive()
        } else {
            &config.archive
        }
    };
    let drawn = draw(config, &plugins, from, only, now).await?;
    let github_as_of = github.map(|github| github.exported_at);
    let instance = config.cred.instance.clone();
    let computing = tokio::task::spawn_blocking(move || {
        let Drawn {
            graphs, manifests, ..
        } = drawn;
        let instance = Instance::new(instance.as_deref(), None);
        let mut inputs = instance.inputs(graphs, now).map_err(Error::Wrong)?;
        for wish in wishes {
            // The ledger is in memory alone, and whether somebody receives Grain changes no cred.
            let wish = Wish {
                grain: None,
                ..wish
            };
            let done = inputs.ledger.fulfil(&wish, now, &mut |_| true);
            done.context("could not give a member a linked account")?;
        }
        let manifest = manifests
            .iter()
            .find(|manifest| manifest.space == order.guild);
        let manifest = manifest.context("the guild isn't in the archive")?;
        let basis = basis(manifest, order.configured);
        let kept = NewCred {
            github_as_of,
            ..compute(inputs, basis)?
        };
        // Somebody's data may have been deleted meanwhile.
        let write = || {
            let guild = order.guild.as_str().parse().map(GuildId);
            let guild = guild.map_err(io::Error::other)?;
            let folder = order.out.parent().unwrap_or(Path::new("."));
            let board = CredBoard::new(folder.to_owned());
            if board.may_keep(guild, manifest.created_at)? {
                kept.write(&order.out)?;
            }
            Ok::<_, io::Error>(())
        };
        let written = write();
        written.tried(|| format!("could not write {}", order.out.display()))
    });
    computing.await.context("could not compute cred")??;
    Ok(Vec::new())
}

/// The repositories of GitHub that cred counts.
pub(super) struct Github {
    /// The public ones, as GitHub spells them. What is in others isn't for members to be told.
    pub(super) repositories: Vec<String>,
    /// When the newest export of them was made.
    pub(super) exported_at: Millis,
    /// Which generations these are.
    pub(super) generations: Vec<(Id, u64)>,
}

impl Github {
    /// Reads which there are; `None` if there are none.
    pub(super) async fn read(config: &Config) -> Result<Option<Self>, ReadError> {
        let from = config.github_archive();
        let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
        let read = retry(
            archive.as_ref(),
            &propsbot_github::SCHEMA,
            None,
            |reader| async move { Ok((reader.rows::<Repository>().await?, reader.manifests())) },
        );
        let (rows, manifests) = match read.await {
            // Nothing was exported there, or only by another provider's process.
            Err(ReadError::Empty | ReadError::OtherProvider { .. }) => return Ok(None),
            read => read?,
        };
        let public: BTreeMap<&str, String> = rows
            .iter()
            .filter(|row| row.is_public())
            .map(|row| (row.id.0.as_str(), format!("{}/{}", row.owner, row.name)))
            .collect();
        let is_public = |manifest: &&Manifest| public.contains_key(manifest.space.as_str());
        let manifests = manifests.iter().filter(is_public);
        let newest = manifests.clone().map(|manifest| manifest.created_at).max();
        let generations = manifests.map(|manifest| (manifest.space.clone(), manifest.generation));
        let generations = generations.collect();
        let repositories: Vec<String> = public.into_values().collect();
        Ok((!repositories.is_empty()).then(|| Self {
            repositories,
            exported_at: newest.unwrap_or_default(),
            generations,
        }))
    }
}

/// What cred of this generation is computed from.
pub(super) fn basis(manifest: &Manifest, configured: u64) -> CredBasis {
    let version = env!("CARGO_PKG_VERSION");
    CredBasis::new(
        version,
        manifest.generation,
        manifest.created_at,
        configured,
    )
}

fn compute(inputs: Inputs, basis: CredBasis) -> Result<NewCred, Error> {
    let nothing = |basis| NewCred {
        basis,
        github_as_of: None,
        first_week: Millis(0),
        weeks: 0,
        members: Vec::new(),
        messages: Vec::new(),
    };
    let cred = match Cred::compute(inputs) {
        Ok(cred) => cred,
        // Thanks are still to come.
        Err(CredError::NoWeeks | CredError::MintsNothing) => return Ok(nothing(basis)),
        Err(error) => return Err(super::wrong(error)),
    };
    let view = cred.view().map_err(super::wrong)?;
    let weeks = view.weeks();
    let reasons = cred.reasons();
    let participants = view.participants().iter().enumerate();
    let members = participants.filter_map(|(index, participant)| {
        let identity = &participant.account.identity;
        let users = identity.aliases.iter();
        let users: Vec<UserId> = users
            .filter_map(|alias| member_of(&alias.address))
            .collect();
        if users.is_empty() {
            return None;
        }
        let top = reasons.of(index).contributions;
        let top = top.iter().filter(|brought| brought.cred > 0.0).take(TOP);
        Some(NewMember {
            users,
            cred: participant.cred,
            details: MemberDetails {
                by_week: by_week(&participant.by_week),
                top: top.map(contribution).collect(),
            },
        })
    });
    let messages =
        reasons
            .brought_to_all()
            .filter_map(|(address, cred)| match About::of(address)? {
                About::Reaction(..) => None,
                about => Some((about.message().1, cred)),
            });
    Ok(NewCred {
        basis,
        github_as_of: None,
        first_week: Millis(weeks.end().0 - WEEK_MS * i64::try_from(weeks.len()).unwrap_or(0)),
        weeks: weeks.len(),
        members: members.collect(),
        messages: messages.collect::<Vec<(MessageId, f64)>>(),
    })
}

/// From the first week with cred on.
fn by_week(cred: &[f64]) -> Vec<f32> {
    let begun = cred.iter().skip_while(|cred| **cred <= 0.0);
    begun.map(|cred| single(*cred)).collect()
}

fn contribution(brought: &Brought<'_>) -> KeptContribution {
    let what = if let Some(about) = About::of(brought.address) {
        KeptWhat::Discord(about)
    } else {
        let (description, link) = description::linked(brought.description);
        let link = link.filter(|link| link.chars().count() <= LONGEST);
        KeptWhat::Other(
            description.chars().take(LONGEST).collect(),
            link.map(ToOwned::to_owned),
        )
    };
    KeptContribution {
        cred: single(brought.cred),
        what,
    }
}

/// As it's kept where it's only shown.
#[expect(
    clippy::cast_possible_truncation,
    reason = "seven digits are enough to look at"
)]
fn single(cred: f64) -> f32 {
    cred as f32
}

/// Lets this process take only so much memory, and end with the process that started it. Other platforms than Linux
/// count memory in other ways.
#[cfg(target_os = "linux")]
fn limit(mib: u64) -> std::io::Result<()> {
    use rustix::process::{
        Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
    };
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let bytes = mib.saturating_mul(1 << 20);
    let allowed = getrlimit(Resource::As).maximum;
    let bytes = Some(allowed.map_or(bytes, |allowed| allowed.min(bytes)));
    let limit = Rlimit {
        current: bytes,
        maximum: bytes,
    };
    Ok(setrlimit(Resource::As, limit)?)
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "as on Linux")]
fn limit(_mib: u64) -> std::io::Result<()> {
    Ok(())
}
