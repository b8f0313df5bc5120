//! Runs an export: reads the archive, plans into a spool on disk, puts new objects, publishes.
//!
//! The I/O around [`plan`], which makes the decisions. Between two steps, callers can check whether
//! the export is still wanted.

use std::{collections::BTreeMap, sync::Arc};

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio_util::sync::CancellationToken;

use super::{
    ArchiveError, ArchiveReader, ArchiveWrite, Bases, DOCUMENT_LIMIT, DataArchive, Documents,
    ExportPlan, ExportProgressBoard, ExportRequest, ExportedRows, Hash, MANIFEST, Object,
    PlanError, Previous, Publish, README, ReadError, SOURCECRED, Schema, Source, Summary, base,
    blocking,
    plan::{needed_indexes, plan},
    spool::Spool,
};

/// The number of new objects if one partition changed: a blob and an index. So few don't update the
/// README, unless spaces or their names change.
const ONE_PARTITION: u64 = 2;

/// How many indexes are read at a time.
const READS: usize = 16;

/// Why an export failed. The archive is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The archive couldn't be read.
    #[error("could not read the archive to export to: {0}")]
    Read(#[from] ReadError),
    /// The plan couldn't be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The archive couldn't be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Another store wrote the archive, or this store did before an older copy replaced it.
    #[error(
        "the archive holds generation {generation}, which another store has exported, or this one \
         before an older copy of it was put back: what this store did not write, it does not replace \
         unasked. Set ARCHIVE to an empty place, rebuild the store from the archive with `propsbot \
         restore`, or replace the archive once with `propsbot export --replace`"
    )]
    Foreign {
        /// The archive's generation.
        generation: u64,
    },
    /// The process was told to stop.
    #[error("the export was stopped before anything was published; the next one makes up for it")]
    Stopped,
    /// The planning thread panicked.
    #[error("planning the export broke down: {0}; this is a bug, please report it")]
    Broken(#[from] tokio::task::JoinError),
}

/// Brings the archive and the files beside it up to date with the source. Also removes the
/// leftovers of an interrupted export, even if there is nothing to publish.
pub async fn export(
    archive: &dyn DataArchive,
    source: Arc<dyn Source>,
    request: ExportRequest,
) -> Result<Summary, ExportError> {
    let planned = PlannedExport::new(archive, source, request).await?;
    planned.put(archive).await?.publish().await
}

/// A planned export. Its new objects are in a spool on disk, and the source is no longer needed.
pub struct PlannedExport {
    bases: Bases,
    spool: Spool,
    publish: Option<Publish>,
    summary: Summary,
    made: ExportProgressBoard,
    stop: CancellationToken,
}

/// An export whose new objects are in the archive, ready to be published.
pub struct ReadyExport<'a> {
    write: Box<dyn ArchiveWrite + 'a>,
    publish: Option<Publish>,
    summary: Summary,
}

impl PlannedExport {
    /// Reads the archive and plans what it lacks.
    pub async fn new(
        archive: &dyn DataArchive,
        source: Arc<dyn Source>,
        request: ExportRequest,
    ) -> Result<Self, ExportError> {
        let schema = request.schema;
        let (made, stop) = (request.made.clone(), request.stop.clone());
        made.begin();
        let (previous, bytes) = load_previous(archive, &request).await?.unzip();
        let before = previous.as_ref().map(|previous| previous.hash);
        let left = left_beside(archive, &request).await?;
        let planning = tokio::task::spawn_blocking(move || {
            plan_to_spool(previous.as_ref(), source.as_ref(), &request, left)
        });
        let (spool, planned, mut publish) = match planning.await? {
            Err(ExportError::Plan(PlanError::Stopped)) => return Err(ExportError::Stopped),
            planned => planned?,
        };
        let mut summary = Summary {
            before,
            ..planned.summary
        };
        if publish.manifests.is_empty()
            && let Some(bytes) = bytes
        {
            publish = mend_documents(archive, schema, bytes, publish.documents).await?;
            let mended = publish.documents.keys();
            summary.mended = mended.map(ToString::to_string).collect();
        }
        Ok(Self {
            bases: base(before),
            spool,
            publish: Some(publish).filter(|publish| !publish.manifests.is_empty()),
            summary,
            made,
            stop,
        })
    }

