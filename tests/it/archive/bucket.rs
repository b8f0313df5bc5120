//! Archives in an object store.

use std::{
    collections::BTreeSet,
    fs,
    sync::{Arc, atomic::Ordering},
};

use propsbot_archive::{
    ArchiveError, DataArchive, FILE_LIMIT, MemoryArchive, ROOT, base,
    contract::{self, blob},
    export,
};
use propsbot_backends::Claims;
use propsbot_rows::Snapshot;

use super::{
    assert_valid,
    community::{GENERAL, PROPS, mark, message, message_id, request, rows},
    damage::is_repaired,
    object_store::{BUCKET, NEVER, ObjectStore, SECRET},
    put_only,
};

#[tokio::test]
async fn object_stores_satisfy_the_archive_contract() {
    let store = ObjectStore::start().await;
    let mut made = 0;
    contract::check(&mut || {
        made += 1;
        Box::new(store.archive(&format!("archive-{made}")))
    })
    .await;
    let listed = store.archive("listed").list_spaces().await.unwrap();
    assert_eq!(listed, Some(Vec::new()));
}

#[tokio::test]
async fn archives_can_use_a_bucket_without_prefix() {
    let store = ObjectStore::start().await;
    let archive = store.archive("");
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    assert_valid(&archive).await;
    assert!(store.objects("").contains(ROOT));
}

/// A community with short texts, so that the time goes into requests.
pub(super) fn terse() -> Snapshot {
    let mut rows = rows();
    rows.messages.retain(|message| {
        message
            .content
            .as_ref()
            .is_none_or(|content| content.len() < 1000)
    });
    rows
}

/// The second of two exports: one channel is emptied, another has one more message.
pub(super) async fn second(archive: &dyn DataArchive) -> Result<u64, String> {
    let mut after = terse();
    after.messages.retain(|message| message.channel_id != PROPS);
    after
        .messages
        .push(message(GENERAL, message_id(40, 0), "new"));
    after
        .messages
        .sort_by_key(|message| (message.channel_id, message.id));
    let mut change = request(&after);
    change.marks = vec![mark(PROPS, 1), mark(GENERAL, 40)];
    let done = export(archive, Arc::new(after), change).await;
    done.map(|done| done.generation)
        .map_err(|generation| generation.to_string())
}

pub(super) async fn first(archive: &dyn DataArchive) {
    let before = terse();
    let everything = request(&before);
    export(archive, Arc::new(before), everything).await.unwrap();
}

/// The objects of an archive that was never interrupted.
pub(super) async fn clean() -> BTreeSet<String> {
    let reference = MemoryArchive::new();
    first(&reference).await;
    second(&reference).await.unwrap();
    reference.files().await.into_keys().collect()
}

#[tokio::test]
async fn interrupted_bucket_exports_are_atomic() {
    let clean = clean().await;
    let mut generations = BTreeSet::new();
    for steps in 0.. {
        let store = ObjectStore::start().await;
        first(&store.archive("a")).await;
        let begun = store.faults.requests.load(Ordering::Relaxed);
        store.faults.cut.store(begun + steps, Ordering::Relaxed);
        let cut = second(&store.archive("a")).await;
        let later = store.later();
        generations.insert(assert_valid(&later).await.manifests[0].generation);

        assert_eq!(second(&later).await, Ok(2));
        assert_valid(&later).await;
        assert_eq!(store.objects("a"), clean, "cut off after {steps} requests");
        if cut.is_ok() {
            break;
        }
    }
    assert_eq!(generations, BTreeSet::from([1, 2]));
}

#[tokio::test]
async fn resolves_lost_responses_by_reading_the_object() {
    let clean = clean().await;
    let mut all = 0;
    for steps in 0.. {
        let store = ObjectStore::start().await;
        first(&store.archive("a")).await;
        let begun = store.faults.requests.load(Ordering::Relaxed);
        store.faults.lost.store(begun + steps, Ordering::Relaxed);
        assert_eq!(second(&store.archive("a")).await, Ok(2), "request {steps}");
        assert_eq!(store.objects("a"), clean, "request {steps}");
        if begun + steps >= store.faults.requests.load(Ordering::Relaxed) {
            all = steps;
            break;
        }
    }
    assert!(all > 8, "{all} requests are too few for an export");
}

