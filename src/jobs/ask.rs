//! Questions to the store, off the async threads.

use std::{panic, sync::Arc};

use crate::writer::Stopped;
use propsbot_store::Store;

/// Asks the store, or changes it, off the async threads.
///
/// # Errors
/// Only if the process is ending.
///
/// # Panics
/// If `question` does: its panic goes on in the caller.
pub async fn ask<T: Send + 'static>(
    store: &Arc<Store>,
    question: impl FnOnce(&Store) -> T + Send + 'static,
) -> Result<T, Stopped> {
    let store = Arc::clone(store);
    let answer = tokio::task::spawn_blocking(move || question(&store)).await;
    answer.map_err(|error| match error.try_into_panic() {
        Ok(cause) => panic::resume_unwind(cause),
        Err(_) => Stopped,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_go_on_in_the_caller() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(folder.path()).unwrap());
        assert!(
            ask(&store, |store| store.guilds().unwrap().is_empty())
                .await
                .unwrap()
        );
        let asking = async move { ask(&store, |_| panic!("a bug")).await.map(|(): ()| ()) };
        let ended = tokio::spawn(asking).await.unwrap_err();
        assert!(ended.is_panic());
    }
}
