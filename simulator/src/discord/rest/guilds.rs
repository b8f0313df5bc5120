//! Gateway URLs, the bot itself, and the guild: Discord's "Gateway", "User", "Application" and "Guild" pages.
#![expect(
    clippy::unnecessary_wraps,
    reason = "the table of routes wants one shape of all"
)]

use serde_json::{Value, json};

use super::call::{Answer, Call, Problem, Reply};
use crate::discord::sessions::intent;
use crate::discord::state::{Presence, State};
use crate::discord::wire::{self, MemberObject, UserObject, tree};

fn gateway_url(state: &State) -> String {
    state.url.replacen("http", "ws", 1) + "/gateway"
}

pub(super) fn gateway(state: &mut State, _: &Call) -> Answer {
    Ok(Reply::json(&json!({"url": gateway_url(state)})))
}

pub(super) fn gateway_bot(state: &mut State, _: &Call) -> Answer {
    let usual = (
        1000_u64.saturating_sub(state.sessions.identify_attempts),
        86_400_000,
    );
    let (remaining, reset_after) = state.sessions.starts_left.unwrap_or(usual);
    let sharding = state.sessions.sharding;
    let limit = json!({
        "total": 1000, "remaining": remaining, "reset_after": reset_after,
        "max_concurrency": sharding.concurrency,
    });
    Ok(Reply::json(&json!({
        "url": gateway_url(state), "shards": sharding.recommended, "session_start_limit": limit,
    })))
}

pub(super) fn me(state: &mut State, _: &Call) -> Answer {
    let mut user = tree(state.guild.users.get(&state.guild.bot).map(UserObject));
    user["mfa_enabled"] = true.into();
    user["locale"] = "en-US".into();
    user["verified"] = true.into();
    user["email"] = Value::Null;
    Ok(Reply::json(&user))
}

pub(super) fn my_guilds(state: &mut State, _: &Call) -> Answer {
    let mut guilds = state.guilds();
    guilds.retain(|(_, presence)| *presence != Presence::Removed);
    let guilds = guilds.into_iter().map(|(guild, _)| wire::my_guild(guild));
    Ok(Reply::json(&guilds.collect::<Vec<_>>()))
}

pub(super) fn user(state: &mut State, call: &Call) -> Answer {
    let user = state
        .guild
        .users
        .get(&call.id(0)?)
        .filter(|user| !user.webhook);
    user.map(|user| Reply::json(&UserObject(user)))
        .ok_or_else(|| Problem::unknown(10013))
}

pub(super) fn application(state: &mut State, _: &Call) -> Answer {
    Ok(Reply::json(&wire::application(
        &state.guild,
        state.application_flags(),
        state.guilds().len(),
        state.is_public,
    )))
}

pub(super) fn get(state: &mut State, call: &Call) -> Answer {
    let guild = state.guild_for(call.id(0)?)?;
    let mut object = wire::guild(guild);
    if call.flag("with_counts") {
        object["approximate_member_count"] = guild.members.len().into();
        object["approximate_presence_count"] = (guild.members.len() / 3).into();
    }
    Ok(Reply::json(&object))
}

/// All channels, even those the bot can't see; no threads.
pub(super) fn channels(state: &mut State, call: &Call) -> Answer {
    let guild = state.guild_for(call.id(0)?)?;
    let channels = guild
        .channels
        .values()
        .filter(|channel| channel.thread.is_none());
    Ok(Reply::json(
        &channels
            .map(|channel| wire::channel(guild, channel))
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn roles(state: &mut State, call: &Call) -> Answer {
    Ok(Reply::json(
        &state
            .guild_for(call.id(0)?)?
            .roles
            .values()
            .map(wire::role)
            .collect::<Vec<_>>(),
    ))
}

pub(super) fn emojis(state: &mut State, call: &Call) -> Answer {
    Ok(Reply::json(
        &state
            .guild_for(call.id(0)?)?
            .emojis
            .values()
            .map(wire::custom_emoji)
            .collect::<Vec<_>>(),
    ))
}

/// Members by id, paged with `after` and `limit`; requires the `GUILD_MEMBERS` intent.
pub(super) fn members(state: &mut State, call: &Call) -> Answer {
    let guild = state.guild_for(call.id(0)?)?;
    if state.privileged & intent::GUILD_MEMBERS == 0 {
        return Err(Problem::missing_access());
    }
    let (limit, after) = (
        call.limit(1, 1000, 1)?,
        call.asked_id("after")?.unwrap_or(0),
    );
    let later = guild.members.range(after.saturating_add(1)..).take(limit);
    let page: Vec<_> = later
        .map(|(id, member)| MemberObject {
            member,
            user: guild.users.get(id),
        })
        .collect();
    Ok(Reply::json(&page))
}

pub(super) fn member(state: &mut State, call: &Call) -> Answer {
    let guild = state.guild_for(call.id(0)?)?;
    let id = call.id(1)?;
    let user = guild.users.get(&id);
    let known = if user.is_some() { 10007 } else { 10013 };
    let member = guild
        .members
        .get(&id)
        .ok_or_else(|| Problem::unknown(known))?;
    Ok(Reply::json(&MemberObject { member, user }))
}
