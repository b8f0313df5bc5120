//! What is fuzzed: each parser of an archive's files, on an archive in which all that names the fuzzed file fits it, so
//! that no checksum keeps its bytes from the parser.
//!
//! None may panic, hang, or take much more memory than the file is long.

use std::collections::BTreeMap;

use futures::TryStreamExt as _;
use indexmap::IndexMap;
use peak_alloc::PeakAlloc;
use propsbot_archive::{
    ArchiveReader, Depth, Hash, Id, MemoryArchive, Millis, Period, Query, ReadError, Row, Stamps,
    Unit,
    file::{FileRef, Kind, decode, pack, unpack},
    manifest::{Manifest, Open, Parts, ROOT, Root, manifest_path, print_checked},
    verify,
};
use propsbot_rows::{
    ChannelRow, EmojiRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow, SCHEMA,
};
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// How much memory a byte of a file may take, and what everything takes. Files as they are written take two to four times
/// their length, files of nothing but the shortest values up to 40 times.
const TIMES: usize = 48;
const SLACK: usize = 256 << 10;

/// The space that is read, and when.
const SPACE: u64 = 81_384_788_765_712_384;
const NOW: Millis = Millis(1_795_438_800_000);

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime needs nothing");
}

/// An archive's files.
struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// An archive with one space that has no manifest yet.
    fn new() -> Self {
        let root = Root::print(SCHEMA.provider, vec![Id::new(SPACE)]);
        Self([(ROOT.to_owned(), root)].into())
    }

    /// Adds a file, and returns what names it.
    fn put(&mut self, kind: Kind, bytes: &[u8]) -> FileRef {
        let (file, object) = pack(kind, bytes);
        self.0.insert(object.path, object.bytes);
        file
    }

    /// The archive, with this manifest.
    fn with(mut self, manifest: &Manifest) -> MemoryArchive {
        let path = manifest_path(&Id::new(SPACE));
        self.0.insert(path, print_checked(manifest));
        self.0.into()
    }
}

/// Reads an archive of which a file has this length. `verify` and `restore` refuse the same.
fn read(archive: &MemoryArchive, bytes: usize) {
    let run = || {
        RUNTIME.with(|runtime| {
            runtime.block_on(async {
                let verified = verify(archive, &SCHEMA, Depth::Whole).await;
                let is_sound = verified.is_ok_and(|verified| verified.is_valid());
                assert_eq!(restore(archive).await.is_ok(), is_sound);
            });
        });
    };
    within(bytes, run);
}

async fn restore(archive: &MemoryArchive) -> Result<(), ReadError> {
    let reader = ArchiveReader::open(archive, &SCHEMA).await?;
    let all = Query::all();
    let mut batches = reader.batches(&all);
    while let Some(batch) = batches.try_next().await? {
        match batch.table {
            GuildRow::TABLE => drop(batch.rows::<GuildRow>()?),
            ChannelRow::TABLE => drop(batch.rows::<ChannelRow>()?),
            RoleRow::TABLE => drop(batch.rows::<RoleRow>()?),
            EmojiRow::TABLE => drop(batch.rows::<EmojiRow>()?),
            MemberRow::TABLE => drop(batch.rows::<MemberRow>()?),
            MessageRow::TABLE => drop(batch.rows::<MessageRow>()?),
            ReactionRow::TABLE => drop(batch.rows::<ReactionRow>()?),
            PropsRow::TABLE => drop(batch.rows::<PropsRow>()?),
            _ => {}
        }
    }
    Ok(())
}

/// Fails if this takes more memory than a file of this length may.
fn within(bytes: usize, what: impl FnOnce()) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    what();
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(
        taken <= TIMES * bytes + SLACK,
        "{bytes} bytes took {taken} bytes of memory"
    );
}

/// JSON, but for its last brace, with the checksum of the root and of manifests.
fn checked(bytes: &[u8]) -> Vec<u8> {
    let checksum = Hash::of(bytes);
    [
        bytes,
        format!(",\"checksum\":\"{checksum}\"}}\n").as_bytes(),
    ]
    .concat()
}

