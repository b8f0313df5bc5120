//! Logs one line per day, as a sign of life.

use std::{pin::pin, sync::Arc, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use propsbot_discord::Rest;
use propsbot_mirror::ask;
use propsbot_model::Millis;
use propsbot_store::{Store, StoreError};

const DAY: Duration = Duration::from_hours(24);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    guilds: usize,
    messages: u64,
    reactions: u64,
    requests: u64,
}

/// Yields every 24 hours from now.
pub fn days() -> impl Stream<Item = ()> {
    stream::unfold((), async |()| {
        tokio::time::sleep(DAY).await;
        Some(((), ()))
    })
}

/// Logs what was mirrored since the last line, at each item of `days`, until stopped.
pub async fn log_daily(
    store: Arc<Store>,
    rest: Rest,
    days: impl Stream<Item = ()>,
    stop: CancellationToken,
) {
    let mut days = pin!(days);
    let mut before = count(&store, &rest).await.unwrap_or_default();
    while let Some(Some(())) = stop.run_until_cancelled(days.next()).await {
        let Some(now) = count(&store, &rest).await else {
            continue;
        };
        let report = asked(&store, |store| store.export_report()).await;
        let export = report.and_then(|report| report.last);
        tracing::info!(
            guilds = now.guilds,
            messages = now.messages,
            new_messages = now.messages.saturating_sub(before.messages),
            new_reactions = now.reactions.saturating_sub(before.reactions),
            requests = now.requests.saturating_sub(before.requests),
            last_export = export.map(|export| time_of(export.at)),
            "still here; totals, and what's new since yesterday"
        );
        before = now;
    }
}

fn time_of(at: Millis) -> String {
    let time = jiff::Timestamp::from_millisecond(at.0);
    time.map_or_else(|_| "unknown".to_owned(), |time| time.to_string())
}

async fn count(store: &Arc<Store>, rest: &Rest) -> Option<Count> {
    let requests = rest.sent();
    asked(store, move |store| {
        let mut count = Count {
            requests,
            ..Count::default()
        };
        for guild in store.guilds()? {
            if guild.state.now().is_none() {
                continue;
            }
            count.guilds += 1;
            for tally in store.tallies(guild.guild_id)? {
                count.messages += tally.messages;
                count.reactions += tally.reactions;
            }
        }
        Ok(count)
    })
    .await
}

async fn asked<T: Send + 'static>(
    store: &Arc<Store>,
    question: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
) -> Option<T> {
    ask(store, question).await.ok()?.ok()
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use propsbot_discord::Token;
    use propsbot_network::Network;

    /// Captures the log.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            log.extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn logs_a_line_each_day() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::open(&folder.path().join("data")).unwrap());
        let token = Token::new("a.b.c").unwrap();
        let rest = Rest::new(Some("http://127.0.0.1:1"), &token, &Network::default());
        let log = Log::default();
        let written = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(move || written.clone())
            .with_ansi(false)
            .finish();
        let _guard = tracing::subscriber::set_default(subscriber);
        let two = stream::iter([(), ()]);
        log_daily(store, rest, two, CancellationToken::new()).await;
        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert_eq!(log.matches("still here").count(), 2, "{log}");
        assert!(log.contains("guilds=0 messages=0"), "{log}");
    }
}
