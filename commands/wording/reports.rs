//! Reports on thanks: the leaderboard, the history, and why a message counts.

use std::fmt::Write as _;

use super::{LONGEST_MESSAGE, code, cred, first_of, shortened};
use propsbot_graph::{Explanation, NoProps, NoReaction, NotReceived, Part};
use propsbot_model::{
    Emoji, EmojiKey, GuildId, Language, Quota, counted, escape, jump_url, one_line,
};
use propsbot_service::{
    HistoryReport, Leaderboard, LeaderboardQuery, Period, RankBy, Ranked, Score, Side, Thanked, Why,
};
use propsbot_sourcecred::Weight;

/// Discord's longest name.
const NAME: usize = 32;

/// How many receivers of the same props a history names.
const RECEIVERS: usize = 2;

/// How many characters of a reason a history shows: the first of these that fits a message.
pub(super) const REASONS: [usize; 4] = [160, 80, 30, 0];

/// Discord's longest alt text of an attachment. Source:
/// <https://discord.com/developers/docs/resources/message#attachment-object>.
pub(super) const ALT_TEXT: usize = 1_024;

/// Discord's longest label of a choice.
const CHOICE: usize = 100;

/// A name in bold, escaped, and isolated from the text around it, whatever its direction.
pub(super) fn name(name: &str) -> String {
    format!("**\u{2068}{}\u{2069}**", escape(&line(name, NAME)))
}

/// A name on one line for the chart, unescaped.
pub(crate) fn chart_name(name: &str) -> String {
    line(name, NAME)
}

/// At most so many characters on one line, without marks that reverse the text after it.
pub(super) fn line(text: &str, most: usize) -> String {
    shortened(&one_line(text), most)
}

pub(crate) fn chart_title(query: &LeaderboardQuery) -> String {
    let by = match query.by {
        RankBy::Props(Side::Received) => "Props received",
        RankBy::Props(Side::Given) => "Props given",
        RankBy::Cred => "Cred",
    };
    let period = match query.period {
        Period::Week => "last 7 days",
        Period::Month => "last 30 days",
        Period::Year => "last 365 days",
        Period::Always => "all time",
    };
    format!("{by} · {period}")
}

/// A count of props, or cred.
pub(crate) fn score(language: Language, score: Score) -> String {
    match score {
        Score::Props(count) => language.number(count),
        Score::Cred(cred) => language.decimal(cred),
    }
}

pub(crate) fn chart_alt_text(query: &LeaderboardQuery, board: &Leaderboard) -> String {
    alt_text(&chart_title(query), board)
}

/// The description of a chart with this title.
pub(super) fn alt_text(title: &str, board: &Leaderboard) -> String {
    let mut text = format!("A bar chart. {title}: ");
    let bars: Vec<String> = board
        .ranked
        .iter()
        .map(|entry| {
            let count = score(board.language, entry.score);
            format!("{}. {} {count}", entry.rank, line(&entry.name, NAME))
        })
        .collect();
    text.push_str(&bars.join(", "));
    shortened(&text, ALT_TEXT)
}

pub(crate) fn leaderboard(query: &LeaderboardQuery, board: &Leaderboard) -> String {
    let title = chart_title(query);
    let of = match query.by {
        RankBy::Props(_) => "in channels that everyone can read and in this one",
        RankBy::Cred if has_github(board) => "from exported channels and public repositories",
        RankBy::Cred => "from all that is exported",
    };
    let mut text = format!("**{title}**, {of}");
    if board.pages > 1 {
        let _ = write!(text, " (page {} of {})", board.page + 1, board.pages);
    }
    text.push('\n');
    for Ranked {
        rank, name, score, ..
    } in &board.ranked
    {
        let count = self::score(board.language, *score);
        // Escaped, because Discord would renumber the lines.
        let _ = writeln!(text, "{rank}\\. {}: {count}", self::name(name));
    }
    if let Some(standing) = &board.cred {
        if query.period != Period::Always {
            text.push_str(
                "Cred is counted by week: these are the weeks that began in that time.\n",
            );
        }
        text.push_str(&cred::age(standing));
    }
    text
}

/// Whether work on GitHub counts in its cred.
fn has_github(board: &Leaderboard) -> bool {
    let standing = board.cred.as_ref();
    standing.is_some_and(|standing| standing.github_as_of.is_some())
}

/// The leaderboard is empty.
pub(crate) fn empty_leaderboard(query: &LeaderboardQuery, board: &Leaderboard) -> String {
    let title = chart_title(query);
    if let Some(standing) = &board.cred {
        if standing.as_of.is_none() {
            return cred::not_yet(standing);
        }
        let github = if has_github(board) {
            ", and from work on GitHub by those who use `/link`"
        } else {
            ""
        };
        let further = match query.period {
            Period::Always => "",
            _ => " Look further back with `period`.",
        };
        return format!(
            "**{title}**: none yet. Cred comes from being thanked{github}.{further} {}",
            cred::age(standing)
        );
    }
    format!(
        "**{title}**: none yet, in channels that everyone can read and in this one. Be the first with \
         `/props`, or look further back with `period`."
    )
}

