//! Options that take a channel, with the channel types that Discord offers for them.
//!
//! Only the id is read; the service looks up the channel.

use async_trait::async_trait;
use poise::{SlashArgError, SlashArgument};
use serenity::{
    all::{ChannelType, CommandInteraction, CommandOptionType, ResolvedValue},
    builder::CreateCommandOption,
    client,
};

use propsbot_discord::IntoModel as _;
use propsbot_model::ChannelId;

/// Discord's number for media channels, which serenity has no name for.
const MEDIA: ChannelType = ChannelType::Unknown(16);

/// The channel types that can be included in or excluded from exports.
const ALL: [ChannelType; 10] = [
    ChannelType::Text,
    ChannelType::Voice,
    ChannelType::Category,
    ChannelType::News,
    ChannelType::NewsThread,
    ChannelType::PublicThread,
    ChannelType::PrivateThread,
    ChannelType::Stage,
    ChannelType::Forum,
    MEDIA,
];

/// The channel types whose plain messages can be props.
pub(super) const PROPS: [ChannelType; 7] = [
    ChannelType::Text,
    ChannelType::Voice,
    ChannelType::Category,
    ChannelType::News,
    ChannelType::Stage,
    ChannelType::Forum,
    MEDIA,
];

/// The channel types that hold messages, or posts with messages.
const WITH_MESSAGES: [ChannelType; 9] = [
    ChannelType::Text,
    ChannelType::Voice,
    ChannelType::News,
    ChannelType::NewsThread,
    ChannelType::PublicThread,
    ChannelType::PrivateThread,
    ChannelType::Stage,
    ChannelType::Forum,
    MEDIA,
];

/// The channel types that can have the recap.
const FOR_RECAPS: [ChannelType; 2] = [ChannelType::Text, ChannelType::News];

/// A channel, a thread, or a category that stands for all its channels.
#[derive(Clone, Copy)]
pub(super) struct AnyChannel(pub(super) ChannelId);

/// A channel or thread with messages or posts.
#[derive(Clone, Copy)]
pub(super) struct MessageChannel(pub(super) ChannelId);

/// A channel where the recap can be posted.
#[derive(Clone, Copy)]
pub(super) struct RecapChannel(pub(super) ChannelId);

/// Takes a channel of one of these types.
macro_rules! argument {
    ($channel:ident, $types:expr) => {
        #[async_trait]
        impl SlashArgument for $channel {
            async fn extract(
                _: &client::Context,
                _: &CommandInteraction,
                value: &ResolvedValue<'_>,
            ) -> Result<Self, SlashArgError> {
                id(value).map(Self).ok_or_else(no_channel)
            }

            fn create(option: CreateCommandOption) -> CreateCommandOption {
                let types = $types.to_vec();
                option.kind(CommandOptionType::Channel).channel_types(types)
            }
        }
    };
}

argument!(AnyChannel, ALL);
argument!(MessageChannel, WITH_MESSAGES);
argument!(RecapChannel, FOR_RECAPS);

fn id(value: &ResolvedValue<'_>) -> Option<ChannelId> {
    match value {
        ResolvedValue::Channel(channel) => Some(channel.id.into_model()),
        _ => None,
    }
}

fn no_channel() -> SlashArgError {
    SlashArgError::new_command_structure_mismatch("expected a channel")
}
