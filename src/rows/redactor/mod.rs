//! Redaction: applies members' privacy choices to rows before they leave the mirror.
//!
//! Pure, and the only place that redacts: turns a record and the choices into a row or nothing.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ChannelRow, EventRow, GuildRow, LinkRow, MemberRow, MessageRow, PropsRow, ReactionRow,
};
use propsbot_model::{
    Link, Member, MessageState, Millis, OverwriteKind, Privacy, Props, Pseudonyms, Reaction,
    ScheduledEvent, Tier, UserId,
};

/// Version of the redaction rules. Bump it to force a full re-export.
pub const RULES: u8 = 5;

/// The privacy choices of a guild's members.
#[derive(Clone, Debug, Default)]
pub struct Redactor {
    chosen: BTreeMap<UserId, Privacy>,
    /// Users who opted out of everything.
    hidden: BTreeSet<UserId>,
}

impl Redactor {
    /// Builds a redactor from all choices in the guild.
    pub fn new(chosen: impl IntoIterator<Item = Privacy>) -> Self {
        let chosen: BTreeMap<UserId, Privacy> = chosen
            .into_iter()
            .map(|chosen| (chosen.user_id, chosen))
            .collect();
        let hidden = chosen
            .values()
            .filter(|chosen| chosen.tier == Tier::Everything);
        let hidden = hidden.map(|hidden| hidden.user_id).collect();
        Self { chosen, hidden }
    }

    fn tier(&self, user: UserId) -> Tier {
        self.chosen
            .get(&user)
            .map_or(Tier::None, |chosen| chosen.tier)
    }

    /// Whether the text of a user's message from this time is exported.
    fn keeps_text(&self, user: UserId, time: Millis) -> bool {
        let chosen = self.chosen.get(&user);
        chosen.is_none_or(|chosen| chosen.keeps_text(time))
    }

    /// Whether rows may contain the user as a pseudonym.
    fn has_pseudonym(chosen: &Privacy) -> bool {
        chosen.tier == Tier::Everything || chosen.forgotten.is_some()
    }

