//! Texts about exports and the archive.

use propsbot_archive::Summary;
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
        },
        report: ExportReport {
            last: last.map(an_export),
            written: last.map(|_| an_export(&committed)),
        },
    };
    let faults = |many: usize| Ok(("generation 3".to_owned(), vec!["blob *x*".to_owned(); many]));
    let texts = [
        exported(&done, Language::German),
        exported(&unchanged, Language::International),
        exported(&committed, Language::International),
        exported(&failed, Language::International),
        archive_status(&status(None, Some(NOW)), Language::International),
        archive_status(&status(Some(&unchanged), None), Language::International),
        archive_status(&status(Some(&committed), None), Language::International),
        verified(&faults(0)),
        verified(&faults(12)),
        verified(&Err("no connection".to_owned())),
        exporting(ExportProgress::default(), Language::International),
        exporting(made, Language::German),
        verifying(),
    ];
    assert_snapshot!(visible(&texts));
}
