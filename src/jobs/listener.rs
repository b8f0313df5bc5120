//! Turns gateway events, in order, into facts for the writer and requests for backfills.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc;
use tracing::{info, warn};

use super::{
    acknowledge::{Acknowledgements, Posted},
    backfill::{Depth, Requests},
    mirrored::MirroredGuilds,
    writer::Writer,
};
use propsbot_discord::{GatewayItem, GuildSnapshot, Signal, invitation, translate};
use propsbot_mirror::Ending;
use propsbot_model::{
    Evidence, Fact, FailureObject, GuildId, Observation, Props, RoleId, Stamp, UserId,
};

/// Listens until the gateway stops and everything is handed over.
/// An earlier run received everything up to `heard`. Ignores guilds that aren't mirrored.
pub async fn listen(
    mut items: mpsc::UnboundedReceiver<GatewayItem>,
    bot: UserId,
    heard: Stamp,
    guilds: MirroredGuilds,
    writer: Writer,
    requests: Requests,
    acknowledgements: Acknowledgements,
) -> Result<(), Ending> {
    let mut listener = Listener::new(bot, heard, guilds);
    while let Some(item) = items.recv().await {
        let (at, heard) = match item {
            GatewayItem::Event { at, event } => {
                let said = translate(&event, at, bot);
                // Frees its room in the queue.
                drop(event);
                match said.guild.filter(|guild| !listener.mirrored.has(*guild)) {
                    Some(other) => (at, listener.pass_over(other, said.signal)),
                    None => (at, listener.hear(said.observations, said.signal)),
                }
            }
            GatewayItem::Lost { at } => (at, listener.lose_all()),
        };
        listener.heard = at;
        let mut observations = heard.observations;
        observations.extend(heard.facts.into_iter().map(|fact| {
            let by = Evidence::Gateway;
            Observation { at, by, fact }
        }));
        if !observations.is_empty() {
            writer.send(observations).await?;
        }
        for posted in heard.thanks {
            acknowledgements.consider(posted);
        }
        // Request only now, so that the backfill finds the facts.
        for request in heard.requests {
            match request {
                Request::Guild(guild, depth) => requests.guild(guild, depth),
                Request::Told(told) => requests.told(*told),
                Request::Reread => requests.reread(),
                Request::Guilds => requests.guilds(),
                Request::Candidate(guild) => requests.candidate(guild),
            }
        }
    }
    Ok(())
}

/// The result of a gateway item.
#[derive(Default)]
struct Heard {
    observations: Vec<Observation>,
    facts: Vec<Fact>,
    requests: Vec<Request>,
    /// New messages that may be props.
    thanks: Vec<Posted>,
}

impl Heard {
    /// Records that events of the guild after `until` were lost, and requests a backfill.
    fn lose(&mut self, guild: GuildId, until: Stamp) {
        self.facts.push(Fact::SessionLost(guild, until));
        self.requests.push(Request::Guild(guild, Depth::Whole));
    }
}

enum Request {
    Guild(GuildId, Depth),
    Told(Box<GuildSnapshot>),
    Reread,
    Guilds,
    Candidate(GuildId),
}

struct Listener {
    bot: UserId,
    /// When the last item was received.
    heard: Stamp,
    /// Until when everything was received before this session.
    heard_before: Stamp,
    mirrored: MirroredGuilds,
    /// All guilds of this session, mirrored or not.
    guilds: BTreeSet<GuildId>,
    /// Guilds that the operator was told aren't mirrored.
    passed_over: BTreeSet<GuildId>,
    /// Guilds with an outage, and when their events stopped.
    silent: BTreeMap<GuildId, Stamp>,
    /// The bot's roles in each guild, as last received.
    bot_roles: BTreeMap<GuildId, Vec<RoleId>>,
}

impl Listener {
    fn new(bot: UserId, heard: Stamp, mirrored: MirroredGuilds) -> Self {
        Self {
            bot,
            heard,
            heard_before: heard,
            mirrored,
            guilds: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            silent: BTreeMap::new(),
            bot_roles: BTreeMap::new(),
        }
    }

    fn hear(&mut self, observations: Vec<Observation>, signal: Option<Signal>) -> Heard {
        let mut heard = Heard::default();
        for seen in &observations {
            match &seen.fact {
                // The bot's roles decide what it sees: live channels may have become hidden.
                Fact::Member(guild, user, presence) if user.id == self.bot => {
                    let before = self.bot_roles.insert(*guild, presence.roles.clone());
                    if before.is_some_and(|before| before != presence.roles) {
                        heard.facts.push(Fact::SessionLost(*guild, seen.at));
                        heard.requests.push(Request::Guild(*guild, Depth::Channels));
                    }
                }
                Fact::Posted(message) | Fact::Message(message) => {
                    if matches!(seen.fact, Fact::Posted(_)) {
                        heard.thanks.extend(Posted::thanks(message));
                    }
                    heard
                        .facts
                        .extend(Props::from_answer(message, self.bot).map(Fact::Props));
                }
                _ => {}
            }
        }
        heard.observations = observations;
        if let Some(signal) = signal {
            self.heed(signal, &mut heard);
        }
        heard
    }

