//! What members do not want shown, taken out of the rows: the one place where it is done.
//!
//! Pure: a row and what was chosen make the row that is exported, or none.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{ChannelRow, GuildRow, MemberRow, MessageRow, PropsRow, ReactionRow};
use crate::model::{Member, MessageState, OverwriteKind, Privacy, Props, Reaction, Tier, UserId};

/// The rules by which it is made of rows what is shown: with another number, rows look otherwise.
pub const RULES: u8 = 2;

/// What the members of a guild have chosen.
#[derive(Clone, Debug, Default)]
pub struct Veil {
    chosen: BTreeMap<UserId, Privacy>,
    /// Of whom nothing is to be shown.
    hidden: BTreeSet<UserId>,
}

/// Who is hidden in one row: each as another nobody, so that who thanked and who was thanked are told
/// apart. In the next row the same number may be somebody else, so that nothing can be learnt of it.
struct Nobodies<'a> {
    veil: &'a Veil,
    /// The highest number that is given already: a restored store has rows about nobody.
    given: u64,
    met: Vec<UserId>,
}

impl Nobodies<'_> {
    /// The user as readers of the archive know them.
    fn shown(&mut self, user: UserId) -> UserId {
        if !self.veil.hidden.contains(&user) {
            return user;
        }
        let known = self.met.iter().position(|it| *it == user);
        let at = known.unwrap_or_else(|| {
            self.met.push(user);
            self.met.len() - 1
        });
        UserId::nobody(self.given + at as u64 + 1)
    }

    /// A text in which nobody is mentioned in place of whoever is hidden.
    fn renamed(&mut self, text: String) -> String {
        let veil = self.veil;
        if !text.contains("<@") {
            return text;
        }
        let named = |id: &&UserId| text.contains(&id.to_string());
        let named: Vec<UserId> = veil.hidden.iter().filter(named).copied().collect();
        named.into_iter().fold(text, |text, id| {
            let shown = format!("<@{}>", self.shown(id));
            text.replace(&format!("<@{id}>"), &shown)
                .replace(&format!("<@!{id}>"), &shown)
        })
    }
}

impl Veil {
    /// From all that was chosen in the guild.
    pub fn new(chosen: impl IntoIterator<Item = Privacy>) -> Self {
        let chosen: BTreeMap<UserId, Privacy> =
            chosen.into_iter().map(|it| (it.user_id, it)).collect();
        let hidden = chosen.values().filter(|it| it.tier == Tier::Everything);
        let hidden = hidden.map(|it| it.user_id).collect();
        Self { chosen, hidden }
    }

    fn tier(&self, user: UserId) -> Tier {
        self.chosen.get(&user).map_or(Tier::None, |it| it.tier)
    }

    /// For a row in which these users are.
    fn nobodies(&self, users: impl IntoIterator<Item = UserId>) -> Nobodies<'_> {
        let nobodies = users.into_iter().filter(|it| it.is_anonymous());
        Nobodies {
            veil: self,
            given: nobodies.map(|it| it.0).max().unwrap_or(0),
            met: Vec::new(),
        }
    }

    /// The row of a guild.
    pub fn guild(&self, mut row: GuildRow) -> GuildRow {
        row.owner_id = self.nobodies([row.owner_id]).shown(row.owner_id);
        row
    }

    /// The row of a channel or thread.
    pub fn channel(&self, mut row: ChannelRow) -> ChannelRow {
        row.owner_id = row.owner_id.filter(|it| !self.hidden.contains(it));
        let hidden = |id: u64| self.hidden.contains(&UserId(id));
        row.overwrites
            .retain(|it| it.kind != OverwriteKind::Member || !hidden(it.id));
        row
    }

    /// The row of a member; and for one of whom nothing is to be shown, the row of a nobody too: there
    /// are as many as can be met in one row.
    pub fn member(&self, member: &Member) -> Vec<MemberRow> {
        let mut row = MemberRow::from(member);
        let Some(chosen) = self.chosen.get(&member.user_id) else {
            return vec![row];
        };
        row.privacy = Some(chosen.tier).filter(|tier| *tier != Tier::None);
        row.forgotten_at = chosen.forgotten;
        if chosen.tier.shows_names() {
            return vec![row];
        }
        row.username = format!("member-{:05x}", member.user_id.anonymous().0);
        row.global_name = None;
        row.discriminator = None;
        row.nick = None;
        row.roles.clear();
        row.role_history = None;
        row.joined_at = None;
        if chosen.tier < Tier::Everything {
            return vec![row];
        }
        let number = self.hidden.range(..=member.user_id).count();
        let nobody = MemberRow {
            user_id: UserId::nobody(number as u64),
            username: String::new(),
            bot: false,
            system: None,
            forgotten_at: None,
            // When one of them left would tell who it is.
            member: true,
            left_at: None,
            ..row.clone()
        };
        row.username.clear();
        row.bot = false;
        row.system = None;
        row.member = false;
        row.left_at = None;
        vec![nobody, row]
    }

    /// The row of a message. Of who shows nothing, only thanks in a props channel remain, without
    /// words and by nobody: they belong to those who were thanked.
    pub fn message(&self, state: &MessageState, props_channel: bool) -> Option<MessageRow> {
        let mut row = MessageRow::from(state);
        let Some(message) = state.message() else {
            return Some(row);
        };
        let speaker = message.speaker();
        let tier = speaker.map_or(Tier::None, |it| self.tier(it));
        if !tier.keeps_content() {
            row.content = Some(String::new());
        }
        let written = speaker == Some(message.author.id);
        if tier == Tier::Everything {
            let thanks = props_channel && !message.mentions.is_empty();
            if written && !thanks {
                return None;
            }
            row.command = None;
            row.reply_to = None;
        }
        let mentioned = row.mentions.iter().map(|it| it.user_id);
        let mut nobodies = self.nobodies(mentioned.chain(row.author_id));
        if written {
            row.author_id = row.author_id.map(|it| nobodies.shown(it));
        }
        for mention in &mut row.mentions {
            mention.user_id = nobodies.shown(mention.user_id);
        }
        row.content = row.content.map(|it| nobodies.renamed(it));
        row.mentions.sort_unstable();
        Some(row)
    }

    /// The row of a reaction.
    pub fn reaction(&self, reaction: &Reaction) -> Option<ReactionRow> {
        let user = reaction.user_id;
        let shown = !user.is_anonymous() && !self.hidden.contains(&user);
        shown.then(|| ReactionRow::from(reaction))
    }

    /// The row of props.
    pub fn props(&self, props: &Props) -> Option<PropsRow> {
        if props.receivers.is_empty() {
            // Of who asked to be forgotten.
            return None;
        }
        let mut row = PropsRow::from(props);
        if !self.tier(props.giver).keeps_content() {
            row.reason.clear();
        }
        let users = props.receivers.iter().copied();
        let mut nobodies = self.nobodies(users.chain([props.giver]));
        row.giver_id = nobodies.shown(props.giver);
        for receiver in &mut row.receiver_ids {
            *receiver = nobodies.shown(*receiver);
        }
        row.reason = nobodies.renamed(row.reason);
        row.receiver_ids.sort_unstable();
        row.receiver_ids.dedup();
        Some(row)
    }
}
