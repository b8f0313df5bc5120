//! Turns gateway events, in order, into facts for the writer and requests for backfills.

use std::collections::{BTreeMap, BTreeSet};

use tokio::{sync::mpsc, time::timeout};
use tracing::{info, warn};

use super::{
    acknowledge::{Acknowledgements, Posted},
    backfill::{Depth, Requests},
    mirrored::MirroredGuilds,
    writer::Writer,
};
use propsbot_discord::{GatewayItem, GuildSnapshot, Shard, Signal, invitation, translate};
use propsbot_mirror::{Ending, IDLE, Pulse};
use propsbot_model::{
    Evidence, Fact, FailureObject, GuildId, Observation, Props, RoleId, Stamp, UserId,
};

/// The queue of gateway items.
pub struct Events {
    items: mpsc::UnboundedReceiver<GatewayItem>,
    /// Beats whenever the listener comes for the next item, and while there is none.
    pub pulse: Pulse,
}

impl From<mpsc::UnboundedReceiver<GatewayItem>> for Events {
    fn from(items: mpsc::UnboundedReceiver<GatewayItem>) -> Self {
        Self {
            items,
            pulse: Pulse::default(),
        }
    }
}

impl Events {
    async fn next(&mut self) -> Option<GatewayItem> {
        loop {
            self.pulse.beat();
            if let Ok(item) = timeout(IDLE, self.items.recv()).await {
                return item;
            }
        }
    }
}

