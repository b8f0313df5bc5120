//! A month of scheduled events, meetings, thanks by reaction, opt-outs and outages: what is exported and drawn is what
//! happened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use propsbot_backends::FolderArchive;
use propsbot_model::{EventStatus, UserId};
use propsbot_rows::Snapshot;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde_json::{Value, json};
use simulator::discord::{Discord, Options, Overwrite, bit, event_status, kind};

use super::{SOON, Server, says};
use crate::mirror::{differences, holds};

const PRAY: &str = "🙏";
const HOUR: i64 = 3_600_000;
const WEEK: i64 = 7 * 24 * HOUR;

/// A member in what is exported; `None` for somebody of whom nothing is.
type Shown = Option<u64>;

/// A scheduled event, as it was announced and went on.
struct Event {
    creator: u64,
    start: i64,
    weekly: bool,
    is_secret: bool,
    is_active: bool,
    interested: BTreeSet<u64>,
    /// The starts at which the bot could see it active.
    held: BTreeSet<i64>,
}

/// A meeting's message: who is in it.
#[derive(Clone, Default)]
struct Meeting {
    hosts: BTreeSet<u64>,
    notes: BTreeSet<u64>,
    attended: BTreeSet<u64>,
}

/// What really happened.
struct Month {
    random: StdRng,
    members: Vec<u64>,
    /// Those whose words are always shown.
    open: Vec<u64>,
    general: u64,
    place: u64,
    hall: u64,
    board: u64,
    starts: i64,
    /// Those that Discord lists.
    listed: BTreeMap<u64, Event>,
    /// Those that are over, or were deleted.
    over: Vec<Event>,
    messages: Vec<u64>,
    meetings: BTreeMap<u64, Meeting>,
    /// The meeting that is running by command.
    running: Option<u64>,
    /// Those of whom nothing is shown.
    gone: BTreeSet<u64>,
}

impl Month {
    /// A member as they are exported; `None` if nothing of them is.
    fn shown(&self, user: u64) -> Option<Shown> {
        (!self.gone.contains(&user)).then_some(Some(user))
    }

    /// Something happens. The bot sees it at once, or it is down.
    fn act(&mut self, discord: &Discord, is_up: bool) {
        match self.random.random_range(0..12) {
            0 => self.announce(discord),
            1 | 2 => self.change_interest(discord),
            3..=5 => self.go_on(discord, is_up),
            6 => {
                let author = *self.members.choose(&mut self.random).unwrap();
                self.messages
                    .push(discord.post(author, self.general, "done"));
            }
            7 | 8 => self.react(discord, is_up),
            9 => {
                if self.messages.len() > 4 && self.random.random_range(0..4) == 0 {
                    let at = self.random.random_range(0..self.messages.len());
                    discord.delete(self.general, self.messages.remove(at));
                }
            }
            10 => {
                let meeting = self.meeting();
                let author = *self.open.choose(&mut self.random).unwrap();
                let id = discord.post(author, self.place, &text(&meeting));
                self.meetings.insert(id, meeting);
            }
            _ => self.correct(discord),
        }
    }

    fn some(&mut self, most: usize) -> BTreeSet<u64> {
        let many = self.random.random_range(1..=most);
        let some = self.members.choose_multiple(&mut self.random, many);
        some.copied().collect()
    }

    fn meeting(&mut self) -> Meeting {
        let (hosts, notes) = (self.some(2), self.some(1));
        let attended = &(&self.some(4) | &hosts) | &notes;
        Meeting {
            hosts,
            notes,
            attended,
        }
    }

    /// Edits or deletes the message of a meeting.
    fn correct(&mut self, discord: &Discord) {
        let running = self.running;
        let known: Vec<u64> = self.meetings.keys().copied().collect();
        let Some(id) = known
            .choose(&mut self.random)
            .copied()
            .filter(|id| Some(*id) != running)
        else {
            return;
        };
        if discord
            .message(self.place, id)
            .is_some_and(|message| message.author == discord.bot_id())
        {
            return;
        }
        if self.random.random_range(0..4) == 0 {
            discord.delete(self.place, id);
            self.meetings.remove(&id);
        } else {
            let meeting = self.meeting();
            discord.edit(self.place, id, &text(&meeting));
            self.meetings.insert(id, meeting);
        }
    }

