//! Reports on thanks: who was thanked most, who thanked whom, and why something counts.

use std::fmt::Write as _;

use super::{LONGEST_MESSAGE, code, first_of, settings::members, shortened};
use propsbot_graph::{Explanation, NoProps, NoReaction, NotReceived, Part, Weight};
use propsbot_model::{Emoji, EmojiKey, GuildId, Quota, escape, jump_url, one_line};
use propsbot_service::{
    HistoryReport, Leaderboard, LeaderboardQuery, Period, Ranked, Side, Thanked, Why,
};

/// The longest name that Discord takes.
const NAME: usize = 32;

/// How many receivers of the same props are named.
const RECEIVERS: usize = 2;

/// How much of a reason is shown, in characters; as much as fits into one message.
const REASONS: [usize; 4] = [160, 80, 30, 0];

/// The longest text of a picture in words that Discord takes. Source:
/// <https://discord.com/developers/docs/resources/message#attachment-object>.
const PICTURE: usize = 1_024;

/// The longest label of a choice that Discord takes.
const CHOICE: usize = 100;

/// What members call somebody, harmless, and set apart from what is around it, whichever way it
/// runs.
fn name(name: &str) -> String {
    format!("**\u{2068}{}\u{2069}**", escape(&line(name, NAME)))
}

/// A name on one line, for a picture: nothing in it is escaped.
pub(crate) fn chart_name(name: &str) -> String {
    line(name, NAME)
}

/// A text on one line, without marks that would turn what comes after it around.
fn line(text: &str, most: usize) -> String {
    shortened(&one_line(text), most)
}

/// What the picture of a leaderboard is headed with.
pub(crate) fn chart_title(query: &LeaderboardQuery) -> String {
    let side = match query.side {
        Side::Received => "Props received",
        Side::Given => "Props given",
    };
    let period = match query.period {
        Period::Week => "last 7 days",
        Period::Month => "last 30 days",
        Period::Year => "last 365 days",
        Period::Always => "all time",
    };
    format!("{side} · {period}")
}

/// The picture for those who do not see it.
pub(crate) fn chart_in_words(query: &LeaderboardQuery, board: &Leaderboard) -> String {
    let mut text = format!("A bar chart. {}: ", chart_title(query));
    let bars: Vec<String> = board
        .ranked
        .iter()
        .map(|it| {
            let count = board.language.number(it.count);
            format!("{}. {} {count}", it.rank, line(&it.name, NAME))
        })
        .collect();
    text.push_str(&bars.join(", "));
    shortened(&text, PICTURE)
}

/// A page of who was thanked most, or thanked most.
pub(crate) fn leaderboard(query: &LeaderboardQuery, board: &Leaderboard) -> String {
    let title = chart_title(query);
    let mut text = format!("**{title}**, in the channels that everyone may read and in this one");
    if board.pages > 1 {
        let _ = write!(text, " (page {} of {})", board.page + 1, board.pages);
    }
    text.push('\n');
    for Ranked {
        rank, name, count, ..
    } in &board.ranked
    {
        let count = board.language.number(*count);
        // Escaped, or Discord would number the lines itself.
        let _ = writeln!(text, "{rank}\\. {}: {count}", self::name(name));
    }
    text
}

/// There is nobody to show.
pub(crate) fn nobody_ranked(query: &LeaderboardQuery) -> String {
    format!(
        "**{}**: none that stand, in the channels that everyone may read and in this one. Give the \
         first with `/props`, or look further back with `period`.",
        chart_title(query)
    )
}

/// The button to the page with those who have more.
pub(crate) fn higher() -> &'static str {
    "◀ Higher"
}

/// The button to the page with those who have less.
pub(crate) fn lower() -> &'static str {
    "Lower ▶"
}

/// Thanks as a choice of a list. Discord shows it as plain text.
pub(crate) fn thanks_choice(it: &Thanked) -> String {
    let to: Vec<String> = it.receivers.iter().map(|it| line(it, NAME)).collect();
    let text = format!(
        "{} → {}: {}",
        line(&it.giver, NAME),
        to.join(", "),
        line(&it.reason, CHOICE)
    );
    shortened(&text, CHOICE)
}

/// The button to the page with what came later.
pub(crate) fn newer() -> &'static str {
    "◀ Newer"
}

/// The button to the page with what came before.
pub(crate) fn older() -> &'static str {
    "Older ▶"
}

/// A page of who thanked whom.
pub(crate) fn history(guild: GuildId, side: Option<Side>, history: &HistoryReport) -> String {
    let what = match (&history.member, side) {
        (None, _) => "**Props in this server**".to_owned(),
        (Some(member), Some(Side::Given)) => format!("**Props given by** {}", name(member)),
        (Some(member), Some(Side::Received)) => format!("**Props received by** {}", name(member)),
        (Some(member), None) => format!("**Props given and received by** {}", name(member)),
    };
    if history.thanks.is_empty() {
        return format!(
            "{what}: none that I can show you. (Shown is what stands, in channels that you may read; \
             who wants no name shown is not looked up.)"
        );
    }
    let mut text = String::new();
    for most in REASONS {
        text = format!("{what}, in channels that you may read, the newest first:\n");
        for it in &history.thanks {
            text.push_str(&thanked(guild, it, most));
        }
        if text.chars().count() <= LONGEST_MESSAGE {
            break;
        }
    }
    text
}

