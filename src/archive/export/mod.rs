//! Runs an export: reads what the archive has, plans every space into a spool on disk, puts new files, publishes.
//!
//! The I/O around the [plan](crate::plan), which makes the decisions. Between two steps, callers can check whether
//! the export is still wanted.

mod current;
mod documents;
mod lent;
mod request;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use self::{
    current::Current,
    documents::{Texts, are_due, outdated, without_absent},
    lent::{Ask, Lent},
};
use super::{
    error::ReadError,
    exported_rows::ExportedRows,
    manifest::{Manifest, ROOT, Root, manifest_path},
    plan::plan,
    request::{Changed, Plan, PlanError, Previous, Request, Source},
};
use crate::{
    ArchiveError, ArchiveWrite, Bases, DataArchive, Documents, ExportProgressBoard, Hash, Id,
    Object, Publish, SourceError, blocking, spool::Spool,
};

pub use request::{
    ExportError, ExportRequest, ExportSpace, MOST_NEIGHBOURS, Neighbour, SideFiles, Summary,
};

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

/// A planned export. Its new files are in a spool on disk, and the source is no longer needed.
pub struct PlannedExport {
    bases: Bases,
    spool: Spool,
    /// Paths of files in the spool that aren't needed after all.
    unneeded: BTreeSet<String>,
    publish: Option<Publish>,
    summary: Summary,
    sweeps: bool,
    /// Whether the archive has spaces of other providers.
    is_shared: bool,
    made: ExportProgressBoard,
    stop: CancellationToken,
}

/// An export whose new files are in the archive, ready to be published.
pub struct ReadyExport<'a> {
    archive: &'a dyn DataArchive,
    write: Box<dyn ArchiveWrite + 'a>,
    publish: Option<Publish>,
    summary: Summary,
    sweeps: bool,
    is_shared: bool,
}

