//! Taking props back.

use tokio::time::timeout;

use super::{PATIENCE, Refusal, Service, ServiceError};
use propsbot_jobs::quota::{props_by, props_since};
use propsbot_model::{ChannelId, Fact, GuildId, InteractionId, MessageId, Millis, Props, UserId};

/// Which props to take back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The member's latest props.
    Latest,
    Run(InteractionId),
    Message(ChannelId, MessageId),
}

/// Props that were taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undone {
    /// The withdrawn props.
    pub props: Props,
    pub message_deleted: bool,
}

impl Service {
    /// The props that a member can take back, newest first, each with the name of its first receiver.
    pub async fn undoable(
        &self,
        guild: GuildId,
        giver: UserId,
        now: Millis,
    ) -> Result<Vec<(Props, String)>, ServiceError> {
        self.ask(move |store| {
            let minutes = store.settings(guild)?.undo_minutes;
            let since = Millis(now.0 - i64::from(minutes) * 60_000);
            let mut own = props_by(store, (guild, giver), since)?;
            own.retain(|props| props.withdrawn.is_none());
            own.sort_by_key(|props| std::cmp::Reverse(props.id));
            let mut named = Vec::new();
            for props in own {
                let first = props.receivers.first().copied().unwrap_or_default();
                let member = store.member(guild, first)?;
                let name = member.and_then(|member| {
                    let nick = member
                        .presence
                        .ever()
                        .and_then(|presence| presence.nick.clone());
                    let user = member.user.map(|user| user.value);
                    nick.or_else(|| user.map(|user| user.global_name.unwrap_or(user.username)))
                });
                named.push((props, name.unwrap_or_default()));
            }
            Ok(named)
        })
        .await
    }

    /// Takes props back: they no longer count, and their message is deleted if Discord allows it. Durable
    /// when this returns.
    ///
    /// # Errors
    /// [`Refusal`] for another member's props, for props that are too old, and if there are none.
    pub async fn undo(
        &self,
        guild: GuildId,
        giver: UserId,
        which: Which,
        now: Millis,
    ) -> Result<Undone, ServiceError> {
        let mut props = self
            .ask(move |store| {
                let minutes = store.settings(guild)?.undo_minutes;
                let since = Millis(now.0 - i64::from(minutes) * 60_000);
                let day = Millis(since.0.min(now.0 - 86_400_000));
                // A whole day of them, to distinguish "too late" from "none".
                let mut all = props_since(store, guild, day)?;
                all.retain(|props| props.withdrawn.is_none());
                all.sort_by_key(|props| props.id);
                let found = all.into_iter().rev().find(|props| match which {
                    Which::Latest => props.giver == giver,
                    Which::Run(id) => props.id == id,
                    Which::Message(channel, message) => {
                        props.channel_id == channel && props.message_id == Some(message)
                    }
                });
                let found = found.ok_or(match which {
                    Which::Message(_, message) if message.created_at() < since => {
                        Refusal::TooLateToUndo(minutes)
                    }
                    _ => Refusal::NothingToUndo,
                })?;
                if found.giver != giver {
                    return Err(Refusal::NotYours.into());
                }
                if found.id.created_at() < since {
                    return Err(Refusal::TooLateToUndo(minutes).into());
                }
                Ok(found)
            })
            .await?;
        props.withdrawn = Some(now);
        self.record(vec![Fact::Props(props.clone())]).await?;
        let message_deleted = match props.message_id {
            Some(message) => self.delete(props.channel_id, message).await,
            None => false,
        };
        Ok(Undone {
            props,
            message_deleted,
        })
    }

    /// Deletes the message of the props. Returns whether it's deleted by the time an answer is due.
    async fn delete(&self, channel: ChannelId, message: MessageId) -> bool {
        let sender = &self.parts.sender;
        let why = if sender.paused().is_some_and(|wait| wait > PATIENCE) {
            "Discord wants no requests".to_owned()
        } else {
            match timeout(PATIENCE, sender.delete(channel, message)).await {
                Ok(Ok(())) => return true,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "Discord took too long".to_owned(),
            }
        };
        tracing::warn!("props were taken back, but their message may still stand: {why}");
        false
    }
}