#[tokio::test]
async fn claims_hold_until_they_expire() {
    let store = ObjectStore::start().await;
    first(&store.archive("a")).await;
    let before = store.objects("a");
    let begun = store.faults.requests.load(Ordering::Relaxed);
    // Killed after some uploads, before publishing.
    store.faults.cut.store(begun + 9, Ordering::Relaxed);
    second(&store.archive("a")).await.unwrap_err();
    let later = store.later();
    assert_ne!(store.objects("a"), before);

    let busy = put_only(&store.archive("a"), None, []).await;
    assert!(matches!(busy, Err(ArchiveError::Busy(_))), "{busy:?}");
    put_only(&later, None, []).await.unwrap();
    assert_eq!(store.objects("a"), before);
}

/// The claims of a process that comes after one of the same store.
fn later(before: &Claims) -> Claims {
    Claims {
        former: [before.name.clone()].into(),
        ..Claims::default()
    }
}

/// A later process of the same store takes over from a killed one.
#[tokio::test]
async fn takes_back_its_own_claim_after_any_interruption() {
    let clean = clean().await;
    let mut taken_back = 0;
    for steps in 0.. {
        let store = ObjectStore::start().await;
        first(&store.archive("a")).await;
        let begun = store.faults.requests.load(Ordering::Relaxed);
        store.faults.cut.store(begun + steps, Ordering::Relaxed);
        let claims = Claims::default();
        let killed = store.archive("a").with_claims(claims.clone());
        let cut = second(&killed).await;
        store.faults.cut.store(NEVER, Ordering::Relaxed);
        let is_claimed = store.objects("a").contains(".writing");
        if is_claimed {
            // Another store's claim holds.
            let busy = put_only(&store.archive("a"), None, []).await;
            assert!(matches!(busy, Err(ArchiveError::Busy(_))), "{busy:?}");
            taken_back += 1;
        }

        let next = store.archive("a").with_claims(later(&claims));
        assert_eq!(second(&next).await, Ok(2), "cut off after {steps} requests");
        assert_valid(&next).await;
        // If there is nothing to publish, the next write cleans up.
        second(&next).await.unwrap();
        assert_eq!(store.objects("a"), clean, "cut off after {steps} requests");
        if cut.is_ok() {
            break;
        }
    }
    assert!(taken_back > 4, "{taken_back}");
}

/// A killed process's last request may arrive after the next process has started. If it publishes,
/// all its objects must exist.
#[tokio::test]
async fn keeps_objects_that_a_late_request_may_publish() {
    let store = ObjectStore::start().await;
    first(&store.archive("a")).await;
    let before = store.objects("a");
    let claims = Claims::default();
    let killed = store.archive("a").with_claims(claims.clone());
    let mut put: Vec<String> = Vec::new();
    for steps in 9..40 {
        let begun = store.faults.requests.load(Ordering::Relaxed);
        store.faults.cut.store(begun + steps, Ordering::Relaxed);
        second(&killed).await.unwrap_err();
        store.faults.cut.store(NEVER, Ordering::Relaxed);
        put = store.objects("a").difference(&before).cloned().collect();
        if put.iter().any(|path| path.starts_with("rows/")) {
            break;
        }
    }

    let next = store.archive("a").with_claims(later(&claims));
    put_only(&next, None, []).await.unwrap();
    for path in put.iter().filter(|path| *path != ".writing") {
        assert!(store.objects("a").contains(path), "{path}");
    }
    assert_eq!(store.read("a/.writing"), "left");
}

/// Whichever request is the last one, the root names only spaces that have a manifest.
#[tokio::test]
async fn roots_never_name_spaces_without_a_manifest() {
    let root = |ids: [&str; 2]| ids.join(" ").into_bytes();
    let path = |id: &str| format!("spaces/{id}.json");
    let (before, after) = (root(["1", "2"]), root(["2", "3"]));
    let [one, two, three] = ["1", "2", "3"].map(path);
    let mut seen = BTreeSet::new();
    for steps in 0.. {
        let store = ObjectStore::start().await;
        let archive = store.archive("a");
        let first = [
            (ROOT, None, Some(&*before)),
            (&one, None, Some(b"one")),
            (&two, None, Some(b"two")),
        ];
        contract::replace(&archive, first).await.unwrap();
        let begun = store.faults.requests.load(Ordering::Relaxed);
        store.faults.cut.store(begun + steps, Ordering::Relaxed);
        let second = [
            (ROOT, Some(&*before), Some(&*after)),
            (&one, Some(b"one"), None),
            (&three, None, Some(b"three")),
        ];
        let is_changed = contract::replace(&archive, second).await.is_ok();
        let (named, objects) = (store.read("a/manifest.json"), store.objects("a"));
        for id in named.split(' ') {
            let manifest = path(id);
            assert!(objects.contains(&manifest), "{id}: {objects:?}");
        }
        seen.insert((named, objects.contains("spaces/1.json")));
        if is_changed && !objects.contains(".writing") {
            break;
        }
    }
    let seen: Vec<_> = seen.iter().map(|(root, one)| (&**root, *one)).collect();
    assert_eq!(seen, [("1 2", true), ("2 3", false), ("2 3", true)]);
}

