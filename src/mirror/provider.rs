//! What a provider is: the interface between one platform and the rest of the program.

use std::error::Error;

use async_trait::async_trait;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use propsbot_archive::{DataArchive, Id, Schema};

/// Mirrors one platform: fetches its data, keeps it, and serves it to archives and plugins.
///
/// This is the `DataProvider` of SourceCred's Plugin Design Doc. Each duty that the doc names, and the
/// members that carry it out:
///
/// | The doc asks a provider to | Members |
/// |---|---|
/// | obtain data from an API | [`check`](Self::check), [`sync`](Self::sync), [`listen`](Self::listen) |
/// | keep it in a normalized schema, with a sync time per class of data | [`schema`](Self::schema), [`status`](Self::status) |
/// | load what an archive holds | [`restore`](Self::restore) |
///
/// Texts that it returns are in the platform's own words, for people; whoever prints them filters
/// control characters.
#[async_trait]
pub trait DataProvider: Send + Sync {
    /// The tables that it exports, and how its archives introduce themselves.
    fn schema(&self) -> &'static Schema;

    /// What is wrong with the configuration on the platform's side, what follows from it, and what to do.
    /// Empty if all is well.
    async fn check(&self) -> Result<Vec<String>, ProviderError>;

    /// Fetches what is missing, then returns. Everything fetched is durable, also if `stop` is
    /// cancelled; the next call continues from there.
    ///
    /// # Errors
    /// Only what concerns all spaces. A space that can't be read is reported as
    /// [`SyncedState::Failed`], and missing data as [`SyncedState::Incomplete`].
    async fn sync(
        &self,
        request: &SyncRequest,
        stop: &CancellationToken,
    ) -> Result<Vec<SyncedSpace>, ProviderError>;

    /// Mirrors what happens as it happens, and fetches what was missed, until `stop` is cancelled or an
    /// error occurs that only a person can fix. Returns within 10 s of the cancellation, with all that
    /// it received durable.
    async fn listen(&self, stop: CancellationToken) -> Result<(), ProviderError>;

    /// The current work on each space; empty while there is none. Cheap enough to call every 50 ms.
    fn progress(&self) -> Vec<Progress>;

    /// How complete the mirror of each space is. Doesn't ask the platform.
    async fn status(&self) -> Result<Vec<SpaceStatus>, ProviderError>;

    /// Fills an empty store from an archive of this provider. `told` hears how many rows are done, and
    /// of how many.
    ///
    /// # Errors
    /// The archive can't be read, or the store isn't empty. A store that is half filled is refused by
    /// everything but another restore.
    async fn restore(
        &self,
        archive: &dyn DataArchive,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<RestoreReport, ProviderError>;

    /// Deletes data, also from the store's files, and returns what was deleted and what couldn't be yet.
    /// The next export withdraws it from the archive.
    async fn forget(&mut self, request: &ForgetRequest) -> Result<Vec<String>, ProviderError>;
}

/// Why a provider failed. The error says what was tried, on what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// The usage or configuration is wrong; trying again doesn't help.
    #[error(transparent)]
    Wrong(Box<dyn Error + Send + Sync>),
    /// Anything else.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

/// What to sync.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncRequest {
    /// Only this space; `None` for all that are mirrored.
    pub space: Option<Id>,
    /// Read all history again, not only what is missing.
    pub recheck: bool,
}

/// What a sync of one space came to.
#[derive(Clone, Debug)]
pub struct SyncedSpace {
    /// The space.
    pub space: Id,
    /// Whether the mirror has everything that the platform lets it read.
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

/// How far the work on a space is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The space.
    pub space: Id,
    /// The current phase, in a word; it changes rarely.
    pub phase: &'static str,
    /// Whether the work has ended. `details` then say how.
    pub is_done: bool,
    /// A line for people, the important parts first; empty if there is nothing to say.
    pub text: String,
    /// How much of the work is done, kind by kind; empty while that isn't known.
    pub gauges: Vec<Gauge>,
    /// The same for programs.
    pub details: Map<String, Value>,
}

/// How much of one kind of work is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gauge {
    /// What is being read.
    pub label: &'static str,
    /// How many units are done.
    pub done: u64,
    /// How many there are.
    pub total: u64,
    /// What a unit is, and what else to count.
    pub unit: String,
}

/// How complete the mirror of a space is.
#[derive(Clone, Debug)]
pub struct SpaceStatus {
    /// The space.
    pub space: Id,
    /// For people, on several lines.
    pub text: String,
    /// For programs.
    pub details: Value,
}

/// A restore in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// The generation that was restored.
    pub generation: u64,
    /// Parts of all spaces.
    pub parts: u64,
    /// Rows of all tables.
    pub rows: u64,
}

/// Whose data to delete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForgetRequest {
    /// A user's, by the platform's id.
    User {
        /// The user.
        user: Id,
        /// Only in this space; `None` for all.
        space: Option<Id>,
    },
    /// All data of a space, which is then no longer mirrored.
    Space(Id),
}
