//! The leaderboard: who received or gave the most props.

use std::{cmp::Reverse, collections::BTreeMap};

use super::{
    REPORTS, Side, channels,
    ledger::{Community, Order, entries},
    quota::OverQuota,
};
use crate::{Service, ServiceError};
use propsbot_graph::Rules;
use propsbot_model::{ChannelId, GuildId, InteractionId, Language, Millis, UserId};
use propsbot_store::Store;

/// How many members a page shows.
const PAGE: usize = 10;

const DAY_MS: i64 = 86_400_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// 7 days.
    Week,
    /// 30 days.
    Month,
    /// 365 days.
    Year,
    Always,
}

impl Period {
    fn since(self, now: Millis) -> Millis {
        let days = match self {
            Self::Week => 7,
            Self::Month => 30,
            Self::Year => 365,
            Self::Always => return Millis(0),
        };
        Millis(now.0 - days * DAY_MS)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderboardQuery {
    pub guild_id: GuildId,
    /// The channel where it's shown.
    pub channel_id: ChannelId,
    /// The end of the period.
    pub now: Millis,
    pub period: Period,
    /// Whether to count props given or received.
    pub side: Side,
    /// The page, from 0.
    pub page: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaderboard {
    /// The members of this page, by rank.
    pub ranked: Vec<Ranked>,
    /// The highest count of all pages.
    pub most: u64,
    /// The page, from 0; the last one if the query's page doesn't exist.
    pub page: usize,
    pub pages: usize,
    pub language: Language,
}

/// A member's rank. Names are unescaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ranked {
    /// The rank, from 1. Equal counts have equal ranks.
    pub rank: usize,
    pub user_id: UserId,
    /// The member's display name.
    pub name: String,
    /// The member's username, which has only simple characters.
    pub username: String,
    /// How many props messages.
    pub count: u64,
}

impl Service {
    /// A page of the leaderboard. It counts only channels that everyone can read and the one where it's
    /// shown, so that everyone who sees it can read them. Members who hide their name have no rank.
    pub async fn leaderboard(&self, query: LeaderboardQuery) -> Result<Leaderboard, ServiceError> {
        self.ask_in_turn(&REPORTS, move |store| of(store, query))
            .await
    }
}

fn of(store: &Store, query: LeaderboardQuery) -> Result<Leaderboard, ServiceError> {
    let community = Community::read(store, query.guild_id, None)?;
    let rules = Rules::new(&community.rows);
    let channels = channels(store, query.guild_id, |permissions, channel| {
        channel.id == query.channel_id || permissions.everyone_reads(channel)
    })?;
    let ids = InteractionId::at(query.period.since(query.now)).0..=u64::MAX;
    let mut over = OverQuota::new(store, (&community, &rules), query.guild_id)?;
    let mut counts = BTreeMap::<UserId, u64>::new();
    let asked = (&community, &rules);
    for entry in entries(store, asked, &channels, &ids, Order::OldestFirst)? {
        let entry = entry?;
        let Some(props) = entry.props(&rules) else {
            continue;
        };
        if over.of(entry.key())?.is_some() {
            continue;
        }
        match query.side {
            Side::Given => *counts.entry(props.giver).or_default() += 1,
            Side::Received => {
                for receiver in props.receivers.keys() {
                    *counts.entry(*receiver).or_default() += 1;
                }
            }
        }
    }
    Ok(board(asked, counts, query.page))
}

/// A page of the members with the highest counts. Members who hide their name have no rank.
pub(super) fn board(
    (community, rules): (&Community, &Rules<'_>),
    counts: BTreeMap<UserId, u64>,
    page: usize,
) -> Leaderboard {
    let usernames: BTreeMap<UserId, &str> = community
        .rows
        .members
        .iter()
        .map(|member| (member.user_id, member.username.as_str()))
        .collect();
    let mut all: Vec<(u64, UserId)> = counts
        .into_iter()
        .filter(|(user, _)| usernames.contains_key(user) && !community.is_unnamed(*user))
        .map(|(user, count)| (count, user))
        .collect();
    all.sort_unstable_by_key(|(count, user)| (Reverse(*count), *user));

    let pages = all.len().div_ceil(PAGE);
    let page = page.min(pages.saturating_sub(1));
    let ranked = all.iter().skip(page * PAGE).take(PAGE);
    Leaderboard {
        ranked: ranked
            .map(|(count, user)| Ranked {
                rank: all.partition_point(|(other, _)| other > count) + 1,
                user_id: *user,
                name: rules.name(*user),
                username: usernames.get(user).copied().unwrap_or_default().to_owned(),
                count: *count,
            })
            .collect(),
        most: all.first().map_or(0, |(count, _)| *count),
        page,
        pages,
        language: community.language,
    }
}
