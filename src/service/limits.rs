//! How often props may be given: a quota, a wait between two thanks of the same one to the same other,
//! and how many commands in a minute. The quota is the graph's own, and counts plain messages too. What
//! is taken back no longer uses the quota, but it has pinged people: the waits go on, and so does a
//! bound on pings.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use super::{GiveProps, Refusal, ServiceError};
use crate::{
    archive::{
        Snapshot,
        rows::{ChannelRow, GuildRow, MemberRow, MessageRow, PropsRow},
    },
    graph::{self, Quotas, Rules},
    model::{
        AuthorKind, Channel, GuildId, InteractionId, Limits, MessageId, Millis, Props, Settings,
        UserId,
    },
    store::{Store, StoreError},
};

/// Commands may ping as many members as the quota allows, and this many times as many if props are
/// taken back again.
const PINGS: u32 = 2;

/// How much earlier than the message that says so props can have been begun: a form is open for at
/// most 15 minutes, and a message that could not be posted is tried again.
pub(super) const BEGUN_BEFORE_MS: i64 = 86_400_000;

const MINUTE_MS: i64 = 60_000;

/// What is being given right now, so that a member who gives twice at once is not counted once; and
/// what was given in the last minute.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<Given>>);

#[derive(Debug, Default)]
struct Given {
    flying: BTreeMap<InteractionId, Gift>,
    /// Under which ids a member gave props, and with which runs.
    recent: BTreeMap<(GuildId, UserId), Vec<(InteractionId, InteractionId)>>,
}

#[derive(Clone, Debug)]
pub(super) struct Gift {
    pub(super) id: InteractionId,
    pub(super) guild_id: GuildId,
    pub(super) giver: UserId,
    pub(super) receivers: Vec<UserId>,
    /// The run that gives: the command's, or that of the form that was sent.
    pub(super) run: InteractionId,
}

/// What else a giver gives at the same time.
#[derive(Clone, Debug, Default)]
pub(super) struct Others {
    flying: Vec<Gift>,
    /// When they gave in the last minute.
    recent: Vec<Millis>,
}

/// Takes a gift out when it is recorded, or was not to be.
pub(super) struct Flying {
    all: InFlight,
    id: InteractionId,
    run: InteractionId,
    said: bool,
}

impl InFlight {
    /// Begins a gift; nothing if this very one is under way. Also returns the giver's other ones.
    pub(super) fn begin(&self, gift: Gift) -> Option<(Flying, Others)> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, run, giver) = (gift.id, gift.run, (gift.guild_id, gift.giver));
        let is_recent = |at: Millis| run.created_at().0 - at.0 < MINUTE_MS;
        let of_giver = |other: &&Gift| (other.guild_id, other.giver) == giver;
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
        all.flying.insert(id, gift);
        let all = self.clone();
        let flying = Flying {
            all,
            id,
            run,
            said: false,
        };
        Some((flying, others))
    }

    /// Discord refused the message: it does not count as run.
    pub(super) fn not_said(&self, id: InteractionId) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for given in all.recent.values_mut() {
            given.retain(|(given, _)| *given != id);
        }
    }
}

impl Flying {
    /// It is recorded, and about to be said.
    pub(super) fn said(mut self) {
        self.said = true;
    }
}

impl Drop for Flying {
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

/// The guild's props that were given with commands since a time, taken back or not.
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
    Ok(all)
}

/// Whether the message that says so was seen, or may still be: Discord takes answers for 15 minutes.
/// What was not said by then never counts. Source:
/// <https://discord.com/developers/docs/interactions/receiving-and-responding#followup-messages>.
fn may_be_said(props: &Props, now: Millis) -> bool {
    let age = now.0 - props.id.created_at().0;
    props.message_id.is_some() || props.withdrawn.is_none() && age <= 16 * MINUTE_MS
}

/// When props were given: as their message tells, where it was seen.
fn given_at(props: &Props) -> Millis {
    let told = props.message_id.map(MessageId::created_at);
    told.unwrap_or_else(|| props.id.created_at())
}

