//! What the store exports is whole, in order, and marked where it changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
};

use proptest::prelude::*;

use super::{
    contents::{contents, reconsidered},
    source::StoreSource,
};
use crate::restore::restore;
use propsbot_archive::{
    Depth, EncodedRow, ExportRequest, Id, MemoryArchive, Millis, Scope, Source, export,
    manifest_path, verify,
};
use propsbot_model::{
    Author, AuthorKind, Channel, ChannelId, ChannelKind, Command, Emoji, EmojiKey, Evidence, Fact,
    Forget, Guild, GuildId, InteractionId, Live, Mention, Message, MessageId, MessageKind,
    Observation, Privacy, Props, PropsOrigin, Reaction, ReactionEvent, Role, RoleId, Stamp, Tier,
    Unread, UserId,
    permissions::{READ_MESSAGE_HISTORY, VIEW_CHANNEL},
};
use propsbot_rows::{
    CHANNELS, MEMBERS, MESSAGES, MessageRow, PROPS, PropsRow, REACTIONS, ReactionRow, SCHEMA,
};
use propsbot_store::{Mark, Store};

const GUILD: GuildId = GuildId(1);
/// The first is a props channel.
const CHANNELS_OF: [ChannelId; 2] = [ChannelId(2), ChannelId(3)];
const ANA: UserId = UserId(480_300_000_000_000_001);
/// Each message has one of them. The first two are one emoji.
const EMOJIS: [&str; 3] = ["❤", "❤\u{fe0f}", "🎉"];
const START: i64 = 1_700_000_000_000;
const HOUR: i64 = 3_600_000;
const ALWAYS: RangeInclusive<Millis> = Millis(i64::MIN)..=Millis(i64::MAX);

/// What happens: in one of the channels, to one of its messages.
#[derive(Clone, Debug)]
enum Action {
    /// A message is told of, or its edit; whether it mentions Ben.
    See(usize, u8, bool),
    /// The gateway, or a list, tells of a reaction. Perhaps nothing else is known of the message.
    React(usize, u8, bool),
    Unreact(usize, u8),
    Delete(usize, u8),
    /// Ana gives props; whether it is known that a message of the bot announces them.
    Give(usize, u8, bool),
    /// Ana hides everything, or nothing.
    Hide(bool),
    /// Ana has what she did deleted, message by message.
    Forget(usize, u8),
    /// Time passes: hours.
    Wait(u8),
}

fn action() -> impl Strategy<Value = Action> {
    let channel = 0..2_usize;
    let message = 0..5_u8;
    let place = (channel, message);
    prop_oneof![
        4 => (place.clone(), any::<bool>()).prop_map(|((c, m), thanks)| Action::See(c, m, thanks)),
        4 => (place.clone(), any::<bool>()).prop_map(|((c, m), heard)| Action::React(c, m, heard)),
        1 => place.clone().prop_map(|(c, m)| Action::Unreact(c, m)),
        1 => place.clone().prop_map(|(c, m)| Action::Delete(c, m)),
        1 => (place.clone(), any::<bool>()).prop_map(|((c, m), linked)| Action::Give(c, m, linked)),
        1 => any::<bool>().prop_map(Action::Hide),
        1 => place.prop_map(|(c, m)| Action::Forget(c, m)),
        3 => (1..200_u8).prop_map(Action::Wait),
    ]
}

fn id(channel: usize, message: u8) -> MessageId {
    let at = Millis(START + i64::from(message) * 7 * HOUR);
    MessageId(MessageId::at(at).0 | channel as u64)
}

/// The run of the command that a message answers.
fn run(message: MessageId) -> InteractionId {
    InteractionId(message.0 - (1 << 22))
}

/// Whether a message is the bot's, which announces props. The others are Ana's.
fn is_answer(message: u8) -> bool {
    message > 2
}

