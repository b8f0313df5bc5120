//! Runs blocking store work off the async threads.

use std::{panic, sync::Arc};

use tokio::task::spawn_blocking;

/// The process is ending, so the work was not done.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the process is ending")]
pub struct Ending;

/// Runs blocking work on a store off the async threads.
///
/// # Errors
/// Only if the process is ending.
///
/// # Panics
/// Resumes the panic of `question` in the caller.
pub async fn ask<S: Send + Sync + ?Sized + 'static, T: Send + 'static>(
    store: &Arc<S>,
    question: impl FnOnce(&S) -> T + Send + 'static,
) -> Result<T, Ending> {
    let store = Arc::clone(store);
    let answer = spawn_blocking(move || question(&store)).await;
    answer.map_err(|error| match error.try_into_panic() {
        Ok(cause) => panic::resume_unwind(cause),
        Err(_) => Ending,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn panics_go_on_in_the_caller() {
        let store = Arc::new(1);
        assert_eq!(ask(&store, |one| one + 1).await.unwrap(), 2);
        let asking = async move { ask(&store, |_| panic!("a bug")).await.map(|(): ()| ()) };
        assert!(tokio::spawn(asking).await.unwrap_err().is_panic());
    }
}
