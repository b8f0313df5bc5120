//! The metrics: their names, what they mean, and their encoding. Pure.
//!
//! Names and units follow <https://prometheus.io/docs/practices/naming/>. docs/operate.md lists them; a
//! test keeps the two in sync.

mod encoding;

use std::{collections::BTreeMap, time::Duration};

use prometheus_client::{
    encoding::{prometheus_text, text},
    metrics::MetricType::{self, Counter, Gauge, Info},
    registry::Registry,
};
use propsbot_github::GithubVitals;
use propsbot_jobs::provider::Vitals;
use propsbot_mirror::{Census, ExportBoard, SpaceCensus};
use propsbot_model::Millis;

use crate::app::providers::ProviderVitals;

pub(super) use encoding::Format;

/// What is measured at one instant.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed {
    pub(super) started_at: Millis,
    pub(super) is_healthy: bool,
    pub(super) vitals: ProviderVitals,
    /// When Discord's gateway last sent anything, or GitHub answered.
    pub(super) heard_at: Option<Millis>,
    pub(super) export_interval: Duration,
    pub(super) exports: ExportBoard,
    /// When that was exported which the oldest kept cred of a guild is of.
    pub(super) cred_as_of: Option<Millis>,
    pub(super) gauges: Gauges,
    /// Whether to label what is about one guild or repository with its id.
    pub(super) by_guild: bool,
    pub(super) resident_bytes: Option<u64>,
}

/// What is measured now and then, because measuring costs something; each `None` until then.
#[derive(Clone, Debug, Default)]
pub(super) struct Gauges {
    pub(super) census: Option<Census>,
    pub(super) store_disk_bytes: Option<u64>,
    pub(super) store_logical_bytes: Option<u64>,
    pub(super) store_free_bytes: Option<u64>,
    /// `None` also if the archive isn't a folder on this machine.
    pub(super) archive_bytes: Option<u64>,
}

/// Metrics, ready to be encoded.
#[derive(Debug, Default)]
pub(super) struct Metrics(Vec<Metric>);

#[derive(Debug)]
struct Metric {
    name: &'static str,
    help: &'static str,
    kind: MetricType,
    samples: Vec<Sample>,
}