fn message(channel: usize, of: u8, thanks: bool, edited: Millis) -> Message {
    let (id, is_answer) = (id(channel, of), is_answer(of));
    Message {
        id,
        channel_id: CHANNELS_OF[channel],
        guild_id: GUILD,
        author: Author {
            id: if is_answer { UserId(ANA.0 + 2) } else { ANA },
            kind: if is_answer {
                AuthorKind::Bot
            } else {
                AuthorKind::User
            },
        },
        kind: if is_answer {
            MessageKind::CHAT_INPUT_COMMAND
        } else {
            MessageKind::DEFAULT
        },
        content: "hi".to_owned(),
        mentions: thanks
            .then_some(Mention {
                user_id: UserId(ANA.0 + 1),
                count: 1,
            })
            .into_iter()
            .collect(),
        reply_to: None,
        command: is_answer.then(|| Command {
            id: run(id),
            user_id: ANA,
            name: None,
        }),
        edited_at: Some(edited),
        by_webhook: None,
        unread: Unread::default(),
        earlier: Vec::new(),
    }
}

/// The facts of an action, at this time.
fn facts(action: &Action, now: Millis) -> Vec<(Evidence, Fact)> {
    let event = |channel: usize, of: u8| ReactionEvent {
        guild_id: GUILD,
        channel_id: CHANNELS_OF[channel],
        message_id: id(channel, of),
        user_id: UserId(ANA.0 + 1),
        emoji: Emoji::unicode(EMOJIS[usize::from(of) % EMOJIS.len()]),
        burst: false,
    };
    let by = |heard: bool| {
        if heard {
            Evidence::Gateway
        } else {
            Evidence::Rest
        }
    };
    let fact = match *action {
        Action::See(channel, of, thanks) => Fact::Message(message(channel, of, thanks, now)),
        Action::React(channel, of, heard) => {
            return vec![(by(heard), Fact::Reacted(event(channel, of)))];
        }
        Action::Unreact(channel, of) => Fact::Unreacted(event(channel, of)),
        Action::Delete(channel, of) => {
            Fact::MessageGone(GUILD, CHANNELS_OF[channel], id(channel, of))
        }
        Action::Give(channel, of, linked) => {
            let message = id(channel, of);
            Fact::Props(Props {
                id: run(message),
                guild_id: GUILD,
                channel_id: CHANNELS_OF[channel],
                message_id: (linked && is_answer(of)).then_some(message),
                giver: ANA,
                receivers: vec![UserId(ANA.0 + 1)],
                reason: String::new(),
                origin: PropsOrigin::Command,
                withdrawn: None,
                about: None,
            })
        }
        Action::Hide(hides) => Fact::Privacy(Privacy {
            tier: if hides { Tier::Everything } else { Tier::None },
            since: now,
            ..Privacy::unchosen(GUILD, ANA)
        }),
        Action::Forget(channel, of) => {
            let message = id(channel, of);
            let channel = CHANNELS_OF[channel];
            let forget = |step| (Evidence::Rest, Fact::Forget(GUILD, step));
            return vec![
                forget(Forget::Props(channel, run(message))),
                forget(Forget::Message(channel, message)),
            ];
        }
        Action::Wait(_) => return Vec::new(),
    };
    vec![(Evidence::Gateway, fact)]
}

fn beginning() -> Vec<Fact> {
    let channel = |id: ChannelId, name: &str| {
        Fact::Channel(Channel {
            id,
            guild_id: GUILD,
            kind: ChannelKind::TEXT,
            name: name.to_owned(),
            parent_id: None,
            position: 0,
            nsfw: false,
            overwrites: Vec::new(),
            thread: None,
            unread: Unread::default(),
        })
    };
    vec![
        Fact::Guild(Guild {
            id: GUILD,
            name: "Props".to_owned(),
            owner_id: UserId(9 << 22),
            unread: Unread::default(),
        }),
        Fact::Role(Role {
            id: RoleId(GUILD.0),
            guild_id: GUILD,
            name: "@everyone".to_owned(),
            position: 0,
            permissions: VIEW_CHANNEL | READ_MESSAGE_HISTORY,
            managed: false,
            unread: Unread::default(),
        }),
        channel(CHANNELS_OF[0], "props"),
        channel(CHANNELS_OF[1], "general"),
    ]
}

fn tell(store: &Store, at: Millis, facts: Vec<(Evidence, Fact)>) {
    let seen = facts.into_iter().map(|(by, fact)| Observation {
        at: Stamp::from(at),
        by,
        fact,
    });
    store.merge(&[seen.collect()]).unwrap();
}

