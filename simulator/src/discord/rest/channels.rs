//! Single channels: Discord's "Channels Resource" page.

use super::call::{Answer, Call, Reply};
use crate::discord::permissions::bit;
use crate::discord::state::State;
use crate::discord::wire;

pub(super) fn get(state: &mut State, call: &Call) -> Answer {
    let channel = state.channel_for(call.id(0)?)?;
    Ok(Reply::json(&wire::channel(&state.guild, channel)))
}

pub(super) fn typing(state: &mut State, call: &Call) -> Answer {
    let channel = state.messages_for(call.id(0)?)?.id;
    state.require(channel, bit::SEND_MESSAGES)?;
    Ok(Reply::none())
}
