//! Discord's mirror on disk: the queries of the program, on top of `propsbot-mirror`.
//!
//! Every call blocks; make it off the async threads.

mod domain;
mod purge;
mod reader;
mod upgrade;

use propsbot_mirror::Mirror;

pub use domain::Discord;
pub use propsbot_mirror::{
    Dirty, ExportLedger, LastExport, Mark, Published, Rewrite, SCHEMA, StoreError,
};
pub use purge::purge;
pub use reader::Reader;

/// Discord's mirror. Dereferences to a [`Reader`] of the live rows.
pub type Store = Mirror<Discord>;
