//! Carries out an export: loads what the plan needs, and writes what it says as it is planned.
//!
//! The thin edge around [`plan`]: it owns the waiting, and decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use futures::{
    StreamExt,
    stream::{self, TryStreamExt},
};
use tokio::sync::mpsc;

use super::{
    ArchiveError, ArchiveReader, Change, DataArchive, Documents, ExportPlan, ExportRequest, Hash,
    PlanError, Previous, README, ReadError, SOURCECRED, Schema, Source, Summary,
    data_archive::Object,
    plan::{needed_indexes, plan},
};

/// How many objects may wait to be written; one is at most a little over a mebibyte long, as a rule.
const QUEUE: usize = 8;

/// The objects that are new where one partition changed: a blob and an index. With so few, the README
/// is left as it is.
const ONE_PARTITION: u64 = 2;

/// How many indexes are read at a time.
const READS: usize = 16;

/// An export failed; the archive says what it said before.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What the archive holds could not be read.
    #[error("could not read the archive to export to: {0}")]
    Read(#[from] ReadError),
    /// The plan could not be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The archive could not be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Another store has written the archive, or this one when it knew more.
    #[error(
        "the archive holds generation {generation}, which another store has exported, or this one \
         before an older copy of it was put back: what this store did not write, it does not replace \
         unasked. Set ARCHIVE to an empty place, rebuild the store from the archive with `propsbot \
         restore`, or replace the archive once with `propsbot export --replace`"
    )]
    Foreign {
        /// What it holds.
        generation: u64,
    },
    /// The process was told to stop.
    #[error("the export was stopped before anything was published; the next one makes up for it")]
    Stopped,
    /// The planning thread broke down.
    #[error("planning the export broke down: {0}; this is a bug, please report it")]
    Broken(#[from] tokio::task::JoinError),
}

/// Brings the archive up to date with the source, and what lies beside it. Also removes what an interrupted export left,
/// even if there is nothing to publish.
pub async fn export(
    archive: &dyn DataArchive,
    source: Arc<dyn Source>,
    request: ExportRequest,
) -> Result<Summary, ExportError> {
    let previous = load_previous(archive, &request).await?;
    let expected = previous.as_ref().map(|previous| previous.hash);
    let left = left_beside(archive, &request).await?;
    let made = request.made.clone();
    made.begin();
    let stop = request.stop.clone();
    let published = Arc::new(AtomicBool::new(false));
    let publishing = Arc::clone(&published);
    let (sender, mut receiver) = mpsc::channel(QUEUE);
    let schema = request.schema;
    let planning = tokio::task::spawn_blocking(move || {
        let send = |change| sender.blocking_send(change).map_err(|_| PlanError::Stopped);
        let planned = plan(
            previous.as_ref(),
            &request,
            source.as_ref(),
            &mut |object| send(Change::Put(object)),
        )?;
        let beside = match &request.beside {
            Some(beside) => some(beside.documents(&request, source.as_ref())?),
            None => left,
        };
        if let Some(manifest) = &planned.manifest {
            let bytes = manifest.print();
            let may = source.about_to_publish(Hash::of(&bytes));
            may.map_err(PlanError::Withheld)?;
            let before = previous.as_ref().map(|previous| &previous.manifest);
            let mut documents = beside.clone();
            if planned.summary.blobs + planned.summary.indexes > ONE_PARTITION
                || before.is_none_or(|before| manifest.names_others(before))
            {
                documents.insert(README, Some((request.schema.readme)(manifest).into_bytes()));
            }
            send(Change::Publish {
                manifest: bytes,
                remove: planned.remove.clone(),
                documents,
                commit_message: (request.schema.commit_message)(
                    manifest,
                    before,
                    request.anew.len(),
                ),
            })?;
        }
        Ok::<(ExportPlan, Documents), PlanError>((planned, beside))
    });
    let changes = stream::poll_fn(move |context| receiver.poll_recv(context))
        .take_until(stop.clone().cancelled_owned())
        .inspect(move |change| match change {
            Change::Put(object) => made.add(object.bytes.len()),
            Change::Publish { .. } => publishing.store(true, Ordering::Relaxed),
        })
        .boxed();
    // If planning fails, the changes end early and nothing is published.
    let written = archive.write(expected, changes).await;
    let planned = planning.await?;
    written?;
    let is_stopped = stop.is_cancelled() && !published.load(Ordering::Relaxed);
    let (planned, beside) = match planned {
        Err(PlanError::Stopped) if is_stopped => return Err(ExportError::Stopped),
        planned => planned?,
    };
    if is_stopped && planned.manifest.is_some() {
        return Err(ExportError::Stopped);
    }
    let mended = match planned.manifest {
        None => mend_documents(archive, schema, &beside).await?,
        Some(_) => Vec::new(),
    };
    Ok(Summary {
        before: expected,
        mended,
        ..planned.summary
    })
}

