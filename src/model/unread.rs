//! Fields that Discord told in a form that cannot be read: unknown, which is neither empty nor zero.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::Stamp;

/// A field of a record. The number is stored: never change one, never use one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Field {
    /// The name of anything, and the username.
    Name = 1,
    /// Who owns it.
    Owner = 2,
    /// The type of a channel or message.
    Kind = 3,
    /// A channel's category, a thread's channel.
    Parent = 4,
    /// The place among its siblings.
    Position = 5,
    /// Whether a channel is age-restricted.
    Nsfw = 6,
    /// A channel's overwrites.
    Overwrites = 7,
    /// Whether a thread is archived.
    Archived = 8,
    /// When a thread was archived.
    ArchiveTimestamp = 9,
    /// A role's permissions.
    Permissions = 10,
    /// Whether a role belongs to an integration.
    Managed = 11,
    /// Whether an emoji moves.
    Animated = 12,
    /// The name that a user shows.
    GlobalName = 13,
    /// A bot's four digits.
    Discriminator = 14,
    /// Whether a user is a bot.
    Bot = 15,
    /// Whether a user is Discord's own.
    System = 16,
    /// A member's name in the guild.
    Nick = 17,
    /// A member's roles.
    Roles = 18,
    /// When a member joined.
    JoinedAt = 19,
    /// What wrote a message.
    Author = 20,
    /// A message's text.
    Content = 21,
    /// Whom a message mentions.
    Mentions = 22,
    /// What a message answers.
    ReplyTo = 23,
    /// The command that a message answers.
    Command = 24,
    /// When a message was edited.
    EditedAt = 25,
    /// How often a message was reacted to.
    Reactions = 26,
    /// Which message is a channel's last.
    LastMessage = 27,
}

impl Field {
    const ALL: [Self; 27] = [
        Self::Name,
        Self::Owner,
        Self::Kind,
        Self::Parent,
        Self::Position,
        Self::Nsfw,
        Self::Overwrites,
        Self::Archived,
        Self::ArchiveTimestamp,
        Self::Permissions,
        Self::Managed,
        Self::Animated,
        Self::GlobalName,
        Self::Discriminator,
        Self::Bot,
        Self::System,
        Self::Nick,
        Self::Roles,
        Self::JoinedAt,
        Self::Author,
        Self::Content,
        Self::Mentions,
        Self::ReplyTo,
        Self::Command,
        Self::EditedAt,
        Self::Reactions,
        Self::LastMessage,
    ];
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Owner => "owner",
            Self::Kind => "type",
            Self::Parent => "parent",
            Self::Position => "position",
            Self::Nsfw => "age restriction",
            Self::Overwrites => "permission overwrites",
            Self::Archived => "archived flag",
            Self::ArchiveTimestamp => "archive timestamp",
            Self::Permissions => "permissions",
            Self::Managed => "managed flag",
            Self::Animated => "animated flag",
            Self::GlobalName => "display name",
            Self::Discriminator => "discriminator",
            Self::Bot => "bot flag",
            Self::System => "system flag",
            Self::Nick => "nickname",
            Self::Roles => "roles",
            Self::JoinedAt => "joining time",
            Self::Author => "author",
            Self::Content => "text",
            Self::Mentions => "mentions",
            Self::ReplyTo => "reply",
            Self::Command => "command",
            Self::EditedAt => "editing time",
            Self::Reactions => "reaction counts",
            Self::LastMessage => "last message",
        })
    }
}

/// What stands for the time of a value that was never seen, where the field is odd.
const ODD: Stamp = Stamp(0);

/// The same where there was no such field.
const UNTOLD: Stamp = Stamp(-1);

/// The fields of a record that could not be read when it was last seen.
///
/// Each has the time at which the value that stands in its place was seen. Where none ever was, so
/// that a default stands there, it is `ODD` or `UNTOLD`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unread(BTreeMap<u8, Stamp>);

impl Unread {
    /// Notes that a field could not be read.
    pub fn add(&mut self, field: Field) {
        self.0.insert(field as u8, ODD);
    }

    /// Notes that a field was not told, although it always should be.
    pub fn add_untold(&mut self, field: Field) {
        self.0.insert(field as u8, UNTOLD);
    }

    /// Of a sighting: the fields that are not as Discord documents them. A server that is not
    /// Discord may leave fields out.
    #[must_use]
    pub fn odd(&self) -> Self {
        let odd = self.0.iter().filter(|(_, seen)| **seen == ODD);
        Self(odd.map(|(field, seen)| (*field, *seen)).collect())
    }

