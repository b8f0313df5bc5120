//! Discord's mirror on disk: what the program asks of it, over `propsbot-mirror`.
//!
//! Every call blocks: keep it off the async threads.

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

/// Discord's mirror. It dereferences to a [`Reader`] of the rows as they are now.
pub type Store = Mirror<Discord>;
