//! What every provider's mirror needs, whatever the platform.
//!
//! Owns the interface between a provider and the rest of the program ([`DataProvider`]), and the
//! mirror on disk: what [`Mirror::merge`] acknowledged survives a power cut. A provider defines its
//! [`Record`]s and its [`Domain`], the rules for merging observations into them. Exports run by a
//! timer and on request, and are recorded. Only `engine` knows sled; nothing here knows a platform.
//! Every call to a mirror blocks; make it off the async threads.

#![warn(missing_docs)]

mod ask;
mod batch;
mod census;
mod clock;
mod codec;
mod domain;
mod engine;
mod error;
mod export;
mod export_control;
mod export_report;
mod export_timer;
mod finding;
mod index;
mod inspect;
mod key;
mod ledger;
mod mark;
mod mirror;
mod owner;
mod provider;
mod provider_error;
mod pulse;
mod record;
mod restore;
mod rewrite;
mod rows;
mod scan;
mod upgrade;
mod view;
#[cfg(test)]
mod wiki;

pub use ask::{Ending, ask};
pub use census::{Census, SpaceCensus};
pub use clock::{Clock, Stamp};
pub use domain::{Domain, Observed};
pub use engine::RESERVE;
pub use error::{RowError, StoreError};
pub use export::{
    Contents, DropCopies, ExportJobError, ExportOptions, ExportTarget, ExportView, Exports,
    dry_run, export, look, spool_of,
};
pub use export_control::{ExportBoard, ExportControl, ExportRequests, export_control};
pub use export_report::{
    ExportOutcome, ExportReport, FinishedExport, Follower, WithdrawnPart, export_and_record,
};
pub use export_timer::{
    ExportTurn, Failing, LETTING_GO, export_and_log, export_regularly, give_up_after,
};
pub use finding::{Finding, Outcome, with_causes};
pub use index::IndexedRow;
pub use inspect::{Footprint, footprint, inspect, nearest};
pub use key::{KeyPart, PrefixOf, RecordKey};
pub use ledger::{ExportLedger, LastExport, Ledger, Published};
pub use mark::{Dirty, Mark};
pub use mirror::{Mirror, SCHEMA};
pub use owner::claim;
pub use propsbot_archive::Id;
pub use provider::{
    DataProvider, ForgetRequest, Gauge, Progress, SpaceStatus, SyncRequest, SyncedSpace,
    SyncedState,
};
pub use provider_error::ProviderError;
pub use pulse::{IDLE, Pulse};
pub use record::{PartRecord, Place, Record, Table};
pub use rewrite::{Compacted, Rewrite, compact};
pub use rows::{MemoryRows, ReadRows, Rows};
pub use upgrade::{OldRow, OldRows};
pub use view::View;
