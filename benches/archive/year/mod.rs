//! `cargo bench --bench archive -- year [HOURS [MESSAGES_AN_HOUR [HOURS_BETWEEN_EXPORTS]]]`: a guild's year, exported
//! every hour by the real export from a real store (time is an argument), and committed to a real git
//! repository. Prints what each export wrote, what git keeps, and what the store came to month by month. Fails if the
//! archive is not what one fresh export would have written, its manifest is too long, or hourly exports write too much.
//! With more hours between exports, the same year takes less time; what is written then isn't what hourly exports write.

mod metered;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, mem,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use propsbot_archive::{ArchiveReader, ExportProgressBoard, Id, Millis, Period, Query, Unit};
use propsbot_backends::FolderArchive;
use propsbot_jobs::{export::exports, restore::restore};
use propsbot_mirror::{ExportOptions, ExportTarget, Exports, export};
use propsbot_rows::{MEMBERS, MESSAGES, PROPS, REACTIONS, ROLES, SCHEMA};
use propsbot_store::Store;

use crate::{memory::Memory, say};
use metered::{Metered, Written};
use world::{DAY, GUILD, HOUR, Pace, World, busiest};

/// 2025-10-01, so that the year has a New Year in it.
const BEGIN: i64 = 1_759_276_800_000;
/// 2026-01-02: December is closed.
const NEW_YEAR: i64 = 1_767_312_000_000;
/// 2026-03-15.
const RESTORED: i64 = 1_773_532_800_000;
/// 2026-04-10: a channel is withdrawn.
const WITHDRAWN: i64 = 1_775_779_200_000;

/// The longest that a manifest may become, in bytes.
const MANIFEST: u64 = 32_000;

/// What hourly exports may write of a guild with as many messages an hour, besides those that carry out members' choices:
/// such an export may write as much as the archive has.
const HOURLY_MESSAGES: u64 = 23;
const MEDIAN: u64 = 11_000;
const MOST_OF_95_PER_CENT: u64 = 72_000;
const IN_A_YEAR: u64 = 240_000_000;
const GIT_IN_A_YEAR: u64 = 215_000_000;

pub(crate) async fn run(given: &[String]) -> anyhow::Result<()> {
    let number = |at: usize, default: u64| -> anyhow::Result<u64> {
        given.get(at).map_or(Ok(default), |given| {
            given
                .parse()
                .with_context(|| format!("{given} is no number"))
        })
    };
    let (hours, messages) = (number(0, 365 * 24)?, number(1, 23)?);
    let between = number(2, 1)?.max(1);
    let pace = Pace {
        messages,
        threads: 5_000,
        older: 1_000,
    };
    Year::begin(pace)?.run(hours, between).await
}

struct Year {
    folder: tempfile::TempDir,
    world: World,
    /// `None` only while it is opened again.
    store: Option<Arc<Store>>,
    path: PathBuf,
    target: ExportTarget,
    metered: Arc<Metered>,
    /// How many there are in an hour.
    messages: u64,
    written: Vec<(i64, Written)>,
    /// When members' choices were carried out: what has rows by them or about them is written again then.
    choices: BTreeSet<i64>,
    took: Duration,
    /// How many exports the last line of a month told of, and how long they took.
    told: usize,
    told_took: Duration,
}

