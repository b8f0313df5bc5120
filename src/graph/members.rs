//! The people in the graph: who is known, where their node is, and what they are called.

use std::collections::BTreeMap;

use super::prefix;
use propsbot_model::{Tier, UserId};
use propsbot_rows::{MemberRow, Snapshot};
use propsbot_sourcecred::{IdentityType, NodeAddress, description};

/// How much of a username a description shows, in UTF-16 code units: as SourceCred's Discord plugin.
const NAME_UNITS: usize = 20;

/// Everyone of whom the archive has a row. Who left is among them: thanks are history. Who has no
/// row (somebody mentioned but never seen, or whose data was deleted) is nobody to the graph.
pub(super) struct Members<'a>(BTreeMap<UserId, Member<'a>>);

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct Member<'a>(&'a MemberRow);

impl<'a> Members<'a> {
    pub(super) fn new(snapshot: &'a Snapshot) -> Self {
        let mut members = BTreeMap::<_, Member<'a>>::new();
        for row in &snapshot.members {
            // A user of several guilds is one node: named as in the first where a name was seen.
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

    /// All of them, by id.
    pub(super) fn iter(&self) -> impl Iterator<Item = Member<'a>> {
        self.0.values().copied()
    }

    /// What people call a user, as they typed it: escape it before it goes anywhere.
    pub(super) fn name(&self, id: UserId) -> String {
        match self.get(id) {
            Some(member) => member.name(),
            None => "somebody".to_owned(),
        }
    }

    /// A text with names where Discord's spelling has ids: `<@7>` is `@Ana`, and `<:wow:8>` is
    /// `:wow:`.
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

/// The user whom the inside of `<…>` mentions.
fn mentioned(inside: &str) -> Option<UserId> {
    let id = inside.strip_prefix('@')?;
    id.strip_prefix('!').unwrap_or(id).parse().ok()
}

/// The name of the custom emoji that the inside of `<…>` is.
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

    /// Whether it is a bot, or Discord's own: SourceCred makes no difference.
    pub(super) fn is_bot(self) -> bool {
        self.0.bot || self.0.system == Some(true)
    }

    /// Whether it stands for somebody who wants nothing of theirs shown.
    pub(super) fn is_nobody(self) -> bool {
        self.id().is_anonymous() && self.0.privacy == Some(Tier::Everything)
    }

    /// What the account is to SourceCred's ledger.
    pub(super) fn identity_type(self) -> IdentityType {
        if self.is_bot() {
            IdentityType::Bot
        } else {
            IdentityType::User
        }
    }

    /// `user` or `bot`, as SourceCred's addresses say it.
    pub(super) fn kind(self) -> &'static str {
        if self.is_bot() { "bot" } else { "user" }
    }

    pub(super) fn nick(self) -> Option<&'a str> {
        self.0.nick.as_deref()
    }

    pub(super) fn username(self) -> &'a str {
        &self.0.username
    }

    /// The name that other members see.
    pub(super) fn name(self) -> String {
        let shown = self.0.nick.as_ref().or(self.0.global_name.as_ref());
        let name = shown.unwrap_or(&self.0.username);
        if self.is_nobody() {
            "somebody".to_owned()
        } else if name.is_empty() {
            self.id().to_string()
        } else {
            name.clone()
        }
    }

    pub(super) fn address(self) -> NodeAddress {
        prefix::members(self.is_bot()).with(&[&self.id()])
    }

    /// The description that SourceCred's Discord plugin gives to the same node: two plugins that
    /// describe one node differently cannot stand in one instance.
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

    /// The four digits that bots still have, and people had; `0` where there are none.
    pub(super) fn discriminator(self) -> String {
        match self.0.discriminator {
            Some(digits) => format!("{digits:04}"),
            None => "0".to_owned(),
        }
    }
}
