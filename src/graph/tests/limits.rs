//! What bounds the giving of props: the quota, commands only, mentions that an edit adds; and bots whose
//! posts count.

use proptest::prelude::*;

use super::{community::*, *};
use propsbot_model::{
    AuthorKind, ChannelId, EarlierMention, Limits, MessageId, Millis, Quota, QuotaPeriod, UserId,
};
use propsbot_rows::{GuildRow, MessageRow};

/// Two who can be told apart: older ids than Discord stand for anybody.
const DAN: UserId = UserId(7 << 22);
const EVE: UserId = UserId(8 << 22);

const MINUTE: i64 = 60_000;

fn limits(since: Millis, quota: Option<u32>) -> Limits {
    Limits {
        since,
        quota: quota.map(|count| Quota {
            count,
            period: QuotaPeriod::Day,
        }),
        commands_only: false,
        edit_minutes: 10,
    }
}

pub(super) fn community(limits: Vec<Limits>, messages: Vec<MessageRow>) -> Snapshot {
    let mut snapshot = quiet();
    snapshot
        .members
        .extend([member(DAN, "dan"), member(EVE, "eve")]);
    snapshot.guilds = vec![GuildRow {
        id: GUILD,
        name: String::new(),
        owner_id: ANA,
        props_channels: None,
        left_at: None,
        keep_deleted_props: None,
        excluded_channels: vec![],
        included_channels: vec![],
        age_restricted: None,
        reaction_thanks: Vec::new(),
        meeting_events: None,
        limits,
        props_bots: vec![],
    }];
    snapshot.messages = messages;
    snapshot
}

/// Which of the messages count, by index.
fn counting(snapshot: &Snapshot) -> Vec<u64> {
    let all = props::props(snapshot, &Rules::new(snapshot));
    let first = message_id(0).0;
    all.into_keys()
        .map(|key| ((key.message.0 - first) >> 22) / 60_000)
        .collect()
}

fn thanks(index: u64, giver: UserId) -> MessageRow {
    message(index, PROPS, giver, "<@2>", &[(BEN, 1)])
}

#[test]
fn a_quota_counts_commands_and_plain_messages_together() {
    let (props, answer) = command(3, GENERAL, DAN, &[BEN], "x");
    let mut messages: Vec<_> = [1, 2, 4, 5].map(|index| thanks(index, DAN)).into();
    messages.push(answer);
    messages.push(thanks(6, EVE));
    let mut snapshot = community(vec![limits(Millis(0), Some(3))], messages);
    snapshot.props = vec![props.clone()];
    assert_eq!(counting(&snapshot), [1, 2, 3, 6]);

    // What was taken back, or deleted, uses nothing.
    snapshot.props[0].withdrawn_at = Some(Millis(1));
    assert_eq!(counting(&snapshot), [1, 2, 4, 6]);
    snapshot.messages[0] = tombstone(&thanks(1, DAN));
    assert_eq!(counting(&snapshot), [2, 4, 5, 6]);

    // The order of the rows means nothing.
    snapshot.messages.reverse();
    assert_eq!(counting(&snapshot), [2, 4, 5, 6]);
}

#[test]
fn a_message_over_the_quota_does_not_count_or_use_it() {
    let many = message(2, PROPS, DAN, "", &[(ANA, 1), (BEN, 1), (CY, 1)]);
    let none = message(3, PROPS, DAN, "", &[(DAN, 1), (NOBODY, 1)]);
    let messages = vec![
        thanks(1, DAN),
        many,
        none,
        thanks(4, DAN),
        thanks(5, DAN),
        thanks(6, DAN),
    ];
    let snapshot = community(vec![limits(Millis(0), Some(3))], messages);
    assert_eq!(counting(&snapshot), [1, 4, 5]);
}

#[test]
fn limits_do_not_apply_to_earlier_props() {
    let messages: Vec<_> = (1..=6).map(|index| thanks(index, DAN)).collect();
    let since = message_id(4).created_at();
    let later = limits(since, Some(3));
    assert_eq!(counting(&community(vec![], messages.clone())).len(), 6);
    // The three before used what the day has.
    assert_eq!(
        counting(&community(vec![later], messages.clone())),
        [1, 2, 3]
    );
    let end = limits(message_id(6).created_at(), None);
    let snapshot = community(vec![later, end], messages);
    assert_eq!(counting(&snapshot), [1, 2, 3, 6]);
}

#[test]
fn a_day_ends_at_midnight_utc() {
    let day = 24 * 60;
    // 2023-11-14 22:13:20 is the first minute.
    let messages = [1, 2, 106, 107, 108, day].map(|index| thanks(index, DAN));
    let snapshot = community(vec![limits(Millis(0), Some(1))], messages.into());
    assert_eq!(counting(&snapshot), [1, 107]);
}

#[test]
fn hidden_members_share_a_quota() {
    let hidden = [1, 2].map(|number| thanks(number, UserId(number + 100)));
    let snapshot = community(vec![limits(Millis(0), Some(1))], hidden.into());
    assert_eq!(counting(&snapshot), [1]);
}

