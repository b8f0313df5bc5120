//! A member's cred: how much, since when, and what for.
//!
//! The numbers are those of the exported graph, and as old as the kept cred. What brought them is looked up in the
//! mirror, so that it's shown only if the reader can read it now, with the privacy choices of now.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::{
    REPORTS, Reader, Thanked,
    history::counted_thanks,
    ledger::{Community, entry_of, thanks_by},
    quota::OverQuota,
};
use crate::{Refusal, Service, ServiceError};
use propsbot_graph::{About, Rules};
use propsbot_jobs::cred::{
    CredBoard, CredStanding, KeptContribution, KeptCred, KeptMember, KeptWhat, WEEK_MS,
};
use propsbot_model::{ChannelId, GuildId, Language, MessageId, Millis, UserId};
use propsbot_rows::Redactor;
use propsbot_store::{Store, StoreError};

/// How many contributions are shown.
const TOP: usize = 3;
/// How many weeks a trend has.
const TREND: i64 = 26;

#[derive(Clone, Debug)]
pub struct CredQuery {
    pub reader: Reader,
    /// Whose cred; `None` for the reader's own.
    pub member: Option<UserId>,
    pub now: Millis,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CredReport {
    /// The member's name, unescaped.
    pub member: String,
    pub is_own: bool,
    pub found: FoundCred,
    pub standing: CredStanding,
    pub language: Language,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FoundCred {
    /// None was computed yet.
    NotYet,
    /// The member hides their name, so they can't be looked up, and have no account of their own.
    Hidden,
    /// Nothing that was exported gave the member an account.
    Nothing,
    Member(MemberCred),
}

#[derive(Clone, Debug, PartialEq)]
pub struct MemberCred {
    pub total: f64,
    /// The cred of each week, with the time when it begins; the last one is the current week.
    pub by_week: Vec<(Millis, f64)>,
    /// The rank, from 1, and of how many; `None` for members who don't want to be shown.
    pub rank: Option<(usize, usize)>,
    /// What brought most; the largest first.
    pub top: Vec<Contribution>,
}

impl MemberCred {
    /// The cred of the current week.
    pub fn this_week(&self) -> f64 {
        self.by_week.last().map_or(0.0, |(_, cred)| *cred)
    }
}

/// What brought a member cred, and how much.
#[derive(Clone, Debug, PartialEq)]
pub struct Contribution {
    pub cred: f64,
    pub what: ContributionWhat,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContributionWhat {
    Thanks(Thanked),
    /// The meeting that this message tells of.
    Meeting(ChannelId, MessageId),
    /// Any other message.
    Message(ChannelId, MessageId),
    /// A reaction to this message.
    Reaction(ChannelId, MessageId),
    /// A contribution to something else than this server, and its link. Only members themselves see theirs.
    Other(String, Option<String>),
}

/// The cred that a message brought.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageCred {
    /// To all together; `None` if no cred is known of it.
    pub brought: Option<f64>,
    pub standing: CredStanding,
    pub language: Language,
}

impl Service {
    /// A member's cred.
    ///
    /// # Errors
    /// [`Refusal::NoCred`] if none is computed.
    pub async fn cred(&self, query: CredQuery) -> Result<CredReport, ServiceError> {
        let board = self.parts.cred.clone();
        if !board.is_on() {
            return Err(Refusal::NoCred.into());
        }
        self.ask_in_turn(&REPORTS, move |store| Ok(of(store, &board, &query)?))
            .await
    }
}

fn of(store: &Store, board: &CredBoard, query: &CredQuery) -> Result<CredReport, StoreError> {
    let reader = &query.reader;
    let guild = reader.guild_id;
    let member = query.member.unwrap_or(reader.user_id);
    let is_own = member == reader.user_id;
    let community = Community::read(store, guild, Some(reader.user_id))?;
    let rules = Rules::new(&community.rows);
    let hidden = hidden(store, guild)?;
    let kept = kept(board, guild);
    let found = match &kept {
        _ if !is_own && hidden.contains(&member) => FoundCred::Hidden,
        None => FoundCred::NotYet,
        Some(kept) => match readable(kept.member(member)).flatten() {
            None if hidden.contains(&member) => FoundCred::Hidden,
            None => FoundCred::Nothing,
            Some(found) => {
                let shown = community.rows.members.iter().map(|row| row.user_id);
                let shown = shown.filter(|user| !hidden.contains(user)).collect();
                FoundCred::Member(MemberCred {
                    total: found.cred,
                    by_week: trend(kept, &found, query.now),
                    rank: rank(kept, &shown, member),
                    top: top(store, (&community, &rules), query, found.details.top)?,
                })
            }
        },
    };
    Ok(CredReport {
        member: rules.name(member),
        is_own,
        found,
        standing: standing(board, guild, kept.as_ref()),
        language: community.language,
    })
}

/// The cred that a message brought; `None` if no cred is computed, or none was yet.
pub(super) fn of_message(
    board: &CredBoard,
    guild: GuildId,
    message: MessageId,
    language: Language,
) -> Option<MessageCred> {
    let kept = kept(board, guild)?;
    Some(MessageCred {
        brought: readable(kept.message(message)).flatten(),
        standing: standing(board, guild, Some(&kept)),
        language,
    })
}

/// How a guild's cred stands, of which this is kept.
pub(super) fn standing(board: &CredBoard, guild: GuildId, kept: Option<&KeptCred>) -> CredStanding {
    CredStanding {
        as_of: kept.map(|kept| kept.basis().exported_at),
        github_as_of: kept.and_then(KeptCred::github_as_of),
        ..board.standing(guild)
    }
}

/// The members who don't want to be shown. The archive hides them if they chose so in any guild.
pub(super) fn hidden(store: &Store, guild: GuildId) -> Result<BTreeSet<UserId>, StoreError> {
    let chosen = store.strictest_privacy(guild)?.into_iter();
    let hidden = chosen.filter(|choice| !choice.tier.shows_names());
    Ok(hidden.map(|choice| choice.user_id).collect())
}

pub(super) fn kept(board: &CredBoard, guild: GuildId) -> Option<KeptCred> {
    readable(board.kept(guild)).flatten()
}

/// What could be read. What couldn't is made again after the next export.
pub(super) fn readable<T>(read: io::Result<T>) -> Option<T> {
    read.inspect_err(|error| tracing::error!("could not read the kept cred: {error}"))
        .ok()
}

/// The cred of the last weeks, up to the one that `now` is in.
fn trend(kept: &KeptCred, member: &KeptMember, now: Millis) -> Vec<(Millis, f64)> {
    let first = kept.first_week();
    let own = &member.details.by_week;
    let before = kept.weeks().saturating_sub(own.len());
    let current = (now.0 - first.0).div_euclid(WEEK_MS);
    let weeks = current - TREND + 1..=current;
    weeks
        .map(|week| {
            let cred = usize::try_from(week)
                .ok()
                .and_then(|week| own.get(week.checked_sub(before)?));
            (
                Millis(first.0 + week * WEEK_MS),
                cred.map_or(0.0, |cred| f64::from(*cred)),
            )
        })
        .collect()
}

/// A member's rank among those who are `shown`, and how many have one.
fn rank(kept: &KeptCred, shown: &BTreeSet<UserId>, member: UserId) -> Option<(usize, usize)> {
    if !shown.contains(&member) {
        return None;
    }
    let members = readable(kept.members())?.into_iter();
    let accounts: BTreeMap<u64, (f64, bool)> = members
        .filter(|(user, ..)| shown.contains(user))
        .fold(BTreeMap::new(), |mut accounts, (user, cred, account)| {
            let (_, is_theirs) = accounts.entry(account).or_insert((cred, false));
            *is_theirs |= user == member;
            accounts
        });
    let (own, _) = accounts.values().find(|(_, is_theirs)| *is_theirs)?;
    let higher = accounts.values().filter(|(cred, _)| cred > own).count();
    Some((higher + 1, accounts.len()))
}

/// The largest contributions that the reader may see.
fn top(
    store: &Store,
    (community, rules): (&Community, &Rules<'_>),
    query: &CredQuery,
    kept: Vec<KeptContribution>,
) -> Result<Vec<Contribution>, StoreError> {
    let reader = &query.reader;
    let is_own = query.member.is_none_or(|member| member == reader.user_id);
    let channels = reader.channels(store)?;
    let mut over = OverQuota::new(store, (community, rules), reader.guild_id)?;
    let mut top = Vec::new();
    for KeptContribution { cred, what } in kept {
        let what = match what {
            KeptWhat::Discord(about) => {
                let readable = channels.contains(&about.message().0);
                let told = readable.then(|| told(store, (community, rules), &mut over, about));
                let Some(what) = told.transpose()?.flatten() else {
                    continue;
                };
                what
            }
            KeptWhat::Other(description, link) if is_own => {
                ContributionWhat::Other(description, link)
            }
            KeptWhat::Other(..) => continue,
        };
        let cred = f64::from(cred);
        top.push(Contribution { cred, what });
        if top.len() == TOP {
            break;
        }
    }
    Ok(top)
}

/// Whether a member's reaction to this message is there, and shown.
fn reacts(
    store: &Store,
    redactor: &Redactor,
    (channel, id): (ChannelId, MessageId),
    user: UserId,
) -> Result<bool, StoreError> {
    for reaction in store.reactions(channel, id.0..=id.0) {
        let row = redactor.reaction(&reaction?);
        if row.is_some_and(|row| row.user_id == user && row.removed_at.is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is told of a contribution on Discord; `None` if it has gone, or isn't what it was when it was exported.
fn told(
    store: &Store,
    (community, rules): (&Community, &Rules<'_>),
    over: &mut OverQuota<'_>,
    about: About,
) -> Result<Option<ContributionWhat>, StoreError> {
    let (channel, id) = about.message();
    let redactor = &community.redactor;
    let entry = match about {
        About::Props(..) => entry_of(
            store,
            redactor,
            (channel, id),
            rules.is_props_channel(channel),
        )?,
        About::ReactionThanks(.., giver) => {
            thanks_by(store, (community, rules), (channel, id), giver)?
        }
        About::Meeting(..) | About::Message(..) | About::Reaction(..) => {
            let state = store.message(channel, id)?;
            let row = state.and_then(|state| redactor.message(&state, false));
            let is_there = row.is_some_and(|row| row.deleted_at.is_none());
            if !is_there || rules.is_deleted(channel) {
                return Ok(None);
            }
            return Ok(match about {
                About::Meeting(..) => Some(ContributionWhat::Meeting(channel, id)),
                About::Reaction(.., user) => reacts(store, redactor, (channel, id), user)?
                    .then_some(ContributionWhat::Reaction(channel, id)),
                _ => Some(ContributionWhat::Message(channel, id)),
            });
        }
    };
    let Some(entry) = entry else { return Ok(None) };
    let thanks = counted_thanks(rules, over, &entry)?;
    Ok(thanks.map(ContributionWhat::Thanks))
}
