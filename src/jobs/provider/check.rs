//! Checks what propsbot needs of Discord, request by request, without the store.

use std::{error::Error, time::Duration};

use futures::{StreamExt as _, future::join, stream};
use tokio::time::timeout;

use super::DiscordProvider;
use crate::{
    backfill::application,
    check::{BotMember, PERMISSIONS, of_application, of_channels, of_clock},
    mirrored::Selection,
};
use propsbot_discord::{DiscordApi, RestError, invitation};
use propsbot_mirror::{Finding, Id};
use propsbot_model::{Channel, GuildId, Settings, User, counted, permissions::Permissions};

/// How long one question may take, with all its requests and retries.
const PATIENCE: Duration = Duration::from_secs(20);

/// Guilds that are asked for at the same time.
const AT_ONCE: usize = 4;

/// Guilds whose channels are checked.
const MOST_GUILDS: usize = 50;

impl DiscordProvider {
    pub(super) async fn check_discord(&self) -> Vec<Finding> {
        const TOKEN: &str = "token";
        let discord = self.discord();
        let asked = in_time(
            TOKEN,
            "Discord couldn't be asked for the bot",
            self.bot(&discord),
        );
        let bot = match asked.await {
            Ok(bot) => bot,
            Err(found) => {
                let others = ["intents", "guilds", PERMISSIONS, "clock"];
                let others =
                    others.map(|check| Finding::unknown(check, "not checked without a login"));
                return [vec![found], others.into()].concat();
            }
        };
        let token = Finding::ok(TOKEN, "Discord accepts it").names(&bot.username);
        let intents = in_time(
            "intents",
            "Discord couldn't be asked for the application",
            application(&discord),
        );
        let (intents, guilds) = join(intents, self.check_guilds(&discord, &bot)).await;
        let intents = intents.map_or_else(|found| vec![found], of_application);
        let clock = of_clock(discord.rest().ahead());
        [vec![token], intents, guilds, vec![clock]].concat()
    }

    /// Which guilds are mirrored, and what the bot can do in them.
    async fn check_guilds(&self, discord: &DiscordApi, bot: &User) -> Vec<Finding> {
        const GUILDS: &str = "guilds";
        let asked = in_time(
            GUILDS,
            "Discord couldn't be asked for the bot's guilds",
            discord.guilds(),
        );
        let (joined, unnamed) = match asked.await {
            Ok(found) => found,
            Err(found) => return vec![found],
        };
        let mut findings = Vec::new();
        let invite = || format!("add the bot with {}", invitation(bot.id));
        let named: &[GuildId] = match &self.options.guilds {
            Selection::First => &[],
            Selection::Named(named) => &named[..],
            Selection::Admins if joined.is_empty() => &[],
            // Which ones they chose is in the store.
            Selection::Admins => {
                let text = format!(
                    "the bot is in {}; each one's admins decide whether it is mirrored",
                    counted(joined.len(), "guild")
                );
                findings.push(Finding::ok(GUILDS, text));
                let text = "not checked: `/setup` shows them to each guild's admins";
                findings.push(Finding::unknown(PERMISSIONS, text));
                return findings;
            }
        };
        if joined.is_empty() && named.is_empty() {
            findings.push(Finding::wrong(GUILDS, "the bot is in no guild").remedy(invite()));
        }
        for id in named {
            if joined.iter().all(|(joined, _)| joined != id) {
                let text = "the bot isn't in a guild that DISCORD_GUILDS names";
                let found = Finding::wrong(GUILDS, text).names(id).remedy(invite());
                findings.push(found.of(Id::new(id), None));
            }
        }
        let is_mirrored = |id: &GuildId| named.is_empty() || named.contains(id);
        let (mirrored, others): (Vec<_>, Vec<_>) =
            joined.into_iter().partition(|(id, _)| is_mirrored(id));
        if named.is_empty() && mirrored.len() > 1 {
            let text = format!(
                "the bot is in {}, and DISCORD_GUILDS is not set: it mirrors those in the store, or else \
                 the first that it joined",
                counted(mirrored.len(), "guild")
            );
            let remedy = "name the guilds to mirror in DISCORD_GUILDS";
            findings.push(Finding::warning(GUILDS, text).remedy(remedy));
        } else {
            let mirrored = mirrored.iter().map(|(id, name)| {
                let found = Finding::ok(GUILDS, "mirrored").names(format!("{name} ({id})"));
                found.of(Id::new(id), None)
            });
            findings.extend(mirrored);
        }
        if !others.is_empty() {
            let text = format!(
                "nothing is kept of {} that DISCORD_GUILDS doesn't name",
                counted(others.len(), "other guild")
            );
            findings.push(Finding::ok(GUILDS, text));
        }
        if unnamed > 0 {
            let text = format!(
                "{} in Discord's list have no readable id",
                counted(unnamed, "guild")
            );
            findings.push(Finding::warning(GUILDS, text));
        }
        if mirrored.len() > MOST_GUILDS {
            let text = format!(
                "checked in {MOST_GUILDS} of {}",
                counted(mirrored.len(), "guild")
            );
            findings.push(Finding::unknown(PERMISSIONS, text));
        }
        let checked = stream::iter(mirrored.into_iter().take(MOST_GUILDS));
        let checked = checked.map(|(id, name)| check_guild(discord, bot, id, name));
        let checked: Vec<Vec<Finding>> = checked.buffered(AT_ONCE).collect().await;
        findings.extend(checked.into_iter().flatten());
        findings
    }
}

/// What the bot can do in a guild. Its settings are in the store, so these are the default ones.
async fn check_guild(discord: &DiscordApi, bot: &User, id: GuildId, name: String) -> Vec<Finding> {
    let asked = async {
        let (shape, channels, member) = tokio::try_join!(
            discord.guild(id),
            discord.channels(id),
            discord.member(id, bot.id)
        )?;
        Ok::<_, RestError>((shape, channels, member))
    };
    let text = "Discord couldn't be asked for the guild's channels";
    let (shape, channels, member) = match in_time(PERMISSIONS, text, asked).await {
        Ok(found) => found,
        Err(found) => return vec![found.names(format!("{name} ({id})")).of(Id::new(id), None)],
    };
    let roles = member
        .map(|(_, presence)| presence.roles)
        .unwrap_or_default();
    let mut channels: Vec<Channel> = channels
        .items
        .into_iter()
        .map(|listed| listed.channel)
        .collect();
    channels.sort_by_key(|channel| (channel.position, channel.id));
    let permissions = Permissions::new(&shape.guild, &shape.roles.items, &channels);
    let member = BotMember {
        guild: id,
        bot: bot.id,
        roles: &roles,
        settings: &Settings::default_for(id),
    };
    let found = of_channels(&member, &permissions, &channels);
    let in_guild = |finding: Finding| {
        let names = match &finding.names {
            Some(channel) => format!("{channel} in {name}"),
            None => format!("{name} ({id})"),
        };
        finding.names(names)
    };
    found.into_iter().map(in_guild).collect()
}

/// The answer to a question, or why there is none.
async fn in_time<T, E: Error>(
    check: &'static str,
    failed: &str,
    asking: impl Future<Output = Result<T, E>>,
) -> Result<T, Finding> {
    let answered = timeout(PATIENCE, asking).await.map_err(|_| {
        let text = format!("{failed}: no answer within {} s", PATIENCE.as_secs());
        let remedy = "check the connection, DISCORD_API_URL and HTTPS_PROXY";
        Finding::wrong(check, text).remedy(remedy)
    })?;
    answered.map_err(|error| Finding::wrong(check, failed).error(&error))
}