    fn announce(&mut self, discord: &Discord) {
        self.starts += HOUR;
        let creator = *self.members.choose(&mut self.random).unwrap();
        let place = [Some(self.hall), Some(self.board), None];
        let place = *place.choose(&mut self.random).unwrap();
        let id = discord.schedule(creator, "Community call", self.starts, place);
        let weekly = self.random.random();
        if weekly {
            discord.update_event(id, |event| event.weekly = true);
        }
        self.listed.insert(
            id,
            Event {
                creator,
                start: self.starts,
                weekly,
                is_secret: place == Some(self.board),
                is_active: false,
                interested: BTreeSet::new(),
                held: BTreeSet::new(),
            },
        );
    }

    fn change_interest(&mut self, discord: &Discord) {
        let user = *self.members.choose(&mut self.random).unwrap();
        let known: Vec<u64> = self.listed.keys().copied().collect();
        let Some(id) = known.choose(&mut self.random) else {
            return;
        };
        let interested = &mut self.listed.get_mut(id).unwrap().interested;
        let is_interested = interested.insert(user) || !interested.remove(&user);
        discord.set_interest(*id, user, is_interested);
    }

    /// An event begins, ends, or is called off.
    fn go_on(&mut self, discord: &Discord, is_up: bool) {
        let known: Vec<u64> = self.listed.keys().copied().collect();
        let Some(id) = known.choose(&mut self.random).copied() else {
            return;
        };
        let is_off = self.random.random_range(0..6) == 0;
        let event = self.listed.get_mut(&id).unwrap();
        if !event.is_active && is_off {
            discord.delete_event(id);
            self.over.extend(self.listed.remove(&id));
        } else if event.is_active {
            discord.update_event(id, |event| event.status = event_status::COMPLETED);
            // The bot hears that it was active, as well.
            event.is_active = false;
            if event.weekly {
                event.start += WEEK;
            } else {
                self.over.extend(self.listed.remove(&id));
            }
        } else {
            discord.update_event(id, |event| event.status = event_status::ACTIVE);
            event.is_active = true;
            if is_up {
                event.held.insert(event.start);
            }
        }
    }

    /// The bot is back, and sees what is active.
    fn seen(&mut self) {
        for event in self.listed.values_mut().filter(|event| event.is_active) {
            event.held.insert(event.start);
        }
    }

    /// Somebody reacts, or takes it back. While the bot is down, nobody takes anything back: if others give as many,
    /// only reading history again shows it.
    fn react(&mut self, discord: &Discord, is_up: bool) {
        let Some(message) = self.messages.choose(&mut self.random).copied() else {
            return;
        };
        let user = *self.members.choose(&mut self.random).unwrap();
        let emoji = *[PRAY, PRAY, "👍"].choose(&mut self.random).unwrap();
        if !discord.react(user, self.general, message, emoji, false) && is_up {
            discord.unreact(user, self.general, message, emoji, false);
        }
    }
}

/// A meeting's message that says this.
fn text(meeting: &Meeting) -> String {
    let line = |label: &str, users: &BTreeSet<u64>| {
        let users: Vec<String> = users.iter().map(|id| format!("<@{id}>")).collect();
        format!("{label}: {}\n", users.join(" "))
    };
    [
        line("Participants", &meeting.attended),
        line("Hosts", &meeting.hosts),
        line("Notes", &meeting.notes),
    ]
    .concat()
}

const ROLES: [&str; 3] = ["ATTENDED", "HOSTED", "TOOK_NOTES"];

/// The lines of what is exported: thanks, events that took place, events that are announced, and meetings.
struct Lines(Vec<String>);

impl Lines {
    fn thanks(&mut self, from: Shown, to: Shown) {
        self.0.push(format!("{from:?} thanked {to:?}"));
    }

    fn hosted(&mut self, start: i64, host: Shown) {
        self.0.push(format!("{host:?} hosted the event of {start}"));
    }

    fn announced(&mut self, id: u64, event: (i64, bool), creator: Shown, interested: &[Shown]) {
        let (start, is_active) = event;
        let is_active = if is_active { "goes on" } else { "is announced" };
        let (creator, start) = (format!("{creator:?}"), format!("{start}"));
        self.0.push(format!(
            "event {id} of {start} by {creator} {is_active}, and {interested:?} are interested"
        ));
    }

    /// Several of whom nothing is shown are one.
    fn met(&mut self, meeting: u64, role: &str, member: Shown) {
        let line = format!("{member:?} {role} the meeting {meeting}");
        if !self.0.contains(&line) {
            self.0.push(line);
        }
    }
}

