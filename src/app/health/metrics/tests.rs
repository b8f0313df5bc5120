use std::collections::BTreeSet;

use propsbot_archive::Summary;
use propsbot_jobs::provider::{GatewayVitals, WriterVitals};
use propsbot_mirror::{ExportReport, FinishedExport, Id};

use super::*;

/// Everything that can be observed, of two guilds.
fn full() -> Observed {
    let guild = |id| SpaceCensus {
        space: Id::new(id),
        parts: 10,
        complete_parts: 9,
        items: [("messages", 100), ("reactions", 20)].into(),
        pending_lists: Some(3),
        failures: [("members", 1), ("messages", 2)].into(),
        drift: [("edit", 5)].into(),
    };
    let export = FinishedExport {
        at: Millis(1_800_000_000_500),
        took_ms: 1_500,
        outcome: Ok(Summary {
            generation: 7,
            ..Summary::default()
        }),
        withdrawn: Vec::new(),
    };
    Observed {
        vitals: ProviderVitals::Discord(Vitals {
            writer: Some(WriterVitals::default()),
            gateway: Some(GatewayVitals {
                events: [("MESSAGE_CREATE", 12), ("other", 1)].into(),
                ..GatewayVitals::default()
            }),
            ..Vitals::default()
        }),
        heard_at: Some(Millis(1_800_000_000_000)),
        cred_as_of: Some(Millis(1_800_000_000_000)),
        gauges: Gauges {
            census: Some(Census {
                spaces: vec![guild(1), guild(2)],
                exports: ExportReport {
                    last: Some(export),
                    written: None,
                },
            }),
            store_disk_bytes: Some(1),
            store_logical_bytes: Some(1),
            store_free_bytes: Some(1),
            archive_bytes: Some(1),
        },
        resident_bytes: Some(1),
        ..Observed::default()
    }
}

/// What a mirror of GitHub adds to that.
fn of_github() -> Observed {
    let mut observed = full();
    observed.vitals = ProviderVitals::Github(GithubVitals::default());
    let census = observed.gauges.census.as_mut().unwrap();
    census.spaces = vec![SpaceCensus {
        items: [("issues", 7), ("reactions", 20)].into(),
        ..SpaceCensus::new(Id::new("R_1"))
    }];
    observed
}

/// The names of all metrics, of both platforms.
fn names() -> BTreeSet<&'static str> {
    let all = [full(), of_github()].map(|observed| Metrics::of(&observed));
    let all = all.iter().flat_map(|Metrics(metrics)| metrics);
    all.map(|metric| metric.name).collect()
}

#[test]
fn a_mirror_of_github_tells_of_repositories() {
    let mut observed = of_github();
    observed.by_guild = true;
    let text = Metrics::of(&observed).encode(Format::Prometheus);
    let issues = "\npropsbot_mirror_items{repository=\"R_1\",kind=\"issues\"} 7\n";
    assert!(text.contains(issues), "{text}");
    for absent in ["guild=", "gateway", "pending_lists", "kind=\"reactions\""] {
        assert!(!text.contains(absent), "{absent} in {text}");
    }
}

#[test]
fn the_documentation_lists_every_metric() {
    let documented = include_str!("../../../../docs/operate.md");
    let section = documented
        .split("\n## Metrics\n")
        .nth(1)
        .expect("a section");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let listed: BTreeSet<&str> = rows
        .filter_map(|row| row.split(['`', '{']).next())
        .collect();
    assert_eq!(listed, names());
}

#[test]
fn alert_rules_and_dashboard_name_exported_metrics() {
    let exported = names();
    for text in [
        include_str!("../../../../deploy/alerts.yaml"),
        include_str!("../../../../deploy/alerts.test.yaml"),
        include_str!("../../../../deploy/grafana.json"),
    ] {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = text.split(|letter| !is_name(letter));
        let is_metric = |word: &&str| word.starts_with("propsbot_") || word.starts_with("process_");
        let named: Vec<&str> = words.filter(is_metric).collect();
        assert!(named.len() > 5, "{named:?}");
        let unknown = named.iter().filter(|name| !exported.contains(*name));
        assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&&str>::new());
    }
}

#[test]
fn guilds_are_labels_only_on_request() {
    let mut observed = full();
    let summed = Metrics::of(&observed).encode(Format::Prometheus);
    assert!(!summed.contains("guild="), "{summed}");
    assert!(summed.contains("\npropsbot_mirror_parts 20\n"), "{summed}");
    let failures = "\npropsbot_mirror_failures{class=\"messages\"} 4\n";
    assert!(summed.contains(failures), "{summed}");
    observed.by_guild = true;
    let labelled = Metrics::of(&observed).encode(Format::Prometheus);
    let drift = "\npropsbot_mirror_drift_total{guild=\"2\",kind=\"edit\"} 5\n";
    assert!(labelled.contains(drift), "{labelled}");
}

#[test]
fn encodes_both_formats() {
    let prometheus = Metrics::of(&full()).encode(Format::Prometheus);
    let open = Metrics::of(&full()).encode(Format::OpenMetrics);
    let time = "\npropsbot_export_attempt_timestamp_seconds 1800000000.5\n";
    let info = format!(
        "\npropsbot_build_info{{version=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION")
    );
    for text in [&prometheus, &open].map(|text| format!("\n{text}")) {
        assert!(text.contains(time) && text.contains(&info), "{text}");
    }
    assert!(prometheus.contains("# TYPE propsbot_gateway_events_total counter\n"));
    assert!(prometheus.contains("# TYPE propsbot_build_info gauge\n"));
    assert!(!prometheus.contains("# EOF"));
    assert!(open.contains("# TYPE propsbot_gateway_events counter\n"));
    assert!(open.contains("# TYPE propsbot_build info\n"));
    assert!(open.ends_with("# EOF\n"));
}

#[test]
fn open_metrics_are_served_on_request() {
    for (accept, format) in [
        (&[][..], Format::Prometheus),
        (&["*/*"], Format::Prometheus),
        (&["text/plain;version=0.0.4"], Format::Prometheus),
        (
            &["text/html", "application/openmetrics-text"],
            Format::OpenMetrics,
        ),
        (
            &[
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ],
            Format::OpenMetrics,
        ),
        (
            &["text/plain, Application/OpenMetrics-Text; q=0.2"],
            Format::OpenMetrics,
        ),
        (
            &["application/openmetrics-text;q=0, text/plain"],
            Format::Prometheus,
        ),
    ] {
        assert_eq!(
            Format::accepted(accept.iter().copied()),
            format,
            "{accept:?}"
        );
    }
}
