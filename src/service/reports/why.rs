//! Why a message counts as it does.

use super::{
    REPORTS, Reader, channels,
    ledger::{Community, by_command},
    quota::OverQuota,
};
use crate::{Refusal, Service, ServiceError};
use propsbot_graph::{Explanation, Rules, Weights, explain};
use propsbot_jobs::quota::BEGUN_BEFORE_MS;
use propsbot_model::{ChannelId, GuildId, InteractionId, MessageId, Millis};
use propsbot_rows::MessageRow;
use propsbot_store::{Store, StoreError};

/// How many props messages for a message to list.
const TOLD: usize = 5;

#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// What SourceCred's graph has of it, or would have if it were exported; `None` if its author opted out
    /// of everything.
    pub explanation: Option<Explanation>,
    pub exported: bool,
    /// The oldest messages that give props for this one, and whether there are more.
    pub thanked_in: (Vec<(ChannelId, MessageId)>, bool),
}

impl Service {
    /// Explains what a message counts in SourceCred's graph with the default weights.
    ///
    /// # Errors
    /// [`Refusal::NoMessage`] if it's unknown, or the reader can't read it.
    pub async fn why(
        &self,
        reader: Reader,
        channel: ChannelId,
        message: MessageId,
    ) -> Result<Why, ServiceError> {
        self.ask_in_turn(&REPORTS, move |store| {
            let readable = reader.channels(store)?;
            if !readable.contains(&channel) {
                return Err(Refusal::NoMessage.into());
            }
            let Some(state) = store.message(channel, message)? else {
                return Err(Refusal::NoMessage.into());
            };
            let guild = reader.guild_id;
            let settings = store.settings(guild)?;
            let exported = channels(store, guild, |permissions, candidate| {
                candidate.id == channel && settings.withheld(candidate, permissions).is_none()
            })?;
            let mut community = Community::read(store, guild, None)?;
            let props_channel = store.is_props_channel(guild, channel)?;
            let row = community.redactor.message(&state, props_channel);
            let explanation = row.map(|row| of_message(store, &mut community, guild, row));
            Ok(Why {
                explanation: explanation.transpose()?,
                exported: !exported.is_empty(),
                thanked_in: thanked_in(store, &readable, (channel, message))?,
            })
        })
        .await
    }
}

fn of_message(
    store: &Store,
    community: &mut Community,
    guild: GuildId,
    row: MessageRow,
) -> Result<Explanation, StoreError> {
    let (channel, id) = (row.channel_id, row.id);
    let begun = Millis(id.created_at().0 - BEGUN_BEFORE_MS);
    for props in store.props(channel, InteractionId::at(begun).0..=id.0) {
        let props = props?;
        if props.message_id == Some(id) {
            let entry = by_command(store, &community.redactor, &props)?;
            community.rows.props = entry.and_then(|entry| entry.given).into_iter().collect();
            break;
        }
    }
    for reaction in store.reactions(channel, id.0..=id.0) {
        let shown = community.redactor.reaction(&reaction?);
        community.rows.reactions.extend(shown);
    }
    let over = {
        let rules = Rules::new(&community.rows);
        OverQuota::new(store, (community, &rules), guild)?.of(id)?
    };
    community.rows.messages = vec![row];
    Ok(explain(&community.rows, &Weights::default(), over))
}

/// The oldest messages in these channels that give props for this one.
fn thanked_in(
    store: &Store,
    channels: &[ChannelId],
    about: (ChannelId, MessageId),
) -> Result<(Vec<(ChannelId, MessageId)>, bool), StoreError> {
    let mut found = Vec::new();
    for channel in channels {
        for props in store.props(*channel, about.1.0..=u64::MAX) {
            let props = props?;
            if props.about == Some(about) && props.withdrawn.is_none() {
                found.extend(props.message_id.map(|message| (*channel, message)));
            }
        }
    }
    found.sort_unstable_by_key(|(_, message)| *message);
    let more = found.len() > TOLD;
    found.truncate(TOLD);
    Ok((found, more))
}