    /// Handles an event of a guild that isn't mirrored.
    fn pass_over(&mut self, guild: GuildId, signal: Option<Signal>) -> Heard {
        let mut heard = Heard::default();
        match signal {
            Some(Signal::GuildAvailable(..)) if self.mirrored.is_open() => {
                self.guilds.insert(guild);
                heard.requests.push(Request::Candidate(guild));
            }
            Some(Signal::GuildAvailable(_, told)) => {
                self.guilds.insert(guild);
                if self.passed_over.insert(guild) {
                    let name = told.map(|told| told.shape.guild.name);
                    warn!(
                        %guild, ?name,
                        "this guild isn't mirrored, and nothing from it is stored. If it's \
                         yours, add its id to DISCORD_GUILDS"
                    );
                }
            }
            Some(Signal::GuildLeft(_)) => {
                self.guilds.remove(&guild);
            }
            _ => {}
        }
        heard
    }

    fn own_guilds(&self) -> impl Iterator<Item = GuildId> + '_ {
        let guilds = self.guilds.iter().copied();
        guilds.filter(|guild| self.mirrored.has(*guild))
    }

    /// Warns of guilds in `DISCORD_GUILDS` that the bot isn't in.
    fn tell_missing(&self) {
        let named = self.mirrored.is_named().then(|| self.mirrored.all());
        for guild in named.into_iter().flatten() {
            if !self.guilds.contains(&guild) {
                let invite = invitation(self.bot);
                warn!(
                    %guild,
                    "the bot isn't in this guild from DISCORD_GUILDS; it mirrors the guild once an admin \
                     invites it: {invite}"
                );
            }
        }
    }

    fn heed(&mut self, signal: Signal, heard: &mut Heard) {
        match signal {
            Signal::SessionStarted { guilds } => {
                info!(guilds = guilds.len(), "connected to the gateway");
                if guilds.is_empty() {
                    let invite = invitation(self.bot);
                    warn!(
                        "the bot isn't in any guild; it mirrors one once an admin invites it: {invite}"
                    );
                }
                self.heard_before = self.heard;
                let before = std::mem::take(&mut self.guilds);
                self.guilds = guilds.into_iter().collect();
                self.tell_missing();
                let lost = self.guilds.union(&before).copied();
                let lost = lost.filter(|guild| self.mirrored.has(*guild));
                heard
                    .facts
                    .extend(lost.map(|guild| Fact::SessionLost(guild, self.heard)));
            }
            Signal::Resumed => info!("gateway session resumed; nothing was missed"),
            Signal::GuildAvailable(guild, told) => {
                self.guilds.insert(guild);
                let until = self.silent.remove(&guild).unwrap_or(self.heard_before);
                heard.lose(guild, until);
                heard.requests.extend(told.map(Request::Told));
            }
            Signal::GuildUnavailable(guild) => {
                let until = *self.silent.entry(guild).or_insert(self.heard);
                heard.facts.push(Fact::SessionLost(guild, until));
            }
            Signal::GuildLeft(guild) => {
                self.guilds.remove(&guild);
                self.silent.remove(&guild);
                heard.facts.push(Fact::SessionLost(guild, self.heard));
            }
            Signal::ShapeChanged(guild) => {
                heard.requests.push(Request::Guild(guild, Depth::Channels));
            }
            Signal::Reread(guild, channel, message) => {
                let object = FailureObject::Message(channel, message);
                let reason = "unexpected data from Discord";
                heard.facts.push(Fact::Failed(guild, object, reason.into()));
                heard.requests.push(Request::Reread);
            }
            Signal::Unreadable { guild, event } => {
                warn!(event, "unreadable event: fetching its content instead");
                let guilds: Vec<GuildId> =
                    guild.map_or_else(|| self.own_guilds().collect(), |guild| vec![guild]);
                for guild in guilds {
                    heard.lose(guild, self.heard);
                    let object = FailureObject::Event(event.clone());
                    let reason = "unexpected data from Discord; its content is fetched instead";
                    heard.facts.push(Fact::Failed(guild, object, reason.into()));
                }
            }
        }
    }

    /// Handles the loss of events of unknown guilds.
    fn lose_all(&self) -> Heard {
        let mut heard = Heard::default();
        for guild in self.own_guilds() {
            heard.facts.push(Fact::SessionLost(guild, self.heard));
        }
        // The bot may have joined or left a guild, too.
        heard.requests.push(Request::Guilds);
        heard
    }
}