    /// Begins a write and puts the new objects.
    pub async fn put(self, archive: &dyn DataArchive) -> Result<ReadyExport<'_>, ExportError> {
        let mut write = archive.write(self.bases).await?;
        for number in 0..self.spool.len() {
            let put = async {
                if self.stop.is_cancelled() {
                    return Err(ExportError::Stopped);
                }
                let object = self.spool.get(number).await?;
                let bytes = object.bytes.len();
                write.put(object).await?;
                self.made.add(bytes);
                Ok(())
            };
            if let Err(error) = put.await {
                // The first error is the one to report.
                let _ = write.abandon().await;
                return Err(error);
            }
        }
        let spool = self.spool;
        let removed = blocking(move || {
            drop(spool);
            Ok(())
        });
        removed.await?;
        let ready = ReadyExport {
            write,
            publish: self.publish,
            summary: self.summary,
        };
        if self.stop.is_cancelled() && ready.publish.is_some() {
            ready.abandon().await?;
            return Err(ExportError::Stopped);
        }
        Ok(ready)
    }
}

impl ReadyExport<'_> {
    /// Whether there is anything to publish.
    pub fn publishes(&self) -> bool {
        self.publish.is_some()
    }

    /// The hash of the manifest after the export; `None` if the archive has none.
    pub fn manifest(&self) -> Option<Hash> {
        self.summary.manifest
    }

    /// Ends the export without publishing.
    pub async fn abandon(self) -> Result<(), ExportError> {
        Ok(self.write.abandon().await?)
    }

    /// Publishes, if there is anything to publish.
    pub async fn publish(self) -> Result<Summary, ExportError> {
        let mut summary = self.summary;
        let Some(publish) = self.publish else {
            self.write.abandon().await?;
            return Ok(summary);
        };
        let receipt = self.write.publish(publish).await?;
        summary.requests = receipt.requests;
        summary.commit = receipt.commit;
        summary.too_large = receipt.too_large;
        let Summary {
            mended, too_large, ..
        } = &mut summary;
        mended.retain(|mended| !too_large.contains(mended));
        Ok(summary)
    }
}

/// Plans an export, with new objects in a spool. If the archive is already up to date, the result
/// to publish has no manifest and all documents that should exist.
fn plan_to_spool(
    previous: Option<&Previous>,
    source: &dyn Source,
    request: &ExportRequest,
    left: Documents,
) -> Result<(Spool, ExportPlan, Publish), ExportError> {
    let mut spool = Spool::new(request.spool.as_deref())?;
    let mut put = |object: Object| {
        if request.stop.is_cancelled() {
            return Err(PlanError::Stopped);
        }
        let kept = spool.push(&object);
        kept.map_err(|error| PlanError::NotKept(error.into()))
    };
    let planned = plan(previous, request, source, &mut put)?;
    let mut documents = match &request.beside {
        Some(beside) => {
            let rows = ExportedRows::new(source, request);
            some(beside.documents(&rows).map_err(PlanError::SideFiles)?)
        }
        None => left,
    };
    let Some(manifest) = &planned.manifest else {
        let publish = Publish {
            documents,
            ..Publish::default()
        };
        return Ok((spool, planned, publish));
    };
    let before = previous.map(|previous| &previous.manifest);
    if planned.summary.blobs + planned.summary.indexes > ONE_PARTITION
        || before.is_none_or(|before| manifest.names_others(before))
    {
        documents.insert(README, Some((request.schema.readme)(manifest).into_bytes()));
    }
    let publish = Publish {
        manifests: [(MANIFEST.to_owned(), Some(manifest.print()))].into(),
        remove: planned.remove.clone(),
        documents,
        commit_message: (request.schema.commit_message)(manifest, before, request.anew.len()),
    };
    Ok((spool, planned, publish))
}