type Labels = Vec<(&'static str, String)>;

#[derive(Debug)]
struct Sample {
    labels: Labels,
    value: Value,
}

#[derive(Clone, Copy, Debug)]
enum Value {
    Whole(u64),
    /// In seconds; for a time, those since 1970.
    Time(Duration),
}

impl Metrics {
    pub(super) fn of(observed: &Observed) -> Self {
        let mut metrics = Self::default();
        metrics.add_process(observed);
        let label = match &observed.vitals {
            ProviderVitals::Discord(vitals) => {
                metrics.add_discord(vitals, observed.heard_at);
                "guild"
            }
            ProviderVitals::Github(vitals) => {
                metrics.add_github(vitals, observed.heard_at);
                "repository"
            }
        };
        metrics.add_exports(observed);
        if let Some(census) = &observed.gauges.census {
            metrics.add_mirror(census, observed.by_guild.then_some(label));
        }
        metrics.add_store(&observed.gauges);
        metrics
    }

    pub(super) fn encode(self, format: Format) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut encoded = String::new();
        let done = match format {
            Format::Prometheus => prometheus_text::encode(&mut encoded, &registry),
            Format::OpenMetrics => text::encode(&mut encoded, &registry),
        };
        done.expect("writing to a string can't fail");
        encoded
    }

    fn add_process(&mut self, observed: &Observed) {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let version = vec![("version", version)];
        let build = ("propsbot_build_info", "The version that runs");
        self.labelled(Info, build, [(version, 1)]);
        let healthy = ("propsbot_healthy", "Whether /healthz answers 200");
        self.whole(Gauge, healthy, [u64::from(observed.is_healthy)]);
        let started = ("process_start_time_seconds", "When the process started");
        self.time(started, Some(observed.started_at));
        let resident = ("process_resident_memory_bytes", "Memory in use");
        self.whole(Gauge, resident, observed.resident_bytes);
    }

    fn add_discord(&mut self, vitals: &Vitals, heard_at: Option<Millis>) {
        let Vitals {
            writer,
            gateway,
            rest_requests,
            rest_limited,
        } = vitals;
        let gateway = gateway.iter();
        self.whole(
            Gauge,
            (
                "propsbot_gateway_connected",
                "Whether a session with Discord's gateway is connected",
            ),
            gateway.clone().map(|gateway| gateway.is_connected.into()),
        );
        self.time(
            (
                "propsbot_gateway_heard_timestamp_seconds",
                "When Discord's gateway last sent anything",
            ),
            heard_at,
        );
        let events = gateway.clone().flat_map(|gateway| &gateway.events);
        self.labelled(
            Counter,
            (
                "propsbot_gateway_events_total",
                "Events from Discord's gateway, by kind",
            ),
            events.map(|(event, count)| (vec![("event", (*event).to_owned())], *count)),
        );
        self.whole(
            Counter,
            (
                "propsbot_gateway_losses_total",
                "How often events were lost and had to be fetched",
            ),
            gateway.clone().map(|gateway| gateway.losses),
        );
        self.whole(
            Gauge,
            (
                "propsbot_event_queue_bytes",
                "Events that wait to be processed",
            ),
            gateway.map(|gateway| gateway.queued_bytes),
        );
        self.whole(
            Gauge,
            (
                "propsbot_writer_queue_bytes",
                "What waits to be written to the store",
            ),
            writer.map(|writer| writer.queued_bytes),
        );
        let requests = ("propsbot_rest_requests_total", "Requests to Discord's API");
        self.whole(Counter, requests, [*rest_requests]);
        let limited = (
            "propsbot_rest_rate_limited_total",
            "Requests that Discord's API answered with 429",
        );
        self.whole(Counter, limited, [*rest_limited]);
    }

    fn add_github(&mut self, vitals: &GithubVitals, heard_at: Option<Millis>) {
        let heard = (
            "propsbot_github_heard_timestamp_seconds",
            "When GitHub last answered",
        );
        self.time(heard, heard_at);
        let reads = u64::from(vitals.failing_since.is_none());
        let succeeds = (
            "propsbot_github_read_succeeded",
            "Whether the last reading of GitHub's changes succeeded",
        );
        self.whole(Gauge, succeeds, [reads]);
        let requests = ("propsbot_github_requests_total", "Requests to GitHub's API");
        self.whole(Counter, requests, [vitals.requests]);
        let limited = (
            "propsbot_github_rate_limited_total",
            "Requests that GitHub's API refused because there were too many",
        );
        self.whole(Counter, limited, [vitals.limited]);
        let deliveries = (
            "propsbot_github_deliveries_total",
            "Signed deliveries of GitHub's webhooks",
        );
        self.whole(Counter, deliveries, [vitals.deliveries]);
    }

    fn add_exports(&mut self, observed: &Observed) {
        let ExportBoard {
            succeeded,
            failed,
            written_bytes,
            ..
        } = observed.exports;
        let outcomes = [("succeeded", succeeded), ("failed", failed)];
        self.labelled(
            Counter,
            ("propsbot_exports_total", "Exports, by outcome"),
            outcomes.map(|(outcome, count)| (vec![("outcome", outcome.to_owned())], count)),
        );
        let written = (
            "propsbot_export_written_bytes_total",
            "New files that exports wrote to the archive",
        );
        self.whole(Counter, written, [written_bytes]);
        let interval = (
            "propsbot_export_interval_seconds",
            "The time between two exports",
        );
        self.duration(interval, Some(observed.export_interval));

        let report = observed.gauges.census.as_ref();
        let report = report.map(|census| &census.exports);
        let last = report.and_then(|report| report.last.as_ref());
        self.time(
            (
                "propsbot_export_attempt_timestamp_seconds",
                "When the last export ended",
            ),
            last.map(|export| export.at),
        );
        self.whole(
            Gauge,
            (
                "propsbot_export_succeeded",
                "Whether the last export succeeded",
            ),
            last.map(|export| export.outcome.is_ok().into()),
        );
        self.duration(
            (
                "propsbot_export_duration_seconds",
                "How long the last export took",
            ),
            last.map(|export| Duration::from_millis(export.took_ms)),
        );
        let written = report.and_then(|report| report.written.as_ref());
        let success = last.filter(|export| export.outcome.is_ok()).or(written);
        self.time(
            (
                "propsbot_export_success_timestamp_seconds",
                "When the last successful export ended",
            ),
            success.map(|export| export.at),
        );
        let done = success.and_then(|export| export.outcome.as_ref().ok());
        let generation = (
            "propsbot_archive_generation",
            "The archive's highest generation",
        );
        self.whole(Gauge, generation, done.map(|done| done.generation));
        let archive = (
            "propsbot_archive_bytes",
            "The archive's files, if it is a folder",
        );
        self.whole(Gauge, archive, observed.gauges.archive_bytes);
        let cred = (
            "propsbot_cred_export_timestamp_seconds",
            "When that was exported which the oldest cred of a guild is of",
        );
        self.time(cred, observed.cred_as_of);
    }

    /// `label` names the label with a space's id; without it, there are sums.
    fn add_mirror(&mut self, census: &Census, label: Option<&'static str>) {
        let mut spaces = BySpace {
            metrics: self,
            census,
            label,
        };
        spaces.one(
            (
                "propsbot_mirror_parts",
                "Channels and threads that the bot may read; two of each repository",
            ),
            |space| Some(space.parts),
        );
        spaces.one(
            (
                "propsbot_mirror_parts_complete",
                "Those that are mirrored whole",
            ),
            |space| Some(space.complete_parts),
        );
        let of = |kind| move |space: &SpaceCensus| space.items.get(kind).copied();
        spaces.one(
            ("propsbot_mirror_messages", "Messages that aren't deleted"),
            of("messages"),
        );
        spaces.one(
            ("propsbot_mirror_reactions", "Reactions that aren't removed"),
            of("reactions"),
        );
        spaces.several(
            Gauge,
            (
                "propsbot_mirror_items",
                "What else is mirrored and isn't deleted, by kind",
            ),
            "kind",
            |space| {
                let mut items = space.items.clone();
                items.retain(|kind, _| !["messages", "reactions"].contains(kind));
                items
            },
        );
        spaces.one(
            (
                "propsbot_mirror_pending_lists",
                "Lists of who reacted that are still to fetch",
            ),
            |space| space.pending_lists,
        );
        spaces.several(
            Gauge,
            (
                "propsbot_mirror_failures",
                "What could not be fetched, by class",
            ),
            "class",
            |space| space.failures.clone(),
        );
        spaces.several(
            Counter,
            (
                "propsbot_mirror_drift_total",
                "Missed changes that were found by re-reading, by kind",
            ),
            "kind",
            |space| space.drift.clone(),
        );
    }

    fn add_store(&mut self, gauges: &Gauges) {
        let disk = ("propsbot_store_disk_bytes", "The store's files");
        self.whole(Gauge, disk, gauges.store_disk_bytes);
        let logical = (
            "propsbot_store_logical_bytes",
            "What the store holds, measured once an hour",
        );
        self.whole(Gauge, logical, gauges.store_logical_bytes);
        let free = (
            "propsbot_store_free_bytes",
            "Free space on the store's disk",
        );
        self.whole(Gauge, free, gauges.store_free_bytes);
    }

    fn whole(&mut self, kind: MetricType, what: What, values: impl IntoIterator<Item = u64>) {
        self.labelled(
            kind,
            what,
            values.into_iter().map(|value| (Vec::new(), value)),
        );
    }

    fn labelled(
        &mut self,
        kind: MetricType,
        what: What,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let values = values.into_iter();
        let samples = values.map(|(labels, value)| Sample {
            labels,
            value: Value::Whole(value),
        });
        self.add(kind, what, samples.collect());
    }

    fn time(&mut self, what: What, at: Option<Millis>) {
        let since_1970 = |at: Millis| u64::try_from(at.0).unwrap_or_default();
        self.duration(what, at.map(|at| Duration::from_millis(since_1970(at))));
    }

    fn duration(&mut self, what: What, time: Option<Duration>) {
        let samples = time.into_iter().map(|time| Sample {
            labels: Vec::new(),
            value: Value::Time(time),
        });
        self.add(Gauge, what, samples.collect());
    }

    /// Adds a metric, unless nothing is known about it yet.
    fn add(&mut self, kind: MetricType, (name, help): What, samples: Vec<Sample>) {
        if !samples.is_empty() {
            self.0.push(Metric {
                name,
                help,
                kind,
                samples,
            });
        }
    }
}