impl Year {
    fn begin(pace: Pace) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let archive = folder.path().join("archive");
        let metered = Arc::new(Metered::new(FolderArchive::new(archive)));
        let path = folder.path().join("store");
        let store = Some(Arc::new(Store::open(&path)?));
        let target = ExportTarget {
            name: "dir:archive".to_owned(),
            archive: metered.clone(),
            others: &[],
            beside: None,
            follower: None,
            made: ExportProgressBoard::default(),
            spool: folder.path().join("spool"),
            drop_copies: None,
        };
        Ok(Self {
            messages: pace.messages,
            world: World::new(pace),
            folder,
            store,
            path,
            target,
            metered,
            written: Vec::new(),
            choices: BTreeSet::new(),
            took: Duration::ZERO,
            told: 0,
            told_took: Duration::ZERO,
        })
    }

    async fn run(mut self, hours: u64, between: u64) -> anyhow::Result<()> {
        let found = self.world.found(BEGIN);
        self.store().merge(&[found])?;
        self.go_live(BEGIN)?;
        self.export(BEGIN).await?;
        let (_, first) = self.written.remove(0);
        say(&format!(
            "first export: {} files, {} KB",
            first.files,
            first.bytes >> 10
        ));
        self.git(&["init", "-q"])?;
        let (hours, between) = (i64::try_from(hours)?, i64::try_from(between)?);
        let before = self.size()?;
        for hour in 0..hours {
            let begin = BEGIN + hour * HOUR;
            let mut told = self.world.hour(begin);
            // Twelve members hide everything in the course of a year.
            let is_opt_out = hour % (30 * 24) == 100;
            if is_opt_out {
                let number = u64::try_from(hour / (30 * 24))?;
                told.push(World::opt_out(20 + number, begin));
            }
            if begin == WITHDRAWN {
                told.push(World::withdraw(7, begin));
            }
            self.store().merge(&[told])?;
            if begin == RESTORED {
                self.restore(begin).await?;
            }
            // Five minutes after the hour.
            let now = begin + HOUR + 300_000;
            if is_opt_out {
                self.choices.insert(now);
            }
            let is_end_of_month = hour % (24 * 30) == 29 * 24 || hour + 1 == hours;
            let is_compared =
                is_end_of_month || is_opt_out || [NEW_YEAR, RESTORED, WITHDRAWN].contains(&begin);
            if !is_compared && (hour + 1) % between != 0 {
                continue;
            }
            self.export(now).await?;
            self.commit()?;
            if is_compared {
                self.compare(now).await?;
            }
            if is_end_of_month {
                self.restart(now)?;
            }
        }
        self.months(BEGIN + hours * HOUR).await?;
        let git = self.report(before)?;
        if between == 1 && self.messages == HOURLY_MESSAGES {
            self.check_written(git)?;
        }
        Ok(())
    }

    /// Prints what a plugin over a month of the busiest channel reads, with members and roles.
    async fn months(&self, now: i64) -> anyhow::Result<()> {
        let reader = ArchiveReader::open(self.target.archive.as_ref(), &SCHEMA).await?;
        let current = Period::of(Unit::Month, Millis(now));
        let closed = Period::of(Unit::Month, Millis(current.start().0 - 35 * DAY));
        for (name, month) in [("a closed", closed), ("the current", current)] {
            let members = Query {
                tables: Some([MEMBERS, ROLES].into()),
                ..Query::all()
            };
            let rows = Query {
                parts: Some([Id::new(busiest())].into()),
                tables: Some([MESSAGES, REACTIONS, PROPS].into()),
                times: month.times(),
                ..Query::all()
            };
            let (mut files, mut packed) = (BTreeMap::new(), 0);
            for query in [members, rows] {
                let needed = reader.needed(&query).await?.into_iter();
                files.extend(needed.map(|file| (file.path, file.bytes)));
            }
            for path in files.keys() {
                packed += fs::metadata(self.folder.path().join("archive").join(path))?.len();
            }
            say(&format!(
                "{name} month of one channel, with members and roles: {} files, {:.0} KB ({:.0} KB compressed)",
                files.len(),
                kilobytes(files.values().sum()),
                kilobytes(packed),
            ));
        }
        Ok(())
    }

    fn store(&self) -> &Arc<Store> {
        self.store
            .as_ref()
            .expect("it is being opened only in `restart`")
    }

    fn go_live(&self, at: i64) -> anyhow::Result<()> {
        let session = self.store().session(GUILD)?.number;
        self.store().merge(&[self.world.live(session, at)])?;
        Ok(())
    }

    fn provider(&self) -> Arc<dyn Exports> {
        exports(self.store())
    }

    async fn export(&mut self, now: i64) -> anyhow::Result<()> {
        let begun = Instant::now();
        let options = ExportOptions::default();
        export(&self.provider(), &self.target, Millis(now), &options).await?;
        self.took += begun.elapsed();
        self.written.push((now, self.metered.take()));
        Ok(())
    }

    /// Goes on with a store that was restored from the archive.
    async fn restore(&mut self, at: i64) -> anyhow::Result<()> {
        self.export(at).await?;
        let path = self.folder.path().join("restored");
        let store = Arc::new(Store::open_to_restore(&path)?);
        restore(&store, self.target.archive.as_ref(), &|_, _| {}).await?;
        drop(store);
        self.store = Some(Arc::new(Store::open(&path)?));
        self.path = path;
        self.go_live(at)
    }

    /// Opens the store again, as a bot that is upgraded, and prints what it has come to: a row of a table.
    fn restart(&mut self, now: i64) -> anyhow::Result<()> {
        let memory = Memory::of(process::id()).context("this process is gone")?;
        let memory = memory.resident.saturating_sub(self.world.bytes());
        let logical = self.store().logical_bytes()?;
        self.store = None;
        let begun = Instant::now();
        self.store = Some(Arc::new(Store::open(&self.path)?));
        let opened = begun.elapsed();
        if self.told == 0 {
            say(
                "| day | messages | store on disk | logical | disk / logical | memory | opens in | an export |",
            );
            say("|---|---|---|---|---|---|---|---|");
        }
        let exports = self.written.len() - mem::replace(&mut self.told, self.written.len());
        let before = mem::replace(&mut self.told_took, self.took);
        let took = self.took.saturating_sub(before);
        let (disk, logical) = (kilobytes(folder_size(&self.path)?), kilobytes(logical));
        say(&format!(
            "| {} | {} | {:.0} MB | {:.0} MB | {:.1} | {:.0} MB | {opened:.1?} | {:.1?} |",
            (now - BEGIN) / DAY,
            self.world.posted(),
            disk / 1e3,
            logical / 1e3,
            disk / logical,
            kilobytes(memory) / 1e3,
            took / u32::try_from(exports.max(1))?,
        ));
        self.go_live(now)
    }

    /// Fails unless a fresh export of the store has the same files.
    async fn compare(&self, now: i64) -> anyhow::Result<()> {
        let fresh = metered::fresh(
            &self.provider(),
            &self.folder.path().join("archive"),
            Millis(now),
        )
        .await?;
        let own = metered::files(&self.folder.path().join("archive"))?;
        let differ: Vec<&String> = fresh
            .iter()
            .filter(|(path, bytes)| own.get(*path) != Some(bytes))
            .map(|(path, _)| path)
            .chain(own.keys().filter(|path| !fresh.contains_key(*path)))
            .collect();
        ensure!(
            differ.is_empty(),
            "{} of {} files differ from a fresh export's, such as {:?}",
            differ.len(),
            own.len(),
            differ.first()
        );
        Ok(())
    }

    fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let done = Command::new("git")
            .args([
                "-c",
                "user.name=year",
                "-c",
                "user.email=year@localhost",
                "-c",
                "gc.auto=0",
            ])
            .args(arguments)
            .current_dir(self.folder.path().join("archive"))
            .output()
            .context("could not run git")?;
        ensure!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        Ok(())
    }

    fn commit(&self) -> anyhow::Result<()> {
        self.git(&["add", "-A"])?;
        self.git(&["commit", "-q", "--allow-empty", "-m", "export"])
    }

    /// Bytes and number of the archive's files.
    fn size(&self) -> anyhow::Result<(u64, usize)> {
        let files = metered::files(&self.folder.path().join("archive"))?;
        Ok((
            files.values().map(|bytes| bytes.len() as u64).sum(),
            files.len(),
        ))
    }

    /// Fails if exports wrote more than they may, or git keeps more of it.
    fn check_written(&self, git: u64) -> anyhow::Result<()> {
        let whole = self.size()?.0;
        let (choices, everyday): (Vec<_>, Vec<_>) = self
            .written
            .iter()
            .partition(|(now, _)| self.choices.contains(now));
        let for_choices: u64 = choices.iter().map(|(_, each)| each.bytes).sum();
        say(&format!(
            "{} exports that carried out a member's choice: {:.1} MB",
            choices.len(),
            kilobytes(for_choices) / 1e3
        ));
        ensure!(
            choices.iter().all(|(_, each)| each.bytes <= whole),
            "an export that carried out a member's choice wrote more than the archive has"
        );
        let mut bytes: Vec<u64> = everyday.iter().map(|(_, each)| each.bytes).collect();
        bytes.sort_unstable();
        let (median, most) = (quantile(&bytes, 50), quantile(&bytes, 95));
        let exports = u64::try_from(bytes.len())?.max(1);
        let in_a_year = |bytes: u64| bytes * (365 * 24) / exports;
        let year = in_a_year(bytes.iter().sum());
        let git = in_a_year(git.saturating_sub(for_choices));
        ensure!(
            median <= MEDIAN
                && most <= MOST_OF_95_PER_CENT
                && year <= IN_A_YEAR
                && git <= GIT_IN_A_YEAR,
            "an export wrote {median} bytes (median), {most} (95 %), all would write {year} in a year, and git would \
             have {git}; they may be {MEDIAN}, {MOST_OF_95_PER_CENT}, {IN_A_YEAR} and {GIT_IN_A_YEAR}"
        );
        Ok(())
    }

    /// Prints what was written. Returns how large the git repository is.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn report(&self, (before, _): (u64, usize)) -> anyhow::Result<u64> {
        let (bytes, files) = self.size()?;
        let all: u64 = self.written.iter().map(|(_, written)| written.bytes).sum();
        let new = bytes.saturating_sub(before);
        say(&format!(
            "{} exports in {:.1?} ({:.1?} each): {:.1} MB written for {:.1} MB that are new ({:.1} times)",
            self.written.len(),
            self.took,
            self.took / u32::try_from(self.written.len())?,
            all as f64 / 1e6,
            new as f64 / 1e6,
            all as f64 / new.max(1) as f64,
        ));
        let mut month_ends = Vec::new();
        for (now, written) in &self.written {
            let hour_of_month = (now - 300_000).rem_euclid(DAY) / HOUR;
            if is_first_of_month(*now) && hour_of_month <= 6 {
                month_ends.push(*written);
            }
        }
        quantiles(
            "an export",
            self.written.iter().map(|(_, written)| *written),
        );
        quantiles("at months' ends", month_ends.into_iter());
        let manifest = self
            .written
            .iter()
            .map(|(_, written)| written.manifest)
            .max();
        ensure!(
            manifest.unwrap_or_default() <= MANIFEST,
            "a manifest has {manifest:?} bytes, and may have {MANIFEST}"
        );
        say(&format!(
            "largest manifest: {} bytes; whole archive: {:.1} MB in {files} files",
            manifest.unwrap_or_default(),
            bytes as f64 / 1e6
        ));
        self.git(&["gc", "-q", "--prune=now"])?;
        let git = folder_size(&self.folder.path().join("archive/.git"))?;
        say(&format!(
            "git repository after gc: {:.1} MB",
            git as f64 / 1e6
        ));
        Ok(git)
    }
}

