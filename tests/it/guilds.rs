//! Several guilds in one process: problems of one don't delay others.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use propsbot_discord::{DiscordApi, Rest, Token};
use propsbot_jobs::{
    backfill::{Backfill, Depth, Permit, Requests, supervise},
    clock::Clock,
    guilds::PerGuild,
    mirrored::{MirroredGuilds, Selection},
    progress::{Phase, ProgressBoard},
    writer,
};
use propsbot_model::{Class, GuildId, Stamp, User, UserId};
use propsbot_network::Network;
use propsbot_store::Store;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use crate::live::SOON;

const SILENT: GuildId = GuildId(1);
const QUICK: GuildId = GuildId(2);

/// A server that never responds about one guild, and immediately about another.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    let (mut request, mut byte) = (Vec::new(), [0]);
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).await.is_ok_and(|n| n > 0) {
        request.push(byte[0]);
    }
    let request = String::from_utf8(request).unwrap();
    if request.contains(&format!("/guilds/{SILENT}")) {
        std::future::pending::<()>().await;
    }
    let guild = QUICK.to_string();
    let everyone = json!({"id": guild, "name": "@everyone", "permissions": "0"});
    let body = match request.split([' ', '?']).nth(1).unwrap() {
        path if path.ends_with("/threads/active") => json!({"threads": []}),
        path if path.ends_with(&format!("/guilds/{guild}")) => {
            json!({"id": guild, "name": "quick", "owner_id": "3", "roles": [everyone], "emojis": []})
        }
        _ => json!([]),
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    // It doesn't matter if the client is gone.
    let _ = stream.write_all(&[head, body].concat().into_bytes()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unresponsive_guilds_do_not_block_others() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::open(folder.path()).unwrap());
    let (writer, _) = writer::start(Arc::clone(&store));
    let token = Token::new("a.b.c").unwrap();
    let boards: PerGuild<ProgressBoard> = PerGuild::default();
    let backfill = Backfill {
        history: DiscordApi::new(Rest::new(Some(&serve().await), &token, &Network::default())),
        store: Arc::clone(&store),
        writer,
        clock: Clock::after(Stamp(0)),
        bot: User {
            id: UserId(9),
            username: "bot".to_owned(),
            global_name: None,
            discriminator: None,
            bot: true,
            system: false,
            unread: propsbot_model::Unread::default(),
        },
        guilds: MirroredGuilds::new(Selection::Named(vec![SILENT, QUICK]), &[]),
        boards: boards.clone(),
        progress: ProgressBoard::default(),
        page_sizes: Arc::default(),
        turns: PerGuild::default(),
        turn: Permit::default(),
    };
    let (requests, stop) = (Requests::default(), CancellationToken::new());
    let supervising = tokio::spawn(supervise(backfill, requests.clone(), stop.clone()));
    let begun = Instant::now();
    let wait = async |what: &str, reached: &dyn Fn() -> bool| {
        while !reached() {
            assert!(begun.elapsed() < SOON, "{what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let phase = |guild| boards.of(guild).look().phase;
    requests.guild(SILENT, Depth::Whole);
    wait("begun", &|| phase(SILENT) == Phase::Discovering).await;
    requests.guild(QUICK, Depth::Whole);
    let is_synced = || {
        let synced = store.synced(QUICK).unwrap();
        synced.iter().any(|synced| synced.class == Class::Messages)
    };
    wait("done", &is_synced).await;
    assert_eq!(phase(SILENT), Phase::Discovering);
    stop.cancel();
    supervising.await.unwrap().unwrap();
}