impl PlannedExport {
    /// Reads the archive and plans what it lacks.
    pub async fn new(
        archive: &dyn DataArchive,
        source: Arc<dyn Source>,
        request: ExportRequest,
    ) -> Result<Self, ExportError> {
        request.made.begin();
        let current = Current::open(archive, &request).await?;
        let work = move |request: &ExportRequest, spaces: &Spaces<'_>| {
            let mut spool = Spool::new(request.spool.as_deref())?;
            let mut planned = plan_spaces(request, source.as_ref(), spaces, &mut |object| {
                spool.push(object).map_err(SourceError::from)
            })?;
            planned.documents = match &request.beside {
                Some(beside) => {
                    let rows = ExportedRows::new(source.as_ref(), request);
                    beside.documents(&rows).map_err(ExportError::SideFiles)?
                }
                None => Documents::new(),
            };
            Ok((spool, planned))
        };
        let (request, (spool, planned)) = with_files(&current, request, work).await?;
        let outcome = Outcome::new(&current, &request, &planned).await?;
        let (mut summary, mut publish) = (outcome.summary, outcome.publish);
        let neighbours = current.neighbours(archive).await?;
        let known = neighbours.values().flatten().map(Neighbour::from);
        summary.neighbours = known.take(MOST_NEIGHBOURS).collect();
        let after: Vec<&Manifest> = outcome.after.iter().collect();
        let before = current.manifests();
        let beside = without_absent(archive, planned.documents).await?;
        if publish.manifests.is_empty() {
            let texts = Texts::new(&request, &neighbours, &after);
            publish.documents = outdated(archive, texts, beside).await?;
            let paths: Vec<&str> = publish.documents.keys().copied().collect();
            publish.commit_message = format!("Put right {}", paths.join(", "));
            summary.mended = paths.iter().map(ToString::to_string).collect();
            if !paths.is_empty() {
                publish.manifests.extend(
                    current
                        .root
                        .clone()
                        .map(|root| (ROOT.to_owned(), Some(root))),
                );
            }
        } else {
            publish.documents = beside;
            if are_due(&after, &before) {
                let texts = Texts::new(&request, &neighbours, &after);
                publish.documents.extend(texts.documents());
            }
            let commit_message = request.schema.commit_message;
            publish.commit_message = commit_message(&after, &before, request.damaged.len());
        }
        let is_due = !publish.manifests.is_empty();
        // The root is a base of every export, since it says which spaces there are.
        let bases = current
            .bases
            .iter()
            .filter(|(path, _)| *path == ROOT || publish.manifests.contains_key(path.as_str()));
        Ok(Self {
            bases: bases.map(|(path, hash)| (path.clone(), *hash)).collect(),
            spool,
            unneeded: planned.unneeded,
            publish: is_due.then_some(publish),
            summary,
            sweeps: current.is_known
                && (request.sweeps || request.begins_anew || !request.damaged.is_empty()),
            is_shared: !current.others.is_empty(),
            made: request.made,
            stop: request.stop,
        })
    }

    /// Begins a write and puts the new files.
    pub async fn put(self, archive: &dyn DataArchive) -> Result<ReadyExport<'_>, ExportError> {
        let mut write = archive.write(self.bases).await?;
        for number in 0..self.spool.len() {
            let put = async {
                if self.stop.is_cancelled() {
                    return Err(ExportError::Stopped);
                }
                if self.unneeded.contains(self.spool.path(number)) {
                    return Ok(());
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
            archive,
            write,
            publish: self.publish,
            summary: self.summary,
            sweeps: self.sweeps,
            is_shared: self.is_shared,
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

    /// The hashes of the root and of the spaces' manifests after the export, by path.
    pub fn manifests(&self) -> &BTreeMap<String, Hash> {
        &self.summary.manifests
    }

    /// Ends the export without publishing.
    pub async fn abandon(self) -> Result<(), ExportError> {
        Ok(self.write.abandon().await?)
    }

    /// Publishes, if there is anything to publish. Then removes all files that nothing names, if that was asked
    /// for, the archive was damaged, or another one was there.
    pub async fn publish(self) -> Result<Summary, ExportError> {
        let mut summary = self.summary;
        match self.publish {
            None => self.write.abandon().await?,
            Some(publish) => {
                let asked = publish.manifests.len();
                let receipt = self.write.publish(publish).await?;
                if receipt.published.len() < asked {
                    return Err(ExportError::Interfered);
                }
                summary.requests = receipt.requests;
                summary.commit = receipt.commit;
                summary.too_large = receipt.too_large;
            }
        }
        if self.sweeps {
            match self.archive.sweep().await {
                // What is wrong with another provider's spaces is for that one to repair.
                Err(ArchiveError::Unreadable(error)) if self.is_shared => {
                    tracing::warn!(%error, "left files that nothing names, since what the archive needs can't be read");
                }
                swept => swept?,
            }
        }
        let Summary {
            mended, too_large, ..
        } = &mut summary;
        mended.retain(|mended| !too_large.contains(mended));
        Ok(summary)
    }
}

/// The spaces that the archive has, and who reads their files.
struct Spaces<'a> {
    previous: &'a BTreeMap<Id, Previous>,
    asks: &'a mpsc::Sender<Ask>,
}

/// The plans of all spaces.
#[derive(Default)]
struct Planned {
    plans: Vec<(Id, Plan)>,
    /// New files, and those among them that aren't needed after all.
    made: BTreeMap<String, u64>,
    unneeded: BTreeSet<String>,
    documents: Documents,
}

/// Plans every space, handing each new file to `put`.
fn plan_spaces(
    request: &ExportRequest,
    source: &dyn Source,
    spaces: &Spaces<'_>,
    put: &mut dyn FnMut(&Object) -> Result<(), SourceError>,
) -> Result<Planned, ExportError> {
    let mut planned = Planned::default();
    for space in &request.spaces {
        let previous = spaces.previous.get(&space.id);
        let is_known = previous.is_some_and(|previous| {
            request.since.get(&manifest_path(&space.id)) == Some(&previous.hash)
        });
        let marks = request.marks.iter();
        let marks = marks.filter(|mark| mark.scope.space == space.id).cloned();
        let asked = Request {
            schema: request.schema,
            now: request.now,
            heard_at: space.heard_at,
            id: space.id.clone(),
            name: space.name.clone(),
            synced: space.synced.clone(),
            history: space.history,
            stamps: space.stamps,
            parts: space.parts.clone(),
            changed: if is_known {
                Changed::Marks(marks.collect())
            } else {
                Changed::Everything
            },
            damaged: request.damaged.clone(),
        };
        let mut made = BTreeMap::new();
        let mut keep = |object: Object| {
            if request.stop.is_cancelled() {
                return Err("the export was stopped".into());
            }
            put(&object)?;
            made.insert(object.path, object.bytes.len() as u64);
            Ok(())
        };
        let files = Lent::new(&space.id, spaces.asks);
        let plan = match plan(previous, &asked, source, &files, &mut keep) {
            Err(PlanError::NotKept(_)) if request.stop.is_cancelled() => {
                return Err(ExportError::Stopped);
            }
            plan => plan?,
        };
        let is_unneeded = |path: &&String| plan.manifest.is_none() || plan.remove.contains(*path);
        let unneeded = made.keys().filter(is_unneeded).cloned();
        planned.unneeded.extend(unneeded);
        planned.made.append(&mut made);
        planned.plans.push((space.id.clone(), plan));
    }
    Ok(planned)
}

/// Runs `work` on a thread that may block, and reads the archive's files for it here.
async fn with_files<T: Send + 'static>(
    current: &Current<'_>,
    request: ExportRequest,
    work: impl FnOnce(&ExportRequest, &Spaces<'_>) -> Result<T, ExportError> + Send + 'static,
) -> Result<(ExportRequest, T), ExportError> {
    let spaces = current.spaces.iter();
    let previous: BTreeMap<Id, Previous> = spaces
        .map(|(id, space)| {
            let previous = Previous {
                hash: space.hash,
                manifest: space.manifest.clone(),
            };
            (id.clone(), previous)
        })
        .collect();
    let (asks, asked) = mpsc::channel(1);
    let working = tokio::task::spawn_blocking(move || {
        let spaces = Spaces {
            previous: &previous,
            asks: &asks,
        };
        let done = work(&request, &spaces);
        (request, done)
    });
    let (done, is_superseded) = tokio::join!(working, lent::answer(asked, &current.spaces));
    if is_superseded {
        return Err(ReadError::Superseded.into());
    }
    let (request, done) = done?;
    Ok((request, done?))
}

/// What an export comes to: its manifests and figures.
struct Outcome {
    /// The spaces' manifests afterwards.
    after: Vec<Manifest>,
    publish: Publish,
    summary: Summary,
}

impl Outcome {
    async fn new(
        current: &Current<'_>,
        request: &ExportRequest,
        planned: &Planned,
    ) -> Result<Self, ExportError> {
        let mut summary = Summary {
            before: current.hashes(),
            ..Summary::default()
        };
        let (mut after, mut publish) = (Vec::new(), Publish::default());
        for (id, plan) in &planned.plans {
            let path = manifest_path(id);
            let (manifest, hash) = match (&plan.manifest, current.spaces.get(id)) {
                (Some((manifest, bytes)), _) => {
                    publish.manifests.insert(path.clone(), Some(bytes.clone()));
                    let remove = plan.remove.iter();
                    // What was never there need not be removed.
                    let remove = remove.filter(|path| {
                        !planned.unneeded.contains(*path) || request.damaged.contains(*path)
                    });
                    publish.remove.extend(remove.cloned());
                    (manifest.clone(), Hash::of(bytes))
                }
                (None, Some(space)) => (space.manifest.clone(), space.hash),
                // A plan without a predecessor always has a manifest.
                (None, None) => continue,
            };
            summary.manifests.insert(path, hash);
            summary.generation = summary.generation.max(manifest.generation);
            summary.added.extend(plan.added.iter().cloned());
            summary.withdrawn.extend(plan.withdrawn.iter().cloned());
            after.push(manifest);
        }
        after.sort_by(|one, next| one.space.cmp(&next.space));
        for (id, space) in &current.spaces {
            let path = manifest_path(id);
            if summary.manifests.contains_key(&path) {
                continue;
            }
            publish.manifests.insert(path, None);
            match space.named().await {
                Ok((paths, parts)) => {
                    publish.remove.extend(paths);
                    summary.withdrawn.extend(parts);
                }
                // The sweep finds what a damaged list no longer names.
                Err(error) if error.path().is_some_and(|path| request.makes_again(path)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let ids = after.iter().map(|manifest| manifest.space.clone());
        let (provider, mut spaces) = (request.schema.provider, current.others.clone());
        spaces.insert(provider.to_owned(), ids.collect());
        let root = Root::print_all(provider, spaces);
        // An archive begins with its first space.
        let has_root = current.bases.get(ROOT) != Some(&None) || !after.is_empty();
        if has_root {
            summary.manifests.insert(ROOT.to_owned(), Hash::of(&root));
        }
        let is_new_root = has_root && current.root.as_ref() != Some(&root);
        summary.changed = is_new_root || !publish.manifests.is_empty();
        if is_new_root {
            publish.manifests.insert(ROOT.to_owned(), Some(root));
        }
        let new = planned.made.iter();
        let new = new.filter(|(path, _)| !planned.unneeded.contains(*path));
        for (_, bytes) in new {
            summary.files += 1;
            summary.bytes += bytes;
        }
        summary.removed = publish.remove.len() as u64;
        Ok(Self {
            after,
            publish,
            summary,
        })
    }
}

/// What [`export`] would do. Writes nothing.
pub async fn dry_run(
    archive: &dyn DataArchive,
    source: Arc<dyn Source>,
    request: ExportRequest,
) -> Result<Summary, ExportError> {
    archive.check_writable().await?;
    let current = Current::open(archive, &request).await?;
    let work = move |request: &ExportRequest, spaces: &Spaces<'_>| {
        plan_spaces(request, source.as_ref(), spaces, &mut |_| Ok(()))
    };
    let (request, planned) = with_files(&current, request, work).await?;
    Ok(Outcome::new(&current, &request, &planned).await?.summary)
}

/// Fails if [`export`] would be refused. Reads only the root and the manifests.
pub async fn look(archive: &dyn DataArchive, request: &ExportRequest) -> Result<(), ExportError> {
    archive.check_writable().await?;
    Current::open(archive, request).await.map(|_| ())
}
