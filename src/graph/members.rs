//! Members: their names and the addresses of their nodes.

use std::collections::BTreeMap;

use super::prefix;
use propsbot_model::{Tier, UserId};
use propsbot_rows::{MemberRow, Snapshot};
use propsbot_sourcecred::{IdentityType, NodeAddress, description};

/// How much of a username a description shows, in UTF-16 code units, as in SourceCred's Discord plugin.
const NAME_UNITS: usize = 20;

/// The name of members who are unknown or opted out of everything.
const UNNAMED: &str = "someone";

/// Every user with a row in the archive. That includes members who left, because their props are
/// history. Users without a row aren't in the graph: they were mentioned but never seen, or their
/// data was deleted.
pub(super) struct Members<'a>(BTreeMap<UserId, Member<'a>>);

#[derive(Clone, Copy)]
pub(super) struct Member<'a>(&'a MemberRow);

impl<'a> Members<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut members = BTreeMap::<_, Member<'a>>::new();
        for row in &snapshot.members {
            // A user in several guilds is one node, with the name from the first guild that has one.
            let rank = |row: &MemberRow| (row.username.is_empty(), row.guild_id);
            members
                .entry(row.user_id)
                .and_modify(|known| {
                    if rank(row) < rank(known.0) {
                        *known = Member(row);
                    }
                })
                .or_insert(Member(row));
        }
        Self(members)
    }

    pub(super) fn get(&self, id: UserId) -> Option<Member<'a>> {
        self.0.get(&id).copied()
    }

    /// All members, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = Member<'a>> {
        self.0.values().copied()
    }

    /// The user's display name. Raw: escape it before you show it.
    pub(super) fn name(&self, id: UserId) -> String {
        match self.get(id) {
            Some(member) => member.name(),
            None => UNNAMED.to_owned(),
        }
    }

    /// The text with names in place of ids: `<@7>` becomes `@Ana`, and `<:wow:8>` becomes `:wow:`.
    pub(super) fn named_in(&self, text: &str) -> String {
        let mut named = String::new();
        let mut rest = text;
        while let Some((before, from)) = rest.split_once('<') {
            named.push_str(before);
            let inside = from.split_once('>').map_or("", |(inside, _)| inside);
            if let Some(user) = mentioned(inside) {
                named.push('@');
                named.push_str(&self.name(user));
            } else if let Some(name) = emoji_name(inside) {
                named.push(':');
                named.push_str(name);
                named.push(':');
            } else {
                named.push('<');
                rest = from;
                continue;
            }
            rest = &from[inside.len() + 1..];
        }
        named + rest
    }
}

/// The user mentioned by the inside of `<…>`.
fn mentioned(inside: &str) -> Option<UserId> {
    let id = inside.strip_prefix('@')?;
    id.strip_prefix('!').unwrap_or(id).parse().ok()
}

/// The name of the custom emoji in the inside of `<…>`.
fn emoji_name(inside: &str) -> Option<&str> {
    let named = inside.strip_prefix('a').unwrap_or(inside);
    let (name, id) = named.strip_prefix(':')?.split_once(':')?;
    let is_id = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
    is_id.then_some(name)
}

impl<'a> Member<'a> {
    pub(super) fn of(row: &'a MemberRow) -> Self {
        Self(row)
    }

    pub(super) fn id(self) -> UserId {
        self.0.user_id
    }

    /// Whether it is a bot or Discord's own account, which SourceCred treats like a bot.
    pub(super) fn is_bot(self) -> bool {
        self.0.bot || self.0.system == Some(true)
    }

    /// Whether it is the pseudonym of members who opted out of everything.
    pub(super) fn is_nobody(self) -> bool {
        self.id().is_anonymous() && self.is_hidden()
    }

    /// Whether it is a member who opted out of everything, or the pseudonym of such members.
    pub(super) fn is_hidden(self) -> bool {
        self.0.privacy == Some(Tier::Everything)
    }

    /// The identity type in SourceCred's ledger.
    pub(super) fn identity_type(self) -> IdentityType {
        if self.is_bot() {
            IdentityType::Bot
        } else {
            IdentityType::User
        }
    }

    /// `user` or `bot`, as in SourceCred's addresses.
    pub(super) fn kind(self) -> &'static str {
        if self.is_bot() { "bot" } else { "user" }
    }

    pub(super) fn nick(self) -> Option<&'a str> {
        self.0.nick.as_deref()
    }

    pub(super) fn username(self) -> &'a str {
        &self.0.username
    }

    /// The display name. Raw: escape it before you show it.
    pub(super) fn name(self) -> String {
        let shown = self.0.nick.as_ref().or(self.0.global_name.as_ref());
        let name = shown.unwrap_or(&self.0.username);
        if self.is_nobody() {
            UNNAMED.to_owned()
        } else if name.is_empty() {
            self.id().to_string()
        } else {
            name.clone()
        }
    }

    pub(super) fn address(self) -> NodeAddress {
        prefix::members(self.is_bot()).with(&[&self.id()])
    }

    /// The node's description, identical to that of SourceCred's Discord plugin. Two plugins in one
    /// instance must describe the same node alike.
    pub(super) fn label(self) -> String {
        if self.is_nobody() {
            return "discord/anonymous#0".to_owned();
        }
        let name = if self.0.username.is_empty() {
            self.id().to_string()
        } else {
            description::escaped(&self.0.username, NAME_UNITS)
        };
        format!("discord/{name}#{}", self.discriminator())
    }

    /// The four digits that bots still have and people had; `0` without them.
    pub(super) fn discriminator(self) -> String {
        match self.0.discriminator {
            Some(digits) => format!("{digits:04}"),
            None => "0".to_owned(),
        }
    }
}