/// The button to the page with higher ranks.
pub(crate) fn higher() -> &'static str {
    "◀ Higher"
}

/// The button to the page with lower ranks.
pub(crate) fn lower() -> &'static str {
    "Lower ▶"
}

/// Thanks as a choice in a list, which Discord shows as plain text.
pub(crate) fn thanks_choice(thanks: &Thanked) -> String {
    let to: Vec<String> = thanks
        .receivers
        .iter()
        .map(|name| line(name, NAME))
        .collect();
    let text = format!(
        "{} → {}: {}",
        line(&thanks.giver, NAME),
        to.join(", "),
        line(&thanks.reason, CHOICE)
    );
    shortened(&text, CHOICE)
}

/// The button to the page with newer props.
pub(crate) fn newer() -> &'static str {
    "◀ Newer"
}

/// The button to the page with older props.
pub(crate) fn older() -> &'static str {
    "Older ▶"
}

pub(crate) fn history(guild: GuildId, side: Option<Side>, history: &HistoryReport) -> String {
    let what = match (&history.member, side) {
        (None, _) => "**Props in this server**".to_owned(),
        (Some(member), Some(Side::Given)) => format!("**Props given by** {}", name(member)),
        (Some(member), Some(Side::Received)) => format!("**Props received by** {}", name(member)),
        (Some(member), None) => format!("**Props given and received by** {}", name(member)),
    };
    if history.thanks.is_empty() {
        return format!(
            "{what}: none that I can show you. (I show props that still count, in channels you can \
             read. Members who hide their name can't be looked up.)"
        );
    }
    let mut text = String::new();
    for most in REASONS {
        text = format!("{what}, in channels you can read, newest first:\n");
        for thanks in &history.thanks {
            text.push_str(&thanked(guild, thanks, most));
        }
        if text.chars().count() <= LONGEST_MESSAGE {
            break;
        }
    }
    text
}

pub(super) fn thanked(guild: GuildId, thanks: &Thanked, most: usize) -> String {
    let (channel, message) = thanks.message;
    let named = thanks.receivers.iter().take(RECEIVERS);
    let mut to: Vec<String> = named.map(|receiver| name(receiver)).collect();
    if thanks.receivers.len() > RECEIVERS {
        to.push(format!("{} more", thanks.receivers.len() - RECEIVERS));
    }
    let reason = line(&thanks.reason, most.max(1));
    let reason = if thanks.reason.trim().is_empty() {
        "*no reason given*".to_owned()
    } else {
        escape(&reason)
    };
    format!(
        "<t:{}:d> {} → {} {}\n> {reason}\n",
        thanks.at.0.div_euclid(1000),
        name(&thanks.giver),
        to.join(", "),
        jump_url(guild, channel, message)
    )
}

/// The input isn't a message link.
pub(crate) fn no_link(typed: &str) -> String {
    format!(
        "That isn't a link to a message. Open the message's menu, choose *Copy Message Link*, and \
         paste it into `message`. You typed:\n{}",
        code(typed)
    )
}

/// The link points to another server.
pub(crate) fn elsewhere() -> String {
    "That message is in another server. Run the command there.".to_owned()
}

pub(crate) fn why(guild: GuildId, why: &Why) -> String {
    let mut text = match &why.explanation {
        None => "Its author opted out of everything, so SourceCred's graph has nothing of it.\n"
            .to_owned(),
        Some(explanation) => match explanation.no_props {
            Some(reason) if explanation.nodes.is_empty() => {
                format!("This counts **0** by itself: {}.\n", no_props(reason))
            }
            Some(_) => thanked_by_reaction(explanation, why.exported),
            None => minted(explanation, why.exported),
        },
    };
    if let Some(explanation) = &why.explanation {
        idle(&mut text, explanation);
    }
    let (thanks, more) = &why.thanked_in;
    if !thanks.is_empty() {
        text.push_str("**Props were given for it.** Run `/why` on those:\n");
        for (channel, message) in thanks {
            let _ = writeln!(text, "- {}", jump_url(guild, *channel, *message));
        }
        if *more {
            text.push_str("- and more\n");
        }
    }
    // It comes last, but isn't what is cut off.
    let cred = why.cred.as_ref().map(cred::of_message).unwrap_or_default();
    let room = LONGEST_MESSAGE - cred.chars().count();
    if text.chars().count() > room {
        let kept = text.chars().take(room - 2);
        text = kept.chain(['…', '\n']).collect();
    }
    text + &cred
}

