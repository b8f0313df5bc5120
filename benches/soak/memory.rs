//! A process's memory and its growth, and the time it computed.

use std::{fs, path::Path, time::Duration};

/// A process's memory, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    /// Heap and stacks: everything not backed by a file.
    pub(crate) anonymous: u64,
}

impl Memory {
    /// The process with this id; `None` once it has ended.
    pub(crate) fn of(process: u32) -> Option<Self> {
        let status = Path::new("/proc").join(process.to_string()).join("status");
        let status = fs::read_to_string(status).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kilobytes << 10)
        };
        Some(Self {
            resident: field("VmRSS:")?,
            anonymous: field("RssAnon:")?,
        })
    }
}

/// How long the process with this id has computed, on all cores; `None` once it has ended.
pub(crate) fn computed(process: u32) -> Option<Duration> {
    /// Linux's, on every architecture that it runs on today.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = Path::new("/proc").join(process.to_string()).join("stat");
    let stat = fs::read_to_string(stat).ok()?;
    // The program's name comes before, in parentheses.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    let (user, system) = (ticks()?, ticks()?);
    Some(Duration::from_secs_f64(
        (f64::from(user) + f64::from(system)) / TICKS_PER_SECOND,
    ))
}

/// A sample of the memory.
pub(crate) struct Sample {
    /// Since the start.
    pub(crate) at: Duration,
    /// How long the bot has computed.
    pub(crate) computed: Duration,
    /// Actions in the guild so far.
    pub(crate) actions: u64,
    pub(crate) memory: Memory,
}

/// Growth of the resident memory in bytes per action, by least squares. `None` with fewer than two
/// samples.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn slope(samples: &[Sample]) -> Option<f64> {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .map(|sample| (sample.actions as f64, sample.memory.resident as f64))
        .collect();
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| {
        (x + point.0 / count, y + point.1 / count)
    });
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    let together: f64 = points
        .iter()
        .map(|point| (point.0 - x) * (point.1 - y))
        .sum();
    (spread > 0.0).then(|| together / spread)
}
