//! Props: thanks from one member to others.

use serde::{Deserialize, Serialize};

use super::{
    AuthorKind, ChannelId, GuildId, InteractionId, Message, MessageId, MessageKind, Millis, UserId,
    read_answer,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropsOrigin {
    /// With a command; recorded as typed.
    Command,
    /// With a command; read back from the bot's message.
    Answer,
}

/// Props given with a command. The graph plugin finds those in plain messages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Props {
    /// The command's run; contains the time.
    pub id: InteractionId,
    pub guild_id: GuildId,
    /// Where the message that announces them is posted.
    pub channel_id: ChannelId,
    /// The message that announces them; unknown until seen.
    pub message_id: Option<MessageId>,
    /// The member who ran the command, not the bot.
    pub giver: UserId,
    /// Sorted, without duplicates.
    pub receivers: Vec<UserId>,
    pub reason: String,
    pub origin: PropsOrigin,
    /// When the giver took them back.
    #[serde(default)]
    pub withdrawn: Option<Millis>,
    #[serde(default)]
    pub about: Option<(ChannelId, MessageId)>,
}

impl Props {
    /// Parses props from a message of `bot` that announces them; `None` for any other message.
    pub fn from_answer(message: &Message, bot: UserId) -> Option<Self> {
        let ours = message.author.id == bot && message.author.kind == AuthorKind::Bot;
        let posted = message.kind == MessageKind::DEFAULT || message.kind.is_command_answer();
        if !ours || !posted {
            return None;
        }
        let mut said = read_answer(&message.content)?;
        said.receivers.sort_unstable();
        said.receivers.dedup();
        let told = message.command.as_ref().map(|command| command.id);
        let id = said.run.map(|(_, run)| run).or(told)?;
        (!said.receivers.is_empty()).then_some(Self {
            id,
            guild_id: message.guild_id,
            channel_id: message.channel_id,
            message_id: Some(message.id),
            giver: said.giver,
            receivers: said.receivers,
            reason: said.reason,
            origin: PropsOrigin::Answer,
            withdrawn: None,
            about: said.about,
        })
    }

    /// Merges another record of the same props. A record without pseudonyms wins over one with them
    /// (from an archive), and a typed one over one read back. A withdrawal persists.
    pub fn merge(&mut self, other: &Self) {
        let message_id = self.message_id.or(other.message_id);
        let withdrawn = match (self.withdrawn, other.withdrawn) {
            (Some(one), Some(another)) => Some(one.min(another)),
            (one, another) => one.or(another),
        };
        let rank = |own: &Self| {
            let mut all = own.receivers.iter().chain([&own.giver]);
            (all.any(|id| id.is_anonymous()), own.origin)
        };
        if rank(other) < rank(self) {
            self.clone_from(other);
        }
        self.message_id = message_id;
        self.withdrawn = withdrawn;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Typed, read back and withdrawn, in any order.
    #[test]
    fn merges_records_of_the_same_props_in_any_order() {
        let typed = Props {
            id: InteractionId(1),
            guild_id: GuildId(2),
            channel_id: ChannelId(3),
            message_id: None,
            giver: UserId(4 << 22),
            receivers: vec![UserId(5 << 22)],
            reason: "as typed ".to_owned(),
            origin: PropsOrigin::Command,
            withdrawn: None,
            about: Some((ChannelId(3), MessageId(6))),
        };
        let read = Props {
            message_id: Some(MessageId(7)),
            reason: "as typed".to_owned(),
            origin: PropsOrigin::Answer,
            ..typed.clone()
        };
        let taken_back = Props {
            withdrawn: Some(Millis(9)),
            ..typed.clone()
        };
        let expected = Props {
            message_id: Some(MessageId(7)),
            ..taken_back.clone()
        };
        let all = [typed.clone(), read.clone(), taken_back];
        merge_to(&all, &expected);
        // As in an archive, with the giver hidden.
        let restored = Props {
            giver: UserId::nobody(1),
            reason: String::new(),
            message_id: Some(MessageId(7)),
            ..typed
        };
        merge_to(&[restored.clone(), read.clone(), restored], &read);
    }

    fn merge_to(all: &[Props; 3], expected: &Props) {
        for order in [
            [0, 1, 2],
            [0, 2, 1],
            [1, 0, 2],
            [1, 2, 0],
            [2, 0, 1],
            [2, 1, 0],
        ] {
            let mut merged = all[order[0]].clone();
            for index in &order[1..] {
                merged.merge(&all[*index]);
            }
            assert_eq!(merged, *expected, "{order:?}");
        }
    }
}
