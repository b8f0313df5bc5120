//! How often props may be given: quotas, and waits between two thanks of the same one to the same
//! other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::{GiveProps, Refusal, ServiceError};
use crate::{
    model::{GuildId, InteractionId, Millis, Props, Settings, UserId},
    store::{Store, StoreError},
};

/// What is being given right now: so that a member who gives twice at once is not counted once.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<BTreeMap<InteractionId, Gift>>>);

#[derive(Clone, Debug)]
pub(super) struct Gift {
    pub(super) id: InteractionId,
    pub(super) guild_id: GuildId,
    pub(super) giver: UserId,
    pub(super) receivers: Vec<UserId>,
}

/// Takes a gift out when it is recorded, or was not to be.
pub(super) struct Flying {
    all: InFlight,
    id: InteractionId,
}

impl InFlight {
    /// Begins a gift; nothing if this very one is under way. Also returns the giver's other ones.
    pub(super) fn begin(&self, gift: Gift) -> Option<(Flying, Vec<Gift>)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_giver = |it: &&Gift| (it.guild_id, it.giver) == (gift.guild_id, gift.giver);
        let others = all.values().filter(of_giver).cloned().collect();
        let id = gift.id;
        if all.contains_key(&id) {
            return None;
        }
        all.insert(id, gift);
        let all = self.clone();
        Some((Flying { all, id }, others))
    }
}

impl Drop for Flying {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.id);
    }
}

/// The guild's props that stand and were given with commands since a time.
pub(super) fn props_since(
    store: &Store,
    guild: GuildId,
    since: Millis,
) -> Result<Vec<Props>, StoreError> {
    let from = InteractionId::at(since).0;
    let mut all = Vec::new();
    // A guild may have thousands of threads; in few of them props were given.
    let tallies = store.tallies(guild)?.into_iter();
    for tally in tallies.filter(|tally| tally.props > 0) {
        for props in store.props(tally.channel_id, from..=u64::MAX) {
            all.push(props?);
        }
    }
    all.retain(|it| it.withdrawn.is_none());
    Ok(all)
}

/// Whether the message that says so was seen, or may still be: Discord takes answers for 15 minutes.
/// What was not said by then never counts. Source:
/// <https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages>.
fn may_be_said(props: &Props, now: Millis) -> bool {
    let age = now.0 - props.id.created_at().0;
    props.message_id.is_some() || age <= 16 * 60_000
}

/// Quotas and cooldowns, as of when the command was run.
pub(super) fn check_limits(
    store: &Store,
    settings: &Settings,
    wish: &GiveProps,
    receivers: &BTreeSet<UserId>,
    others: &[Gift],
) -> Result<(), ServiceError> {
    let cooldown = i64::from(settings.cooldown_minutes) * 60_000;
    let period = settings.quota.map_or(0, |it| it.period.millis());
    let longest = cooldown.max(period);
    if longest == 0 {
        return Ok(());
    }
    let now = wish.id.created_at();
    // When, and whom: also what is being given at this moment.
    let mut given: BTreeMap<InteractionId, Vec<UserId>> = others
        .iter()
        .map(|it| (it.id, it.receivers.clone()))
        .collect();
    for props in props_since(store, wish.guild_id, Millis(now.0 - longest))? {
        if props.giver == wish.giver.id && may_be_said(&props, now) {
            given.insert(props.id, props.receivers);
        }
    }
    for (id, to) in given.iter().rev() {
        let again = Millis(id.created_at().0 + cooldown);
        let to = to.iter().find(|it| receivers.contains(it));
        if let Some(to) = to.filter(|_| cooldown > 0 && again > now) {
            return Err(Refusal::TooSoon { to: *to, again }.into());
        }
    }
    let Some(quota) = settings.quota else {
        return Ok(());
    };
    let wanted = u32::try_from(receivers.len()).unwrap_or(u32::MAX);
    // When each of the thanks ceases to count, the first first.
    let ends: Vec<Millis> = given
        .iter()
        .flat_map(|(id, to)| to.iter().map(move |_| Millis(id.created_at().0 + period)))
        .filter(|end| *end > now)
        .collect();
    let used = u32::try_from(ends.len()).unwrap_or(u32::MAX);
    if used.saturating_add(wanted) <= quota.count {
        return Ok(());
    }
    // So many have to cease to count.
    let many = used.saturating_add(wanted) - quota.count;
    let again = (wanted <= quota.count)
        .then(|| ends.get(many as usize - 1).copied())
        .flatten();
    Err(Refusal::QuotaReached {
        quota,
        left: quota.count.saturating_sub(used),
        again,
    }
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, MessageId, PropsOrigin};

    fn gift(id: u64, giver: u64) -> Gift {
        Gift {
            id: InteractionId(id),
            guild_id: GuildId(1),
            giver: UserId(giver),
            receivers: vec![UserId(9)],
        }
    }

    #[test]
    fn what_was_not_said_within_a_quarter_of_an_hour_counts_in_no_quota() {
        let given = |minutes: i64, message: Option<u64>| Props {
            id: InteractionId::at(Millis(1_700_000_000_000 - minutes * 60_000)),
            guild_id: GuildId(1),
            channel_id: ChannelId(2),
            message_id: message.map(MessageId),
            giver: UserId(5),
            receivers: vec![UserId(9)],
            reason: String::new(),
            origin: PropsOrigin::Command,
            withdrawn: None,
            about: None,
        };
        let now = Millis(1_700_000_000_000);
        for (props, counts) in [
            (given(1, None), true),
            (given(15, None), true),
            (given(17, None), false),
            (given(17, Some(7)), true),
        ] {
            assert_eq!(may_be_said(&props, now), counts, "{props:?}");
        }
    }

    #[test]
    fn a_giver_is_seen_giving_until_it_is_done_and_never_the_same_twice() {
        let all = InFlight::default();
        let ids = |others: Vec<Gift>| others.iter().map(|it| it.id.0).collect::<Vec<_>>();
        let (first, others) = all.begin(gift(1, 5)).unwrap();
        assert!(others.is_empty());
        assert!(all.begin(gift(1, 5)).is_none(), "it is under way");
        let (_second, others) = all.begin(gift(2, 5)).unwrap();
        assert_eq!(ids(others), [1]);
        let (_another, others) = all.begin(gift(3, 6)).unwrap();
        assert!(others.is_empty(), "somebody else's");
        drop(first);
        let (_third, others) = all.begin(gift(4, 5)).unwrap();
        assert_eq!(ids(others), [2]);
        assert!(all.begin(gift(1, 5)).is_some(), "it is done");
    }
}