fn thanked(guild: GuildId, it: &Thanked, most: usize) -> String {
    let (channel, message) = it.message;
    let named = it.receivers.iter().take(RECEIVERS);
    let mut to: Vec<String> = named.map(|it| name(it)).collect();
    if it.receivers.len() > RECEIVERS {
        to.push(format!("{} more", it.receivers.len() - RECEIVERS));
    }
    let reason = line(&it.reason, most.max(1));
    let reason = if it.reason.trim().is_empty() {
        "*without words*".to_owned()
    } else {
        escape(&reason)
    };
    format!(
        "<t:{}:d> {} → {} {}\n> {reason}\n",
        it.at.0.div_euclid(1000),
        name(&it.giver),
        to.join(", "),
        jump_url(guild, channel, message)
    )
}

/// What should be a link is none.
pub(crate) fn no_link(typed: &str) -> String {
    format!(
        "That is no link to a message. Open the message's menu, choose *Copy Message Link*, and \
         paste it into `message`. You typed:\n{}",
        code(typed)
    )
}

/// The link leads to another server.
pub(crate) fn elsewhere() -> String {
    "That message is of another server: ask there.".to_owned()
}

/// What a message counts, and why.
pub(crate) fn why(guild: GuildId, why: &Why) -> String {
    let mut text = match &why.explanation {
        None => {
            "Its author opted out of everything: SourceCred's graph has nothing of it.\n".to_owned()
        }
        Some(it) => match it.no_props {
            Some(reason) => format!("This counts **0** by itself: {}.\n", no_props(reason)),
            None => counted(it, why.exported),
        },
    };
    if let Some(it) = &why.explanation {
        idle(&mut text, it);
    }
    let (thanks, more) = &why.thanked_in;
    if !thanks.is_empty() {
        text.push_str("**Props were given for it**; ask for why of these:\n");
        for (channel, message) in thanks {
            let _ = writeln!(text, "- {}", jump_url(guild, *channel, *message));
        }
        if *more {
            text.push_str("- and more\n");
        }
    }
    if text.chars().count() > LONGEST_MESSAGE {
        let kept = text.chars().take(LONGEST_MESSAGE - 1);
        text = kept.chain(['…']).collect();
    }
    text
}

fn counted(it: &Explanation, exported: bool) -> String {
    let mut text = if exported {
        format!("These props mint **{}** in SourceCred", it.mints)
    } else {
        format!(
            "This channel is not exported, so these props count **0**. If it were, they would mint \
             **{}**",
            it.mints
        )
    };
    text.push_str(", with the default weights; the server's instance may have others.\n");
    text.push_str("**Nodes**, and what each mints:\n");
    let nodes: Vec<String> = it
        .nodes
        .iter()
        .map(|it| format!("- {}: {}\n", part(&it.part), it.mints.get()))
        .collect();
    first_of(&mut text, &nodes);
    text.push_str("**Edges**, and how much flows along and against each:\n");
    let edges: Vec<String> = it
        .edges
        .iter()
        .map(|it| {
            let (along, against) = (it.weight.forwards, it.weight.backwards);
            format!(
                "- {} *{}* {}: {}, {}\n",
                part(&it.from),
                it.says,
                part(&it.to),
                Weight::get(along),
                against.get()
            )
        })
        .collect();
    first_of(&mut text, &edges);
    text
}

fn idle(text: &mut String, it: &Explanation) {
    let receivers = it.left_out.iter().map(|(who, why)| {
        let why = match why {
            NotReceived::Giver => "nobody gives props to themselves".to_owned(),
            NotReceived::Unknown => "nothing is known of them, or not any more".to_owned(),
            NotReceived::BotAnswered => "a bot that is only answered is not thanked".to_owned(),
            NotReceived::AddedLate(minutes) => format!(
                "they were mentioned by an edit more than {minutes} min after the message was \
                 posted, or I only know the edited text"
            ),
        };
        format!("- {}: {why}\n", name(who))
    });
    let reactions = it.idle.iter().map(|(reaction, why)| {
        let why = match why {
            Some(NoReaction::Removed) => "taken back",
            Some(NoReaction::ByBot) => "bots' reactions say nothing",
            Some(NoReaction::ByUnknown) => "nothing is known of who reacted",
            Some(NoReaction::NoEmoji) => "it is not known with what",
            None => "its weight is 0",
        };
        format!("- {}: {why}\n", part(reaction))
    });
    let lines: Vec<String> = receivers.chain(reactions).collect();
    if !lines.is_empty() {
        text.push_str("**Counts 0**:\n");
        first_of(text, &lines);
    }
}

fn part(of: &Part) -> String {
    match of {
        Part::Props => "the props".to_owned(),
        Part::Member(who) => name(who),
        Part::Reaction(emoji, who) => format!("{} by {}", shown(emoji), name(who)),
    }
}

fn shown(emoji: &Emoji) -> String {
    match &emoji.key {
        EmojiKey::Unicode(text) => escape(&line(text, NAME)),
        EmojiKey::Custom(_) => emoji.to_string(),
    }
}

fn no_props(why: NoProps) -> String {
    let why = match why {
        NoProps::ChannelDeleted => "its channel was deleted",
        NoProps::MessageDeleted => "it was deleted",
        NoProps::Withdrawn => "who gave these props took them back",
        NoProps::NoPropsChannel => {
            "plain messages are props in props channels only, and this is none"
        }
        NoProps::ByWebhook => "an integration posted it, and webhooks are nobody",
        NoProps::ByBot => {
            "a bot posted it, and an admin has not made its posts props (`/settings set props_bots`)"
        }
        NoProps::NotWritten => "nobody wrote it: Discord or a command posted it",
        NoProps::NobodyThanked => "it thanks nobody who counts",
        NoProps::CommandsOnly => "only commands give props here, as an admin decided",
        NoProps::OverQuota(Quota { count, period }) => {
            return format!(
                "it is over the quota; each member can thank {} a {period} (UTC), and its giver had \
                 thanked too many before",
                members(count)
            );
        }
    };
    why.to_owned()
}
