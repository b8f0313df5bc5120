//! Why a message counts as it does.

use std::collections::BTreeMap;

use super::{
    REPORTS, Reader, channels,
    cred::{self, MessageCred},
    ledger::{Community, by_command, command_of},
    quota::OverQuota,
};
use crate::{Refusal, Service, ServiceError};
use propsbot_graph::{Explanation, Rules, ThanksKey, Weights, explain};
use propsbot_model::{ChannelId, GuildId, MessageId};
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
    /// The cred that it brought, if any is computed, and if it's exported and can bring any.
    pub cred: Option<MessageCred>,
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
        let board = self.parts.cred.clone();
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
            let exported = !exported.is_empty();
            let language = community.language;
            let cred = exported.then(|| cred::of_message(&board, guild, message, language));
            let explanation = explanation.transpose()?;
            let brings = explanation
                .as_ref()
                .map(|explained| explained.no_props.is_none());
            Ok(Why {
                // What is no props brings none, unless it was props when it was exported.
                cred: cred
                    .flatten()
                    .filter(|cred| brings.is_some_and(|brings| brings || cred.brought.is_some())),
                explanation,
                exported,
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
    if let Some(props) = command_of(store, (channel, id))? {
        let entry = by_command(store, &community.redactor, &props)?;
        community.rows.props = entry.and_then(|entry| entry.given).into_iter().collect();
    }
    for reaction in store.reactions(channel, id.0..=id.0) {
        let shown = community.redactor.reaction(&reaction?);
        community.rows.reactions.extend(shown);
    }
    let reactions = std::mem::take(&mut community.rows.reactions);
    let exceeding = {
        let rules = Rules::new(&community.rows);
        let mut over = OverQuota::new(store, (community, &rules), guild)?;
        let thanks = reactions.iter().filter(|row| rules.has_thanks_emoji(row));
        let keys = thanks.map(ThanksKey::of_reaction);
        let mut exceeding = BTreeMap::new();
        for key in keys.chain([ThanksKey::of_message(id)]) {
            exceeding.extend(over.of(key)?.map(|why_not| (key, why_not)));
        }
        exceeding
    };
    community.rows.reactions = reactions;
    community.rows.messages = vec![row];
    Ok(explain(&community.rows, &Weights::default(), &exceeding))
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
