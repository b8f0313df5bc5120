//! Runs a member's heavy requests one after the other, so that no member can multiply their cost.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use propsbot_model::UserId;

/// The members with a heavy request under way.
#[derive(Clone, Debug, Default)]
pub(super) struct OneAtATime(Arc<Mutex<BTreeMap<UserId, Arc<tokio::sync::Mutex<()>>>>>);

/// A guard: the heavy request is under way until this is dropped.
pub struct UnderWay {
    #[expect(dead_code, reason = "held until it is dropped")]
    guard: OwnedMutexGuard<()>,
}

impl OneAtATime {
    /// Waits for the member's other heavy requests.
    pub(super) async fn begin(&self, user: UserId) -> UnderWay {
        let own = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Drop locks that no request holds or waits for.
            all.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(all.entry(user).or_default())
        };
        UnderWay {
            guard: own.lock_owned().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt as _, poll};

    use super::*;

    #[tokio::test]
    async fn only_requests_of_the_same_member_wait() {
        let all = OneAtATime::default();
        let first = all.begin(UserId(1)).now_or_never();
        assert!(first.is_some());
        let mut second = Box::pin(all.begin(UserId(1)));
        assert!(poll!(&mut second).is_pending());
        assert!(all.begin(UserId(2)).now_or_never().is_some());
        drop(first);
        drop(second.await);
        assert!(all.begin(UserId(3)).now_or_never().is_some());
        assert_eq!(all.0.lock().unwrap().len(), 1);
    }
}