#[test]
fn commands_only_applies_from_when_it_was_set() {
    let decided = Limits {
        commands_only: true,
        ..limits(message_id(2).created_at(), None)
    };
    let (props, answer) = command(3, PROPS, DAN, &[BEN], "x");
    let mut snapshot = community(vec![decided], vec![thanks(1, DAN), thanks(2, DAN), answer]);
    snapshot.props = vec![props];
    assert_eq!(counting(&snapshot), [1, 3]);
    let only = Snapshot {
        messages: vec![thanks(2, DAN)],
        props: vec![],
        ..snapshot
    };
    let told = explain(
        &only,
        &Weights::default(),
        &std::collections::BTreeMap::new(),
    );
    assert_eq!(told.no_props, Some(NoProps::CommandsOnly));
}

/// An edited message that mentions Ben and Cy, with the times when they were first mentioned.
fn edited(minutes: i64, earlier: &[(UserId, i64)]) -> Snapshot {
    let posted = message_id(1).created_at();
    let later = |minutes: i64| Millis(posted.0 + minutes * MINUTE);
    let message = MessageRow {
        edited_at: Some(later(minutes)),
        earlier_mentions: earlier
            .iter()
            .map(|&(user_id, minutes)| EarlierMention {
                user_id,
                at: later(minutes),
            })
            .collect(),
        ..message(1, PROPS, DAN, "", &[(BEN, 1), (CY, 1)])
    };
    community(vec![limits(Millis(0), None)], vec![message])
}

#[test]
fn mentions_added_by_a_late_edit_do_not_count() {
    let receivers = |snapshot: &Snapshot| {
        let all = props::props(snapshot, &Rules::new(snapshot));
        let receivers = all
            .into_values()
            .flat_map(|props| props.receivers.into_keys());
        receivers.collect::<Vec<_>>()
    };
    assert_eq!(receivers(&edited(10, &[])), [BEN, CY]);
    assert_eq!(receivers(&edited(11, &[(BEN, 0)])), [BEN]);
    assert_eq!(receivers(&edited(600, &[(BEN, 0), (CY, 10)])), [BEN, CY]);
    assert_eq!(receivers(&edited(600, &[(BEN, 0), (CY, 11)])), [BEN]);
    // Only the edited text was ever seen.
    assert_eq!(receivers(&edited(11, &[])), []);
    let told = explain(
        &edited(11, &[(BEN, 0)]),
        &Weights::default(),
        &std::collections::BTreeMap::new(),
    );
    let late: Vec<_> = told.left_out.into_iter().map(|(_, why)| why).collect();
    assert_eq!(
        (told.no_props, late),
        (None, vec![NotReceived::AddedLate(10)])
    );
    // It was posted before that mattered.
    let before = Snapshot {
        guilds: community(vec![limits(Millis(i64::MAX), None)], vec![]).guilds,
        ..edited(11, &[])
    };
    assert_eq!(receivers(&before), [BEN, CY]);
}

#[test]
fn chosen_bots_give_props_without_limits() {
    let bounds = Limits {
        commands_only: true,
        ..limits(Millis(0), Some(1))
    };
    let post = |index, channel: ChannelId, kind| MessageRow {
        author_kind: Some(kind),
        ..message(index, channel, BOT, "Hosts: <@2>", &[(BEN, 1), (BOT, 1)])
    };
    let messages = vec![
        post(1, PROPS, AuthorKind::Bot),
        post(2, PROPS, AuthorKind::Bot),
        post(3, GENERAL, AuthorKind::Bot),
        post(4, PROPS, AuthorKind::Webhook),
    ];
    let mut snapshot = community(vec![bounds], messages);
    assert_eq!(counting(&snapshot), Vec::<u64>::new());
    snapshot.guilds[0].props_bots = vec![BOT];
    assert_eq!(counting(&snapshot), [1, 2]);
    let graph = props_graph(&snapshot, &Weights::default());
    assert!(
        graph
            .nodes
            .keys()
            .any(|node| node.has_prefix(&prefix::members(true)))
    );
}

proptest! {
    /// Counted message by message, as slowly as can be.
    #[test]
    fn no_day_has_more_than_the_quota_and_none_is_wasted(
        given in prop::collection::btree_map(1..4_000_u64, (1..4_usize, any::<bool>()), 0..60),
        count in 1..6_u32,
        since in 0..4_000_u64,
    ) {
        let people = [ANA, BEN, CY];
        let row = |(index, (many, dan)): (&u64, &(usize, bool))| {
            let mentions = people.map(|user| (user, 1));
            message(*index, PROPS, if *dan { DAN } else { EVE }, "", &mentions[..*many])
        };
        let messages: Vec<_> = given.iter().map(row).collect();
        let since = message_id(since).created_at();
        let snapshot = community(vec![limits(since, Some(count))], messages.clone());
        let counted = counting(&snapshot);
        let day = |id: MessageId| id.created_at().0.div_euclid(86_400_000);
        let mut used = std::collections::BTreeMap::<_, u32>::new();
        for (index, row) in given.keys().zip(&messages) {
            let thanks = u32::try_from(row.mentions.len()).unwrap();
            let used = used.entry((row.author_id, day(row.id))).or_default();
            let counts = row.id.created_at() < since || *used + thanks <= count;
            *used += if counts { thanks } else { 0 };
            prop_assert_eq!(counted.contains(index), counts, "{}", index);
        }
        // A filter keeps what it takes to tell.
        let mut filter = PropsRowFilter::new(&snapshot);
        let kept = messages.into_iter().filter(|row| propsbot_rows::RowFilter::message(&mut filter, row));
        let sieved = Snapshot { messages: kept.collect(), ..snapshot.clone() };
        prop_assert_eq!(props_graph(&sieved, &Weights::default()), props_graph(&snapshot, &Weights::default()));
    }
}