/// Quota, waits and pings, as of when the command was run.
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
    let used_since = settings.quota.map_or(now, |quota| {
        let start = quota.period.start(now);
        Limits::needed_since(&settings.limits, start, now).min(start)
    });
    let since = Millis((now.0 - cooldown).min(used_since.0) - BEGUN_BEFORE_MS);
    let mut given = if cooldown == 0 && settings.quota.is_none() {
        Vec::new()
    } else {
        props_since(store, wish.guild_id, since)?
    };
    let is_flying = |id: InteractionId| others.flying.iter().any(|gift| gift.id == id);
    given.retain(|props| {
        props.giver == wish.giver.id && may_be_said(props, now) && !is_flying(props.id)
    });

    // When, and whom: also what is being given at this moment.
    let flying = others.flying.iter();
    let flying = flying.map(|gift| (gift.run.created_at(), &gift.receivers));
    let said = given
        .iter()
        .map(|props| (given_at(props), &props.receivers));
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
    let Some(quota) = settings.quota else {
        return Ok(());
    };
    let wanted = count(receivers.len());
    let pending = others.flying.iter().map(|gift| gift.receivers.len()).sum();
    let used = used(store, settings, wish, &given, used_since)?.saturating_add(count(pending));
    let end = quota.period.end(now);
    if used.saturating_add(wanted) > quota.count {
        return Err(Refusal::QuotaReached {
            quota,
            left: quota.count.saturating_sub(used),
            again: (wanted <= quota.count).then_some(end),
        }
        .into());
    }
    let start = quota.period.start(now);
    let pings = pinged.iter().filter(|(at, _)| *at >= start);
    let pings = count(pings.map(|(_, to)| to.len()).sum());
    if pings.saturating_add(wanted) > quota.count.saturating_mul(PINGS) {
        return Err(Refusal::TooManyTakenBack { again: end }.into());
    }
    Ok(())
}

fn count(many: usize) -> u32 {
    u32::try_from(many).unwrap_or(u32::MAX)
}

/// Whether a member gave as often in the last minute as they may; `recent` is in order.
fn too_fast(per_minute: u32, recent: &[Millis]) -> Result<(), Refusal> {
    if per_minute == 0 || count(recent.len()) < per_minute {
        return Ok(());
    }
    // So many have to be longer ago.
    let over = recent.len() - per_minute as usize;
    let mut recent = recent.to_vec();
    recent.sort_unstable();
    Err(Refusal::TooFast {
        per_minute,
        again: Millis(recent[over].0 + MINUTE_MS),
    })
}

