//! The interface between one platform and the rest of the program.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use propsbot_archive::{DataArchive, Id, Millis, Schema};

use crate::{Exports, Finding, ProviderError};

/// Mirrors one platform: fetches its data, keeps it, and serves it to archives and plugins.
///
/// This is the `DataProvider` of SourceCred's Plugin Design Doc. Each duty that the doc names, and the
/// members that carry it out:
///
/// | The doc asks a provider to | Members |
/// |---|---|
/// | obtain data from an API | [`check`](Self::check), [`sync`](Self::sync), [`listen`](Self::listen) |
/// | keep data in a normalized schema, with a sync time per class | [`schema`](Self::schema), [`status`](Self::status) |
/// | export data to an archive | [`exports`](Self::exports), which [`export_and_record`](crate::export_and_record) writes |
/// | offer plugins a read-only interface | [`Exports::view`]: rows as of one instant, redacted |
/// | serialize data to blobs, and deserialize blobs for plugins | [`Row`](propsbot_archive::Row) for each table; [`restore`](Self::restore) loads a whole archive |
///
/// Texts that it returns are for people, in the platform's own words. The caller filters control characters.
///
/// A provider with one table: bridges, each a space of its own, and whether they are open.
///
/// ```
/// use std::{ops::RangeInclusive, sync::{Arc, Mutex}};
///
/// use async_trait::async_trait;
/// use propsbot_archive::{
///     self as archive, ArchiveReader, DataArchive, EncodedRow, ExportSpace, Id, Level, Millis, Row, RowKey,
///     Schema, Scope, Source, SourceError,
/// };
/// use propsbot_mirror::*;
/// use serde::{Deserialize, Serialize};
/// use tokio_util::sync::CancellationToken;
///
/// // A record in the mirror, which is exported as it is.
/// #[derive(Clone, PartialEq, Serialize, Deserialize)]
/// struct Bridge { name: String, is_open: bool, seen: Stamp }
///
/// impl Record for Bridge {
///     type Key = String;
///     const TABLE: Table = Table { number: 1, name: "bridges" };
///     fn key(&self) -> String { self.name.clone() }
///     fn place(&self) -> Option<Place> { Some(Place::of_space(&self.name)) }
/// }
///
/// impl Row for Bridge {
///     const TABLE: &'static str = "bridges";
///     fn is_of(&self, scope: &Scope) -> bool { *scope == Scope::space(&self.name) }
///     fn key(&self) -> RowKey { RowKey { time: Millis(0), sort: self.name.clone().into() } }
/// }
///
/// static SCHEMA: Schema = Schema {
///     provider: "bridges",
///     version: 1,
///     tables: &[archive::Table::of::<Bridge>(Level::Space)],
///     classes: &["bridges"],
///     spaces: <Bridge as Row>::TABLE,
///     parts: "",
///     is_id: |id| !id.is_empty(),
///     has_numeric_ids: false,
///     notes: "",
///     readme: |_| "Bridges, and whether each is open\n".to_owned(),
///     commit_message: |_, _, _| "Export".to_owned(),
/// };
///
/// // What is observed, and how it merges: the last sighting wins.
/// struct Sighting(Bridge);
///
/// impl Observed for Sighting {
///     fn at(&self) -> Stamp { self.0.seen }
///     fn is_event(&self) -> bool { false }
/// }
///
/// struct Bridges;
///
/// impl Domain for Bridges {
///     type Observation = Sighting;
///     type Missing = ();
///     type Reader = Reader;
///     const DELETION_RULES: u8 = 1;
///     fn merge<S: Rows>(rows: &mut S, Sighting(seen): &Sighting) -> Result<Vec<()>, S::Error> {
///         rows.update(seen.clone(), |known| {
///             if known.seen < seen.seen { known.clone_from(seen) }
///         })?;
///         Ok(Vec::new())
///     }
/// }
///
/// struct Reader(View);
///
/// impl From<View> for Reader {
///     fn from(view: View) -> Self { Self(view) }
/// }
///
/// // What may leave the mirror: everything.
/// struct Store(Mirror<Bridges>);
///
/// impl Exports for Store {
///     fn schema(&self) -> &'static Schema { &SCHEMA }
///     fn rules(&self) -> u8 { 1 }
///     fn view(&self) -> Result<ExportView, StoreError> {
///         let Reader(view) = self.0.view();
///         let marks = view.scan::<Dirty>(())?;
///         let changed = marks.iter().map(|dirty| archive::Mark {
///             scope: dirty.mark.scope(),
///             table: <Bridge as Row>::TABLE,
///             period: None,
///         });
///         let spaces = view.scan::<Bridge>(())?.into_iter().map(|bridge| ExportSpace {
///             id: Id::new(&bridge.name),
///             name: bridge.name,
///             heard_at: None,
///             synced: [("bridges".to_owned(), Some(Millis(0)))].into_iter().collect(),
///             history: None,
///             stamps: None,
///             parts: Vec::new(),
///         });
///         let contents = Contents {
///             spaces: spaces.collect(),
///             changed: changed.collect(),
///             carries_out_choices: false,
///             has_choices: false,
///             marks,
///         };
///         Ok(ExportView { contents, rows: Arc::new(Exported(view)) })
///     }
///     fn is_current(&self, _: &Contents) -> Result<bool, StoreError> { Ok(true) }
///     fn ledger(&self) -> &dyn Ledger { &self.0 }
/// }
///
/// struct Exported(View);
///
/// impl Source for Exported {
///     fn scan(
///         &self,
///         scope: &Scope,
///         _: &'static str,
///         times: RangeInclusive<Millis>,
///         each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
///     ) -> Result<(), SourceError> {
///         let bridge = self.0.get::<Bridge>(scope.space.to_string())?;
///         let mut bridge = bridge.iter().filter(|_| times.contains(&Millis(0)));
///         bridge.try_for_each(|bridge| each(EncodedRow::new(bridge)))
///     }
/// }
///
/// // The provider. `api` stands for whatever the platform offers.
/// struct BridgeProvider { api: Mutex<Vec<(String, bool)>>, store: Arc<Store> }
///
/// #[async_trait]
/// impl DataProvider for BridgeProvider {
///     fn schema(&self) -> &'static Schema { &SCHEMA }
///     async fn check(&self) -> Vec<Finding> { Vec::new() }
///     async fn sync(
///         &self,
///         _: &SyncRequest,
///         _: &CancellationToken,
///     ) -> Result<Vec<SyncedSpace>, ProviderError> {
///         let bridges = self.api.lock().unwrap().clone();
///         let seen = bridges.iter().cloned().map(|(name, is_open)| {
///             Sighting(Bridge { name, is_open, seen: Stamp(1) })
///         });
///         self.store.0.merge(&[seen.collect()])?;
///         let synced = bridges.into_iter().map(|(name, _)| SyncedSpace {
///             space: Id::new(&name),
///             state: SyncedState::Complete,
///             text: format!("{name}: complete"),
///         });
///         Ok(synced.collect())
///     }
///     async fn listen(&self, stop: CancellationToken) -> Result<(), ProviderError> {
///         stop.cancelled().await; // This platform has no events.
///         Ok(())
///     }
///     fn progress(&self) -> Vec<Progress> { Vec::new() }
///     async fn status(&self) -> Result<Vec<SpaceStatus>, ProviderError> { Ok(Vec::new()) }
///     async fn exports(&self) -> Result<Arc<dyn Exports>, ProviderError> { Ok(self.store.clone()) }
///     async fn restore(
///         &self,
///         archive: &dyn DataArchive,
///         _: &(dyn Fn(u64, u64) + Sync),
///     ) -> Result<String, ProviderError> {
///         let reader = ArchiveReader::open(archive, &SCHEMA).await?;
///         let rows = reader.rows::<Bridge>().await?;
///         self.store.0.restore(&rows, Stamp(1))?;
///         self.store.0.restored(Stamp(1), &reader.origins())?;
///         Ok(format!("{} bridges", rows.len()))
///     }
///     async fn forget(&mut self, _: &ForgetRequest) -> Result<Vec<String>, ProviderError> {
///         Err(ProviderError::Wrong("bridges keep nothing of users".into()))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let home = tempfile::tempdir().unwrap();
/// let provider = BridgeProvider {
///     api: Mutex::new(vec![("Galata".to_owned(), true)]),
///     store: Arc::new(Store(Mirror::open(&home.path().join("data")).unwrap())),
/// };
/// provider.sync(&SyncRequest::default(), &CancellationToken::new()).await.unwrap();
/// let target = ExportTarget {
///     name: "memory".to_owned(),
///     archive: Arc::new(archive::MemoryArchive::new()),
///     others: &[],
///     beside: None,
///     follower: None,
///     made: archive::ExportProgressBoard::default(),
///     spool: home.path().join("spool"),
///     drop_copies: None,
/// };
/// let options = ExportOptions::default();
/// let exports = provider.exports().await.unwrap();
/// let done = export(&exports, &target, Millis(1), &options).await.unwrap();
/// assert_eq!((done.generation, done.files), (1, 2)); // an index, and rows
/// # }
/// ```
#[async_trait]
pub trait DataProvider: Send + Sync {
    /// The tables it exports, and how its archives describe themselves.
    fn schema(&self) -> &'static Schema;

