//! The route table, named as in Discord's `OpenAPI` description.

use super::call::{Answer, Call};
use super::{channels, commands, events, guilds, interactions, messages, reactions, threads};
use crate::discord::limits::Bucket;
use crate::discord::state::State;

/// A route: method and path, rate limit, handler.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    pub(super) method: &'static str,
    pub(super) template: &'static str,
    pub(super) bucket: Bucket,
    pub(super) answer: fn(&mut State, &Call) -> Answer,
}

const fn route(
    method: &'static str,
    template: &'static str,
    bucket: Bucket,
    answer: fn(&mut State, &Call) -> Answer,
) -> Route {
    Route {
        method,
        template,
        bucket,
        answer,
    }
}

use Bucket::{Commands, Deleting, Members, Messages, Other, Posting, Reactions, Threads, Webhook};

const REACTIONS: &str = "/channels/{channel_id}/messages/{message_id}/reactions";
const REACTION: &str = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
const MY_REACTION: &str = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/@me";
const THEIR_REACTION: &str =
    "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}/{user_id}";
const MESSAGES: &str = "/channels/{channel_id}/messages";
const MESSAGE: &str = "/channels/{channel_id}/messages/{message_id}";
const COMMANDS: &str = "/applications/{application_id}/commands";
const COMMAND: &str = "/applications/{application_id}/commands/{command_id}";
const GUILD_COMMANDS: &str = "/applications/{application_id}/guilds/{guild_id}/commands";
const GUILD_COMMAND: &str =
    "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}";
const WEBHOOK: &str = "/webhooks/{webhook_id}/{webhook_token}";
const ORIGINAL: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/@original";
const FOLLOWUP: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}";

/// All routes; the first match wins.
const ROUTES: &[Route] = &[
    route("GET", MESSAGES, Messages, messages::list),
    route("GET", REACTION, Reactions, reactions::list),
    route("GET", "/gateway", Other, guilds::gateway),
    route("GET", "/gateway/bot", Other, guilds::gateway_bot),
    route("GET", "/users/@me", Other, guilds::me),
    route("GET", "/users/@me/guilds", Other, guilds::my_guilds),
    route("GET", "/users/{user_id}", Other, guilds::user),
    route("GET", "/applications/@me", Other, guilds::application),
    route(
        "GET",
        "/oauth2/applications/@me",
        Other,
        guilds::application,
    ),
    route("GET", COMMANDS, Commands, commands::list_global),
    route("PUT", COMMANDS, Commands, commands::set_global),
    route("POST", COMMANDS, Commands, commands::add_global),
    route("DELETE", COMMAND, Commands, commands::remove_global),
    route("GET", GUILD_COMMANDS, Commands, commands::list_local),
    route("PUT", GUILD_COMMANDS, Commands, commands::set_local),
    route("POST", GUILD_COMMANDS, Commands, commands::add_local),
    route("DELETE", GUILD_COMMAND, Commands, commands::remove_local),
    route(
        "POST",
        "/interactions/{interaction_id}/{interaction_token}/callback",
        Webhook,
        interactions::callback,
    ),
    route("POST", WEBHOOK, Webhook, interactions::follow_up),
    route("GET", ORIGINAL, Webhook, interactions::get_original),
    route("PATCH", ORIGINAL, Webhook, interactions::edit_original),
    route("DELETE", ORIGINAL, Webhook, interactions::delete_original),
    route("GET", FOLLOWUP, Webhook, interactions::get_follow_up),
    route("PATCH", FOLLOWUP, Webhook, interactions::edit_follow_up),
    route("DELETE", FOLLOWUP, Webhook, interactions::delete_follow_up),
    route("GET", "/guilds/{guild_id}", Other, guilds::get),
    route(
        "GET",
        "/guilds/{guild_id}/channels",
        Other,
        guilds::channels,
    ),
    route("GET", "/guilds/{guild_id}/roles", Other, guilds::roles),
    route("GET", "/guilds/{guild_id}/emojis", Other, guilds::emojis),
    route(
        "GET",
        "/guilds/{guild_id}/members",
        Members,
        guilds::members,
    ),
    route(
        "GET",
        "/guilds/{guild_id}/members/{user_id}",
        Members,
        guilds::member,
    ),
    route(
        "GET",
        "/guilds/{guild_id}/threads/active",
        Threads,
        threads::active,
    ),
    route(
        "GET",
        "/guilds/{guild_id}/scheduled-events",
        Other,
        events::list,
    ),
    route(
        "GET",
        "/guilds/{guild_id}/scheduled-events/{guild_scheduled_event_id}/users",
        Other,
        events::users,
    ),
    route("GET", "/channels/{channel_id}", Other, channels::get),
    route(
        "POST",
        "/channels/{channel_id}/typing",
        Other,
        channels::typing,
    ),
    route(
        "GET",
        "/channels/{channel_id}/threads/archived/public",
        Threads,
        threads::archived_public,
    ),
    route(
        "GET",
        "/channels/{channel_id}/threads/archived/private",
        Threads,
        threads::archived_private,
    ),
    route(
        "GET",
        "/channels/{channel_id}/users/@me/threads/archived/private",
        Threads,
        threads::archived_joined,
    ),
    route(
        "GET",
        "/channels/{channel_id}/thread-members",
        Threads,
        threads::members,
    ),
    route(
        "PUT",
        "/channels/{channel_id}/thread-members/@me",
        Threads,
        threads::join,
    ),
    route(
        "DELETE",
        "/channels/{channel_id}/thread-members/@me",
        Threads,
        threads::leave,
    ),
    route("POST", MESSAGES, Posting, messages::create),
    route(
        "POST",
        "/channels/{channel_id}/messages/bulk-delete",
        Deleting,
        messages::bulk_delete,
    ),
    route("GET", MESSAGE, Messages, messages::get),
    route("PATCH", MESSAGE, Posting, messages::edit),
    route("DELETE", MESSAGE, Deleting, messages::delete),
    route("PUT", MY_REACTION, Reactions, reactions::add),
    route("DELETE", MY_REACTION, Reactions, reactions::remove_own),
    route("DELETE", THEIR_REACTION, Reactions, reactions::remove),
    route("DELETE", REACTION, Reactions, reactions::clear_emoji),
    route("DELETE", REACTIONS, Reactions, reactions::clear),
];