fn some(documents: BTreeMap<&'static str, Vec<u8>>) -> Documents {
    let documents = documents.into_iter();
    documents.map(|(path, bytes)| (path, Some(bytes))).collect()
}

/// Removes SourceCred's files of an earlier export if this one makes none. Readers would take them
/// for current.
async fn left_beside(
    archive: &dyn DataArchive,
    request: &ExportRequest,
) -> Result<Documents, ArchiveError> {
    let mut left = Documents::new();
    if request.beside.is_none() {
        for path in SOURCECRED {
            if is_there(archive, path).await? {
                left.insert(path, None);
            }
        }
    }
    Ok(left)
}

/// Whether there is a file at this path. Takes none of its bytes.
async fn is_there(archive: &dyn DataArchive, path: &str) -> Result<bool, ArchiveError> {
    match archive.read(path, 0).await {
        Err(ArchiveError::TooLong { .. }) => Ok(true),
        found => Ok(found?.is_some()),
    }
}

/// What to publish if the documents beside an unchanged manifest are outdated. Without a manifest
/// if they are current.
///
/// They are outdated if an export was interrupted before it wrote them, an earlier version or a
/// person wrote them, or they were just enabled.
async fn mend_documents(
    archive: &dyn DataArchive,
    schema: &Schema,
    manifest: Vec<u8>,
    beside: Documents,
) -> Result<Publish, ExportError> {
    let mut publish = Publish::default();
    for (path, document) in beside {
        let is_right = match &document {
            Some(bytes) => archive.has(path, bytes).await?,
            None => !is_there(archive, path).await?,
        };
        if !is_right {
            publish.documents.insert(path, document);
        }
    }
    let read = super::Manifest::parse(&manifest).map_err(ReadError::from)?;
    let readme = archive.read(README, DOCUMENT_LIMIT).await?;
    if !readme.is_some_and(|readme| read.fits(&readme, schema)) {
        let readme = (schema.readme)(&read).into_bytes();
        publish.documents.insert(README, Some(readme));
    }
    if !publish.documents.is_empty() {
        let paths: Vec<&str> = publish.documents.keys().copied().collect();
        publish.commit_message = format!("Put right {}", paths.join(", "));
        let manifest = (MANIFEST.to_owned(), Some(manifest));
        publish.manifests.extend([manifest]);
    }
    Ok(publish)
}

/// What [`export`] would do. Writes nothing.
pub async fn dry_run(
    archive: &dyn DataArchive,
    source: Arc<dyn Source>,
    request: ExportRequest,
) -> Result<Summary, ExportError> {
    archive.check_writable().await?;
    let previous = load_previous(archive, &request).await?;
    let previous = previous.map(|(previous, _)| previous);
    let before = previous.as_ref().map(|previous| previous.hash);
    let planning = tokio::task::spawn_blocking(move || {
        let mut forget = |_: Object| Ok(());
        plan(previous.as_ref(), &request, source.as_ref(), &mut forget)
    });
    let summary = planning.await??.summary;
    Ok(Summary { before, ..summary })
}

/// Fails if [`export`] would be refused. Reads only the manifest.
pub async fn look(archive: &dyn DataArchive, request: &ExportRequest) -> Result<(), ExportError> {
    archive.check_writable().await?;
    open(archive, request).await.map(|_| ())
}

/// Opens the existing archive, if any. Fails if the request may not replace it.
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

/// The content of the archive, and the bytes of its manifest.
async fn load_previous(
    archive: &dyn DataArchive,
    request: &ExportRequest,
) -> Result<Option<(Previous, Vec<u8>)>, ExportError> {
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
    let previous = Previous {
        hash: reader.hash(),
        manifest: reader.manifest().clone(),
        indexes,
    };
    Ok(Some((previous, reader.bytes().to_vec())))
}
