//! `verify`, `restore` and `graph` trust the same archives: what one refuses, no other takes for something else.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::{
    damage::{Damage, damage, inflate, kind, relink},
    forum::id_at,
    *,
};
use crate::{
    layout::LIMITS,
    row_source::{RowSource, read_rows},
    verify::verify,
};

/// An archive as exports write it, with files of every kind.
static SOUND: LazyLock<Stored> = LazyLock::new(|| {
    let (mut world, now) = (World::new(LIMITS), Millis(1_795_438_800_000));
    for topic in 0..3 {
        let id = id_at(Millis(now.0 - 400 * DAY), topic);
        world.topic(id, "a topic");
        let covered = Covered {
            after: Millis(0),
            to: Millis(now.0 - i64::try_from(topic / 2).unwrap() * DAY),
        };
        world.covered.insert(id, vec![covered]);
        for number in 0..12 {
            let ago = i64::try_from(number * number).unwrap() * 2 * DAY;
            let post = id_at(Millis(now.0 - ago), topic * 100 + number);
            world.post(id, post, "Thank you all", None);
            world.like(
                id,
                post,
                5,
                (number % 2 == 0).then_some(Millis(now.0 - ago / 2)),
            );
        }
    }
    world.export(now);
    let files = world.all_files();
    for folder in ["rows/", "indexes/", "days/", "parts/", "spaces/"] {
        let has_some = files.keys().any(|path| path.starts_with(folder));
        assert!(has_some, "{folder}");
    }
    files
});

/// What a graph is drawn from: all rows, asked for by table.
fn drawn(rows: &dyn RowSource) -> Result<Vec<Vec<u8>>, ReadError> {
    fn all<R: Row>(rows: &dyn RowSource) -> Result<Vec<Vec<u8>>, ReadError> {
        let rows = rows.all::<R>()?;
        Ok(rows.iter().map(|row| EncodedRow::new(row).bytes).collect())
    }
    let tables = [
        all::<Forum>(rows)?,
        all::<Topic>(rows)?,
        all::<Post>(rows)?,
        all::<Like>(rows)?,
    ];
    let mut rows = tables.concat();
    rows.sort();
    Ok(rows)
}

/// The rows that are read of an archive, if it is trusted.
type Trusted = Result<Vec<Vec<u8>>, ReadError>;

/// What `verify`, `restore` and `graph` make of an archive.
async fn trusted(files: Stored) -> (bool, Trusted, Trusted) {
    let archive = MemoryArchive::from(files);
    let verified = verify(&archive, &SCHEMA, Depth::Whole).await;
    let restored = async {
        let reader = ArchiveReader::open(&archive, &SCHEMA).await?;
        let mut rows = Vec::new();
        for space in reader.spaces() {
            rows.extend(read_space(space, &Query::all()).await?.into_values());
        }
        rows.sort();
        Ok(rows)
    };
    let restored = restored.await;
    let drawn = read_rows(&archive, &SCHEMA, None, drawn).await;
    (
        verified.is_ok_and(|found| found.is_valid()),
        restored,
        drawn.map(|(rows, _)| rows),
    )
}

fn in_runtime<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(what)
}

/// Changes the bytes of some file, and perhaps has all that names it name it.
fn change(which: usize, damages: &[Damage], is_relinked: bool) -> Stored {
    let mut files = SOUND.clone();
    let path = files.keys().nth(which % files.len()).unwrap().clone();
    let mut bytes = match kind(&path) {
        Some(_) if is_relinked => inflate(&files[&path]),
        _ => files[&path].clone(),
    };
    for damage in damages {
        if !bytes.is_empty() {
            damage.to(&mut bytes);
        }
    }
    if is_relinked {
        relink(&mut files, &path, &bytes);
    } else {
        files.insert(path, bytes);
    }
    files
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn all_readers_refuse_the_same(
        which in any::<usize>(),
        damages in prop::collection::vec(damage(), 1..3),
        is_relinked in prop::bool::weighted(0.7),
    ) {
        let files = change(which, &damages, is_relinked);
        let (is_valid, restored, drawn) = in_runtime(trusted(files));
        let refused = restored.as_ref().err();
        prop_assert_eq!(is_valid, refused.is_none(), "{:?}", refused);
        match (restored, drawn) {
            (Ok(restored), Ok(drawn)) => prop_assert!(drawn == restored, "a graph has other rows"),
            (Ok(_), Err(error)) => prop_assert!(false, "a graph refuses what others read: {error}"),
            // It read nothing of what is wrong.
            (Err(error), Ok(drawn)) => prop_assert!(drawn == *ROWS, "a graph has other rows, and {error}"),
            (Err(_), Err(_)) => {}
        }
    }
}

/// What is in the archive.
static ROWS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (is_valid, restored, drawn) = in_runtime(trusted(SOUND.clone()));
    assert!(is_valid);
    assert_eq!(restored.unwrap(), *drawn.as_ref().unwrap());
    drawn.unwrap()
});
