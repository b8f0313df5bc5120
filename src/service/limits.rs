//! The limits on giving props: the quota, the cooldown per recipient, and commands per minute.
//!
//! The quota is the graph's own, so it counts plain messages too. Props that were taken back no longer
//! use the quota, but they pinged people: cooldowns continue, and pings have a limit of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::{GiveProps, Refusal, ServiceError};
use propsbot_jobs::quota;
use propsbot_model::{GuildId, InteractionId, Millis, Settings, UserId};
use propsbot_store::Store;

/// With props taken back, commands may ping this many times as many members as the quota allows.
const PINGS: u32 = 2;

const MINUTE_MS: i64 = 60_000;

/// Props that are being given right now, so that two at once both count, and those of the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<Given>>);

#[derive(Debug, Default)]
struct Given {
    flying: BTreeMap<InteractionId, PendingProps>,
    /// The ids under which a member gave props, with their runs.
    recent: BTreeMap<(GuildId, UserId), Vec<(InteractionId, InteractionId)>>,
}

#[derive(Clone, Debug)]
pub(super) struct PendingProps {
    pub(super) id: InteractionId,
    pub(super) guild_id: GuildId,
    pub(super) giver: UserId,
    pub(super) receivers: Vec<UserId>,
    /// The run that gives: the command's, or that of the form that was sent.
    pub(super) run: InteractionId,
}

/// What else the giver gives at the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    flying: Vec<PendingProps>,
    /// When the giver gave props in the last minute.
    recent: Vec<Millis>,
}

/// Removes props in flight when they are recorded or refused.
pub(super) struct InFlightGuard {
    all: InFlight,
    id: InteractionId,
    run: InteractionId,
    said: bool,
}

impl InFlight {
    /// Starts giving props; `None` if these are in flight already. Also returns the giver's others.
    pub(super) fn begin(&self, entry: PendingProps) -> Option<(InFlightGuard, Others)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, run, giver) = (entry.id, entry.run, (entry.guild_id, entry.giver));
        let is_recent = |at: Millis| run.created_at().0 - at.0 < MINUTE_MS;
        let of_giver = |other: &&PendingProps| (other.guild_id, other.giver) == giver;
        let flying = all.flying.values().filter(of_giver).cloned().collect();
        if all.flying.contains_key(&id) {
            return None;
        }
        all.recent.retain(|_, given| {
            given.retain(|(_, run)| is_recent(run.created_at()));
            !given.is_empty()
        });
        let recent = all.recent.entry(giver).or_default();
        let others = Others {
            flying,
            recent: recent.iter().map(|(_, run)| run.created_at()).collect(),
        };
        recent.push((id, run));
        all.flying.insert(id, entry);
        let all = self.clone();
        let flying = InFlightGuard {
            all,
            id,
            run,
            said: false,
        };
        Some((flying, others))
    }

    /// Discord refused the message, so the command doesn't count towards the limit per minute.
    pub(super) fn not_said(&self, id: InteractionId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for given in all.recent.values_mut() {
            given.retain(|(given, _)| *given != id);
        }
    }
}

impl InFlightGuard {
    /// The props are recorded, and about to be posted.
    pub(super) fn said(mut self) {
        self.said = true;
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let mut all = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.said {
            for given in all.recent.values_mut() {
                given.retain(|(_, run)| *run != self.run);
            }
        }
        all.flying.remove(&self.id);
    }
}