/// A row: its table, part and sort key.
type Key = (&'static str, Option<Id>, Vec<u8>);

/// All rows that a store exports.
fn rows(source: &StoreSource) -> BTreeMap<Key, EncodedRow> {
    let mut rows = BTreeMap::new();
    let own = [CHANNELS, MEMBERS].map(|table| (Scope::space(GUILD), table));
    let parts = CHANNELS_OF.map(|channel| Scope::part(GUILD, channel));
    let tables = parts
        .iter()
        .flat_map(|scope| [MESSAGES, REACTIONS, PROPS].map(|table| (scope.clone(), table)));
    for (scope, table) in own.into_iter().chain(tables) {
        scan(source, &scope, table, ALWAYS, &mut |row| {
            rows.insert((table, scope.part.clone(), row.key.sort.clone()), row);
        });
    }
    rows
}

fn scan(
    source: &StoreSource,
    scope: &Scope,
    table: &'static str,
    times: RangeInclusive<Millis>,
    each: &mut dyn FnMut(EncodedRow),
) {
    let mut last = *times.start();
    let scanned = source.scan(scope, table, times.clone(), &mut |row| {
        assert!(last <= row.key.time && times.contains(&row.key.time));
        last = row.key.time;
        each(row);
        Ok(())
    });
    scanned.unwrap();
}

fn recent(source: &StoreSource, times: RangeInclusive<Millis>) -> BTreeMap<Key, EncodedRow> {
    let mut last = *times.start();
    let mut rows = BTreeMap::new();
    let read = source.recent(&Id::new(GUILD), times.clone(), &mut |row| {
        assert!(last <= row.row.key.time && times.contains(&row.row.key.time));
        last = row.row.key.time;
        let key = (row.table, row.part, row.row.key.sort.clone());
        assert!(rows.insert(key, row.row).is_none());
        Ok(())
    });
    read.unwrap();
    rows
}

/// The time of the newest row of a channel that is not after the clock.
fn newest_of(rows: &BTreeMap<Key, EncodedRow>, clock: Millis) -> Option<Millis> {
    let rows = rows.iter().filter(|((_, part, _), _)| part.is_some());
    let times = rows.map(|(_, row)| row.key.time);
    times.filter(|time| *time <= clock).max()
}

/// Whether what belongs to a message is there only with it.
fn are_whole(rows: &BTreeMap<Key, EncodedRow>) {
    let of = |table: &'static str| rows.iter().filter(move |((of, ..), _)| *of == table);
    let messages: BTreeSet<MessageId> = of(MESSAGES)
        .map(|(_, row)| row.decode::<MessageRow>().unwrap().id)
        .collect();
    for (_, row) in of(REACTIONS) {
        let row: ReactionRow = row.decode().unwrap();
        assert!(messages.contains(&row.message_id), "{row:?}");
    }
    for (_, row) in of(PROPS) {
        let row: PropsRow = row.decode().unwrap();
        assert!(
            row.message_id.is_none_or(|id| messages.contains(&id)),
            "{row:?}"
        );
    }
}

/// Exports all to a new archive, which has no fault.
async fn exported(store: &Store, now: Millis) -> MemoryArchive {
    let archive = MemoryArchive::new();
    let view = store.view();
    let ledger = view.exports().unwrap();
    let mut spaces = contents(&view).unwrap().spaces;
    for space in &mut spaces {
        space.stamps = ledger.stamps(&manifest_path(&space.id));
    }
    let request = ExportRequest {
        now,
        spaces,
        ..ExportRequest::new(&SCHEMA)
    };
    let source = StoreSource::new(view).unwrap();
    export(&archive, Arc::new(source), request).await.unwrap();
    let found = verify(&archive, &SCHEMA, Depth::Whole).await.unwrap();
    assert!(found.is_valid(), "{:?}", found.faults);
    archive
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Though the mirror believes that it has all messages, and has some that it doesn't show.
    #[test]
    fn archives_are_sound_and_restore_to_the_same(
        actions in prop::collection::vec(action(), 1..60),
        lives in prop::collection::vec((0..2_usize, 0..6_u8), 0..3),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("first")).unwrap();
        let mut now = Millis(START + 40 * HOUR);
        let beginning = beginning().into_iter().map(|fact| (Evidence::Gateway, fact));
        tell(&store, now, beginning.collect());
        let session = store.session(GUILD).unwrap().number;
        for (channel, after) in lives {
            let after = if after == 0 { MessageId(0) } else { id(channel, after - 1) };
            let live = Live { session, after, since: Stamp::from(now) };
            tell(&store, now, vec![(Evidence::Gateway, Fact::Live(GUILD, CHANNELS_OF[channel], live))]);
        }
        for action in &actions {
            now.0 += 1_000;
            if let Action::Wait(hours) = action {
                now.0 += i64::from(*hours) * HOUR;
            }
            tell(&store, now, facts(action, now));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let archive = exported(&store, now).await;
            let restored = Store::open_to_restore(&folder.path().join("second")).unwrap();
            let restored = Arc::new(restored);
            restore(&restored, &archive, &|_, _| {}).await.unwrap();
            let same = rows(&StoreSource::new(restored.view()).unwrap());
            assert_eq!(same, rows(&StoreSource::new(store.view()).unwrap()));
            for (channel, tally) in CHANNELS_OF.map(|channel| (channel, tally(&store, channel))) {
                assert!(hides(&store) || tally == self::tally(&restored, channel));
            }
            let again = exported(&restored, now).await;
            let is_row = |path: &String| path.starts_with("rows/");
            let of = |files: BTreeMap<String, Vec<u8>>| -> Vec<String> {
                files.into_keys().filter(is_row).collect()
            };
            assert_eq!(of(again.files().await), of(archive.files().await));
        });
    }
}

