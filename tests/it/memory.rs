//! The bot's memory use with a large store.

use std::{fs, path::Path, time::Duration};

use propsbot_model::{
    Author, AuthorKind, ChannelId, Message, MessageId, MessageKind, MessageState, Stamp, UserId,
};
use simulator::discord::kind;
use tokio::time::sleep;

use crate::mirror::Mirror;

/// Polling interval.
const GLANCE: Duration = Duration::from_millis(5);

/// The process's heap and stacks, in bytes; 0 after its end.
fn memory(process: u32) -> u64 {
    let status = Path::new("/proc").join(process.to_string()).join("status");
    let status = fs::read_to_string(status).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.map_or(0, |number| number.parse::<u64>().unwrap() << 10)
}

/// The most memory that a command takes.
async fn most_memory(mirror: &Mirror, command: &[&str]) -> u64 {
    let mut running = mirror.start(command);
    let mut most = 0;
    while !running.has_ended() {
        most = most.max(memory(running.id()));
        sleep(GLANCE).await;
    }
    running.wait().await.ok();
    assert!(most > 0);
    most
}

/// The first export reads every page of the store once. Caching all of them would take more memory
/// than the history's size. So would holding a guild's rows while they are written as tables.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exports_a_long_history_and_its_tables_in_little_memory() {
    const MESSAGES: u64 = 24_000;
    const AT_ONCE: u64 = 1_000;
    let text = "Thank you for all the work that you put into this. ".repeat(76);
    let mirror = Mirror::seeded(5).await;
    mirror.sync().await.ok();
    let channels = mirror.discord.truth().channels;
    let public = channels
        .iter()
        .find(|channel| channel.public && channel.kind == kind::TEXT);
    let channel_id = ChannelId(public.unwrap().id);
    let guild_id = mirror.guild();
    let message = |number: u64| Message {
        id: MessageId(1_000_000_000_000_000_000 + (number << 32)),
        channel_id,
        guild_id,
        author: Author {
            id: UserId(mirror.discord.owner_id()),
            kind: AuthorKind::User,
        },
        kind: MessageKind::DEFAULT,
        content: text.clone(),
        mentions: vec![],
        reply_to: None,
        command: None,
        edited_at: None,
        by_webhook: None,
        unread: propsbot_model::Unread::default(),
        earlier: Vec::new(),
    };
    let store = mirror.store();
    for first in (0..MESSAGES).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let numbers = first..first + AT_ONCE;
        let rows = numbers.map(|number| MessageState::alive(Stamp(1), message(number)));
        let newest = store.newest().unwrap();
        store.restore(&rows.collect::<Vec<_>>(), newest).unwrap();
    }
    drop(store);

    let length = MESSAGES * text.len() as u64;
    let exporting = most_memory(&mirror, &["export"]).await;
    let archived = mirror.archived().await.messages.len() as u64;
    assert!(archived > MESSAGES, "{archived}");
    assert!(exporting < length / 3 * 2, "{exporting} of {length}");
    let tables = ["tables", "--from", "dir:archive", "--out", "tables"];
    let writing = most_memory(&mirror, &tables).await;
    assert!(writing < length / 3 * 2, "{writing} of {length}");
}