/// A manifest without rows.
fn manifest() -> Manifest {
    Manifest {
        format: 2,
        provider: SCHEMA.provider.to_owned(),
        schema: SCHEMA.version,
        space: Id::new(SPACE),
        name: String::new(),
        generation: 1,
        previous: None,
        created_at: NOW,
        heard_at: Some(NOW),
        newest: Some(Millis(NOW.0 + 3_600_000)),
        synced: IndexMap::new(),
        history: None,
        stamps: Some(Stamps::of(NOW)),
        rows: IndexMap::new(),
        index: None,
        hours: Vec::new(),
        days: None,
        parts: Parts {
            count: 0,
            list: None,
        },
        covered_to: None,
        exceptions: IndexMap::new(),
    }
}

/// The root, but for the end of its checksum.
pub fn root(bytes: &[u8]) {
    let archive = BTreeMap::from([(ROOT.to_owned(), checked(bytes))]).into();
    read(&archive, bytes.len());
}

/// A manifest, but for the end of its checksum.
pub fn a_manifest(bytes: &[u8]) {
    let mut files = Files::new();
    let path = manifest_path(&Id::new(SPACE));
    files.0.insert(path, checked(bytes));
    read(&files.0.into(), bytes.len());
}

/// A part list.
pub fn list(bytes: &[u8]) {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let mut files = Files::new();
    let list = Some(files.put(Kind::Parts, bytes));
    let count = lines.saturating_sub(1).clamp(1, 256);
    let parts = Parts { count, list };
    read(
        &files.with(&Manifest {
            parts,
            ..manifest()
        }),
        bytes.len(),
    );
}

/// The directory of a part list's shards.
pub fn directory(bytes: &[u8]) {
    let mut files = Files::new();
    let list = Some(files.put(Kind::Directory, bytes));
    let parts = Parts { count: 257, list };
    read(
        &files.with(&Manifest {
            parts,
            ..manifest()
        }),
        bytes.len(),
    );
}

/// The list of the open files by day.
pub fn days(bytes: &[u8]) {
    let mut files = Files::new();
    let days = Some(files.put(Kind::Days, bytes));
    read(&files.with(&Manifest { days, ..manifest() }), bytes.len());
}

/// The index of a space's own tables.
pub fn index(bytes: &[u8]) {
    let mut files = Files::new();
    let index = Some(files.put(Kind::Index, bytes));
    let rows = IndexMap::from([("guilds".to_owned(), 1), ("members".to_owned(), 1)]);
    let manifest = Manifest {
        index,
        rows,
        ..manifest()
    };
    read(&files.with(&manifest), bytes.len());
}

/// A file of rows, inflated.
pub fn rows(bytes: &[u8]) {
    let mut files = Files::new();
    let file = files.put(Kind::Rows, bytes);
    let mut rows = IndexMap::new();
    if let Ok(groups) = decode(&SCHEMA, &Id::new(SPACE), bytes) {
        for group in groups {
            *rows.entry(group.name.clone()).or_default() += u64::from(group.count);
        }
    } else {
        rows.insert("messages".to_owned(), 1);
    }
    let hours = vec![Open {
        period: Period::of(Unit::Hour, NOW),
        file,
        rows: rows.clone(),
    }];
    let manifest = Manifest {
        rows,
        hours,
        ..manifest()
    };
    read(&files.with(&manifest), bytes.len());
}

/// A compressed file, after two bytes that say how long it should be.
pub fn inflate(bytes: &[u8]) {
    let Some((length, packed)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let file = FileRef {
        hash: Hash::of(packed),
        bytes: u16::from_le_bytes(*length).into(),
    };
    let longest = usize::from(u16::from_le_bytes(*length)).max(packed.len());
    within(longest, || drop(unpack(packed, file)));
}
