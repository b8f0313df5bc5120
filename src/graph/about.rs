//! Which message or member of Discord a node is, in the graphs drawn here and in that of SourceCred's own plugin.

use std::str::FromStr;

use propsbot_model::{ChannelId, MessageId, UserId};
use propsbot_sourcecred::NodeAddress;
use serde::{Deserialize, Serialize};

/// What a contribution on Discord is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// A message that gives props.
    Props(ChannelId, MessageId),
    /// The thanks that this member gave the author of this message, by a reaction.
    ReactionThanks(ChannelId, MessageId, UserId),
    /// The meeting that this message tells of.
    Meeting(ChannelId, MessageId),
    /// Any other message.
    Message(ChannelId, MessageId),
    /// A reaction to this message, by this member.
    Reaction(ChannelId, MessageId, UserId),
}

impl About {
    /// The contribution with this address; `None` if it isn't on Discord.
    pub fn of(address: &NodeAddress) -> Option<Self> {
        let parts: Vec<&str> = address.split().take(8).collect();
        match *parts {
            ["external", "props", "PROPS", channel, message] => {
                Some(Self::Props(id(channel)?, id(message)?))
            }
            [
                "external",
                "props",
                "PROPS",
                "reaction",
                channel,
                message,
                giver,
            ] => Some(Self::ReactionThanks(id(channel)?, id(message)?, id(giver)?)),
            ["external", "meetings", "MEETING", channel, message] => {
                Some(Self::Meeting(id(channel)?, id(message)?))
            }
            ["external", "didathing", "MESSAGE", channel, message]
            | ["sourcecred", "discord", "MESSAGE", channel, message] => {
                Some(Self::Message(id(channel)?, id(message)?))
            }
            [
                "external",
                "props" | "didathing",
                "REACTION",
                channel,
                _,
                user,
                message,
            ]
            | [
                "sourcecred",
                "discord",
                "REACTION",
                channel,
                _,
                user,
                message,
            ] => Some(Self::Reaction(id(channel)?, id(message)?, id(user)?)),
            _ => None,
        }
    }

    /// The message that it is, or is about, and the message's channel.
    pub fn message(self) -> (ChannelId, MessageId) {
        match self {
            Self::Props(channel, message)
            | Self::ReactionThanks(channel, message, _)
            | Self::Meeting(channel, message)
            | Self::Message(channel, message)
            | Self::Reaction(channel, message, _) => (channel, message),
        }
    }
}

/// The member with this address; `None` for one without a name, and for addresses of anything else.
pub fn member_of(address: &NodeAddress) -> Option<UserId> {
    let parts: Vec<&str> = address.split().take(6).collect();
    let ["sourcecred", "discord", "MEMBER", _, user] = *parts else {
        return None;
    };
    id(user).filter(|user: &UserId| !user.is_anonymous())
}

fn id<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prefix;

    #[test]
    fn finds_what_the_addresses_of_its_own_graph_are_about() {
        let (channel, message) = (ChannelId(7), MessageId(9));
        let thanks = prefix::PROPS.thanks().with(&[&channel, &message, &1]);
        let about = About::ReactionThanks(channel, message, UserId(1));
        assert_eq!(About::of(&thanks), Some(about));
        let meeting = prefix::MEETINGS.messages().with(&[&channel, &message]);
        assert_eq!(About::of(&meeting), Some(About::Meeting(channel, message)));
        let props = About::Props(channel, message);
        let message_alone = About::Message(channel, message);
        for (prefix, about) in [(prefix::PROPS, props), (prefix::DIDATHING, message_alone)] {
            let node = prefix.messages().with(&[&channel, &message]);
            assert_eq!(About::of(&node), Some(about));
            let reaction = prefix.reactions();
            let reaction = reaction.with(&[&channel, &"🎉", &(1_u64 << 40), &message]);
            let about = About::Reaction(channel, message, UserId(1 << 40));
            assert_eq!(About::of(&reaction), Some(about));
        }
        let member = prefix::members(true).with(&[&(1_u64 << 40)]);
        assert_eq!(
            (About::of(&member), member_of(&member)),
            (None, Some(UserId(1 << 40)))
        );
        let props = prefix::PROPS.messages();
        for other in [
            props.clone(),
            props.with(&[&channel, &message, &1]),
            props.with(&[&"x", &"y"]),
        ] {
            assert_eq!((About::of(&other), member_of(&other)), (None, None));
        }
    }
}