    fn pseudonyms(&self, users: impl IntoIterator<Item = UserId>) -> Pseudonyms<'_> {
        Pseudonyms::new(&self.hidden, users)
    }

    pub fn guild(&self, mut row: GuildRow) -> GuildRow {
        row.owner_id = self.pseudonyms([row.owner_id]).shown(row.owner_id);
        row.props_bots.retain(|bot| !self.hidden.contains(bot));
        row
    }

    /// The channel's row. A thread's title is text by its creator, so their choice applies.
    pub fn channel(&self, mut row: ChannelRow) -> ChannelRow {
        let opened = row.id.created_at();
        if row
            .owner_id
            .is_some_and(|owner| !self.keeps_text(owner, opened))
        {
            row.name.clear();
        }
        row.name = self.pseudonyms([]).text(row.name);
        row.owner_id = row
            .owner_id
            .filter(|owner_id| !self.hidden.contains(owner_id));
        let hidden = |id: u64| UserId(id).is_anonymous() || self.hidden.contains(&UserId(id));
        row.overwrites
            .retain(|overwrite| overwrite.kind != OverwriteKind::Member || !hidden(overwrite.id));
        row
    }

    /// The rows of an event. Its name is text by its creator, so their choice applies.
    pub fn event(&self, event: &ScheduledEvent) -> Vec<EventRow> {
        let mut rows = EventRow::all(event);
        for row in &mut rows {
            let created = row.id.created_at();
            if row
                .creator_id
                .is_some_and(|creator| !self.keeps_text(creator, created))
            {
                row.name.clear();
            }
            row.name = self.pseudonyms([]).text(std::mem::take(&mut row.name));
            row.creator_id = row.creator_id.filter(|user| !self.hidden.contains(user));
            row.interested_ids
                .retain(|user| !self.hidden.contains(user));
        }
        rows
    }

    /// The member's row. Users who opted out of everything or were deleted also get a pseudonym's
    /// row, so that there are enough for all pseudonyms in one row.
    pub fn member(&self, member: &Member) -> Vec<MemberRow> {
        let mut row = MemberRow::from(member);
        let Some(chosen) = self.chosen.get(&member.user_id) else {
            return vec![row];
        };
        row.privacy = Some(chosen.tier).filter(|tier| *tier != Tier::None);
        row.forgotten_at = chosen.forgotten;
        row.texts_since = chosen.texts_since;
        let mut rows = Vec::new();
        if Self::has_pseudonym(chosen) {
            let all = self.chosen.range(..=member.user_id);
            let number = all
                .filter(|(_, chosen)| Self::has_pseudonym(chosen))
                .count();
            rows.push(MemberRow {
                user_id: UserId::nobody(number as u64),
                privacy: Some(Tier::Everything),
                // The time of leaving would reveal the user.
                member: true,
                ..MemberRow::nameless(member.guild_id)
            });
        }
        if !chosen.tier.shows_names() {
            row = MemberRow {
                user_id: member.user_id,
                username: format!("member-{:05x}", member.user_id.anonymous().0),
                bot: row.bot,
                member: row.member,
                left_at: row.left_at,
                privacy: row.privacy,
                forgotten_at: row.forgotten_at,
                texts_since: row.texts_since,
                ..MemberRow::nameless(member.guild_id)
            };
        }
        if chosen.tier == Tier::Everything {
            row.username.clear();
            row.bot = false;
            row.system = None;
            row.member = false;
            row.left_at = None;
        }
        rows.push(row);
        rows
    }

    /// Whether the message is exported. For users who opted out of everything, only props-channel
    /// thanks are.
    ///
    /// Reactions go out only with their message, so [`Self::reaction`] is for those of exported ones.
    pub fn shows(&self, state: &MessageState, props_channel: bool) -> bool {
        let Some(message) = state.message() else {
            return true;
        };
        let speaker = message.speaker();
        let is_written = speaker == Some(message.author.id);
        let is_hidden = speaker.is_some_and(|speaker| self.tier(speaker) == Tier::Everything);
        !(is_written && is_hidden) || props_channel && !message.mentions.is_empty()
    }

    /// The message's row; `None` if it isn't exported. Of the thanks of users who opted out of
    /// everything, text and author are removed.
    pub fn message(&self, state: &MessageState, props_channel: bool) -> Option<MessageRow> {
        let mut row = MessageRow::from(state);
        let Some(message) = state.message() else {
            return Some(row);
        };
        if !self.shows(state, props_channel) {
            return None;
        }
        let speaker = message.speaker();
        let tier = speaker.map_or(Tier::None, |speaker| self.tier(speaker));
        if speaker.is_some_and(|speaker| !self.keeps_text(speaker, message.id.created_at())) {
            row.content = Some(String::new());
        }
        let written = speaker == Some(message.author.id);
        if tier == Tier::Everything {
            row.command = None;
            row.reply_to = None;
        }
        let mentioned = row.mentions.iter().map(|mention| mention.user_id);
        let mut pseudonyms = self.pseudonyms(mentioned.chain(row.author_id));
        if written {
            row.author_id = row.author_id.map(|author_id| pseudonyms.shown(author_id));
        }
        for mention in &mut row.mentions {
            mention.user_id = pseudonyms.shown(mention.user_id);
        }
        for earlier in &mut row.earlier_mentions {
            earlier.user_id = pseudonyms.shown(earlier.user_id);
        }
        row.content = row.content.map(|content| pseudonyms.text(content));
        row.mentions.sort_unstable();
        row.earlier_mentions.sort_unstable();
        Some(row)
    }

    pub fn reaction(&self, reaction: &Reaction) -> Option<ReactionRow> {
        let user = reaction.user_id;
        let shown = !user.is_anonymous() && !self.hidden.contains(&user);
        shown.then(|| ReactionRow::from(reaction))
    }

    pub fn props(&self, props: &Props) -> Option<PropsRow> {
        if props.receivers.is_empty() {
            // Earlier versions kept empty props of users with deleted data.
            return None;
        }
        let mut row = PropsRow::from(props);
        if !self.keeps_text(props.giver, props.id.created_at()) {
            row.reason.clear();
        }
        let users = props.receivers.iter().copied();
        let mut pseudonyms = self.pseudonyms(users.chain([props.giver]));
        row.giver_id = pseudonyms.shown(props.giver);
        for receiver in &mut row.receiver_ids {
            *receiver = pseudonyms.shown(*receiver);
        }
        row.reason = pseudonyms.text(row.reason);
        row.receiver_ids.sort_unstable();
        row.receiver_ids.dedup();
        Some(row)
    }

    /// What a member asked of the ledger; `None` if they hide their name, because a login is one.
    pub fn link(&self, link: &Link) -> Option<LinkRow> {
        let user = link.user_id;
        let shown = !user.is_anonymous() && self.tier(user).shows_names();
        shown.then(|| LinkRow::from(link))
    }
}
