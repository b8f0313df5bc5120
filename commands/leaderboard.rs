//! `/leaderboard`: who received or gave the most props, or has the most cred, with a chart.
//!
//! The answer is public, so it counts only props in channels that everyone who sees it can read. Of cred, it tells what
//! `/cred` tells everyone.

use poise::CreateReply;
use serenity::{
    builder::{CreateActionRow, CreateAttachment, CreateButton},
    model::application::ComponentInteraction,
};

use super::{
    Context, Error, allowed,
    answer::{Used, Visibility, answer, in_time, plain},
    chart::{self, Bar},
    guild, known, run, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::{GuildId, UserId};
use propsbot_service::{
    Leaderboard, LeaderboardQuery, Period, RankBy, Score, Service, Side, UnderWay,
};

/// The prefix of the buttons' ids, followed by the period, what members are ranked by, the page and the owner, who can turn
/// the pages.
pub(super) const TURN: &str = "leaderboard";

/// The period of a leaderboard.
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum Since {
    #[name = "Last 7 days"]
    Week,
    #[name = "Last 30 days"]
    Month,
    #[name = "Last 365 days"]
    Year,
    #[name = "All time"]
    Always,
}

impl From<Since> for Period {
    fn from(since: Since) -> Self {
        match since {
            Since::Week => Self::Week,
            Since::Month => Self::Month,
            Since::Year => Self::Year,
            Since::Always => Self::Always,
        }
    }
}

/// What members are ranked by.
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
enum By {
    #[name = "Props received"]
    Received,
    #[name = "Props given"]
    Given,
    #[name = "Cred"]
    Cred,
}

impl From<By> for RankBy {
    fn from(by: By) -> Self {
        match by {
            By::Received => Self::Props(Side::Received),
            By::Given => Self::Props(Side::Given),
            By::Cred => Self::Cred,
        }
    }
}

/// See who received or gave the most props, or has the most cred
#[poise::command(slash_command, guild_only)]
pub(super) async fn leaderboard(
    ctx: Context<'_>,
    #[description = "How far back (default: the last 30 days)"] period: Option<Since>,
    #[description = "Props received, props given, or cred (default: props received)"] of: Option<
        By,
    >,
) -> Result<(), Error> {
    let query = LeaderboardQuery {
        guild_id: guild(ctx)?,
        channel_id: ctx.channel_id().into_model(),
        now: run(ctx).created_at(),
        period: period.map_or(Period::Month, Into::into),
        by: of.unwrap_or(By::Received).into(),
        page: 0,
    };
    let asking = found(ctx.data(), query, ctx.author().id.into_model());
    let (page, _under_way) = in_time(ctx, Visibility::Everyone, asking).await?;
    Ok(answer(ctx, page, Visibility::Everyone).await?)
}

/// Handles a pressed button. The owner turns the page for everyone; other members get a private page, so
/// that no one turns it while others read.
pub(super) async fn turned(
    used: Used<'_>,
    service: &Service,
    part: &ComponentInteraction,
) -> Result<(), Error> {
    let Some((query, owner)) = read(part, known(part.guild_id)?) else {
        return Err(Error::Mistake(wording::outdated_button()));
    };
    let presser: UserId = part.user.id.into_model();
    let turning = found(service, query, presser);
    if presser == owner {
        return used.turn_page(async { Ok(turning.await?.0) }).await;
    }
    let (page, _under_way) = in_time(used, Visibility::OnlyThem, turning).await?;
    Ok(answer(used, page, Visibility::OnlyThem).await?)
}

/// A page; one at a time per member.
async fn found(
    service: &Service,
    query: LeaderboardQuery,
    asker: UserId,
) -> Result<(CreateReply, UnderWay), Error> {
    let under_way = service.one_at_a_time(asker).await;
    Ok((shown(service, query, asker).await?, under_way))
}

/// A page with its chart and buttons. An empty leaderboard is an error, which only the member who asked
/// sees.
async fn shown(
    service: &Service,
    query: LeaderboardQuery,
    owner: UserId,
) -> Result<CreateReply, Error> {
    let board = allowed(service.leaderboard(query).await)?;
    if board.ranked.is_empty() {
        return Err(Error::Mistake(wording::empty_leaderboard(&query, &board)));
    }
    let page = plain(wording::leaderboard(&query, &board));
    let buttons = buttons(&query, &board, owner);
    let page = page.components(if buttons.is_empty() {
        Vec::new()
    } else {
        vec![CreateActionRow::Buttons(buttons)]
    });
    let title = wording::chart_title(&query);
    let bars = bars(&board);
    // Without a picture, the list shows the same.
    let Some(picture) = chart::drawn(move || chart::draw(&title, &bars)).await else {
        return Ok(page);
    };
    let picture = CreateAttachment::bytes(picture, "leaderboard.png");
    Ok(page.attachment(picture.description(wording::chart_alt_text(&query, &board))))
}

/// The bars of a page's chart.
pub(super) fn bars(board: &Leaderboard) -> Vec<Bar> {
    let most = board.most.map_or(1.0, Score::number);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the length of a bar, in points of a picture"
    )]
    let share = |score: Score| (score.number() / most) as f32;
    let ranked = board.ranked.iter().map(|entry| Bar {
        rank: entry.rank,
        name: wording::chart_name(&entry.name),
        plain_name: format!("@{}", entry.username),
        share: share(entry.score),
        count: wording::score(board.language, entry.score),
    });
    ranked.collect()
}

fn buttons(query: &LeaderboardQuery, board: &Leaderboard, owner: UserId) -> Vec<CreateButton> {
    let before = board
        .page
        .checked_sub(1)
        .map(|page| (page, wording::higher()));
    let after = Some(board.page + 1).filter(|page| *page < board.pages);
    let after = after.map(|page| (page, wording::lower()));
    let pages = before.into_iter().chain(after);
    pages
        .map(|(page, label)| CreateButton::new(id(query, page, owner)).label(label))
        .collect()
}

fn id(query: &LeaderboardQuery, page: usize, owner: UserId) -> String {
    let period = match query.period {
        Period::Week => "week",
        Period::Month => "month",
        Period::Year => "year",
        Period::Always => "always",
    };
    let by = query.by.word();
    format!("{TURN}:{period}:{by}:{page}:{owner}")
}

fn read(part: &ComponentInteraction, guild: GuildId) -> Option<(LeaderboardQuery, UserId)> {
    let parts: Vec<&str> = part.data.custom_id.split(':').collect();
    let &[_, period, by, page, owner] = parts.as_slice() else {
        return None;
    };
    let query = LeaderboardQuery {
        guild_id: guild,
        channel_id: part.channel_id.into_model(),
        now: part.id.into_model().created_at(),
        period: match period {
            "week" => Period::Week,
            "month" => Period::Month,
            "year" => Period::Year,
            "always" => Period::Always,
            _ => return None,
        },
        by: RankBy::read(by)?,
        page: page.parse().ok()?,
    };
    Some((query, owner.parse().ok()?))
}