fn some(documents: BTreeMap<&'static str, Vec<u8>>) -> Documents {
    let documents = documents.into_iter();
    documents.map(|(path, bytes)| (path, Some(bytes))).collect()
}

/// That what an earlier export left for other programs goes, if nothing is to lie there any more:
/// they would take it for the present.
async fn left_beside(
    archive: &dyn DataArchive,
    request: &ExportRequest,
) -> Result<Documents, ArchiveError> {
    let mut left = Documents::new();
    if request.beside.is_none() {
        for path in SOURCECRED {
            if archive.read(path).await?.is_some() {
                left.insert(path, None);
            }
        }
    }
    Ok(left)
}

/// Writes the documents that are not as they should be: an export was cut off before it came to
/// them, somebody changed them, an earlier version wrote them, or they were asked for just now.
/// Returns which.
async fn mend_documents(
    archive: &dyn DataArchive,
    schema: &Schema,
    beside: &Documents,
) -> Result<Vec<String>, ExportError> {
    let reader = match ArchiveReader::open(archive).await {
        Err(ReadError::Empty) => return Ok(Vec::new()),
        reader => reader?,
    };
    let mut documents = Documents::new();
    for (path, document) in beside {
        let is_right = match document {
            Some(bytes) => archive.has(path, bytes).await?,
            None => archive.read(path).await?.is_none(),
        };
        if !is_right {
            documents.insert(path, document.clone());
        }
    }
    let manifest = reader.manifest();
    let readme = archive.read(README).await?;
    if !readme.is_some_and(|readme| manifest.fits(&readme, schema)) {
        documents.insert(README, Some((schema.readme)(manifest).into_bytes()));
    }
    if documents.is_empty() {
        return Ok(Vec::new());
    }
    let mut mended: Vec<String> = documents.keys().map(ToString::to_string).collect();
    let publish = Change::Publish {
        manifest: reader.bytes().to_vec(),
        remove: BTreeSet::new(),
        commit_message: format!("Put right {}", mended.join(", ")),
        documents,
    };
    let change = stream::iter([publish]).boxed();
    archive.write(Some(reader.hash()), change).await?;
    let too_large = archive.traffic().too_large;
    mended.retain(|mended| !too_large.contains(mended));
    Ok(mended)
}

/// What [`export`] would do, without writing anything.
pub async fn dry_run(
    archive: &dyn DataArchive,
    source: Arc<dyn Source>,
    request: ExportRequest,
) -> Result<Summary, ExportError> {
    archive.check_writable().await?;
    let previous = load_previous(archive, &request).await?;
    let before = previous.as_ref().map(|previous| previous.hash);
    let planning = tokio::task::spawn_blocking(move || {
        let mut forget = |_: Object| Ok(());
        plan(previous.as_ref(), &request, source.as_ref(), &mut forget)
    });
    let summary = planning.await??.summary;
    Ok(Summary { before, ..summary })
}

/// Whether [`export`] would be refused: reads no more than the manifest.
pub async fn look(archive: &dyn DataArchive, request: &ExportRequest) -> Result<(), ExportError> {
    archive.check_writable().await?;
    open(archive, request).await.map(|_| ())
}

/// What the archive holds, if anything, and if the request may take its place.
async fn open<'a>(
    archive: &'a dyn DataArchive,
    request: &ExportRequest,
) -> Result<Option<ArchiveReader<'a>>, ExportError> {
    let reader = match ArchiveReader::open_as(archive, request.schema).await {
        Err(ReadError::Empty) => {
            if !request.begins_anew {
                archive.check_place(request.has_published).await?;
            }
            return Ok(None);
        }
        reader => reader?,
    };
    match &request.only_over {
        Some(only) if !only.contains(&reader.hash()) => Err(ExportError::Foreign {
            generation: reader.manifest().generation,
        }),
        _ => Ok(Some(reader)),
    }
}

async fn load_previous(
    archive: &dyn DataArchive,
    request: &ExportRequest,
) -> Result<Option<Previous>, ExportError> {
    let Some(reader) = open(archive, request).await? else {
        return Ok(None);
    };
    let indexes: BTreeMap<Hash, _> =
        stream::iter(needed_indexes(reader.manifest(), reader.hash(), request))
            .map(async |(scope, index)| {
                let loaded = reader.index(&scope, index).await?;
                Ok::<_, ReadError>((index.hash, loaded))
            })
            .buffer_unordered(READS)
            .try_collect()
            .await?;
    Ok(Some(Previous {
        hash: reader.hash(),
        manifest: reader.manifest().clone(),
        indexes,
    }))
}
