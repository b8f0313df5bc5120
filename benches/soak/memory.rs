//! A process's memory, and its growth.

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

/// A sample of the memory.
pub(crate) struct Sample {
    /// Since the start.
    pub(crate) at: Duration,
    /// Actions in the guild so far.
    pub(crate) actions: u64,
    pub(crate) memory: Memory,
}

/// Growth of the resident memory in MB per 10 minutes, by least squares. `None` with fewer than two
/// samples.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) fn slope(samples: &[Sample]) -> Option<f64> {
    let points: Vec<(f64, f64)> = samples
        .iter()
        .map(|sample| {
            (
                sample.at.as_secs_f64() / 600.0,
                sample.memory.resident as f64 / 1e6,
            )
        })
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