/// Checks quota, cooldown and pings as of the time the command was run.
pub(super) fn check_limits(
    store: &Store,
    settings: &Settings,
    wish: &GiveProps,
    receivers: &BTreeSet<UserId>,
    others: &Others,
) -> Result<(), ServiceError> {
    let now = wish.at();
    too_fast(settings.per_minute, &others.recent)?;
    let cooldown = i64::from(settings.cooldown_minutes) * MINUTE_MS;
    let used_since = settings.quota.map_or(now, |_| quota::since(settings, now));
    let since = Millis((now.0 - cooldown).min(used_since.0));
    let mut given = if cooldown == 0 && settings.quota.is_none() {
        Vec::new()
    } else {
        quota::commands_since(store, (wish.guild_id, wish.giver.id), since)?
    };
    let is_flying = |id: InteractionId| others.flying.iter().any(|entry| entry.id == id);
    given.retain(|props| quota::may_be_said(props, now) && !is_flying(props.id));

    // Times and recipients, including props in flight.
    let flying = others.flying.iter();
    let flying = flying.map(|entry| (entry.run.created_at(), &entry.receivers));
    let said = given
        .iter()
        .map(|props| (quota::given_at(props), &props.receivers));
    let pinged: Vec<(Millis, &Vec<UserId>)> = said.chain(flying).collect();
    let mut again = pinged.iter().filter_map(|(at, to)| {
        let again = Millis(at.0 + cooldown);
        let to = to.iter().find(|user| receivers.contains(user))?;
        (cooldown > 0 && again > now).then_some((again, *to))
    });
    if let Some((first, to)) = again.next() {
        let last = again.fold((first, to), Ord::max);
        return Err(Refusal::TooSoon {
            to: last.1,
            again: last.0,
        }
        .into());
    }
    let Some(of) = settings.quota else {
        return Ok(());
    };
    let wanted = count(receivers.len());
    let pending = others
        .flying
        .iter()
        .map(|entry| entry.receivers.len())
        .sum();
    let by = (wish.guild_id, wish.giver.id);
    let used = quota::used(store, settings, by, now, &given)?;
    let used = used.thanks.saturating_add(count(pending));
    let end = of.period.end(now);
    if used.saturating_add(wanted) > of.count {
        return Err(Refusal::QuotaReached {
            quota: of,
            left: of.count.saturating_sub(used),
            again: (wanted <= of.count).then_some(end),
        }
        .into());
    }
    let start = of.period.start(now);
    let pings = pinged.iter().filter(|(at, _)| *at >= start);
    let pings = count(pings.map(|(_, to)| to.len()).sum());
    if pings.saturating_add(wanted) > of.count.saturating_mul(PINGS) {
        return Err(Refusal::TooManyTakenBack { again: end }.into());
    }
    Ok(())
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// Checks the limit of commands per minute; `recent` is sorted.
fn too_fast(per_minute: u32, recent: &[Millis]) -> Result<(), Refusal> {
    if per_minute == 0 || count(recent.len()) < per_minute {
        return Ok(());
    }
    // The oldest of these has to be more than a minute ago.
    let over = recent.len() - per_minute as usize;
    let mut recent = recent.to_vec();
    recent.sort_unstable();
    Err(Refusal::TooFast {
        per_minute,
        again: Millis(recent[over].0 + MINUTE_MS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: u64, giver: u64) -> PendingProps {
        PendingProps {
            id: InteractionId(id),
            guild_id: GuildId(1),
            giver: UserId(giver),
            receivers: vec![UserId(9)],
            run: InteractionId(id),
        }
    }

    #[test]
    fn props_in_flight_count_once_until_they_are_done() {
        let all = InFlight::default();
        let ids = |others: Others| {
            others
                .flying
                .iter()
                .map(|props| props.id.0)
                .collect::<Vec<_>>()
        };
        let (first, others) = all.begin(entry(1, 5)).unwrap();
        assert!(others.flying.is_empty());
        assert!(all.begin(entry(1, 5)).is_none(), "it is under way");
        let (_second, others) = all.begin(entry(2, 5)).unwrap();
        assert_eq!(ids(others), [1]);
        let (_another, others) = all.begin(entry(3, 6)).unwrap();
        assert!(others.flying.is_empty(), "somebody else's");
        drop(first);
        let (_third, others) = all.begin(entry(4, 5)).unwrap();
        assert_eq!(ids(others), [2]);
        assert!(all.begin(entry(1, 5)).is_some(), "it is done");
    }

    #[test]
    fn refused_messages_do_not_count_as_recent() {
        const START: i64 = 1_700_000_000_000;
        let all = InFlight::default();
        let begin = |id: u64, at: i64| {
            let entry = PendingProps {
                run: InteractionId::at(Millis(START + at)),
                ..entry(id, 5)
            };
            let (flying, others) = all.begin(entry).unwrap();
            let recent = others.recent.iter().map(|at| at.0 - START);
            (flying, recent.collect::<Vec<_>>())
        };
        begin(1, 0).0.said();
        drop(begin(2, 10_000));
        let (third, recent) = begin(3, 20_000);
        assert_eq!(recent, [0], "the second was refused");
        third.said();
        all.not_said(InteractionId(3));
        begin(4, 30_000).0.said();
        assert_eq!(begin(5, 60_000).1, [30_000], "the first is a minute ago");
    }

    #[test]
    fn too_many_in_a_minute_says_when_it_is_possible_again() {
        let recent = [1, 5, 9].map(|at| Millis(at * 1_000));
        assert_eq!(too_fast(0, &recent), Ok(()));
        assert_eq!(too_fast(4, &recent), Ok(()));
        let again = |per_minute| match too_fast(per_minute, &recent) {
            Err(Refusal::TooFast { again, .. }) => again.0,
            other => panic!("{other:?}"),
        };
        assert_eq!((again(3), again(1)), (61_000, 69_000));
    }
}