fn is_first_of_month(now: i64) -> bool {
    let day = |time: i64| Period::of(Unit::Month, Millis(time)).start().0 / DAY;
    now / DAY == day(now)
}

/// Of sorted values, the one that so many per cent are below.
fn quantile(values: &[u64], per_cent: usize) -> u64 {
    let at = (values.len() * per_cent / 100).min(values.len().saturating_sub(1));
    values.get(at).copied().unwrap_or_default()
}

fn quantiles(what: &str, written: impl Iterator<Item = Written>) {
    let (mut bytes, mut files): (Vec<u64>, Vec<u64>) = written
        .map(|written| (written.bytes, written.files))
        .unzip();
    bytes.sort_unstable();
    files.sort_unstable();
    let at = quantile;
    say(&format!(
        "{what}: files median {}, 95 % {}, most {}; KB median {:.1}, 95 % {:.1}, most {:.1}",
        at(&files, 50),
        at(&files, 95),
        at(&files, 100),
        kilobytes(at(&bytes, 50)),
        kilobytes(at(&bytes, 95)),
        kilobytes(at(&bytes, 100)),
    ));
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn kilobytes(bytes: u64) -> f64 {
    bytes as f64 / 1e3
}

fn folder_size(folder: &Path) -> anyhow::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        size += if meta.is_dir() {
            folder_size(&entry.path())?
        } else {
            meta.len()
        };
    }
    Ok(size)
}

/// Files by path.
type Files = BTreeMap<String, Vec<u8>>;
