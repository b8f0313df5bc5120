//! Threads: Discord's "Channels Resource" and "Threads" pages.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, Reply};
use crate::discord::guild::{Channel, Thread, kind};
use crate::discord::permissions::bit;
use crate::discord::state::State;
use crate::discord::wire;

impl State {
    /// Threads as listed: with the bot's memberships.
    fn threads(&self, threads: &[&Channel]) -> Value {
        let member = |channel: &Channel| {
            channel
                .thread
                .as_ref()?
                .members
                .get(&self.guild.bot)
                .copied()
        };
        let members: Vec<Value> = threads
            .iter()
            .filter_map(|channel| {
                Some(wire::thread_member(
                    channel.id,
                    self.guild.bot,
                    member(channel)?,
                ))
            })
            .collect();
        let threads: Vec<Value> = threads
            .iter()
            .map(|channel| wire::channel(&self.guild, channel))
            .collect();
        json!({"threads": threads, "members": members})
    }

    /// A channel's archived threads, most recently archived first.
    fn archived(&self, parent: u64, fits: impl Fn(&Channel, &Thread) -> bool) -> Vec<&Channel> {
        let mut found: Vec<(i64, &Channel)> = self
            .guild
            .channels
            .values()
            .filter(|channel| channel.parent == Some(parent))
            .filter_map(|channel| Some((channel.thread.as_ref()?, channel)))
            .filter(|(thread, channel)| thread.archived && fits(channel, thread))
            .map(|(thread, channel)| (thread.archived_at, channel))
            .collect();
        found.sort_by_key(|(at, channel)| std::cmp::Reverse((*at, channel.id)));
        found.into_iter().map(|(_, channel)| channel).collect()
    }
}

pub(super) fn active(state: &mut State, call: &Call) -> Answer {
    let guild = state.guild_for(call.id(0)?)?;
    let mut threads: Vec<_> = wire::active_threads(guild).collect();
    threads.reverse();
    let mut answer = state.threads(&threads);
    answer["has_more"] = false.into();
    Ok(Reply::json(&answer))
}

fn page(state: &State, call: &Call, found: Vec<&Channel>) -> Answer {
    let limit = call.limit(2, 100, 50)?;
    let before = call
        .asked("before")
        .map(|text| {
            text.parse::<Timestamp>()
                .map_err(|_| Problem::form("before: not ISO8601"))
        })
        .transpose()?;
    let before = before.map_or(i64::MAX, Timestamp::as_millisecond);
    let older = |channel: &&Channel| {
        channel
            .thread
            .as_ref()
            .is_some_and(|thread| thread.archived_at < before)
    };
    let mut rest = found.into_iter().filter(older);
    let threads: Vec<_> = rest.by_ref().take(limit).collect();
    let mut answer = state.threads(&threads);
    answer["has_more"] = rest.next().is_some().into();
    Ok(Reply::json(&answer))
}

pub(super) fn archived_public(state: &mut State, call: &Call) -> Answer {
    let parent = state.channel_for(call.id(0)?)?.id;
    if !state.bot_may(parent, bit::READ_MESSAGE_HISTORY) {
        return Err(Problem::missing_access());
    }
    page(
        state,
        call,
        state.archived(parent, |channel, _| channel.kind != kind::PRIVATE_THREAD),
    )
}

pub(super) fn archived_private(state: &mut State, call: &Call) -> Answer {
    let parent = state.channel_for(call.id(0)?)?.id;
    state.require(parent, bit::READ_MESSAGE_HISTORY)?;
    state.require(parent, bit::MANAGE_THREADS)?;
    page(
        state,
        call,
        state.archived(parent, |channel, _| channel.kind == kind::PRIVATE_THREAD),
    )
}

/// Archived private threads that the bot is in, by id and paged by id.
pub(super) fn archived_joined(state: &mut State, call: &Call) -> Answer {
    let parent = state.channel_for(call.id(0)?)?.id;
    if !state.bot_may(parent, bit::READ_MESSAGE_HISTORY) {
        return Err(Problem::missing_access());
    }
    let (limit, before) = (
        call.limit(2, 100, 50)?,
        call.asked_id("before")?.unwrap_or(u64::MAX),
    );
    let bot = state.guild.bot;
    let mut found = state.archived(parent, |channel, thread| {
        channel.kind == kind::PRIVATE_THREAD
            && channel.id < before
            && thread.members.contains_key(&bot)
    });
    found.sort_by_key(|channel| std::cmp::Reverse(channel.id));
    let mut answer = state.threads(&found[..limit.min(found.len())]);
    answer["has_more"] = (found.len() > limit).into();
    Ok(Reply::json(&answer))
}

pub(super) fn members(state: &mut State, call: &Call) -> Answer {
    let channel = state.channel_for(call.id(0)?)?;
    let Some(thread) = &channel.thread else {
        return Err(Problem::unknown(10003));
    };
    let members = thread
        .members
        .iter()
        .map(|(user, joined)| wire::thread_member(channel.id, *user, *joined));
    Ok(Reply::json(&members.collect::<Vec<_>>()))
}

pub(super) fn join(state: &mut State, call: &Call) -> Answer {
    let id = state.channel_for(call.id(0)?)?.id;
    state.thread_member(id, state.guild.bot, true);
    Ok(Reply::none())
}

pub(super) fn leave(state: &mut State, call: &Call) -> Answer {
    let id = state.channel_for(call.id(0)?)?.id;
    state.thread_member(id, state.guild.bot, false);
    Ok(Reply::none())
}
