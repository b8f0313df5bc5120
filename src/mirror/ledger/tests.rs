//! Tests of the ledger of archives with several manifests.

use tempfile::TempDir;

use super::*;
use crate::{Stamp, wiki::Wiki};

const ARCHIVE: &str = "dir:archive";

fn hash(number: u8) -> Hash {
    Hash::of(&[number])
}

fn bases<const N: usize>(manifests: [(&str, Option<u8>); N]) -> Bases {
    let manifests = manifests.into_iter();
    manifests
        .map(|(path, number)| (path.to_owned(), number.map(hash)))
        .collect()
}

fn ledger(mirror: &Mirror<Wiki>) -> ExportLedger {
    ExportLedger::of(&*mirror.inner).unwrap()
}

#[test]
fn exports_may_reach_only_some_manifests() {
    let folder = TempDir::new().unwrap();
    let stamps = Stamps::of(propsbot_archive::Millis(1_700_000_000_000));
    {
        let mirror = Mirror::<Wiki>::open_to_restore(folder.path()).unwrap();
        let restored = |number, stamps| (hash(number), stamps);
        let manifests = [
            ("root".to_owned(), restored(0, None)),
            ("a".to_owned(), restored(1, Some(stamps))),
            ("b".to_owned(), restored(2, Some(stamps))),
        ];
        mirror.restored(Stamp(1), &manifests.into()).unwrap();
    }
    let mirror = Mirror::<Wiki>::open(folder.path()).unwrap();
    let restored = ledger(&mirror);
    assert_eq!(restored.since("a", 1), None);
    assert_eq!(restored.stamps("a"), Some(stamps));
    assert_eq!(restored.stamps("root"), None);

    let reached = bases([("a", Some(3))]);
    mirror.published(ARCHIVE, &reached, 1, &[]).unwrap();
    let partial = ledger(&mirror);
    assert_eq!(partial.since("a", 1), Some(hash(3)));
    assert_eq!(partial.since("a", 2), None, "under other rules");
    assert_eq!(
        (partial.stamps("a"), partial.stamps("b")),
        (None, Some(stamps))
    );
    assert_eq!(partial.since("b", 1), None);
    assert_eq!(partial.last["b"].manifest(), hash(2));

    // Under new rules, too, only what was reached is up to date with them.
    let reached = bases([("b", Some(4))]);
    mirror.published(ARCHIVE, &reached, 2, &[]).unwrap();
    let both = ledger(&mirror);
    assert_eq!(
        (both.since("a", 2), both.since("b", 2)),
        (None, Some(hash(4)))
    );

    // A space that was withdrawn starts anew when it returns.
    let removed = bases([("a", None), ("root", Some(5))]);
    mirror.published(ARCHIVE, &removed, 1, &[]).unwrap();
    let rest = ledger(&mirror);
    assert!(rest.last.keys().eq(["b", "root"]));
    assert!(rest.has_published(ARCHIVE) && !rest.has_published("elsewhere"));
}

#[test]
fn remembers_the_latest_manifests_of_each_path() {
    let folder = TempDir::new().unwrap();
    let mirror = Mirror::<Wiki>::open(folder.path()).unwrap();
    let quiet = bases([("quiet", Some(0))]);
    mirror.published(ARCHIVE, &quiet, 1, &[]).unwrap();
    for number in 1..=100 {
        let manifests = BTreeMap::from([("busy".to_owned(), hash(number))]);
        mirror.publishing(ARCHIVE, &manifests).unwrap();
        let unconfirmed = &ledger(&mirror).archives[ARCHIVE]["busy"];
        let last = Published {
            manifest: hash(number),
            confirmed: false,
        };
        assert_eq!(unconfirmed.last(), Some(&last));
        let busy = bases([("busy", Some(number))]);
        mirror.published(ARCHIVE, &busy, 1, &[]).unwrap();
    }
    drop(mirror);
    let mirror = Mirror::<Wiki>::open(folder.path()).unwrap();
    let remembered = ledger(&mirror);
    let at = |path: &str| {
        let all = remembered.published(ARCHIVE).unwrap()[path].iter();
        all.map(|one| (one.manifest, one.confirmed))
            .collect::<Vec<_>>()
    };
    assert_eq!(at("quiet"), [(hash(0), true)]);
    let latest = (37..=100).map(|number| (hash(number), true));
    assert_eq!(at("busy"), latest.collect::<Vec<_>>());
}