/// By its emoji, a reaction that is there is found as a scan of all of them finds it.
fn finds_emojis(store: &Store, cut: Millis) {
    let mut all = Vec::new();
    for channel in CHANNELS_OF {
        let reactions = store.reactions(channel, 0..=u64::MAX);
        all.extend(reactions.map(|reaction| reaction.unwrap()));
    }
    all.retain(Reaction::is_present);
    all.sort_by_key(|reaction| {
        (
            reaction.row_time(),
            reaction.channel_id,
            reaction.message_id,
        )
    });
    for emoji in EMOJIS.map(|text| EmojiKey::Unicode(text.to_owned())) {
        for times in [ALWAYS, *ALWAYS.start()..=cut, cut..=*ALWAYS.end()] {
            let found = store.with_emoji(GUILD, &emoji, times.clone());
            let found: Vec<Reaction> = found.map(|reaction| reaction.unwrap()).collect();
            let is_wanted = |reaction: &&Reaction| {
                reaction.emoji.bare() == emoji.bare() && times.contains(&reaction.row_time())
            };
            let wanted: Vec<Reaction> = all.iter().filter(is_wanted).cloned().collect();
            assert_eq!(found, wanted, "{emoji} {times:?}");
        }
    }
}

/// Whether anyone hides everything, and so is missing in counts of the archive.
fn hides(store: &Store) -> bool {
    let chosen = store.privacy(GUILD).unwrap();
    chosen.iter().any(|chosen| chosen.tier == Tier::Everything)
}

