//! Decides which messages are meetings, and who did what in them.
//!
//! A meeting is a message in a meeting channel, by anybody, bots and integrations too, that mentions a known
//! member who was there. Messages that Discord writes, deleted ones, and those in threads of such a channel
//! are none; of a forum's posts, the first message is one. The ping of a reply is no mention. Bots don't attend.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    MeetingsConfig,
    roles::{Role, roles},
};
use crate::{channels::Channels, members::Members};
use propsbot_model::{ChannelId, GuildId, MessageId, MessageKind, UserId};
use propsbot_rows::{MessageRow, Snapshot};

/// A message that tells of a meeting.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Meeting<'a> {
    pub(super) guild: GuildId,
    pub(super) channel: ChannelId,
    pub(super) text: &'a str,
    /// Everyone who was there, hosts and note-takers too.
    pub(super) attended: BTreeSet<UserId>,
    pub(super) hosts: BTreeSet<UserId>,
    pub(super) notes: BTreeSet<UserId>,
}

/// The meetings in a snapshot.
pub(super) fn meetings<'a>(
    snapshot: &'a Snapshot,
    config: &MeetingsConfig,
    (channels, members): (&Channels<'_>, &Members<'_>),
) -> BTreeMap<MessageId, Meeting<'a>> {
    let words = config.words.roles();
    let found = snapshot.messages.iter().filter_map(|row| {
        let is_told = row.deleted_at.is_none()
            && !channels.is_deleted(row.channel_id)
            && row.kind.is_some_and(is_posted)
            && is_place(config, channels, row);
        let meeting = is_told.then(|| meeting(row, &words, members))?;
        (!meeting.attended.is_empty()).then_some((row.id, meeting))
    });
    found.collect()
}

/// Whether people, bots or integrations post such messages.
fn is_posted(kind: MessageKind) -> bool {
    kind.is_written() || kind.is_command_answer()
}

/// Whether the message is in a meeting channel itself, or begins a post of a forum that is one.
fn is_place(config: &MeetingsConfig, channels: &Channels<'_>, row: &MessageRow) -> bool {
    // Other threads have the id of a message, too, but that one is in the channel.
    let begins_post = row.id.0 == row.channel_id.0;
    (begins_post || !channels.is_thread(row.channel_id)) && config.has(channels, row.channel_id)
}

fn meeting<'a>(
    row: &'a MessageRow,
    words: &BTreeMap<String, Role>,
    members: &Members<'_>,
) -> Meeting<'a> {
    let text = row.content.as_deref().unwrap_or_default();
    let roles = roles(text, words);
    let is_person = |user: UserId| members.get(user).is_some_and(|member| !member.is_bot());
    let named = row.mentions.iter().filter(|mention| mention.count > 0);
    let named: BTreeSet<UserId> = named.map(|mention| mention.user_id).collect();
    let has = |user: &UserId, role: Role| {
        let own = roles.get(user);
        own.is_some_and(|own| own.contains(&Some(role)))
    };
    let is_absent = |user: &UserId| {
        let own = roles.get(user);
        own.is_some_and(|own| own.iter().all(|role| *role == Some(Role::Absent)))
    };
    let attended = named.into_iter();
    let attended = attended.filter(|user| is_person(*user) && !is_absent(user));
    let attended: BTreeSet<UserId> = attended.collect();
    let with = |role| {
        let users = attended.iter().filter(|user| has(user, role));
        users.copied().collect()
    };
    Meeting {
        guild: row.guild_id,
        channel: row.channel_id,
        text,
        hosts: with(Role::Host),
        notes: with(Role::Notes),
        attended,
    }
}