/// Listens until the gateway stops and everything is handed over.
/// An earlier run received everything up to `heard`. Ignores guilds that aren't mirrored.
pub async fn listen(
    mut events: Events,
    bot: UserId,
    heard: Stamp,
    guilds: MirroredGuilds,
    writer: Writer,
    requests: Requests,
    acknowledgements: Acknowledgements,
) -> Result<(), Ending> {
    let mut listener = Listener::new(bot, heard, guilds);
    while let Some(item) = events.next().await {
        let (at, heard) = match item {
            GatewayItem::Event { at, shard, event } => {
                let said = translate(&event, at, bot);
                // Frees its room in the queue.
                drop(event);
                let other = said.guild.filter(|guild| !listener.mirrored.has(*guild));
                let heard = match other {
                    Some(other) => listener.pass_over(shard, other, said.signal),
                    None => listener.hear(shard, said.observations, said.signal),
                };
                listener.of(shard).heard = at;
                (at, heard)
            }
            GatewayItem::Lost { at, shard } => (at, listener.lose_all(shard)),
            GatewayItem::Disconnected { at, shard } => (at, listener.disconnected(shard)),
        };
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
                Request::Guilds(shard) => requests.guilds(shard),
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
    Guilds(Option<Shard>),
    Candidate(GuildId),
}

struct Listener {
    bot: UserId,
    /// Until when everything was received before these shards connected.
    heard_before: Stamp,
    mirrored: MirroredGuilds,
    /// The number of shards; 0 before the first session.
    count: u32,
    /// By shard id.
    shards: BTreeMap<u32, ShardState>,
    /// Guilds that the operator was told aren't mirrored.
    passed_over: BTreeSet<GuildId>,
    /// Guilds with an outage, and when their events stopped.
    silent: BTreeMap<GuildId, Stamp>,
    /// The bot's roles in each guild, as last received.
    bot_roles: BTreeMap<GuildId, Vec<RoleId>>,
}

/// A shard's session. Without one, its events are missing.
#[derive(Default)]
struct ShardState {
    /// When its last event was received.
    heard: Stamp,
    /// Until when everything was received before this session.
    heard_before: Stamp,
    /// All guilds of this session, mirrored or not.
    guilds: BTreeSet<GuildId>,
}

impl Listener {
    fn new(bot: UserId, heard: Stamp, mirrored: MirroredGuilds) -> Self {
        Self {
            bot,
            heard_before: heard,
            mirrored,
            count: 0,
            shards: BTreeMap::new(),
            passed_over: BTreeSet::new(),
            silent: BTreeMap::new(),
            bot_roles: BTreeMap::new(),
        }
    }

    fn of(&mut self, shard: Shard) -> &mut ShardState {
        let heard = self.heard_before;
        self.shards.entry(shard.id).or_insert_with(|| ShardState {
            heard,
            heard_before: heard,
            guilds: BTreeSet::new(),
        })
    }

    fn hear(
        &mut self,
        shard: Shard,
        observations: Vec<Observation>,
        signal: Option<Signal>,
    ) -> Heard {
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
            self.heed(shard, signal, &mut heard);
        }
        heard
    }

    /// Handles an event of a guild that isn't mirrored.
    fn pass_over(&mut self, shard: Shard, guild: GuildId, signal: Option<Signal>) -> Heard {
        let mut heard = Heard::default();
        match signal {
            Some(Signal::GuildAvailable(..)) if self.mirrored.is_open() => {
                self.of(shard).guilds.insert(guild);
                heard.requests.push(Request::Candidate(guild));
            }
            Some(Signal::GuildAvailable(_, told)) => {
                self.of(shard).guilds.insert(guild);
                if self.passed_over.insert(guild) && !self.mirrored.is_up_to_admins() {
                    let name = told.map(|told| told.shape.guild.name);
                    warn!(
                        %guild, ?name,
                        "this guild isn't mirrored, and nothing from it is stored. If it's \
                         yours, add its id to DISCORD_GUILDS"
                    );
                }
            }
            Some(Signal::GuildLeft(_)) => {
                self.of(shard).guilds.remove(&guild);
            }
            _ => {}
        }
        heard
    }

    /// Returns the mirrored guilds of this shard, or of all.
    fn own_guilds(&self, shard: Option<Shard>) -> Vec<GuildId> {
        let states = self.shards.iter();
        let states = states.filter(|(id, _)| shard.is_none_or(|shard| shard.id == **id));
        let guilds = states.flat_map(|(_, state)| state.guilds.iter().copied());
        guilds.filter(|guild| self.mirrored.has(*guild)).collect()
    }

    /// Warns of guilds in `DISCORD_GUILDS` that the bot isn't in, of those on this shard.
    fn tell_missing(&mut self, shard: Shard) {
        let (bot, mirrored) = (self.bot, self.mirrored.clone());
        let named = mirrored.is_named().then(|| mirrored.all());
        let guilds = &self.of(shard).guilds;
        let named = named.into_iter().flatten();
        for guild in named.filter(|guild| shard.has(*guild)) {
            if !guilds.contains(&guild) {
                let invite = invitation(bot);
                warn!(
                    %guild,
                    "the bot isn't in this guild from DISCORD_GUILDS; it mirrors the guild once an admin \
                     invites it: {invite}"
                );
            }
        }
    }

    /// Begins with another number of shards: every guild's session is lost.
    fn reshard(&mut self, count: u32, heard: &mut Heard) {
        if self.count != 0 {
            let lost = self.own_guilds(None).into_iter();
            let states = std::mem::take(&mut self.shards);
            let until = states.values().map(|state| state.heard).min();
            self.heard_before = until.unwrap_or(self.heard_before);
            let until = self.heard_before;
            heard.facts.extend(lost.flat_map(|guild| {
                [
                    Fact::SessionLost(guild, until),
                    Fact::Disconnected(guild, until),
                ]
            }));
        }
        self.count = count;
    }

    fn heed(&mut self, shard: Shard, signal: Signal, heard: &mut Heard) {
        match signal {
            Signal::SessionStarted { guilds } => {
                if shard.count == 1 {
                    info!(guilds = guilds.len(), "connected to the gateway");
                } else {
                    info!(%shard, guilds = guilds.len(), "connected to the gateway");
                }
                if guilds.is_empty() && shard.count == 1 {
                    let invite = invitation(self.bot);
                    warn!(
                        "the bot isn't in any guild; it mirrors one once an admin invites it: {invite}"
                    );
                }
                if shard.count != self.count {
                    self.reshard(shard.count, heard);
                }
                let mirrored = self.mirrored.clone();
                let state = self.of(shard);
                let until = state.heard;
                state.heard_before = until;
                let before = std::mem::take(&mut state.guilds);
                state.guilds = guilds.into_iter().collect();
                let lost = state.guilds.union(&before).copied();
                let lost = lost.filter(|guild| mirrored.has(*guild));
                heard
                    .facts
                    .extend(lost.map(|guild| Fact::SessionLost(guild, until)));
                self.tell_missing(shard);
            }
            Signal::Resumed => {
                if shard.count == 1 {
                    info!("gateway session resumed; nothing was missed");
                } else {
                    info!(%shard, "gateway session resumed; nothing was missed");
                }
                let guilds = self.own_guilds(Some(shard)).into_iter();
                heard.facts.extend(guilds.map(Fact::Connected));
            }
            Signal::GuildAvailable(guild, told) => {
                let state = self.of(shard);
                state.guilds.insert(guild);
                let before = state.heard_before;
                let until = self.silent.remove(&guild).unwrap_or(before);
                heard.lose(guild, until);
                heard.facts.push(Fact::Connected(guild));
                heard.requests.extend(told.map(Request::Told));
            }
            Signal::GuildUnavailable(guild) => {
                let until = self.of(shard).heard;
                let until = *self.silent.entry(guild).or_insert(until);
                heard.facts.push(Fact::SessionLost(guild, until));
            }
            Signal::GuildLeft(guild) => {
                let state = self.of(shard);
                state.guilds.remove(&guild);
                let until = state.heard;
                self.silent.remove(&guild);
                heard.facts.push(Fact::SessionLost(guild, until));
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
                let until = self.of(shard).heard;
                let guilds: Vec<GuildId> =
                    guild.map_or_else(|| self.own_guilds(Some(shard)), |guild| vec![guild]);
                for guild in guilds {
                    heard.lose(guild, until);
                    let object = FailureObject::Event(event.clone());
                    let reason = "unexpected data from Discord; its content is fetched instead";
                    heard.facts.push(Fact::Failed(guild, object, reason.into()));
                }
            }
        }
    }

    /// Handles the loss of events of unknown guilds, of this shard or of all.
    fn lose_all(&self, shard: Option<Shard>) -> Heard {
        let mut heard = Heard::default();
        for (id, state) in &self.shards {
            let of = Shard {
                id: *id,
                count: self.count,
            };
            if shard.is_none_or(|shard| shard == of) {
                let lost = self.own_guilds(Some(of)).into_iter();
                let lost = lost.map(|guild| Fact::SessionLost(guild, state.heard));
                heard.facts.extend(lost);
            }
        }
        // The bot may have joined or left a guild, too.
        heard.requests.push(Request::Guilds(shard));
        heard
    }

    /// Handles the end of a shard's connection. Its session may be resumed.
    fn disconnected(&mut self, shard: Shard) -> Heard {
        let until = self.of(shard).heard;
        let guilds = self.own_guilds(Some(shard)).into_iter();
        let facts = guilds.map(|guild| Fact::Disconnected(guild, until));
        Heard {
            facts: facts.collect(),
            ..Heard::default()
        }
    }
}
