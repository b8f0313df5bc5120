//! Cred: how much, what brought it, and how old that is.

use std::fmt::Write as _;

use super::{
    LONGEST_MESSAGE, first_chars,
    reports::{ALT_TEXT, REASONS, line, name, thanked},
    shortened,
};
use crate::trend::Week;
use propsbot_model::{GuildId, Language, Millis, escape, jump_url};
use propsbot_service::{
    Contribution, ContributionWhat, CredFailure, CredReport, CredStanding, FoundCred, MemberCred,
    MessageCred,
};

/// How many characters of another contribution's description are shown.
const DESCRIPTION: usize = 120;

pub(crate) fn cred(guild: GuildId, report: &CredReport) -> String {
    let member = name(&report.member);
    let text = match &report.found {
        FoundCred::NotYet => return not_yet(&report.standing),
        FoundCred::Hidden if report.is_own => {
            "You chose not to be shown, so your thanks are exported without your name, and no cred is computed for \
             you. `/privacy opt-in` changes that.\n"
                .to_owned()
        }
        FoundCred::Nothing if report.is_own => {
            "You have no cred yet. It comes from thanks: each `/props` that you receive brings some.\n"
                .to_owned()
        }
        FoundCred::Hidden | FoundCred::Nothing => format!(
            "I have no cred to show of {member}. (Cred comes from being thanked. Members who hide their name \
             can't be looked up.)\n"
        ),
        FoundCred::Member(cred) => return of_member(guild, report, cred),
    };
    text + &age(&report.standing)
}

/// No cred was computed yet.
pub(super) fn not_yet(cred: &CredStanding) -> String {
    format!(
        "I haven't computed any cred yet. I do so after each export.{}",
        standing(cred)
    )
}

fn of_member(guild: GuildId, report: &CredReport, cred: &MemberCred) -> String {
    let language = report.language;
    let number = |cred| language.decimal(cred);
    let mut head = format!(
        "**Cred of** {}: **{}** in all, **{}** this week",
        name(&report.member),
        number(cred.total),
        number(cred.this_week())
    );
    if let Some((rank, of)) = cred.rank {
        let _ = write!(head, ", rank **{rank}** of {of}");
    }
    head.push('\n');
    let mut text = String::new();
    for most in REASONS {
        text.clone_from(&head);
        if cred.top.is_empty() {
            text.push_str("Nothing that brought it is in a channel that you can read.\n");
        } else {
            text.push_str("Most of it came from these, in channels you can read:\n");
        }
        for Contribution { cred, what } in &cred.top {
            let _ = write!(text, "**{}**: ", number(*cred));
            match what {
                ContributionWhat::Thanks(thanks) => text.push_str(&thanked(guild, thanks, most)),
                ContributionWhat::Meeting(channel, message) => {
                    let _ = writeln!(text, "a meeting: {}", jump_url(guild, *channel, *message));
                }
                ContributionWhat::Message(channel, message) => {
                    let _ = writeln!(text, "a message: {}", jump_url(guild, *channel, *message));
                }
                ContributionWhat::Reaction(channel, message) => {
                    let url = jump_url(guild, *channel, *message);
                    let _ = writeln!(text, "a reaction to {url}");
                }
                ContributionWhat::Other(description, link) => {
                    text.push_str(&escape(&line(description, DESCRIPTION)));
                    if let Some(link) = link.as_deref().filter(|link| is_plain(link)) {
                        let _ = write!(text, " <{link}>");
                    }
                    text.push('\n');
                }
            }
        }
        text.push_str(&age(&report.standing));
        if text.chars().count() <= LONGEST_MESSAGE {
            break;
        }
    }
    first_chars(text)
}

/// Whether a link can't end early, or be taken for something else.
fn is_plain(link: &str) -> bool {
    link.starts_with("https://")
        && link
            .chars()
            .all(|letter| letter.is_ascii_graphic() && !"<>".contains(letter))
}

