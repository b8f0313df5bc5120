//! Questions to the store, off the async threads.

use std::sync::Arc;

use crate::writer::Stopped;
use propsbot_store::Store;

/// Asks the store, or changes it: [`propsbot_mirror::ask`].
pub async fn ask<T: Send + 'static>(
    store: &Arc<Store>,
    question: impl FnOnce(&Store) -> T + Send + 'static,
) -> Result<T, Stopped> {
    let answer = propsbot_mirror::ask(store, question).await;
    answer.map_err(|_| Stopped)
}
