//! Fields that Discord sent in an unreadable form: their value is unknown, not empty or zero.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::Stamp;

/// Defines the fields of records, each with its number and what people call it.
macro_rules! all_fields {
    ($($(#[doc = $doc:literal])* $field:ident = $number:literal, $shown:literal;)*) => {
        /// A field of a record. The numbers are stored: never change or reuse one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Field {
            $($(#[doc = $doc])* $field = $number,)*
        }

        impl Field {
            const ALL: [Self; 27] = [$(Self::$field,)*];
        }

        impl fmt::Display for Field {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$field => $shown,)*
                })
            }
        }
    };
}

all_fields! {
    /// The name of anything, including usernames.
    Name = 1, "name";
    Owner = 2, "owner";
    /// The type of a channel or message.
    Kind = 3, "type";
    /// A channel's category or a thread's channel.
    Parent = 4, "parent";
    Position = 5, "position";
    Nsfw = 6, "age restriction";
    Overwrites = 7, "permission overwrites";
    Archived = 8, "archived flag";
    ArchiveTimestamp = 9, "archive timestamp";
    Permissions = 10, "permissions";
    Managed = 11, "managed flag";
    Animated = 12, "animated flag";
    /// A user's display name.
    GlobalName = 13, "display name";
    Discriminator = 14, "discriminator";
    Bot = 15, "bot flag";
    /// Whether a user belongs to Discord itself.
    System = 16, "system flag";
    Nick = 17, "nickname";
    Roles = 18, "roles";
    JoinedAt = 19, "joining time";
    Author = 20, "author";
    Content = 21, "text";
    Mentions = 22, "mentions";
    ReplyTo = 23, "reply";
    Command = 24, "command";
    EditedAt = 25, "editing time";
    /// Discord's reaction counts.
    Reactions = 26, "reaction counts";
    /// A channel's last message.
    LastMessage = 27, "last message";
}

/// Marks a field that was never read because every value was malformed.
const ODD: Stamp = Stamp(0);

/// Marks a field that was never read because it was absent.
const UNTOLD: Stamp = Stamp(-1);

/// The fields of a record that couldn't be read when it was last seen.
///
/// Maps each field to the time when its current value was seen, or to `ODD` or `UNTOLD` if that
/// value is a default.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unread(BTreeMap<u8, Stamp>);

impl Unread {
    /// Notes an unreadable field.
    pub fn add(&mut self, field: Field) {
        self.0.insert(field as u8, ODD);
    }

    /// Notes a missing field that Discord documents as always present.
    pub fn add_untold(&mut self, field: Field) {
        self.0.insert(field as u8, UNTOLD);
    }

    /// The malformed fields of a sighting. Absent fields are fine: servers other than Discord omit
    /// some.
    #[must_use]
    pub fn odd(&self) -> Self {
        let odd = self.0.iter().filter(|(_, seen)| **seen == ODD);
        Self(odd.map(|(field, seen)| (*field, *seen)).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn has(&self, field: Field) -> bool {
        self.0.contains_key(&(field as u8))
    }

    /// Whether the field was never read, so its value is a default.
    pub fn never_read(&self, field: Field) -> bool {
        self.0.get(&(field as u8)).is_some_and(|seen| *seen <= ODD)
    }

    pub fn fields(&self) -> impl Iterator<Item = Field> {
        let all = Field::ALL.into_iter();
        all.filter(|field| self.has(*field))
    }

    /// Records when the current value of a field was seen.
    pub(super) fn stands(&mut self, field: Field, seen: Stamp) {
        self.0.insert(field as u8, seen);
    }

    pub(super) fn forget(&mut self, field: Field) {
        self.0.remove(&(field as u8));
    }
}

/// Field names, separated by commas.
impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.fields().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{field}")?;
        }
        Ok(())
    }
}

/// A record whose individual fields can be unknown.
pub trait Fields {
    fn unread(&self) -> &Unread;

    fn unread_mut(&mut self) -> &mut Unread;

    /// Copies a field's value.
    fn take(&mut self, field: Field, from: &Self);

    /// Fills unreadable fields from another sighting if it is newer than their value. `at` is when
    /// this record was seen. The order of sightings doesn't matter.
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

/// Implements [`Fields`] for a record with an `unread` field.
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

    /// A sighting of a role. Its position is the time; its name may be unreadable.
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
    fn unreadable_fields_keep_known_values() {
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
        fn unreadable_fields_merge_in_any_order(
            names in prop::collection::vec(prop::option::of("[a-c]"), 1..6),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let all: Vec<(i64, Option<&str>)> =
                (1..).zip(names.iter().map(Option::as_deref)).collect();
            let mut other: Vec<_> = order.iter().map(|index| *index.get(&all)).collect();
            other.extend(all.iter().rev());
            prop_assert_eq!(seen(&other), seen(&all));
            // The last readable name wins.
            let known = all.iter().rev().find_map(|(_, name)| *name).unwrap_or_default();
            prop_assert_eq!(seen(&all).name, known);
        }
    }
}
