//! What Discord's store exports: by default only what everyone in the guild can read.
//!
//! `propsbot_mirror` exports it, and the archive owns the layout.

mod bot_posts;
mod contents;
mod decision;
mod guild_rows;
mod source;
#[cfg(test)]
mod tests;
mod withdrawn;

use std::sync::Arc;

use self::source::StoreExports;
use propsbot_mirror::Exports;
use propsbot_store::Store;

pub use withdrawn::describe;

pub fn exports(store: &Arc<Store>) -> Arc<dyn Exports> {
    Arc::new(StoreExports(Arc::clone(store)))
}