/// What somebody who knows all that happened would export.
fn expected(month: &Month, discord: &Discord) -> Lines {
    let mut lines = Lines(Vec::new());
    for message in discord.truth().messages {
        let reactions = message.reactions.iter();
        let prays = reactions.filter(|reaction| reaction.emoji_name.as_deref() == Some(PRAY));
        let users = prays.flat_map(|reaction| &reaction.users);
        for user in users.filter(|user| **user != message.author) {
            if let Some((from, to)) = month.shown(*user).zip(month.shown(message.author)) {
                lines.thanks(from, to);
            }
        }
    }
    let events = month.listed.values().chain(&month.over);
    for event in events.filter(|event| !event.is_secret) {
        for start in &event.held {
            if let Some(host) = month.shown(event.creator) {
                lines.hosted(*start, host);
            }
        }
    }
    let listed = month.listed.iter().filter(|(_, event)| !event.is_secret);
    for (id, event) in listed {
        let interested = event.interested.iter();
        let interested: Vec<Shown> = interested.filter_map(|user| month.shown(*user)).collect();
        let creator = month.shown(event.creator).flatten();
        lines.announced(*id, (event.start, event.is_active), creator, &interested);
    }
    for (id, meeting) in &month.meetings {
        let users = [&meeting.attended, &meeting.hosts, &meeting.notes];
        for (role, users) in ROLES.into_iter().zip(users) {
            for user in users {
                lines.met(*id, role, month.shown(*user).flatten());
            }
        }
    }
    lines
}

fn named(id: UserId) -> Shown {
    (!id.is_anonymous()).then_some(id.0)
}

impl Server {
    /// What is exported, as commands tell it; an error if nothing is yet.
    async fn exported_month(&self, month: &Month) -> Result<Lines, String> {
        let archive = FolderArchive::new(self.mirror.archive_path());
        let snapshot = Snapshot::read(&archive)
            .await
            .map_err(|error| error.to_string())?;
        let mut lines = Lines(Vec::new());
        let csv = self
            .mirror
            .run(&["openrank", "--from", "dir:archive"])
            .await
            .ok()
            .stdout;
        for line in csv.lines().skip(1) {
            let fields: Vec<&str> = line.split(',').collect();
            let [from, to] = [0, 1].map(|field| named(UserId(fields[field].parse().unwrap())));
            for _ in 0..fields[2].parse().unwrap() {
                lines.thanks(from, to);
            }
        }
        for row in &snapshot.events {
            let start = row.start.0;
            if month
                .listed
                .get(&row.id.0)
                .is_some_and(|event| event.start == start)
            {
                let interested = row.interested_ids.iter().copied();
                let interested: Vec<Shown> = interested.map(named).collect();
                let is_active = row.status == EventStatus::ACTIVE;
                let creator = row.creator_id.and_then(named);
                lines.announced(row.id.0, (start, is_active), creator, &interested);
            }
        }
        for edge in self.edges_of_meetings(month.place).await {
            let address = edge["address"].as_array().unwrap();
            let part = |index: usize| address[index].as_str().unwrap();
            let number = |index: usize| part(index).parse::<u64>().unwrap();
            let who = named(UserId(number(address.len() - 1)));
            if ROLES.contains(&part(2)) {
                lines.met(number(4), part(2), who);
            } else {
                assert_eq!(part(2), "HOSTED_EVENT");
                lines.hosted(part(4).parse().unwrap(), who);
            }
        }
        Ok(lines)
    }

