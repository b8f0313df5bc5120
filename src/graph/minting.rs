//! How much cred props and the reactions to them mint.
//!
//! Reactions follow SourceCred's Discord plugin (`plugins/discord/reactionWeights.js`): role × channel ×
//! emoji and, if reactions are averaged, divided by the number of members who reacted. Unlike there, props
//! mint cred themselves: the giver's role × channel.

use std::collections::{BTreeMap, BTreeSet};

use super::{Weights, channels::Channels, props::Props, weights::RolesAsOf};
use propsbot_model::{EmojiKey, GuildId, Millis, RoleId, UserId};
use propsbot_rows::{MemberRow, Snapshot};
use propsbot_sourcecred::Weight;

/// The weights, applied to a snapshot's members and channels.
pub(super) struct Minting<'a> {
    weights: &'a Weights,
    channels: &'a Channels<'a>,
    members: BTreeMap<(GuildId, UserId), &'a MemberRow>,
    /// When each of these roles was deleted.
    deleted: BTreeMap<RoleId, Millis>,
}

/// The factors that everything about one props message has in common.
pub(super) struct Factors {
    channel: Weight,
    /// Each reaction's, if they are averaged; else 1.
    reaction: Weight,
}

impl<'a> Minting<'a> {
    pub(super) fn new(
        snapshot: &'a Snapshot,
        weights: &'a Weights,
        channels: &'a Channels<'a>,
    ) -> Self {
        let members = snapshot.members.iter();
        let roles = snapshot.roles.iter();
        Self {
            weights,
            channels,
            members: members
                .map(|row| ((row.guild_id, row.user_id), row))
                .collect(),
            deleted: roles
                .filter_map(|row| Some((row.id, row.deleted_at?)))
                .collect(),
        }
    }

    /// The factors of these props; `None` if the channel's weight is 0.
    pub(super) fn factors(&self, props: &Props<'_>) -> Option<Factors> {
        let channel = self
            .weights
            .of_channel(self.channels.outwards(props.channel));
        (channel > Weight::ZERO).then(|| Factors {
            channel,
            reaction: self.averaging(props),
        })
    }

    /// How much the props mint, as a factor of their type's weight.
    pub(super) fn of_props(&self, props: &Props<'_>, factors: &Factors) -> Weight {
        let given = self.of_member(props.giver, props).and(factors.channel);
        match props.emoji {
            None => given,
            Some(_) => given.and(self.weights.reaction_thanks),
        }
    }

    pub(super) fn of_reaction(
        &self,
        emoji: &EmojiKey,
        by: UserId,
        props: &Props<'_>,
        factors: &Factors,
    ) -> Weight {
        let mut weight = self
            .of_member(by, props)
            .and(factors.channel)
            .and(self.weights.of_emoji(emoji))
            .and(factors.reaction);
        if props.receivers.contains_key(&by) {
            weight = weight.and(self.weights.receiver_reaction);
        }
        if by == props.giver {
            weight = weight.and(self.weights.giver_reaction);
        }
        weight
    }

    fn averaging(&self, props: &Props<'_>) -> Weight {
        if !self.weights.apply_averaging {
            return Weight::ONE;
        }
        let reacted: BTreeSet<UserId> = props.reactions.iter().map(|(_, user)| *user).collect();
        let others = reacted.into_iter().filter(|user| *user != props.giver);
        let reacted: f64 = others.map(|user| self.of_member(user, props).get()).sum();
        let whole = reacted + self.weights.confidence_dampener.get();
        // If there is nobody to average over, SourceCred doesn't.
        if whole > 0.0 {
            Weight::part_of(whole)
        } else {
            Weight::ONE
        }
    }

    fn of_member(&self, user: UserId, props: &Props<'_>) -> Weight {
        let row = self.members.get(&(props.guild, user));
        let (roles, at) = row.map_or((&[][..], None), |row| self.roles(row, props.given));
        let standing = roles.iter().filter(|role| {
            let deleted = self.deleted.get(role);
            deleted.is_none_or(|deleted| at.is_some_and(|at| at < *deleted))
        });
        self.weights.of_roles(standing.copied())
    }

    /// The roles that count, and the time they are of; `None` for today.
    fn roles<'b>(&self, row: &'b MemberRow, given: Millis) -> (&'b [RoleId], Option<Millis>) {
        let known = match self.weights.roles_as_of {
            RolesAsOf::Today => None,
            RolesAsOf::Giving => {
                let spans = row.role_history.iter().flatten();
                spans.take_while(|span| span.since <= given).last()
            }
        };
        match known {
            Some(span) => (span.roles.as_deref().unwrap_or_default(), Some(given)),
            None => (&row.roles, None),
        }
    }
}
