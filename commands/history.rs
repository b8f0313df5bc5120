//! `/history`: who thanked whom, for what, and when.

use poise::CreateReply;
use serenity::{
    builder::{CreateActionRow, CreateButton},
    model::{application::ComponentInteraction, user::User},
};

use super::{
    Context, Error,
    answer::{Used, Visibility, answer, in_time, plain},
    known, reader, roles, wording,
};
use propsbot_discord::IntoModel as _;
use propsbot_model::UserId;
use propsbot_service::{HistoryPage, HistoryQuery, HistoryReport, Reader, Service, Side, UnderWay};

/// The prefix of the buttons' ids, followed by the member, the side and the page.
pub(super) const TURN: &str = "history";

/// Props received or given.
#[derive(Clone, Copy, Debug, poise::ChoiceParameter)]
pub(super) enum Direction {
    #[name = "Props received"]
    Received,
    #[name = "Props given"]
    Given,
}

impl From<Direction> for Side {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Received => Self::Received,
            Direction::Given => Self::Given,
        }
    }
}

/// See who thanked whom, and for what
#[poise::command(slash_command, guild_only)]
pub(super) async fn history(
    ctx: Context<'_>,
    #[description = "Whose props (default: everyone's)"] member: Option<User>,
    #[description = "Only props given, or only props received; without a member, yours"]
    only: Option<Direction>,
) -> Result<(), Error> {
    let reader = reader(ctx)?;
    let member: Option<UserId> = member.map(|user| user.id.into_model());
    let query = HistoryQuery {
        member: member.or(only.map(|_| reader.user_id)),
        side: only.map(Into::into),
        page: HistoryPage::Newest,
        reader,
    };
    let asking = found(ctx.data(), &query);
    let (page, _under_way) = in_time(ctx, Visibility::OnlyThem, asking).await?;
    Ok(answer(ctx, page, Visibility::OnlyThem).await?)
}

/// Handles a pressed button. Only the member who asked sees the page: it may have channels that others
/// can't read.
pub(super) async fn turned(
    used: Used<'_>,
    service: &Service,
    part: &ComponentInteraction,
) -> Result<(), Error> {
    let reader = Reader {
        guild_id: known(part.guild_id)?,
        user_id: part.user.id.into_model(),
        roles: roles(part.member.as_ref()),
    };
    let Some(query) = read(&part.data.custom_id, reader) else {
        return Err(Error::Mistake(wording::outdated_button()));
    };
    let turning = async { Ok(found(service, &query).await?.0) };
    used.turn_page(turning).await
}

/// A page; one at a time per member.
async fn found(service: &Service, query: &HistoryQuery) -> Result<(CreateReply, UnderWay), Error> {
    let under_way = service.one_at_a_time(query.reader.user_id).await;
    let history = service.history(query.clone()).await?;
    Ok((shown(query, &history), under_way))
}

fn shown(query: &HistoryQuery, history: &HistoryReport) -> CreateReply {
    let buttons: Vec<CreateButton> = [
        (history.newer, wording::newer()),
        (history.older, wording::older()),
    ]
    .into_iter()
    .filter_map(|(page, label)| Some(CreateButton::new(id(query, page?)).label(label)))
    .collect();
    let rows = if buttons.is_empty() {
        Vec::new()
    } else {
        vec![CreateActionRow::Buttons(buttons)]
    };
    let guild = query.reader.guild_id;
    plain(wording::history(guild, query.side, history)).components(rows)
}

fn id(query: &HistoryQuery, page: HistoryPage) -> String {
    let side = query.side.map_or("both", Side::word);
    let page = match page {
        HistoryPage::Newest => "newest:0".to_owned(),
        HistoryPage::Before(id) => format!("before:{id}"),
        HistoryPage::After(id) => format!("after:{id}"),
    };
    let member = query.member.unwrap_or_default();
    format!("{TURN}:{member}:{side}:{page}")
}

fn read(id: &str, reader: Reader) -> Option<HistoryQuery> {
    let parts: Vec<&str> = id.split(':').collect();
    let &[_, member, side, way, at] = parts.as_slice() else {
        return None;
    };
    let at = at.parse().ok()?;
    Some(HistoryQuery {
        reader,
        member: Some(member.parse().ok()?).filter(|id: &UserId| id.0 != 0),
        side: match side {
            "both" => None,
            side => Some(Side::read(side)?),
        },
        page: match way {
            "newest" => HistoryPage::Newest,
            "before" => HistoryPage::Before(at),
            "after" => HistoryPage::After(at),
            _ => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use propsbot_model::GuildId;

    #[test]
    fn a_button_id_holds_the_whole_query() {
        let reader = Reader {
            guild_id: GuildId(1),
            user_id: UserId(2),
            roles: vec![],
        };
        for member in [None, Some(UserId(u64::MAX))] {
            for side in [None, Some(Side::Given), Some(Side::Received)] {
                for page in [
                    HistoryPage::Newest,
                    HistoryPage::Before(u64::MAX),
                    HistoryPage::After(7),
                ] {
                    let query = HistoryQuery {
                        reader: reader.clone(),
                        member,
                        side,
                        page,
                    };
                    let id = id(&query, page);
                    assert!(id.len() <= 100, "{id}");
                    let back = read(&id, reader.clone()).unwrap();
                    assert_eq!((back.member, back.side, back.page), (member, side, page));
                }
            }
        }
        for odd in ["history", "history:0:all:before:1", "history:0:both:at:1"] {
            assert!(read(odd, reader.clone()).is_none(), "{odd}");
        }
    }
}