/// The cred that a message brought, after why it counts.
pub(super) fn of_message(cred: &MessageCred) -> String {
    let brought = match cred.brought {
        Some(brought) => format!(
            "**Cred**: it has brought **{}** in all.",
            cred.language.decimal(brought)
        ),
        None => "**Cred**: it has brought none yet.".to_owned(),
    };
    format!("{brought} {}", age(&cred.standing))
        .trim_end()
        .to_owned()
        + "\n"
}

/// How old the cred is, and why it isn't newer.
pub(super) fn age(cred: &CredStanding) -> String {
    let at = |at: Millis| format!("<t:{}:R>", at.0.div_euclid(1_000));
    let as_of = match (cred.as_of, cred.github_as_of) {
        (None, _) => String::new(),
        (Some(own), None) => format!("As of the export {}.", at(own)),
        (Some(own), Some(github)) => format!(
            "As of the export {}, and of GitHub's {}.",
            at(own),
            at(github)
        ),
    };
    let text = as_of + &standing(cred);
    format!("{}\n", text.trim_start())
}

/// What is being done, or why it can't be done.
fn standing(cred: &CredStanding) -> String {
    if cred.is_computing {
        return " I'm computing it right now.".to_owned();
    }
    let Some(failure) = cred.failure else {
        return String::new();
    };
    let why = match failure {
        CredFailure::TooLarge(mib) => {
            format!("it takes more than the {mib} MiB of memory that it may use; the bot's operator can change that")
        }
        CredFailure::TooSlow(minutes) => {
            format!("it takes longer than {minutes} minutes; the bot's operator can find out why")
        }
        CredFailure::Misconfigured => {
            "something is wrong with its configuration; the bot's operator can find out what in the log".to_owned()
        }
        CredFailure::Failed => {
            "something went wrong; I'll try again after the next export, and the bot's operator can find the reason \
             in the log"
                .to_owned()
        }
    };
    format!(" I couldn't compute it from the latest export: {why}.")
}

/// No cred is computed.
pub(super) fn no_cred() -> String {
    "The bot's operator has switched cred off.".to_owned()
}

pub(crate) fn trend_title(cred: &MemberCred) -> String {
    format!("Cred by week · last {} weeks", cred.by_week.len())
}

/// The bars of a trend. The highest one, the first one and the last one have a text.
pub(crate) fn weeks_of_trend(language: Language, cred: &MemberCred) -> Vec<Week> {
    let most = highest(cred);
    let last = cred.by_week.len().saturating_sub(1);
    let weeks = cred.by_week.iter().enumerate();
    weeks
        .map(|(index, (start, cred))| Week {
            #[expect(clippy::cast_possible_truncation, reason = "the length of a bar")]
            share: (cred / most.1.max(f64::MIN_POSITIVE)) as f32,
            label: match index {
                0 => language.date(*start),
                index if index == last => "this week".to_owned(),
                _ => String::new(),
            },
            cred: if index == most.0 {
                language.decimal(*cred)
            } else {
                String::new()
            },
        })
        .collect()
}

pub(crate) fn trend_alt_text(report: &CredReport, cred: &MemberCred) -> String {
    let (index, most) = highest(cred);
    let language = report.language;
    let week = cred
        .by_week
        .get(index)
        .map_or_else(String::new, |(start, _)| language.date(*start));
    let text = format!(
        "A bar chart. {} of {}: most in the week of {week}, {}; this week {}",
        trend_title(cred),
        line(&report.member, 32),
        language.decimal(most),
        language.decimal(cred.this_week())
    );
    shortened(&text, ALT_TEXT)
}

/// The week with most cred, and how much it is.
fn highest(cred: &MemberCred) -> (usize, f64) {
    let weeks = cred.by_week.iter().map(|(_, cred)| *cred).enumerate();
    weeks.fold(
        (0, 0.0),
        |most, week| if week.1 > most.1 { week } else { most },
    )
}
