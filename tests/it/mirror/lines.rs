//! The contents of Discord, the store and the archive as comparable lines.

use std::collections::{BTreeMap, BTreeSet};

use propsbot_model::{AuthorKind, ChannelKind, GuildId};
use propsbot_rows::{
    ChannelRow, EventRow, MemberRow, MessageRow, PropsRow, ReactionRow, RoleRow, Snapshot,
};
use propsbot_store::Store;
use simulator::discord::{Truth, TruthChannel};

/// Type of replies; other messages with a reference only point to one.
const REPLY: u8 = 19;

/// Ids of the channels that satisfy `which`.
pub(super) fn channels(truth: &Truth, which: impl Fn(&TruthChannel) -> bool) -> BTreeSet<u64> {
    let chosen = truth.channels.iter().filter(|channel| which(channel));
    chosen.map(|chosen| chosen.id).collect()
}

/// Everything in the store about the guild, as archive rows.
pub(crate) fn whole(store: &Store, guild: GuildId) -> Snapshot {
    let settings = store.settings(guild).unwrap();
    let channels = store.channels(guild).unwrap();
    let mut snapshot = Snapshot {
        roles: store
            .roles(guild)
            .unwrap()
            .iter()
            .filter_map(RoleRow::new)
            .collect(),
        members: store
            .members(guild)
            .unwrap()
            .iter()
            .map(MemberRow::from)
            .collect(),
        channels: channels
            .iter()
            .filter_map(|channel| ChannelRow::new(channel, &settings))
            .collect(),
        events: store
            .scheduled_events(guild)
            .unwrap()
            .iter()
            .flat_map(EventRow::all)
            .collect(),
        ..Snapshot::default()
    };
    for channel in &snapshot.channels {
        let all = || 0..=u64::MAX;
        let messages = store.messages(channel.id, all());
        let reactions = store.reactions(channel.id, all());
        let props = store.props(channel.id, all());
        snapshot
            .messages
            .extend(messages.map(|message| MessageRow::from(&message.unwrap())));
        snapshot
            .reactions
            .extend(reactions.map(|reaction| ReactionRow::from(&reaction.unwrap())));
        snapshot
            .props
            .extend(props.map(|props| PropsRow::from(&props.unwrap())));
    }
    snapshot
}

/// A line for each existing object; messages and reactions only of these channels. Sorted, keeping
/// duplicates.
pub(super) fn lines(of: &Snapshot, readable: &BTreeSet<u64>) -> Vec<String> {
    let mut lines = Vec::new();
    for it in of
        .channels
        .iter()
        .filter(|channel| channel.deleted_at.is_none())
    {
        lines.push(channel_line(
            it.id.0,
            it.kind.0,
            &it.name,
            it.parent_id.map(|parent_id| parent_id.0),
            it.archived.unwrap_or_default(),
        ));
    }
    for it in of.roles.iter().filter(|role| role.deleted_at.is_none()) {
        lines.push(format!("role {} {:?} {}", it.id, it.name, it.permissions));
    }
    for it in of.members.iter().filter(|member| member.member) {
        let roles: Vec<u64> = it.roles.iter().map(|role| role.0).collect();
        let joined = it.joined_at.map(|joined_at| joined_at.0);
        lines.push(member_line(
            it.user_id.0,
            &it.username,
            it.global_name.as_ref(),
            it.nick.as_ref(),
            it.bot,
            &roles,
            joined,
        ));
    }
    for it in of
        .messages
        .iter()
        .filter(|message| message.deleted_at.is_none())
    {
        if readable.contains(&it.channel_id.0) {
            lines.push(format!(
                "message {}/{} by {} (webhook: {}) kind {} edited {:?} mentions {:?} reply to {:?} \
                 invoked by {:?}: {:?}",
                it.channel_id,
                it.id,
                it.author_id.unwrap(),
                it.author_kind == Some(AuthorKind::Webhook),
                it.kind.unwrap().0,
                it.edited_at.map(|edited_at| edited_at.0),
                it.mentions
                    .iter()
                    .map(|mention| mention.user_id.0)
                    .collect::<Vec<_>>(),
                it.reply_to.map(|reply_to| reply_to.0),
                it.command.as_ref().map(|command| command.user_id.0),
                it.content.as_ref().unwrap(),
            ));
        }
    }
    for it in of
        .reactions
        .iter()
        .filter(|reaction| reaction.removed_at.is_none())
    {
        if readable.contains(&it.channel_id.0) {
            let emoji = match (&it.emoji_id, &it.emoji) {
                (Some(id), None) => id.to_string(),
                (None, Some(text)) => text.clone(),
                both => panic!("{both:?} is no emoji"),
            };
            lines.push(reaction_line(
                it.message_id.0,
                &emoji,
                it.burst,
                it.user_id.0,
            ));
        }
    }
    lines.sort();
    lines
}