/// The guild, or object in it, that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Guild(u64),
    Channel(u64),
    Interaction(u64),
    None,
}

impl Route {
    /// The target of a request.
    pub(super) fn target(&self, state: &mut State, call: &Call) -> Target {
        let Ok(id) = call.id(0) else {
            return Target::None;
        };
        match self.template.split('/').nth(1) {
            Some("guilds") => Target::Guild(id),
            Some("channels") => Target::Channel(id),
            Some("interactions") => Target::Interaction(id),
            Some("webhooks") => {
                let known = state.interactions.by_token(call.text(1));
                known.map_or(Target::None, |interaction| {
                    Target::Interaction(interaction.id)
                })
            }
            _ => Target::None,
        }
    }

    /// Whether it requires the bot's token; interaction routes use their own.
    pub(super) fn wants_token(&self) -> bool {
        !self.template.starts_with("/interactions/")
            && !self.template.starts_with("/webhooks/")
            && self.template != "/gateway"
    }

    /// The bucket's resource: the channel, guild or webhook with its token.
    pub(super) fn resource(&self, params: &[String]) -> String {
        let mut parts = self.template.split('/').skip(1);
        match parts.next() {
            Some("channels" | "guilds") => params.first().cloned().unwrap_or_default(),
            Some("webhooks" | "interactions") => params
                .iter()
                .take(2)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(":"),
            _ => String::new(),
        }
    }
}

/// Finds the route for a path (without the API's prefix), with the raw parameter values.
pub(super) fn find(method: &str, path: &str) -> Option<(&'static Route, Vec<String>)> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    ROUTES
        .iter()
        .filter(|route| route.method == method)
        .find_map(|route| Some((route, fit(route.template, &parts)?)))
}

fn fit(template: &str, parts: &[&str]) -> Option<Vec<String>> {
    let mut params = Vec::new();
    let mut left = parts.iter();
    for wanted in template[1..].split('/') {
        let part = left.next()?;
        if wanted.starts_with('{') {
            // Only emoji can contain anything; ids are digits, tokens are words.
            if part.is_empty() || (wanted != "{emoji_name}" && part.starts_with('@')) {
                return None;
            }
            params.push((*part).to_owned());
        } else if wanted != *part {
            return None;
        }
    }
    left.next().is_none().then_some(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_emoji_match_no_route() {
        let (route, params) =
            find("GET", "/channels/1/messages/2/reactions/%F0%9F%91%8D").expect("a route");
        assert_eq!((route.template, params.len()), (REACTION, 3));
        assert!(find("GET", "/channels/1/messages/2/reactions/").is_none());
        assert!(find("GET", "/channels/1/nonsense").is_none());
        assert_eq!(
            find("PATCH", "/webhooks/1/t/messages/@original")
                .expect("a route")
                .0
                .template,
            ORIGINAL
        );
    }
}
