//! Who received the most props, and what for.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    members::Members,
    props::{Props, Rules, props},
};
use propsbot_model::{MessageId, UserId};
use propsbot_rows::Snapshot;

/// A member who gave or received props.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderboardEntry {
    pub member: UserId,
    /// The name that others see. Raw: escape it before you show it.
    pub name: String,
    /// How many props messages thank them.
    pub received: usize,
    pub reactions: usize,
    /// How many props messages they gave.
    pub given: usize,
    /// The props they received: those with the most reactions first, then the latest.
    pub thanks: Vec<Thanks>,
}

/// Props from one receiver's point of view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thanks {
    pub message: MessageId,
    pub giver: UserId,
    /// The giver's name, raw.
    pub giver_name: String,
    /// What for, raw, but with names instead of ids.
    pub reason: String,
    pub reactions: usize,
}

/// Everyone who gave or received props. Members who received the most come first; ties are broken by the
/// reactions to their props, then by the age of the account.
pub fn standings(snapshot: &Snapshot) -> Vec<LeaderboardEntry> {
    let rules = Rules::new(snapshot);
    let members = &rules.members;
    let mut standings = BTreeMap::new();
    for (key, props) in props(snapshot, &rules) {
        if members.get(props.giver).is_some() {
            of(&mut standings, props.giver, members).given += 1;
        }
        for receiver in props.receivers.keys() {
            let standing = of(&mut standings, *receiver, members);
            standing.received += 1;
            standing.reactions += props.reactions.len();
            standing.thanks.push(thanks(key.message, &props, members));
        }
    }

    let mut standings: Vec<LeaderboardEntry> = standings.into_values().collect();
    standings.sort_by_key(|standing| {
        Reverse((
            standing.received,
            standing.reactions,
            Reverse(standing.member),
        ))
    });
    for standing in &mut standings {
        let thanks = &mut standing.thanks;
        thanks.sort_by_key(|thank| Reverse((thank.reactions, thank.message)));
    }
    standings
}

fn of<'a>(
    standings: &'a mut BTreeMap<UserId, LeaderboardEntry>,
    member: UserId,
    members: &Members<'_>,
) -> &'a mut LeaderboardEntry {
    standings.entry(member).or_insert_with(|| LeaderboardEntry {
        member,
        name: members.name(member),
        received: 0,
        reactions: 0,
        given: 0,
        thanks: Vec::new(),
    })
}

fn thanks(message: MessageId, props: &Props<'_>, members: &Members<'_>) -> Thanks {
    Thanks {
        message,
        giver: props.giver,
        giver_name: members.name(props.giver),
        reason: members.named_in(props.reason),
        reactions: props.reactions.len(),
    }
}