/// What these props mint, with the nodes and edges of the graph.
fn minted(explanation: &Explanation, exported: bool) -> String {
    graph("These props", "these props count", explanation, exported)
}

/// The same for a message that isn't props, but whose author is thanked by reactions.
fn thanked_by_reaction(explanation: &Explanation, exported: bool) -> String {
    let what = "The reactions that thank its author";
    graph(
        what,
        "the thanks in its reactions count",
        explanation,
        exported,
    )
}

fn graph(what: &str, they_count: &str, explanation: &Explanation, exported: bool) -> String {
    let mut text = if exported {
        format!("{what} mint **{}** in SourceCred", explanation.mints)
    } else {
        format!(
            "This channel isn't exported, so {they_count} **0**. If it were, they would mint \
             **{}**",
            explanation.mints
        )
    };
    text.push_str(" with the default weights; this server's instance may use others.\n");
    text.push_str("**Nodes** and what each mints:\n");
    let nodes: Vec<String> = explanation
        .nodes
        .iter()
        .map(|node| format!("- {}: {}\n", part(&node.part), node.mints.get()))
        .collect();
    first_of(&mut text, &nodes);
    text.push_str("**Edges** and their forward and backward weights:\n");
    let edges: Vec<String> = explanation
        .edges
        .iter()
        .map(|edge| {
            let (forwards, backwards) = (edge.weight.forwards, edge.weight.backwards);
            format!(
                "- {} *{}* {}: {}, {}\n",
                part(&edge.from),
                edge.says,
                part(&edge.to),
                Weight::get(forwards),
                backwards.get()
            )
        })
        .collect();
    first_of(&mut text, &edges);
    text
}

/// Appends the receivers and reactions that count nothing, and why.
fn idle(text: &mut String, explanation: &Explanation) {
    let receivers = explanation.left_out.iter().map(|(who, why)| {
        let why = match why {
            NotReceived::Giver => "members can't give props to themselves".to_owned(),
            NotReceived::Unknown => "I know nothing about them, or no longer do".to_owned(),
            NotReceived::BotAnswered => "replying to a bot doesn't thank it".to_owned(),
            NotReceived::AddedLate(minutes) => format!(
                "they were mentioned in an edit more than {minutes} min after the message was \
                 posted, or I only know the edited text"
            ),
        };
        format!("- {}: {why}\n", name(who))
    });
    let reactions = explanation.idle.iter().map(|(reaction, why)| {
        let why = match *why {
            Some(NoReaction::Removed) => "taken back",
            Some(NoReaction::ByBot) => "bots' reactions don't count",
            Some(NoReaction::ByUnknown) => "I know nothing about who reacted",
            Some(NoReaction::NoEmoji) => "I don't know which emoji it was",
            Some(NoReaction::OtherEmoji) => "this emoji gave no thanks at the time",
            Some(NoReaction::NoAuthor) => "reactions thank members only, not bots or integrations",
            Some(NoReaction::Agrees) => "it agrees with these props",
            Some(NoReaction::ToSelf) => "members can't thank themselves",
            Some(NoReaction::MayNotGive) => "they had no role that can give thanks",
            Some(NoReaction::TooSoon(minutes)) => {
                let wait = counted(minutes, "minute");
                return format!(
                    "- {}: they thanked the same member less than {wait} before\n",
                    part(reaction)
                );
            }
            Some(NoReaction::OverQuota(quota)) => {
                return format!("- {}: {}\n", part(reaction), over_quota(quota));
            }
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

fn part(part: &Part) -> String {
    match part {
        Part::Props => "the props".to_owned(),
        Part::Member(who) => name(who),
        Part::Reaction(emoji, who) => format!("{} by {}", shown(emoji), name(who)),
        Part::Thanks(emoji, who) => format!("thanks {} by {}", shown(emoji), name(who)),
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
        NoProps::Withdrawn => "its giver took these props back",
        NoProps::NoPropsChannel => {
            "plain messages are props only in props channels, and this isn't one"
        }
        NoProps::ByWebhook => "an integration posted it, not a member",
        NoProps::ByBot => {
            "a bot posted it, and no admin has made its posts props (`/settings set props_bots`)"
        }
        NoProps::NotWritten => "Discord or a command posted it, not a member",
        NoProps::NobodyThanked => "it mentions no one who can receive props",
        NoProps::CommandsOnly => "an admin decided that only commands give props here",
        NoProps::MayNotGive => "who reacted had no role that can give thanks",
        NoProps::TooSoon(_) => "who reacted had just thanked the same member",
        NoProps::OverQuota(quota) => return over_quota(quota),
    };
    why.to_owned()
}

fn over_quota(Quota { count, period }: Quota) -> String {
    format!(
        "it's over the quota; each member can thank {} a {period} (UTC), and its giver had \
         already thanked too many",
        counted(count, "member")
    )
}