/// How much of the quota the giver has used: as the graph counts, in all channels.
fn used(
    store: &Store,
    settings: &Settings,
    wish: &GiveProps,
    commands: &[Props],
    since: Millis,
) -> Result<u32, StoreError> {
    let (guild, giver) = (wish.guild_id, wish.giver.id);
    let Some(quota) = settings.quota else {
        return Ok(0);
    };
    let mut rows = Snapshot::default();
    let known = store.guild(guild)?;
    rows.guilds
        .extend(known.and_then(|part| GuildRow::new(&part, settings)));
    let channels = store.channels(guild)?;
    let channel_rows = channels
        .iter()
        .filter_map(|part| ChannelRow::new(part, settings));
    rows.channels = channel_rows.collect();
    for channel in channels.iter().filter_map(|part| part.state.now()) {
        if has_plain_props(settings, channel, &rows) {
            let from = MessageId::at(since).0;
            for state in store.messages(channel.id, from..=u64::MAX) {
                let state = state?;
                let theirs = state.message().is_some_and(|message| {
                    message.author.id == giver
                        && message.author.kind == AuthorKind::User
                        && !message.mentions.is_empty()
                });
                if theirs {
                    rows.messages.push(MessageRow::from(&state));
                }
            }
        }
    }
    for props in commands.iter().filter(|props| props.withdrawn.is_none()) {
        if let Some(message) = props.message_id
            && let Some(state) = store.message(props.channel_id, message)?
        {
            rows.messages.push(MessageRow::from(&state));
        }
    }
    let mentioned = rows.messages.iter().flat_map(|row| &row.mentions);
    let mut people: BTreeSet<UserId> = mentioned.map(|mention| mention.user_id).collect();
    people.extend(commands.iter().flat_map(|props| &props.receivers));
    for user in people {
        let member = store.member(guild, user)?;
        rows.members.extend(member.as_ref().map(MemberRow::from));
    }
    let by_message: BTreeMap<MessageId, PropsRow> = commands
        .iter()
        .filter_map(|props| Some((props.message_id?, PropsRow::from(props))))
        .collect();
    let rules = Rules::new(&rows);
    let judged = rows.messages.iter().filter_map(|row| {
        let props = rules.judge(row, by_message.get(&row.id)).props.ok()?;
        Some((row.id, graph::Gift::from(&props)))
    });
    let mut gifts: Vec<(MessageId, graph::Gift)> = judged.collect();
    // What was not seen yet counts as if it were, so that nobody is faster than the gateway.
    for props in commands.iter().filter(|props| props.withdrawn.is_none()) {
        let seen = match props.message_id {
            Some(message) => store.message(props.channel_id, message)?.is_some(),
            None => false,
        };
        if !seen {
            let at = given_at(props);
            let gift = graph::Gift {
                guild,
                giver,
                at,
                thanks: count(props.receivers.len()),
            };
            gifts.push((MessageId(props.id.0), gift));
        }
    }
    gifts.sort_by_key(|(id, _)| *id);
    let mut quotas = Quotas::new(&rules);
    for (_, gift) in &gifts {
        quotas.take(gift);
    }
    let now = graph::Gift {
        guild,
        giver,
        at: wish.at(),
        thanks: 0,
    };
    Ok(quotas.used(&now, quota.period))
}

/// Whether plain messages in a channel or thread may be props.
fn has_plain_props(settings: &Settings, channel: &Channel, rows: &Snapshot) -> bool {
    let parent = channel.thread_parent();
    let parent = parent.and_then(|id| rows.channels.iter().find(|row| row.id == id));
    settings.is_props_channel(channel) || parent.is_some_and(|row| row.props_channel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ChannelId, PropsOrigin};

    fn gift(id: u64, giver: u64) -> Gift {
        Gift {
            id: InteractionId(id),
            guild_id: GuildId(1),
            giver: UserId(giver),
            receivers: vec![UserId(9)],
            run: InteractionId(id),
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
        let ids = |others: Others| others.flying.iter().map(|it| it.id.0).collect::<Vec<_>>();
        let (first, others) = all.begin(gift(1, 5)).unwrap();
        assert!(others.flying.is_empty());
        assert!(all.begin(gift(1, 5)).is_none(), "it is under way");
        let (_second, others) = all.begin(gift(2, 5)).unwrap();
        assert_eq!(ids(others), [1]);
        let (_another, others) = all.begin(gift(3, 6)).unwrap();
        assert!(others.flying.is_empty(), "somebody else's");
        drop(first);
        let (_third, others) = all.begin(gift(4, 5)).unwrap();
        assert_eq!(ids(others), [2]);
        assert!(all.begin(gift(1, 5)).is_some(), "it is done");
    }

    #[test]
    fn what_was_said_in_the_last_minute_is_known_and_what_was_refused_is_not() {
        const START: i64 = 1_700_000_000_000;
        let all = InFlight::default();
        let begin = |id: u64, at: i64| {
            let gift = Gift {
                run: InteractionId::at(Millis(START + at)),
                ..gift(id, 5)
            };
            let (flying, others) = all.begin(gift).unwrap();
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
    fn who_gave_too_often_in_a_minute_is_told_when_it_is_possible_again() {
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