    /// Checks what the platform's side needs: the login, what it may do, and the spaces.
    ///
    /// A failure is a finding, too. Takes a bounded time, and doesn't open the store.
    async fn check(&self) -> Vec<Finding>;

    /// Fetches what is missing, then returns. Everything fetched is durable, even if `stop` is
    /// cancelled; the next call continues from there.
    ///
    /// # Errors
    /// Only for what affects all spaces. An unreadable space is reported as
    /// [`SyncedState::Failed`], missing data as [`SyncedState::Incomplete`].
    async fn sync(
        &self,
        request: &SyncRequest,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError>;

    /// Mirrors events as they happen, and fetches what was missed.
    ///
    /// Runs until `stop` is cancelled or an error occurs that only a person can fix. Returns within
    /// 10 s of the cancellation, with everything it received durable.
    async fn listen(&self, stop: CancellationToken) -> Result<(), ProviderError>;

    /// The current work on each space; empty while there is none. Cheap enough to call every 50 ms.
    fn progress(&self) -> Vec<Progress>;

    /// How complete the mirror of each space is. Makes no requests to the platform.
    async fn status(&self) -> Result<Vec<SpaceStatus>, ProviderError>;

    /// What [`export`](crate::export()) writes to an archive. Opens the store if it isn't open yet;
    /// the store must exist.
    async fn exports(&self) -> Result<Arc<dyn Exports>, ProviderError>;

    /// Copies the users' choices to hide or delete data from an archive into the store, and returns
    /// how many it didn't know.
    ///
    /// Called before the store replaces the archive, so that an older store can't bring deleted data
    /// back. For providers that export no such choices, there is nothing to do.
    async fn adopt_choices(&self, archive: &dyn DataArchive) -> Result<usize, ProviderError> {
        let _ = archive;
        Ok(0)
    }

    /// Fills an empty store from an archive of this provider.
    ///
    /// `told` is called with the number of restored rows and their total. Returns a line for people:
    /// what was restored, and what the archive doesn't hold.
    ///
    /// # Errors
    /// The archive can't be read, or the store isn't empty. A half-filled store is refused by
    /// everything except another restore.
    async fn restore(
        &self,
        archive: &dyn DataArchive,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<String, ProviderError>;

    /// Deletes data, also from the store's files.
    ///
    /// Returns what was deleted and what couldn't be deleted yet. The next export withdraws it from
    /// the archive.
    async fn forget(&mut self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError>;
}

/// What to sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// Only this space; `None` for all that are mirrored.
    pub space: Option<Id>,
    /// Read all history again, not only what is missing.
    pub recheck: bool,
}

/// The result of syncing one space.
#[derive(Clone, Debug)]
pub struct SyncedSpace {
    /// The space.
    pub space: Id,
    /// Whether the mirror has everything that the platform lets the provider read.
    pub state: SyncedState,
    /// A line for people: the space's name, what was fetched, and what is missing.
    pub text: String,
}

/// Whether a space is mirrored completely.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncedState {
    /// Everything that the platform lets the provider read is in the mirror.
    Complete,
    /// Something is missing.
    Incomplete,
    /// The space couldn't be read at all.
    Failed,
}

/// How far the work on a space has come.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The space.
    pub space: Id,
    /// The current phase, in one word; it changes rarely.
    pub phase: &'static str,
    /// Whether the work has ended. `details` then say how.
    pub is_done: bool,
    /// A line for people, most important first; empty if there is nothing to say.
    pub text: String,
    /// The progress of each kind of work; empty until known.
    pub gauges: Vec<Gauge>,
    /// The same for programs.
    pub details: Map<String, Value>,
}

/// The progress of one kind of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// What is being read.
    pub label: &'static str,
    /// How many units are done.
    pub done: u64,
    /// How many there are.
    pub total: u64,
    /// The unit, and other counts.
    pub unit: String,
}

/// How complete the mirror of a space is.
#[derive(Clone, Debug)]
pub struct SpaceStatus {
    /// The space.
    pub space: Id,
    /// Its name.
    pub name: String,
    /// For people, on several lines.
    pub text: String,
    /// For programs.
    pub details: Value,
    /// What the mirror lacks, a line each; empty if it is complete.
    pub lacks: Vec<String>,
    /// Until when the mirror is known to follow the platform; `None` if it never did.
    pub current: Option<Millis>,
}

/// Whose data to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForgetRequest {
    /// The data of a user, by the platform's id.
    User {
        /// The user.
        user: Id,
        /// Only in this space; `None` for all.
        space: Option<Id>,
    },
    /// All data of a space, which is then no longer mirrored.
    Space(Id),
}
