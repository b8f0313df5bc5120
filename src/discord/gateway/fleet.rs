//! All shards of a bot: one client each, and a new set of them if Discord wants more.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span, debug, info, info_span};

use super::{
    GatewayError, GatewaySignals, InteractionHandler, Shard, Shards,
    client::{Client, End},
    intake::Intake,
    starts::Starts,
};
use crate::{RestError, Token};
use propsbot_network::Network;

/// Time between two questions how many shards Discord wants.
const ASKING: Duration = Duration::from_secs(5);

/// What all shards share.
#[derive(Clone)]
pub(super) struct Fleet {
    pub(super) network: Network,
    pub(super) token: Token,
    pub(super) starts: Arc<Starts>,
    pub(super) intake: Intake,
    pub(super) interactions: Arc<dyn InteractionHandler>,
    pub(super) shards: Shards,
    pub(super) signals: GatewaySignals,
}

impl Fleet {
    /// Stays connected until `stop`, or until an error that only the operator can fix.
    pub(super) async fn run(self, stop: CancellationToken) -> Result<(), GatewayError> {
        let mut count = self.starts.shards();
        let end = loop {
            match self.run_shards(count, &stop).await {
                Ok(()) => break Ok(()),
                Err(End::Final(error)) => break Err(error),
                Err(End::MoreShards) => {}
            }
            match stop.run_until_cancelled(self.more_than(count)).await {
                None => break Ok(()),
                Some(Err(error)) => break Err(error),
                Some(Ok(more)) => {
                    info!(before = count, now = more, "Discord wants more shards");
                    count = more;
                }
            }
        };
        self.interactions.finish().await;
        end
    }

    /// Runs this many shards until `stop`, or until one of them can't go on.
    async fn run_shards(&self, count: u32, stop: &CancellationToken) -> Result<(), End> {
        self.shards.begin(count);
        self.signals.begin(count);
        let stop = stop.child_token();
        let mut clients = JoinSet::new();
        for id in 0..count {
            let client = Client::new(self.clone(), Shard { id, count });
            let span = if count == 1 {
                Span::none()
            } else {
                info_span!("shard", id)
            };
            clients.spawn(client.run(stop.clone()).instrument(span));
        }
        let mut all = Ok(());
        while let Some(ended) = clients.join_next().await {
            stop.cancel();
            let ended = ended.unwrap_or(Err(End::Final(GatewayError::Panicked)));
            all = all.and(ended);
        }
        self.shards.begin(count);
        all
    }

    /// Asks Discord how many shards it wants: more than `count`, which are too few.
    async fn more_than(&self, count: u32) -> Result<u32, GatewayError> {
        loop {
            match self.starts.ask().await {
                Ok(()) => break,
                Err(error @ RestError::BadToken) => return Err(GatewayError::BadToken(error)),
                Err(error) => debug!(%error, "can't ask how many shards Discord wants"),
            }
            sleep(ASKING).await;
        }
        let shards = self.starts.shards();
        if shards > count {
            Ok(shards)
        } else {
            Err(GatewayError::ShardingRequired(count))
        }
    }
}