    /// Whether every field could be read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this field could not be read.
    pub fn has(&self, field: Field) -> bool {
        self.0.contains_key(&(field as u8))
    }

    /// Whether this field was never read, so that its value is a default.
    pub fn never_read(&self, field: Field) -> bool {
        self.0.get(&(field as u8)).is_some_and(|seen| *seen <= ODD)
    }

    /// The fields that could not be read.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        let all = Field::ALL.into_iter();
        all.filter(|field| self.has(*field))
    }

    /// Notes that what stands in a field's place was seen then.
    pub(super) fn stands(&mut self, field: Field, seen: Stamp) {
        self.0.insert(field as u8, seen);
    }

    /// Drops what does not matter any more.
    pub(super) fn forget(&mut self, field: Field) {
        self.0.remove(&(field as u8));
    }
}

/// The fields' names, separated by commas.
impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.fields().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{field}")?;
        }
        Ok(())
    }
}

/// A record of which single fields may be unknown.
pub trait Fields {
    /// Which are.
    fn unread(&self) -> &Unread;

    /// As [`Self::unread`], to be changed.
    fn unread_mut(&mut self) -> &mut Unread;

    /// Takes over a field's value.
    fn take(&mut self, field: Field, from: &Self);

    /// Of a record that was seen at `at`: takes what could not be read from what another sighting
    /// read, if that is newer than what stands there. Any order of sightings gives the same.
    fn fill(&mut self, at: Stamp, other: &Self, other_at: Stamp) {
        for field in Field::ALL {
            let number = field as u8;
            let Some(stands) = self.unread().0.get(&number).copied() else {
                continue;
            };
            let known = other.unread().0.get(&number).copied().unwrap_or(other_at);
            if known <= stands || known <= ODD {
                continue;
            }
            self.take(field, other);
            if known >= at {
                self.unread_mut().forget(field);
            } else {
                self.unread_mut().0.insert(number, known);
            }
        }
    }
}

/// Implements [`Fields`] for a record with a field `unread`: which [`Field`] is which of its fields.
macro_rules! fields {
    ($type:ty: $($field:ident => $name:ident),* $(,)?) => {
        impl $crate::Fields for $type {
            fn unread(&self) -> &$crate::Unread {
                &self.unread
            }

            fn unread_mut(&mut self) -> &mut $crate::Unread {
                &mut self.unread
            }

            fn take(&mut self, field: $crate::Field, from: &Self) {
                match field {
                    $($crate::Field::$field => self.$name.clone_from(&from.$name),)*
                    _ => {}
                }
            }
        }
    };
}
pub(super) use fields;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{GuildId, Role, RoleId, Tombstoned};

    /// A sighting of a role: when, its position, and its name if that could be read.
    fn sighting(position: i64, name: Option<&str>) -> Role {
        let mut unread = Unread::default();
        if name.is_none() {
            unread.add(Field::Name);
        }
        Role {
            id: RoleId(2),
            guild_id: GuildId(1),
            name: name.unwrap_or_default().to_owned(),
            position,
            permissions: 0,
            managed: false,
            unread,
        }
    }

    fn seen(all: &[(i64, Option<&str>)]) -> Role {
        let mut role = Tombstoned::default();
        for (at, name) in all {
            role.see(Stamp(*at), sighting(*at, *name));
        }
        role.ever().unwrap().clone()
    }

    #[test]
    fn an_unknown_field_leaves_what_is_known() {
        let role = seen(&[(1, Some("makers")), (2, None)]);
        assert_eq!((role.name.as_str(), role.position), ("makers", 2));
        assert!(role.unread.has(Field::Name) && !role.unread.never_read(Field::Name));
        let role = seen(&[(2, None)]);
        assert!(role.unread.never_read(Field::Name));
        let role = seen(&[(2, None), (3, Some("mentors"))]);
        assert_eq!(
            (role.name.as_str(), role.unread.is_empty()),
            ("mentors", true)
        );
    }

    proptest! {
        #[test]
        fn every_order_of_sightings_gives_the_same(
            names in prop::collection::vec(prop::option::of("[a-c]"), 1..6),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let all: Vec<(i64, Option<&str>)> =
                (1..).zip(names.iter().map(Option::as_deref)).collect();
            let mut other: Vec<_> = order.iter().map(|index| *index.get(&all)).collect();
            other.extend(all.iter().rev());
            prop_assert_eq!(seen(&other), seen(&all));
            // What stands is the last name that could be read.
            let known = all.iter().rev().find_map(|(_, name)| *name).unwrap_or_default();
            prop_assert_eq!(seen(&all).name, known);
        }
    }
}
