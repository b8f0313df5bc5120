//! Who received the most props, and why: the graph's story in plain data.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    members::Members,
    props::{Props, Rules, props},
};
use propsbot_model::{MessageId, UserId};
use propsbot_rows::Snapshot;

/// A member's place among those who gave or received props.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderboardEntry {
    /// The member.
    pub member: UserId,
    /// What others call them, as typed: escape before showing.
    pub name: String,
    /// How many props messages thank them.
    pub received: usize,
    /// How many reactions stand on those.
    pub reactions: usize,
    /// How many props messages they gave.
    pub given: usize,
    /// The props they received: first those with most reactions, then the latest.
    pub thanks: Vec<Thanks>,
}

/// Props as one receiver sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thanks {
    /// The message.
    pub message: MessageId,
    /// Who gave them.
    pub giver: UserId,
    /// What others call the giver, as typed.
    pub giver_name: String,
    /// What for, as typed, but with names instead of ids.
    pub reason: String,
    /// How many reactions stand on them.
    pub reactions: usize,
}

/// Everyone who gave or received props: first who received most, then whose props found most
/// reactions, then the oldest account.
pub fn standings(snapshot: &Snapshot) -> Vec<LeaderboardEntry> {
    let rules = Rules::new(snapshot);
    let members = &rules.members;
    let mut standings = BTreeMap::new();
    for (message, props) in props(snapshot, &rules) {
        if members.get(props.giver).is_some() {
            of(&mut standings, props.giver, members).given += 1;
        }
        for receiver in props.receivers.keys() {
            let standing = of(&mut standings, *receiver, members);
            standing.received += 1;
            standing.reactions += props.reactions.len();
            standing.thanks.push(thanks(message, &props, members));
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