#[tokio::test]
async fn repairs_damaged_objects_in_a_bucket() {
    let store = ObjectStore::start().await;
    let archive = store.archive("a");
    let rows = rows();
    let request = request(&rows);
    export(&archive, Arc::new(rows), request).await.unwrap();
    let objects = store.objects("a");
    let blob = objects
        .iter()
        .find(|object| object.starts_with("rows/"))
        .unwrap();
    let folder = store.folder.path().join(BUCKET).join("a");
    fs::write(folder.join(blob), "damaged").unwrap();
    is_repaired(&archive, &[blob]).await;
    assert_eq!(store.objects("a"), objects);
}

/// Stores that derive versions from the contents would confuse equal claims.
#[tokio::test]
async fn claims_never_repeat_their_contents() {
    let store = ObjectStore::start().await;
    let archive = store.archive("a");
    let path = store.folder.path().join(BUCKET).join("a/.writing");
    let mut said = Vec::new();
    let mut write = archive.write(base(None)).await.unwrap();
    for n in 0..150_u64 {
        said.extend(fs::read(&path).ok());
        write.put(blob(&n.to_be_bytes())).await.unwrap();
    }
    write.abandon().await.unwrap();
    assert_eq!(said.len(), 150);
    said.dedup();
    let different: BTreeSet<&Vec<u8>> = said.iter().collect();
    assert_eq!((said.len(), different.len()), (3, 3));
}

/// Claims need stores that reject creating an existing object.
#[tokio::test]
async fn refuses_stores_without_conditional_writes() {
    let store = ObjectStore::start().await;
    store.faults.unconditional.store(true, Ordering::Relaxed);
    let refused = put_only(&store.archive("a"), None, [blob(b"one")]).await;
    assert!(
        matches!(refused, Err(ArchiveError::Unconditional { .. })),
        "{refused:?}"
    );
    assert_eq!(store.objects("a"), BTreeSet::new());
    store.faults.unconditional.store(false, Ordering::Relaxed);
    put_only(&store.archive("a"), None, [blob(b"one")])
        .await
        .unwrap();
}

#[tokio::test]
async fn errors_name_the_refusing_server() {
    let store = ObjectStore::start().await;
    store.faults.cut.store(0, Ordering::Relaxed);
    let archive = store.archive("a");
    let error = archive
        .read(ROOT, FILE_LIMIT)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("could not read manifest.json of s3://props/a"),
        "{error}"
    );
    assert!(!error.contains(SECRET), "{error}");
    let error = put_only(&archive, None, [blob(b"one")]).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("could not "), "{error}");
}

#[tokio::test]
async fn sends_checksums_if_required() {
    let store = ObjectStore::start().await;
    store.faults.needs_checksums.store(true, Ordering::Relaxed);
    let refused = put_only(&store.archive("a"), None, [blob(b"one")]).await;
    let refused = refused.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("set AWS_CHECKSUM_ALGORITHM=sha256"),
        "{refused}"
    );
    for algorithm in ["sha256", "crc64nvme"] {
        let archive = store.archive_with(algorithm, &[("AWS_CHECKSUM_ALGORITHM", algorithm)]);
        first(&archive).await;
        assert_valid(&archive).await;
    }
}

#[tokio::test]
async fn sets_content_types() {
    let store = ObjectStore::start().await;
    first(&store.archive("a")).await;
    let seen = store.faults.content_types.lock().unwrap().clone();
    let mut found = BTreeSet::new();
    for (path, content_type) in seen {
        let expected = match path.rsplit('.').next().unwrap() {
            "json" => "application/json",
            "md" => "text/markdown; charset=utf-8",
            "gz" => "application/gzip",
            _ => continue,
        };
        assert_eq!(content_type, expected, "{path}");
        found.insert(content_type);
    }
    assert_eq!(found.len(), 3, "{found:?}");
}