fn tally(store: &Store, channel: ChannelId) -> Option<(u64, u64, u64)> {
    let tallies = store.tallies(GUILD).unwrap();
    let tally = tallies.iter().find(|tally| tally.channel_id == channel)?;
    Some((tally.messages, tally.deleted, tally.props)).filter(|tally| *tally != (0, 0, 0))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn exports_are_whole_in_order_and_marked(
        actions in prop::collection::vec(action(), 1..60),
        exports in prop::collection::btree_set(0..60_usize, 0..6),
        cuts in (0..3_000_i64, 0..3_000_i64),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let mut now = Millis(START + 40 * HOUR);
        let beginning = beginning().into_iter().map(|fact| (Evidence::Gateway, fact));
        tell(&store, now, beginning.collect());
        let mut before = rows(&StoreSource::new(store.view()).unwrap());
        let mut settled = store.dirty().unwrap();
        for (number, action) in actions.iter().enumerate() {
            now.0 += 1_000;
            if let Action::Wait(hours) = action {
                now.0 += i64::from(*hours) * HOUR;
            }
            tell(&store, now, facts(action, now));
            if !exports.contains(&number) && number + 1 < actions.len() {
                continue;
            }
            let source = StoreSource::new(store.view()).unwrap();
            finds_emojis(&store, Millis(START + cuts.0 * HOUR));
            let after = rows(&source);
            are_whole(&after);
            let dirty = store.dirty().unwrap();
            let new = dirty.iter().filter(|dirty| !settled.contains(dirty));
            let mut marks: Vec<Mark> = new.map(|dirty| dirty.mark.clone()).collect();
            marks.extend(reconsidered(&store, &marks.iter()).unwrap());
            let marks: Vec<_> = marks.iter().flat_map(propsbot_rows::marks).collect();
            let is_marked = |(table, part, _): &Key, row: &EncodedRow| marks.iter().any(|mark| {
                mark.table == *table
                    && (mark.scope.part.is_none() || mark.scope.part == *part)
                    && mark.period.is_none_or(|period| period.times().contains(&row.key.time))
            });
            for (key, row) in before.iter().filter(|(key, row)| after.get(key) != Some(row)) {
                prop_assert!(is_marked(key, row), "{:?} was here, {:?}", key, marks);
            }
            for (key, row) in after.iter().filter(|(key, row)| before.get(key) != Some(row)) {
                prop_assert!(is_marked(key, row), "{:?} is here, {:?}", key, marks);
            }
            let (one, other) = (Millis(START + cuts.0 * HOUR), Millis(START + cuts.1 * HOUR));
            for times in [one.min(other)..=one.max(other), Millis(START)..=one, other..=now, ALWAYS] {
                let mut expected = after.clone();
                expected.retain(|(_, part, _), row| part.is_some() && times.contains(&row.key.time));
                prop_assert_eq!(recent(&source, times.clone()), expected);
                let newest = source.newest(&Id::new(GUILD), *times.end()).unwrap();
                prop_assert_eq!(newest, newest_of(&after, *times.end()));
                // All that was there is in the stamps already.
                let since = source.newest_since(&Id::new(GUILD), *times.end(), &marks).unwrap();
                let had = newest_of(&before, *times.end());
                prop_assert!(since <= newest);
                prop_assert_eq!(since.max(had), newest.max(had));
                for scope in CHANNELS_OF.map(|channel| Scope::part(GUILD, channel)) {
                    let mut read = 0;
                    scan(&source, &scope, REACTIONS, times.clone(), &mut |_| read += 1);
                    let of = |(key, row): &(&Key, &EncodedRow)| {
                        (key.0, &key.1) == (REACTIONS, &scope.part) && times.contains(&row.key.time)
                    };
                    prop_assert_eq!(read, after.iter().filter(of).count());
                }
            }
            (before, settled) = (after, dirty);
        }
    }
}

/// What was exported once is in the stamps: only what changed since can move them.
#[test]
fn old_reactions_are_read_only_where_some_changed() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let beginning = beginning().into_iter().map(|fact| (Evidence::Rest, fact));
    tell(&store, Millis(START), beginning.collect());
    let (message, reaction) = (id(0, 0).created_at(), Millis(START + 100 * HOUR));
    assert!(message < reaction);
    tell(&store, reaction, facts(&Action::See(0, 0, false), reaction));
    tell(
        &store,
        reaction,
        facts(&Action::React(0, 0, true), reaction),
    );
    let later = Millis(START + 60 * 24 * HOUR);
    tell(&store, later, facts(&Action::Hide(false), later));

    let source = StoreSource::new(store.view()).unwrap();
    let guild = Id::new(GUILD);
    assert_eq!(source.newest(&guild, later).unwrap(), Some(reaction));
    let since = |channel: ChannelId| {
        let changed = propsbot_archive::Mark {
            scope: Scope::part(GUILD, channel),
            table: REACTIONS,
            period: None,
        };
        source.newest_since(&guild, later, &[changed]).unwrap()
    };
    assert_eq!(since(CHANNELS_OF[0]), Some(reaction));
    assert_eq!(since(CHANNELS_OF[1]), Some(message));
}
