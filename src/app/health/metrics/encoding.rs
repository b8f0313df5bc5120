//! The formats of metrics, and how they are encoded in them.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, MetricEncoder, prometheus_text},
    metrics::{
        MetricType::{self, Counter, Info},
        exemplar::Exemplar,
    },
};

use super::{Labels, Metrics, Sample, Value};

/// The formats in which metrics are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::app::health) enum Format {
    /// Version 0.0.4 of Prometheus's text format.
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The format that a client prefers, by its `Accept` headers.
    pub(in crate::app::health) fn accepted<'a>(headers: impl Iterator<Item = &'a str>) -> Self {
        let mut ranges = headers.flat_map(|header| header.split(','));
        let is_open_metrics = |range: &str| {
            let mut parts = range.split(';').map(str::trim);
            let is_named = parts
                .next()
                .is_some_and(|kind| kind.eq_ignore_ascii_case("application/openmetrics-text"));
            let refused = |part: &str| {
                let weight = part.strip_prefix("q=").map(str::parse::<f32>);
                weight.is_some_and(|weight| weight.is_ok_and(|weight| weight <= 0.0))
            };
            is_named && !parts.any(refused)
        };
        if ranges.any(is_open_metrics) {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub(in crate::app::health) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for metric in &self.0 {
            // The encoder adds the suffix that the kind asks for.
            let suffix = match metric.kind {
                Counter => "_total",
                Info => "_info",
                _ => "",
            };
            let name = metric.name.strip_suffix(suffix).unwrap_or(metric.name);
            let mut to = encoder.encode_descriptor(name, metric.help, None, metric.kind)?;
            for sample in &metric.samples {
                sample.encode(metric.kind, &mut to)?;
            }
        }
        Ok(())
    }
}

impl Sample {
    fn encode(&self, kind: MetricType, to: &mut MetricEncoder<'_>) -> fmt::Result {
        if kind == Info {
            to.encode_info(&self.labels)
        } else if self.labels.is_empty() {
            self.value.encode(kind, to)
        } else {
            self.value
                .encode(kind, &mut to.encode_family(&self.labels)?)
        }
    }
}

impl Value {
    fn encode(self, kind: MetricType, to: &mut MetricEncoder<'_>) -> fmt::Result {
        const NO_EXEMPLAR: Option<&Exemplar<Labels, u64>> = None;
        match (kind, self) {
            (Counter, Self::Whole(count)) => to.encode_counter(&count, NO_EXEMPLAR),
            (_, Self::Whole(value)) => to.encode_gauge(&value),
            (_, Self::Time(time)) => to.encode_gauge(&time.as_secs_f64()),
        }
    }
}
