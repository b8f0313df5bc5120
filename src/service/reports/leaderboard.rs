//! The leaderboard: who received or gave the most props, or has the most cred.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    REPORTS, Side, channels,
    cred::{hidden, kept, readable, standing},
    ledger::{Community, Order, entries},
    quota::OverQuota,
};
use crate::{Refusal, Service, ServiceError};
use propsbot_graph::Rules;
use propsbot_jobs::cred::{CredBoard, CredStanding, KeptCred, WEEK_MS};
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

/// What members are ranked by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankBy {
    /// How many props messages they gave or received.
    Props(Side),
    /// Their cred, of all providers.
    Cred,
}

impl RankBy {
    /// The word for it in a button's id.
    pub fn word(self) -> &'static str {
        match self {
            Self::Props(side) => side.word(),
            Self::Cred => "cred",
        }
    }

    /// The inverse of [`word`](Self::word); `None` for any other word.
    pub fn read(word: &str) -> Option<Self> {
        match word {
            "cred" => Some(Self::Cred),
            word => Side::read(word).map(Self::Props),
        }
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
    /// What members are ranked by.
    pub by: RankBy,
    /// The page, from 0.
    pub page: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Leaderboard {
    /// The members of this page, by rank.
    pub ranked: Vec<Ranked>,
    /// The highest score of all pages; `None` if there is none.
    pub most: Option<Score>,
    /// The page, from 0; the last one if the query's page doesn't exist.
    pub page: usize,
    pub pages: usize,
    pub language: Language,
    /// How the cred stands that members are ranked by; `None` for props.
    pub cred: Option<CredStanding>,
}

/// How many props messages, or how much cred.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Score {
    Props(u64),
    Cred(f64),
}

impl Score {
    /// The same as a number, to compare and to draw.
    #[expect(clippy::cast_precision_loss, reason = "no one has 2^53 props messages")]
    pub fn number(self) -> f64 {
        match self {
            Self::Props(count) => count as f64,
            Self::Cred(cred) => cred,
        }
    }
}

/// A member's rank. Names are unescaped.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The rank, from 1. Equal scores have equal ranks.
    pub rank: usize,
    pub user_id: UserId,
    /// The member's display name.
    pub name: String,
    /// The member's username, which has only simple characters.
    pub username: String,
    pub score: Score,
}

impl Service {
    /// A page of the leaderboard. Props are counted only in channels that everyone can read and in the one where
    /// it's shown, so that everyone who sees it can read them. Cred is that of all that was exported. Members who
    /// hide their name have no rank.
    ///
    /// # Errors
    /// [`Refusal::NoCred`] if no cred is computed, and members are to be ranked by it.
    pub async fn leaderboard(&self, query: LeaderboardQuery) -> Result<Leaderboard, ServiceError> {
        let side = match query.by {
            RankBy::Props(side) => side,
            RankBy::Cred => {
                let board = self.parts.cred.clone();
                if !board.is_on() {
                    return Err(Refusal::NoCred.into());
                }
                return self
                    .ask_in_turn(&REPORTS, move |store| by_cred(store, &board, query))
                    .await;
            }
        };
        self.ask_in_turn(&REPORTS, move |store| by_props(store, query, side))
            .await
    }
}

fn by_cred(
    store: &Store,
    board: &CredBoard,
    query: LeaderboardQuery,
) -> Result<Leaderboard, ServiceError> {
    let guild = query.guild_id;
    let community = Community::read(store, guild, None)?;
    let rules = Rules::new(&community.rows);
    let kept = kept(board, guild);
    let mut scores = BTreeMap::new();
    if let Some(kept) = &kept {
        // As in `/cred`, also those who hide in another guild.
        let hidden = hidden(store, guild)?;
        let members = community.rows.members.iter();
        let shown = members.map(|row| row.user_id);
        let shown = shown.filter(|user| !hidden.contains(user)).collect();
        scores = creds(kept, &shown, query);
    }
    Ok(Leaderboard {
        cred: Some(standing(board, guild, kept.as_ref())),
        ..self::board((&community, &rules), scores, query.page)
    })
}

/// The cred of each account since a time, by the member of it who is shown, or the first of them. Those without any have no
/// rank. Of a period, the weeks count that begin in it.
fn creds(
    kept: &KeptCred,
    shown: &BTreeSet<UserId>,
    query: LeaderboardQuery,
) -> BTreeMap<UserId, Score> {
    let members = readable(kept.members()).unwrap_or_default();
    let mut accounts = BTreeSet::new();
    let members = members
        .into_iter()
        .filter(|(user, ..)| shown.contains(user));
    let once = members.filter(|(.., account)| accounts.insert(*account));
    let since = query.period.since(query.now);
    let weeks = i64::try_from(kept.weeks()).unwrap_or_default();
    let end = kept.first_week().0.saturating_add(weeks * WEEK_MS);
    // The weeks of a member end with the last one of all.
    let count = usize::try_from((end - since.0).div_euclid(WEEK_MS)).unwrap_or_default();
    let scores = once.filter_map(|(user, total, _)| {
        let cred = if query.period == Period::Always {
            total
        } else {
            let member = readable(kept.member(user)).flatten()?;
            let weeks = member.details.by_week.into_iter().rev().take(count);
            weeks.map(f64::from).sum()
        };
        (cred > 0.0).then_some((user, Score::Cred(cred)))
    });
    scores.collect()
}

fn by_props(
    store: &Store,
    query: LeaderboardQuery,
    side: Side,
) -> Result<Leaderboard, ServiceError> {
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
        match side {
            Side::Given => *counts.entry(props.giver).or_default() += 1,
            Side::Received => {
                for receiver in props.receivers.keys() {
                    *counts.entry(*receiver).or_default() += 1;
                }
            }
        }
    }
    Ok(board(asked, counted(counts), query.page))
}

/// Counts of props messages, as scores.
pub(super) fn counted(counts: BTreeMap<UserId, u64>) -> BTreeMap<UserId, Score> {
    let counts = counts.into_iter();
    counts
        .map(|(user, count)| (user, Score::Props(count)))
        .collect()
}

/// A page of the members with the highest scores. Members who hide their name have no rank.
pub(super) fn board(
    (community, rules): (&Community, &Rules<'_>),
    scores: BTreeMap<UserId, Score>,
    page: usize,
) -> Leaderboard {
    let usernames: BTreeMap<UserId, &str> = community
        .rows
        .members
        .iter()
        .map(|member| (member.user_id, member.username.as_str()))
        .collect();
    let mut all: Vec<(UserId, Score)> = scores
        .into_iter()
        .filter(|(user, _)| usernames.contains_key(user) && !community.is_unnamed(*user))
        .collect();
    // Equal ones stay in the order of their ids.
    all.sort_by(|(_, one), (_, other)| other.number().total_cmp(&one.number()));

    let pages = all.len().div_ceil(PAGE);
    let page = page.min(pages.saturating_sub(1));
    let ranked = all.iter().skip(page * PAGE).take(PAGE);
    Leaderboard {
        ranked: ranked
            .map(|(user, score)| Ranked {
                rank: all.partition_point(|(_, other)| other.number() > score.number()) + 1,
                user_id: *user,
                name: rules.name(*user),
                username: usernames.get(user).copied().unwrap_or_default().to_owned(),
                score: *score,
            })
            .collect(),
        most: all.first().map(|(_, score)| *score),
        page,
        pages,
        language: community.language,
        cred: None,
    }
}
