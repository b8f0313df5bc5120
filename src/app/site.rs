//! `site`: web pages of an archive's thanks.

use std::{
    collections::BTreeSet,
    fs,
    hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher},
    io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use clap::Args;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::{Error, cred, error::Tried as _};
use crate::config::Config;
use propsbot_archive::{
    ArchiveReader, DataArchive, Id, ReadError, read_derived, retry, retry_or_empty,
};
use propsbot_backends::{Access, ArchiveSpec, SiteError, SiteSpec, SiteWritten};
use propsbot_github::rows::Repository;
use propsbot_jobs::cred::CredBoard;
use propsbot_mirror::Follower;
use propsbot_model::{GuildId, counted};
use propsbot_network::Network;
use propsbot_rows::SCHEMA;
use propsbot_site::{Community, Cred, Files, Neighbour};

/// How long a site stays as it is, unless something has to go: an hour, less what a timer may be early by.
const REST: Duration = Duration::from_mins(55);

/// Where an instance of `SourceCred` keeps cred by member and week.
const VIEW: &str = "output/credGrainView";

/// Which pages to write, and where.
#[derive(Args, Clone, Debug)]
pub struct SiteOrder {
    /// The place for the pages and nothing else: a folder, or git:URL@BRANCH
    #[arg(long, value_name = "PLACE")]
    pub out: SiteSpec,
    /// Only this space (Discord: server), if the archive holds several
    #[arg(long, value_name = "ID", visible_alias = "guild")]
    pub space: Option<Id>,
    /// Show cred, too: the file output/credGrainView of a SourceCred instance
    #[arg(long, value_name = "FILE")]
    pub cred: Option<PathBuf>,
    /// Show cred, too: the folder of the SourceCred instance
    #[arg(long, value_name = "DIR", conflicts_with = "cred")]
    pub instance: Option<PathBuf>,
    /// Open the pages in the desktop's browser
    #[arg(long)]
    pub open: bool,
}

/// Brings a site up to date with an archive.
pub async fn site(
    config: &Config,
    from: &ArchiveSpec,
    order: &SiteOrder,
) -> Result<Vec<String>, Error> {
    let out = &order.out;
    let overlaps = out.overlaps(from);
    if overlaps.tried(|| format!("could not look at {out}"))? {
        return Err(Error::Wrong(anyhow!(
            "{out} and {from} share files, and a site is never in an archive: choose another place for it"
        )));
    }
    let cred = of_instance(order).map_err(Error::Wrong)?;
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let shown = read(archive.as_ref(), order.space.as_ref()).await;
    let mut shown = shown.tried(|| format!("could not read {from}"))?;
    for community in &mut shown.communities {
        community.show_cred(cred.clone());
    }
    let files = render(shown).await?;
    let written = out.write(files, &config.access, &config.network).await;
    let written = written.tried(|| format!("could not write the site to {out}"))?;
    let mut lines = vec![format!(
        "the site in {out} is up to date: {}",
        told(&written)
    )];
    if let SiteSpec::Folder(folder) = out {
        let index = std::path::absolute(folder.join("index.html"))?;
        lines.push(format!("open {} in a browser", index.display()));
        if order.open && !open(&index) {
            lines.push("no desktop opened it".to_owned());
        }
    }
    Ok(lines)
}

/// The cred to show, if any.
fn of_instance(order: &SiteOrder) -> anyhow::Result<Option<Arc<Cred>>> {
    let path = match (&order.cred, &order.instance) {
        (Some(file), _) => file.clone(),
        (None, Some(instance)) => instance.join(VIEW),
        (None, None) => return Ok(None),
    };
    let read = || {
        format!(
            "could not read cred from {}: run SourceCred's credrank first",
            path.display()
        )
    };
    let bytes = fs::read(&path).with_context(read)?;
    let cred = Cred::read(&bytes)
        .with_context(|| format!("could not read cred from {}", path.display()))?;
    Ok(Some(Arc::new(cred)))
}

/// What a site shows.
struct Shown {
    communities: Vec<Community>,
    /// What the archive has of other providers.
    neighbours: Vec<Neighbour>,
}

/// The communities of an archive, as of one generation. All of them: none, if it has only spaces of other providers.
async fn read(archive: &dyn DataArchive, space: Option<&Id>) -> Result<Shown, ReadError> {
    let neighbours = match repositories(archive).await {
        Ok(neighbours) => neighbours,
        Err(error @ ReadError::Archive(_)) => return Err(error),
        // There are none, or what is wrong with them is no reason to show no thanks.
        Err(_) => Vec::new(),
    };
    let own = &neighbours;
    let communities = match space {
        Some(_) => retry(archive, &SCHEMA, space, |reader| of(reader, own)).await,
        // Nobody may stay on the site once the last space is withdrawn.
        None => retry_or_empty(archive, &SCHEMA, |reader| of(reader, own)).await,
    };
    Ok(Shown {
        communities: communities?,
        neighbours,
    })
}

async fn of(
    reader: ArchiveReader<'_>,
    neighbours: &[Neighbour],
) -> Result<Vec<Community>, ReadError> {
    let mut communities = Vec::new();
    for space in reader.spaces() {
        let hash = space.hash();
        let read = read_derived(space, move |from| Community::read(from, hash));
        let mut community = read.await??;
        community.show_neighbours(neighbours);
        communities.push(community);
    }
    Ok(communities)
}

