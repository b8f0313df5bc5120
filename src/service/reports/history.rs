//! Who thanked whom, for what, and when.

use super::{
    REPORTS, Reader,
    ledger::{Community, Entry, Order, entries},
    quota::OverQuota,
};
use crate::{Service, ServiceError};
use propsbot_graph::Rules;
use propsbot_model::{ChannelId, InteractionId, MessageId, Millis, UserId};
use propsbot_store::{Store, StoreError};

/// How many thanks are on a page.
const PAGE: usize = 5;

/// How far back a member's latest thanks are looked for: it is done while they type.
const LATEST_MS: i64 = 30 * 86_400_000;

/// Whether somebody gave or received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// They gave.
    Given,
    /// They received.
    Received,
}

impl Side {
    /// One word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Received => "received",
        }
    }

    /// What [`word`](Self::word) says; nothing for any other word.
    pub fn read(word: &str) -> Option<Self> {
        let all = [Self::Given, Self::Received];
        all.into_iter().find(|side| side.word() == word)
    }
}

/// Which thanks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPage {
    /// The newest.
    Newest,
    /// The newest of those given before this one.
    Before(u64),
    /// The oldest of those given after this one.
    After(u64),
}

/// What of the history is asked for.
#[derive(Clone, Debug)]
pub struct HistoryQuery {
    /// By whom.
    pub reader: Reader,
    /// Of whom; of everybody where nobody is named.
    pub member: Option<UserId>,
    /// What the member did; either, where it is not said.
    pub side: Option<Side>,
    /// Which page.
    pub page: HistoryPage,
}

/// A page of the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryReport {
    /// The member's name, as typed.
    pub member: Option<String>,
    /// The thanks, the newest first.
    pub thanks: Vec<Thanked>,
    /// The page after this one, if there is one.
    pub newer: Option<HistoryPage>,
    /// The page before.
    pub older: Option<HistoryPage>,
}

/// Somebody thanked somebody. All texts are as typed: escape them before they are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thanked {
    /// When.
    pub at: Millis,
    /// Who, by name.
    pub giver: String,
    /// Whom, by name.
    pub receivers: Vec<String>,
    /// What for.
    pub reason: String,
    /// The message that says so.
    pub message: (ChannelId, MessageId),
}

impl Service {
    /// A page of the thanks that count, as far as the reader may read them.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryReport, ServiceError> {
        self.ask_in_turn(&REPORTS, move |store| {
            let guild = query.reader.guild_id;
            let community = Community::read(store, guild, Some(query.reader.user_id))?;
            if query
                .member
                .is_some_and(|member| community.is_unnamed(member))
            {
                // Whoever wants no name shown is not looked up by it either.
                return Ok(HistoryReport {
                    member: query
                        .member
                        .map(|member| Rules::new(&community.rows).name(member)),
                    thanks: Vec::new(),
                    newer: None,
                    older: None,
                });
            }
            let channels = query.reader.channels(store)?;
            page(store, &community, &channels, &query)
        })
        .await
    }

    /// A member's own latest thanks, given and received, of the last 30 days; at most so many.
    pub async fn latest_thanks(
        &self,
        reader: Reader,
        now: Millis,
        most: usize,
    ) -> Result<Vec<Thanked>, ServiceError> {
        self.ask_in_turn(&REPORTS, move |store| {
            let community = Community::read(store, reader.guild_id, Some(reader.user_id))?;
            let rules = Rules::new(&community.rows);
            let channels = reader.channels(store)?;
            let query = HistoryQuery {
                member: Some(reader.user_id),
                side: None,
                page: HistoryPage::Newest,
                reader,
            };
            let since = InteractionId::at(Millis(now.0 - LATEST_MS)).0..=u64::MAX;
            let veiled = (&community.veil, &rules);
            let mut over = OverQuota::new(store, (&community, &rules), query.reader.guild_id)?;
            let mut found = Vec::new();
            for entry in entries(store, veiled, &channels, &since, Order::NewestFirst)? {
                found.extend(thanked(&rules, &mut over, &entry?, &query)?);
                if found.len() >= most {
                    break;
                }
            }
            Ok(found)
        })
        .await
    }
}

fn page(
    store: &Store,
    community: &Community,
    channels: &[ChannelId],
    query: &HistoryQuery,
) -> Result<HistoryReport, ServiceError> {
    let rules = Rules::new(&community.rows);
    let (given, way) = match query.page {
        HistoryPage::Newest => (0..=u64::MAX, Order::NewestFirst),
        HistoryPage::Before(id) => (0..=id.saturating_sub(1), Order::NewestFirst),
        HistoryPage::After(id) => (id.saturating_add(1)..=u64::MAX, Order::OldestFirst),
    };
    let mut over = OverQuota::new(store, (community, &rules), query.reader.guild_id)?;
    let mut found = Vec::new();
    for entry in entries(store, (&community.veil, &rules), channels, &given, way)? {
        let entry = entry?;
        found.extend(thanked(&rules, &mut over, &entry, query)?.map(|thanks| (entry.id, thanks)));
        if found.len() > PAGE {
            break;
        }
    }
    let more = found.len() > PAGE;
    if way == Order::OldestFirst && !more {
        // Fewer than a page: then the newest page, which is full.
        let page = HistoryPage::Newest;
        let query = HistoryQuery {
            page,
            ..query.clone()
        };
        return self::page(store, community, channels, &query);
    }
    found.truncate(PAGE);
    found.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    let (first, last) = (found.first(), found.last());
    let newer = first.map(|(id, _)| HistoryPage::After(*id));
    let older = last.map(|(id, _)| HistoryPage::Before(*id));
    Ok(HistoryReport {
        member: query.member.map(|member| rules.name(member)),
        newer: newer.filter(|_| query.page != HistoryPage::Newest),
        older: older.filter(|_| more || way == Order::OldestFirst),
        thanks: found.into_iter().map(|(_, thanks)| thanks).collect(),
    })
}

/// The entry as it is shown, if it is asked for and counts.
fn thanked(
    rules: &Rules<'_>,
    over: &mut OverQuota<'_>,
    entry: &Entry,
    query: &HistoryQuery,
) -> Result<Option<Thanked>, StoreError> {
    let judged = rules.judge(&entry.message, entry.given.as_ref());
    let Ok(props) = judged.props else {
        return Ok(None);
    };
    if let Some(member) = query.member {
        let gave = props.giver == member;
        let received = props.receivers.contains_key(&member);
        let wanted = match query.side {
            Some(Side::Given) => gave,
            Some(Side::Received) => received,
            None => gave || received,
        };
        if !wanted {
            return Ok(None);
        }
    }
    if over.of(entry.message.id)?.is_some() {
        return Ok(None);
    }
    let receivers = props.receivers.keys();
    Ok(Some(Thanked {
        at: InteractionId(entry.id).created_at(),
        giver: rules.name(props.giver),
        receivers: receivers.map(|receiver| rules.name(*receiver)).collect(),
        reason: rules.named_in(props.reason),
        message: (entry.message.channel_id, entry.message.id),
    }))
}
