//! Speaks Discord's protocols: the gateway, REST, and their translation into facts.
//!
//! Owns everything that knows Discord's wire formats, its limits, and serenity. Stores, merges and
//! decides nothing.

mod api;
mod application;
mod budget;
mod convert;
mod gateway;
mod headers;
mod items;
pub mod json;
mod log_filter;
mod message_sender;
mod objects;
mod outage;
mod pace;
mod pause;
mod provider_error;
mod rest;
mod rest_error;
mod route;
mod token;
mod wire;

pub use api::{DiscordApi, GatewayAddress, GuildShape, Listing};
pub use application::Application;
pub use budget::{PER_SECOND, Permit, Urgency};
pub use convert::{GuildSnapshot, Signal, Translated, translate};
pub use gateway::{
    Gateway, GatewayEnd, GatewayError, GatewayEvent, GatewayItem, GatewayOptions, GatewaySignals,
    InteractionHandler, Shard, ShardCount, Shards, start,
};
pub use items::Items;
pub use log_filter::log_filter;
pub use message_sender::MessageSender;
pub use objects::{IntoModel, user};
pub use outage::log_outages;
pub use pace::{Pace, Rate};
pub use rest::{Forwarder, Rest};
pub use rest_error::RestError;
pub use route::Route;
pub use token::{MalformedToken, Token};
pub use wire::low_bits;

use propsbot_model::UserId;

/// Used unless another origin is configured.
pub const OFFICIAL_ORIGIN: &str = "https://discord.com";

/// Returns the link that adds the bot to a guild; docs/operate.md explains its permissions.
pub fn invitation(bot: UserId) -> String {
    format!(
        "{OFFICIAL_ORIGIN}/oauth2/authorize?client_id={bot}&scope=bot+applications.commands\
         &permissions=274879056960"
    )
}
