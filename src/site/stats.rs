//! Who thanked whom how often, and who did the most in a period.

use std::{cmp::Reverse, collections::BTreeMap};

use propsbot_archive::Millis;

use crate::{
    Cred,
    community::{Community, Thanks},
};

/// A community's thanks, by member.
pub(crate) struct Stats<'a> {
    /// By member.
    pub(crate) of: Vec<OfMember<'a>>,
    /// How often the first thanked the second, for those who show a name.
    pub(crate) pairs: BTreeMap<(usize, usize), u32>,
}

/// What a member received and gave, the oldest first.
#[derive(Default)]
pub(crate) struct OfMember<'a> {
    pub(crate) received: Vec<&'a Thanks>,
    pub(crate) given: Vec<&'a Thanks>,
    /// By week.
    pub(crate) cred: Option<&'a [f64]>,
}

/// A member and a number.
pub(crate) type Ranked = (usize, f64);

impl OfMember<'_> {
    /// Whether there is anything to show.
    pub(crate) fn is_active(&self) -> bool {
        !self.received.is_empty() || !self.given.is_empty() || self.total_cred() > 0.0
    }

    pub(crate) fn total_cred(&self) -> f64 {
        self.cred.unwrap_or_default().iter().sum()
    }

    /// With whom, the most frequent first: who thanked the member, or whom they thanked. `None` for all who show no name.
    pub(crate) fn partners(&self, is_received: bool) -> Vec<(Option<usize>, u32)> {
        let mut counts: BTreeMap<Option<usize>, u32> = BTreeMap::new();
        if is_received {
            for thanks in &self.received {
                *counts.entry(thanks.giver).or_default() += 1;
            }
        } else {
            for receiver in self.given.iter().flat_map(|thanks| &thanks.receivers) {
                *counts.entry(*receiver).or_default() += 1;
            }
        }
        let mut partners: Vec<_> = counts.into_iter().collect();
        partners.sort_by_key(|(member, count)| (Reverse(*count), member.is_none(), *member));
        partners
    }
}

impl<'a> Stats<'a> {
    pub(crate) fn new(community: &'a Community, cred: Option<&'a Cred>) -> Self {
        let members = &community.members;
        let cred = cred.map_or_else(
            || vec![None; members.len()],
            |cred| cred.of_members(members),
        );
        let with_cred = cred.into_iter().map(|cred| OfMember {
            cred,
            ..OfMember::default()
        });
        let mut of: Vec<OfMember<'a>> = with_cred.collect();
        let mut pairs = BTreeMap::new();
        for thanks in &community.thanks {
            if let Some(giver) = thanks.giver {
                of[giver].given.push(thanks);
            }
            for receiver in thanks.receivers.iter().flatten() {
                of[*receiver].received.push(thanks);
                if let Some(giver) = thanks.giver {
                    *pairs.entry((giver, *receiver)).or_default() += 1;
                }
            }
        }
        Self { of, pairs }
    }

    /// Who received, or gave, the most since a time.
    pub(crate) fn most(&self, is_received: bool, since: Millis) -> Vec<Ranked> {
        self.ranked(|of| {
            let thanks = if is_received { &of.received } else { &of.given };
            let before = thanks.partition_point(|thanks| thanks.at < since);
            f64::from(u32::try_from(thanks.len() - before).unwrap_or(u32::MAX))
        })
    }

    /// Who has the most cred of the weeks that begin at a time or later.
    pub(crate) fn most_cred(&self, cred: &Cred, since: Millis) -> Vec<Ranked> {
        let before = cred.weeks.partition_point(|week| *week < since);
        self.ranked(|of| {
            of.cred
                .and_then(|cred| cred.get(before..))
                .unwrap_or_default()
                .iter()
                .sum()
        })
    }

    fn ranked(&self, count: impl Fn(&OfMember<'a>) -> f64) -> Vec<Ranked> {
        let counted = self.of.iter().map(count).enumerate();
        let mut ranked: Vec<Ranked> = counted.filter(|(_, count)| *count > 0.0).collect();
        ranked.sort_by(|one, next| next.1.total_cmp(&one.1).then(one.0.cmp(&next.0)));
        ranked
    }
}
