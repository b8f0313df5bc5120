//! Undocumented formats and contradictions: one malformed field affects only itself, and impossible
//! lists are rejected.

mod lists;
mod odd;
mod permissions;
mod texts;

use propsbot_model::{ChannelId, Field, GuildId, MessageId, UserId};
use serde_json::Value;
use simulator::discord::{
    Discord, Draft, Extras, Fault, Options, Overwrite, World, bit, intent, kind,
};

use crate::{
    live::{settled, start, stop},
    mirror::Mirror,
};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const MESSAGE: &str = "GET /channels/{channel_id}/messages/{message_id}";
const CHANNELS: &str = "GET /guilds/{guild_id}/channels";
const GUILD: &str = "GET /guilds/{guild_id}";
const MEMBERS: &str = "GET /guilds/{guild_id}/members";
const ACTIVE: &str = "GET /guilds/{guild_id}/threads/active";

/// Pointer to the permissions of `@everyone` in a guild.
fn everyone(mirror: &Mirror) -> String {
    format!("/roles/id={}/permissions", mirror.discord.guild_id())
}

fn general(mirror: &Mirror) -> u64 {
    let discord = &mirror.discord;
    let ana = discord.join("ana");
    let channel = discord.create_channel(kind::TEXT, "general", vec![]);
    discord.post(ana, channel, "hello");
    channel
}

/// Discord's own accounts are marked, in the archive too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn distinguishes_system_users() {
    let mirror = Mirror::empty().await;
    general(&mirror);
    let [clyde, dan] = ["clyde", "dan"].map(|name| mirror.discord.join(name));
    let pointer = format!("/id={clyde}/user/system");
    mirror.discord.mutate(MEMBERS, &pointer, "true");
    mirror.sync().await.ok();
    mirror.export().await;
    let archived = mirror.archived().await;
    let of = |id: u64| {
        let row = archived.members.iter().find(|row| row.user_id.0 == id);
        row.unwrap().system
    };
    assert_eq!((of(clyde), of(dan)), (Some(true), None));
}