    /// Waits until what is exported is what happened.
    async fn exports_month(&self, month: &Month) {
        let begun = Instant::now();
        loop {
            let Lines(expected) = expected(month, self.discord());
            let exported = self.exported_month(month).await;
            let differ = exported.map(|Lines(lines)| differences(&lines, &expected));
            if differ.as_ref().is_ok_and(Vec::is_empty) {
                return;
            }
            let log = self.log();
            assert!(begun.elapsed() < SOON, "{differ:#?}\n{log}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A meeting by command begins, goes on, or ends.
    async fn meet(&self, month: &mut Month) {
        let (place, user) = (month.place, *month.open.choose(&mut month.random).unwrap());
        let meeting = |what, options: Value| self.ask_in(place, user, what, options);
        match month.running {
            None => {
                says(&meeting("meeting start", json!({})).await, &["has begun"]);
                let bot = self.discord().bot_id();
                let messages = self.discord().truth().messages.into_iter();
                let own =
                    messages.filter(|message| message.channel == place && message.author == bot);
                let id = own.map(|message| message.id).max().unwrap();
                let [hosts, attended] = [(); 2].map(|()| BTreeSet::from([user]));
                month.meetings.insert(
                    id,
                    Meeting {
                        hosts,
                        attended,
                        ..Meeting::default()
                    },
                );
                month.running = Some(id);
            }
            Some(id) => {
                let known = month.meetings.get_mut(&id).unwrap();
                if known.attended.insert(user) {
                    says(
                        &meeting("meeting here", json!({})).await,
                        &["You're on the list"],
                    );
                } else if known.hosts.contains(&user) {
                    let notes = json!({"notes": format!("<@{user}>")});
                    known.notes.insert(user);
                    says(&meeting("meeting end", notes).await, &["participant"]);
                    month.running = None;
                }
            }
        }
    }
}

/// A server with a public and a secret voice channel, and a channel for meetings.
async fn server(seed: u64) -> (Server, Month) {
    let server = Server::with(Options::default(), |discord| {
        for name in ["dan", "evelyn", "fay", "gil"] {
            discord.join(name);
        }
        discord.create_channel(kind::TEXT, "meetings", vec![]);
        discord.create_channel(kind::VOICE, "hall", vec![]);
        let hidden = Overwrite::role(discord.guild_id(), 0, bit::VIEW_CHANNEL);
        let shown = Overwrite::member(discord.bot_id(), bit::VIEW_CHANNEL, 0);
        discord.create_channel(kind::VOICE, "board", vec![hidden, shown]);
    })
    .await;
    let discord = server.discord();
    let [place, hall, board] =
        ["meetings", "hall", "board"].map(|name| discord.channel(name).unwrap());
    let by_name: BTreeMap<String, u64> = discord
        .members()
        .into_iter()
        .map(|(id, name)| (name, id))
        .collect();
    let members = ["ana", "ben", "cho", "dan", "evelyn", "fay", "gil"].map(|name| by_name[name]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let month = Month {
        random: StdRng::seed_from_u64(seed),
        members: members.to_vec(),
        open: members[..3].to_vec(),
        general: server.general,
        place,
        hall,
        board,
        starts: i64::try_from(now.as_millis()).unwrap() + HOUR,
        listed: BTreeMap::new(),
        over: Vec::new(),
        messages: Vec::new(),
        meetings: BTreeMap::new(),
        running: None,
        gone: BTreeSet::new(),
    };
    (server, month)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_is_exported_and_drawn_as_it_happened() {
    let (mut server, mut month) = server(1).await;
    let set = json!({"meeting_events": true, "thanks_emoji": PRAY});
    says(
        &server.admin("settings set", set).await,
        &["kept and exported"],
    );
    let [dan, evelyn, fay] = [3, 4, 5].map(|index| month.members[index]);
    for day in 0..30 {
        for _ in 0..8 {
            month.act(server.discord(), true);
        }
        server.meet(&mut month).await;
        match day {
            // The session goes on, and nothing is lost.
            2 | 9 | 17 => server.discord().cut_gateway(),
            7 => {
                let everything = json!({"what": 2});
                says(
                    &server.ask(fay, "privacy opt-out", everything).await,
                    &["Nothing of yours"],
                );
                month.gone.insert(fay);
            }
            15 => {
                let name = json!({"what": 1});
                says(
                    &server.ask(evelyn, "privacy opt-out", name).await,
                    &["exported"],
                );
            }
            22 => {
                let asked = server.ask(dan, "privacy delete", json!({})).await;
                let button = asked.message_id.unwrap();
                let discord = server.discord();
                let pressed = discord.click(dan, server.general, button, "privacy-delete", &[]);
                says(&discord.answer(pressed).await.unwrap(), &[]);
                month.gone.insert(dan);
            }
            // The bot is stopped, or dies.
            5 | 12 | 20 | 26 => {
                server.exports_month(&month).await;
                if day % 4 == 0 {
                    server.running.take().unwrap().kill().await;
                } else {
                    server.stop().await;
                }
                for _ in 0..15 {
                    month.act(server.discord(), false);
                }
                month.seen();
                server.run().await;
            }
            _ => {}
        }
    }
    server.exports_month(&month).await;
    server.stop().await;
    let found = server.mirror.verified().await;
    assert!(found.is_valid(), "{:#?}", found.faults);
    let archive = server.mirror.archive_path();
    assert!(!holds(&archive, b"evelyn") && holds(&archive, b"ana"));

    // A store that is restored exports the same.
    fs::remove_dir_all(server.mirror.store_path()).unwrap();
    server
        .mirror
        .run(&["restore", "--from", "dir:archive"])
        .await
        .ok();
    fs::remove_dir_all(server.mirror.archive_path()).unwrap();
    server.mirror.run(&["export"]).await.ok();
    server.exports_month(&month).await;
    server.check_manners();
}