pub(super) fn true_lines(
    truth: &Truth,
    known: impl Fn(&TruthChannel) -> bool,
    readable: &BTreeSet<u64>,
) -> Vec<String> {
    let mut lines = Vec::new();
    for it in truth.channels.iter().filter(|channel| known(channel)) {
        let thread = ChannelKind(it.kind).is_thread();
        lines.push(channel_line(
            it.id,
            it.kind,
            &it.name,
            it.parent,
            thread && it.archived,
        ));
    }
    for it in &truth.roles {
        lines.push(format!("role {} {:?} {}", it.id, it.name, it.permissions));
    }
    for it in &truth.members {
        lines.push(member_line(
            it.id,
            &it.username,
            it.global_name.as_ref(),
            it.nick.as_ref(),
            it.bot,
            &it.roles,
            Some(it.joined),
        ));
    }
    for it in truth
        .messages
        .iter()
        .filter(|message| readable.contains(&message.channel))
    {
        let mut mentions = it.mentions.clone();
        mentions.sort_unstable();
        lines.push(format!(
            "message {}/{} by {} (webhook: {}) kind {} edited {:?} mentions {mentions:?} reply to \
             {:?} invoked by {:?}: {:?}",
            it.channel,
            it.id,
            it.author,
            it.webhook.is_some(),
            it.kind,
            it.edited,
            it.reply_to.filter(|_| it.kind == REPLY),
            it.invoker,
            it.content,
        ));
        for reaction in &it.reactions {
            let named = reaction.emoji_id.map(|id| id.to_string());
            let emoji = named.or(reaction.emoji_name.clone()).unwrap();
            let users = reaction.users.iter();
            lines.extend(users.map(|user| reaction_line(it.id, &emoji, reaction.burst, *user)));
        }
    }
    lines.sort();
    lines
}

fn channel_line(id: u64, kind: u8, name: &str, parent: Option<u64>, archived: bool) -> String {
    format!("channel {id} kind {kind} {name:?} in {parent:?} archived: {archived}")
}

fn member_line(
    id: u64,
    username: &str,
    global_name: Option<&String>,
    nick: Option<&String>,
    bot: bool,
    roles: &[u64],
    joined: Option<i64>,
) -> String {
    format!("member {id} {username:?} {global_name:?} {nick:?} bot: {bot} {roles:?} {joined:?}")
}

fn reaction_line(message: u64, emoji: &str, burst: bool, user: u64) -> String {
    format!("reaction {emoji} burst: {burst} by {user} to message {message}")
}

/// Missing and surplus lines, counting duplicates.
pub(crate) fn differences(found: &[String], truth: &[String]) -> Vec<String> {
    let mut counts = BTreeMap::<&String, i32>::new();
    for line in found {
        *counts.entry(line).or_default() += 1;
    }
    for line in truth {
        *counts.entry(line).or_default() -= 1;
    }
    let differ = counts.into_iter().filter(|(_, count)| *count != 0);
    differ
        .map(|(line, count)| format!("{} {line}", if count < 0 { "-" } else { "+" }))
        .collect()
}

/// Panics with the differences, if any.
#[track_caller]
pub(super) fn assert_same(differences: &[String]) {
    let shown = &differences[..differences.len().min(40)];
    assert!(
        shown.is_empty(),
        "{} differences (- missing, + too much):\n{}",
        differences.len(),
        shown.join("\n")
    );
}

mod tests {
    use super::differences;

    fn differ(found: &[&str], truth: &[&str]) -> Vec<String> {
        let own = |of: &[&str]| {
            of.iter()
                .map(|owner| (*owner).to_owned())
                .collect::<Vec<_>>()
        };
        differences(&own(found), &own(truth))
    }

    /// Missing, surplus and duplicate lines are differences.
    #[test]
    fn comparison_detects_differences() {
        assert_eq!(differ(&["a", "b"], &["b", "a"]), [""; 0]);
        assert_eq!(differ(&["a"], &["a", "b"]), ["- b"]);
        assert_eq!(differ(&["a", "b"], &["a"]), ["+ b"]);
        assert_eq!(differ(&["a", "a"], &["a"]), ["+ a"]);
    }
}