/// A metric's name, and what it means.
type What = (&'static str, &'static str);

/// Adds metrics about spaces: one sample a space, or their sum.
struct BySpace<'a> {
    metrics: &'a mut Metrics,
    census: &'a Census,
    label: Option<&'static str>,
}

impl BySpace<'_> {
    fn one(&mut self, what: What, count: impl Fn(&SpaceCensus) -> Option<u64>) {
        self.sums(Gauge, what, |space| {
            count(space)
                .map(|count| (None, count))
                .into_iter()
                .collect()
        });
    }

    fn several(
        &mut self,
        kind: MetricType,
        what: What,
        label: &'static str,
        counts: impl Fn(&SpaceCensus) -> BTreeMap<&'static str, u64>,
    ) {
        self.sums(kind, what, |space| {
            let counts = counts(space).into_iter();
            let labelled = counts.map(|(value, count)| (Some((label, value.to_owned())), count));
            labelled.collect()
        });
    }

    fn sums(
        &mut self,
        kind: MetricType,
        what: What,
        counts: impl Fn(&SpaceCensus) -> Vec<(Option<(&'static str, String)>, u64)>,
    ) {
        let mut sums: BTreeMap<Labels, u64> = BTreeMap::new();
        for space in &self.census.spaces {
            let own = self.label.map(|label| (label, space.space.to_string()));
            for (label, count) in counts(space) {
                let labels = own.clone().into_iter().chain(label);
                *sums.entry(labels.collect()).or_default() += count;
            }
        }
        self.metrics.labelled(kind, what, sums);
    }
}

#[cfg(test)]
pub(super) mod tests;