/// The public repositories of an archive. An archive may have others, whose names a site must not tell.
async fn repositories(archive: &dyn DataArchive) -> Result<Vec<Neighbour>, ReadError> {
    retry(
        archive,
        &propsbot_github::SCHEMA,
        None,
        |reader| async move {
            let rows = reader.rows::<Repository>().await?;
            let public = rows.iter().filter(|row| row.is_public());
            let public: BTreeSet<Id> = public.map(|row| Id::from(&row.id)).collect();
            let mut neighbours = Vec::new();
            for space in reader.spaces() {
                if !public.contains(&space.manifest().space) {
                    continue;
                }
                let parts = space.parts().await?.into_iter().map(|(line, covered)| {
                    let name = match line.id.as_str() {
                        "tracker" => "issues, pull requests and comments",
                        _ => "commits",
                    };
                    (name, covered.last().map(|range| range.to))
                });
                neighbours.push(Neighbour {
                    provider: "GitHub",
                    name: space.manifest().name.clone(),
                    parts: parts.collect(),
                });
            }
            Ok(neighbours)
        },
    )
    .await
}

/// A site's files.
async fn render(shown: Shown) -> anyhow::Result<Files> {
    let rendering = tokio::task::spawn_blocking(move || {
        propsbot_site::render(&shown.communities, &shown.neighbours)
    });
    rendering.await?.context("could not make the pages")
}

impl Shown {
    /// Hashes of everything that a site says of somebody.
    fn facts(&self) -> BTreeSet<u64> {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let facts = self.communities.iter().flat_map(Community::facts);
        let facts = facts.map(|fact| hasher.hash_one(fact));
        let names = self.neighbours.iter().map(|neighbour| &neighbour.name);
        facts
            .chain(names.map(|name| hasher.hash_one(name)))
            .collect()
    }
}

fn told(written: &SiteWritten) -> String {
    if (written.written, written.removed) == (0, 0) {
        return "nothing changed".to_owned();
    }
    format!(
        "{} ({}) written, {} removed",
        counted(written.written, "file"),
        counted(written.bytes, "byte"),
        counted(written.removed, "file")
    )
}

/// Opens a page in the desktop's browser, and returns whether there is one.
fn open(page: &Path) -> bool {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut command = Command::new(program);
    command
        .arg(page)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().is_ok()
}

/// A site that follows an archive; `None` if none is configured.
pub(super) fn follower(
    config: &Config,
    archive: &ArchiveSpec,
) -> Result<Option<Arc<dyn Follower>>, Error> {
    let Some(out) = &config.site else {
        return Ok(None);
    };
    let overlaps = out.overlaps(archive);
    if overlaps.tried(|| format!("could not look at {out}"))? {
        return Err(Error::Wrong(anyhow!(
            "SITE ({out}) and {archive} share files: choose another place for the site"
        )));
    }
    Ok(Some(Arc::new(FollowingSite {
        archive: archive.clone(),
        out: out.clone(),
        access: config.access.clone(),
        network: config.network.clone(),
        cred: if config.cred.memory > 0 {
            cred::kept(config)
        } else {
            CredBoard::default()
        },
        last: Mutex::default(),
    })))
}

/// A site that follows an archive.
struct FollowingSite {
    archive: ArchiveSpec,
    out: SiteSpec,
    access: Access,
    network: Network,
    cred: CredBoard,
    /// When the site was written by this process, and what it shows since.
    last: Mutex<Option<(Instant, BTreeSet<u64>)>>,
}

#[async_trait]
impl Follower for FollowingSite {
    async fn follow(&self, stop: &CancellationToken) -> Result<(), String> {
        let following = stop.run_until_cancelled(self.write()).await;
        let out = &self.out;
        match following {
            Some(Err(error)) => Err(format!(
                "could not bring the site in {out} up to date: {error}"
            )),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

impl FollowingSite {
    async fn write(&self) -> Result<(), Error> {
        let mut last = self.last.lock().await;
        let begun = Instant::now();
        let archive = propsbot_backends::open_to_read(&self.archive, &self.access, &self.network)?;
        let mut shown = read(archive.as_ref(), None).await?;
        for community in &mut shown.communities {
            community.show_cred(kept_cred(&self.cred, community.id()).await);
        }
        let show = move || (shown.facts(), shown);
        let (facts, shown) = tokio::task::spawn_blocking(show).await?;
        if let Some((at, before)) = &*last
            && at.elapsed() < REST
            && before.is_subset(&facts)
        {
            return Ok(());
        }
        let files = render(shown).await?;
        let written = self.out.write(files, &self.access, &self.network).await?;
        if (written.written, written.removed) != (0, 0) {
            let SiteWritten {
                written,
                bytes,
                removed,
            } = written;
            info!(files = written, bytes, removed, "the site is up to date");
        }
        *last = Some((begun, facts));
        Ok(())
    }
}

/// The cred that is kept of a guild; `None` if there is none.
async fn kept_cred(board: &CredBoard, guild: GuildId) -> Option<Arc<Cred>> {
    let board = board.clone();
    let read = move || {
        let Some(kept) = board.kept(guild)? else {
            return Ok(None);
        };
        let members = kept.by_week()?;
        let cred = Cred::of_weeks(kept.first_week(), kept.weeks(), members);
        Ok::<_, io::Error>(Some(Arc::new(cred)))
    };
    // What can't be read is computed again after the next export, and what reads it for members says so.
    let read = tokio::task::spawn_blocking(read).await.ok()?;
    read.ok().flatten()
}

impl From<SiteError> for Error {
    fn from(error: SiteError) -> Self {
        match error {
            SiteError::Place(error) => error.into(),
            SiteError::NotASite(_) | SiteError::Damaged(_) => Self::Wrong(error.into()),
        }
    }
}
