//! Makes the serenity context that poise needs to run a command.
//!
//! propsbot has its own gateway connection, and uses serenity and poise only to run commands. But a context
//! contains a messenger to a shard, and serenity only makes a shard over a WebSocket. So this opens one to
//! itself on loopback for a moment, and never sends anything over it.

use std::sync::{Arc, OnceLock};

use serenity::{
    client::Context,
    gateway::{
        Shard, ShardManager, ShardManagerOptions, ShardMessenger, ShardRunner, ShardRunnerOptions,
    },
    http::Http,
    model::{
        gateway::{GatewayIntents, ShardInfo},
        id::ShardId,
    },
    prelude::{RwLock, TypeMap},
};
use tokio::{net::TcpListener, runtime, sync::Mutex};

/// A context and its shard manager. Neither does anything.
///
/// # Errors
/// The system provides no loopback socket, no thread or no runtime.
pub(super) async fn context(http: Arc<Http>) -> Result<Made, Box<serenity::Error>> {
    // In its own runtime, because the manager starts a task that never ends.
    let made = tokio::task::spawn_blocking(move || {
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(serenity::Error::from)?;
        Ok(runtime.block_on(make(http))?)
    });
    let panicked = |_| Err(serenity::Error::Other("serenity panicked").into());
    made.await.unwrap_or_else(panicked)
}

type Made = (Context, Arc<ShardManager>);

async fn make(http: Arc<Http>) -> Result<Made, serenity::Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let url = Arc::new(Mutex::new(url));
    let intents = GatewayIntents::empty();
    let info = ShardInfo {
        id: ShardId(0),
        total: 1,
    };
    let shard = tokio::select! {
        shard = Shard::new(Arc::clone(&url), "", info, intents, None) => shard?,
        error = accept(&listener) => return Err(error.into()),
    };
    let data = Arc::new(RwLock::new(TypeMap::new()));
    let (manager, _) = ShardManager::new(ShardManagerOptions {
        data: Arc::clone(&data),
        event_handlers: Vec::new(),
        raw_event_handlers: Vec::new(),
        framework: Arc::new(OnceLock::new()),
        shard_index: 0,
        shard_init: 0,
        shard_total: 0,
        ws_url: url,
        http: Arc::clone(&http),
        intents,
        presence: None,
    });
    let runner = ShardRunner::new(ShardRunnerOptions {
        data: Arc::clone(&data),
        event_handlers: Vec::new(),
        raw_event_handlers: Vec::new(),
        framework: None,
        manager: Arc::clone(&manager),
        shard,
        http: Arc::clone(&http),
    });
    let context = Context {
        data,
        shard: ShardMessenger::new(&runner),
        shard_id: ShardId(0),
        http,
    };
    Ok((context, manager))
}

/// Accepts WebSocket connections until an error.
async fn accept(listener: &TcpListener) -> std::io::Error {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(tokio_tungstenite::accept_async(stream));
            }
            Err(error) => return error,
        }
    }
}
