//! A real archive: what the program exports of a simulated Discord.

use std::{path::Path, process::Command};

use propsbot_archive::file::Kind;
use propsbot_model::{
    Channel, ChannelId, Evidence, Fact, GuildId, InteractionId, MessageId, Observation, Props,
    PropsOrigin, Stamp, UserId,
};
use propsbot_store::Store;
use simulator::discord::{Discord, Options, Seed};
use tempfile::TempDir;

use crate::files::{Files, Form};

/// How many parts make a part list long enough for shards.
const MANY: u64 = 256;

/// Runs a command of the built program, which must succeed.
fn run(home: &Path, discord: &Discord, arguments: &[&str]) {
    let ended = propsbot(home)
        .env("DISCORD_TOKEN", discord.token())
        .env("DISCORD_API_URL", discord.url())
        .args(arguments)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{arguments:?}: {ended:?}");
}

/// The built program in this folder. It inherits nothing from this environment.
pub(crate) fn propsbot(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_propsbot"));
    command.current_dir(home).env_clear();
    command
}

/// Two archives: one with several generations, channels, threads, reactions, props and deleted messages, and the same
/// with so many threads that its part list is in shards.
pub(crate) async fn exported() -> [Files; 2] {
    let seed = Seed {
        seed: 5,
        channels: 8,
        messages: 200,
        members: 10,
        threads: 4,
        reactions: 0.4,
        // On any day of a year, the base has files of several periods.
        days: 420,
        ..Seed::default()
    };
    let options = Options {
        seed,
        ..Options::default()
    };
    let discord = Discord::start(options).await.unwrap();
    let folder = TempDir::new().unwrap();
    let home = folder.path();
    let guild = GuildId(discord.guild_id());
    let general = discord.channel("general").unwrap();
    let truth = discord.truth();
    let messages = truth.messages.iter();
    let said = messages.filter(|message| message.channel == general && message.webhook.is_none());
    let said: Vec<u64> = said.map(|message| message.id).collect();
    let owner = discord.owner_id();
    let thread = discord.create_thread(general, owner, "a thread");
    run(home, &discord, &["sync"]);
    let give = |id: &u64| {
        Fact::Props(Props {
            id: InteractionId(id + 1),
            guild_id: guild,
            channel_id: ChannelId(general),
            message_id: Some(MessageId(*id)),
            giver: UserId(1),
            receivers: vec![UserId(2), UserId(3)],
            reason: "for help".to_owned(),
            origin: PropsOrigin::Command,
            withdrawn: None,
            about: None,
        })
    };
    learn(home, said.iter().map(give));
    run(home, &discord, &["export"]);
    // Another generation: a deletion, a message, a reaction.
    assert!(discord.delete(general, said[said.len() - 1]));
    let message = discord.post(owner, general, "thank you all");
    assert!(discord.react(owner, general, message, "👍", false));
    run(home, &discord, &["sync"]);
    run(home, &discord, &["export"]);

    let thread = open(home).channel(guild, ChannelId(thread)).unwrap();
    let thread = thread.and_then(|thread| thread.state.now().cloned());
    let thread = thread.unwrap();
    let threads = (1..=MANY).map(|number| {
        Fact::Channel(Channel {
            id: ChannelId(thread.id.0 + number),
            ..thread.clone()
        })
    });
    learn(home, threads);
    run(home, &discord, &["export", "--to", "dir:many"]);
    let archives = ["archive", "many"].map(|name| Files::read(&home.join(name)));
    let is_in_shards = |files: &Files| !files.of(Form::Named(Kind::Directory)).is_empty();
    assert_eq!(archives.each_ref().map(is_in_shards), [false, true]);
    archives
}

fn open(home: &Path) -> Store {
    Store::open(&home.join("data")).unwrap()
}

/// Tells the store what it would have heard.
fn learn(home: &Path, facts: impl Iterator<Item = Fact>) {
    let store = open(home);
    let at = Stamp(store.newest().unwrap().0 + 1);
    let observations = facts.map(|fact| Observation {
        at,
        by: Evidence::Gateway,
        fact,
    });
    store.merge(&[observations.collect()]).unwrap();
}
