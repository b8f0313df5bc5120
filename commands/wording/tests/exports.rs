//! Texts about exports and the archive.

use propsbot_archive::{Summary, Tally, Verification, manifest::Manifest};
use propsbot_mirror::{ExportBoard, ExportOutcome, ExportReport, FinishedExport, WithdrawnPart};
use propsbot_service::ArchiveStatus;

use super::*;

/// A finished export that withdrew a channel.
pub(super) fn an_export(outcome: &ExportOutcome) -> FinishedExport {
    FinishedExport {
        at: NOW,
        took_ms: 1_234,
        outcome: outcome.clone(),
        withdrawn: vec![WithdrawnPart {
            id: "5".into(),
            name: "secret_plans".to_owned(),
            why: "not everyone in the guild can read it".to_owned(),
        }],
    }
}

/// The manifest of a guild without rows.
fn a_manifest() -> Manifest {
    let json = r#"{"format":2,"provider":"discord","schema":1,"space":"7","name":"The *Community*","generation":1234,
        "previous":null,"created_at":1700000000000,"heard_at":null,"newest":null,"synced":{},"history":null,
        "stamps":null,"rows":{},"index":null,"hours":[],"days":null,"parts":{"count":0,"list":null},
        "covered_to":null,"exceptions":{}}"#;
    serde_json::from_str(json).unwrap()
}

#[test]
fn shows_exports_and_the_archive() {
    let done: ExportOutcome = Ok(Summary {
        generation: 1_234,
        changed: true,
        files: 12,
        bytes: 123_456,
        ..Default::default()
    });
    let committed: ExportOutcome = Ok(Summary {
        requests: 5,
        commit: Some("0123456789abcdef0123456789abcdef01234567".to_owned()),
        ..done.clone().unwrap()
    });
    let unchanged: ExportOutcome = Ok(Summary::default());
    let behind: ExportOutcome = Ok(Summary {
        behind: Some(
            "could not bring the tables in ./tables up to date: the disk is full".to_owned(),
        ),
        ..done.clone().unwrap()
    });
    let failed: ExportOutcome = Err("the ```disk``` is full".to_owned());
    let made = ExportProgress {
        files: 1_200,
        bytes: 30_000_000,
    };
    let status = |last: Option<&ExportOutcome>, running_since: Option<Millis>| ArchiveStatus {
        destination: "dir:./archive".to_owned(),
        board: ExportBoard {
            running_since,
            next: Some(NOW),
            made: running_since.map(|_| made).unwrap_or_default(),
            ..ExportBoard::default()
        },
        report: ExportReport {
            last: last.map(an_export),
            written: last.map(|_| an_export(&committed)),
        },
    };
    let faults = |many: usize, files: u64| {
        Ok(Verification {
            manifests: vec![a_manifest()],
            faults: vec!["file *x*".to_owned(); many],
            read: Tally {
                files,
                rows: [("messages".to_owned(), 1_234), ("props".to_owned(), 5)].into(),
                ..Tally::default()
            },
            ..Verification::default()
        })
    };
    let texts = [
        exported(&done, Language::German),
        exported(&unchanged, Language::International),
        exported(&committed, Language::International),
        exported(&failed, Language::International),
        exported(&behind, Language::International),
        archive_status(&status(None, Some(NOW)), Language::International),
        archive_status(&status(Some(&unchanged), None), Language::International),
        archive_status(&status(Some(&committed), None), Language::International),
        verified(&faults(0, 12), Language::German),
        verified(&faults(1, 1), Language::International),
        verified(&faults(12, 12), Language::International),
        verified(&Err("no connection".to_owned()), Language::International),
        exporting(ExportProgress::default(), Language::International),
        exporting(made, Language::German),
        verifying(),
    ];
    assert_snapshot!(visible(&texts));
}
