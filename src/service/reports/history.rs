//! Who thanked whom, for what, and when.

use super::{
    REPORTS, Reader,
    ledger::{Community, Entry, Order, entries},
    quota::OverQuota,
};
use crate::{Service, ServiceError};
use propsbot_graph::{Props, Rules};
use propsbot_model::{ChannelId, InteractionId, MessageId, Millis, UserId};
use propsbot_store::{Store, StoreError};

/// How many props a page shows.
const PAGE: usize = 5;

/// How far back to search for a member's latest props; it runs while they type.
const LATEST_MS: i64 = 30 * 86_400_000;

/// Whether a member gave or received props.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The member gave props.
    Given,
    Received,
}

impl Side {
    /// The word for it in a button's id.
    pub fn word(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Received => "received",
        }
    }

    /// The inverse of [`word`](Self::word); `None` for any other word.
    pub fn read(word: &str) -> Option<Self> {
        let all = [Self::Given, Self::Received];
        all.into_iter().find(|side| side.word() == word)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryPage {
    Newest,
    /// The newest props given before this id.
    Before(u64),
    /// The oldest props given after this id.
    After(u64),
}

#[derive(Clone, Debug)]
pub struct HistoryQuery {
    pub reader: Reader,
    /// Whose props; `None` for everyone's.
    pub member: Option<UserId>,
    /// Given or received; `None` for both.
    pub side: Option<Side>,
    pub page: HistoryPage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryReport {
    /// The member's name, unescaped.
    pub member: Option<String>,
    /// The props, newest first.
    pub thanks: Vec<Thanked>,
    /// The page with newer props, if any.
    pub newer: Option<HistoryPage>,
    /// The page with older props, if any.
    pub older: Option<HistoryPage>,
}

/// Props as a history shows them. All texts are unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thanked {
    pub at: Millis,
    pub giver: String,
    pub receivers: Vec<String>,
    pub reason: String,
    pub message: (ChannelId, MessageId),
}

impl Service {
    /// A page of the props that count, in channels that the reader can read.
    pub async fn history(&self, query: HistoryQuery) -> Result<HistoryReport, ServiceError> {
        self.ask_in_turn(&REPORTS, move |store| {
            let guild = query.reader.guild_id;
            let community = Community::read(store, guild, Some(query.reader.user_id))?;
            if query
                .member
                .is_some_and(|member| community.is_unnamed(member))
            {
                // A member who hides their name can't be looked up by it.
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

    /// At most `most` of a member's own props, given or received in the last 30 days, newest first.
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
            let asked = (&community, &rules);
            let mut over = OverQuota::new(store, (&community, &rules), query.reader.guild_id)?;
            let mut found = Vec::new();
            for entry in entries(store, asked, &channels, &since, Order::NewestFirst)? {
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
    for entry in entries(store, (community, &rules), channels, &given, way)? {
        let entry = entry?;
        found.extend(thanked(&rules, &mut over, &entry, query)?.map(|thanks| (entry.id, thanks)));
        if found.len() > PAGE {
            break;
        }
    }
    let more = found.len() > PAGE;
    if way == Order::OldestFirst && !more {
        // Fewer than a page: return the newest page instead, which is full.
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

/// The entry as shown, if the query wants it and it counts.
fn thanked(
    rules: &Rules<'_>,
    over: &mut OverQuota<'_>,
    entry: &Entry,
    query: &HistoryQuery,
) -> Result<Option<Thanked>, StoreError> {
    let Some(props) = entry.props(rules) else {
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
    shown(rules, over, entry, &props)
}

/// The entry as shown, if it counts.
pub(super) fn counted_thanks(
    rules: &Rules<'_>,
    over: &mut OverQuota<'_>,
    entry: &Entry,
) -> Result<Option<Thanked>, StoreError> {
    match entry.props(rules) {
        Some(props) => shown(rules, over, entry, &props),
        None => Ok(None),
    }
}

fn shown(
    rules: &Rules<'_>,
    over: &mut OverQuota<'_>,
    entry: &Entry,
    props: &Props<'_>,
) -> Result<Option<Thanked>, StoreError> {
    if over.of(entry.key())?.is_some() {
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
