//! `propsbot status`: how whole the mirror is, without asking Discord.

use std::fmt::Write as _;

use comfy_table::{Table, presets};

use super::{Error, open_existing_store};
use crate::config::Config;
use propsbot_model::{GuildId, Millis, one_line, printable_json};
use propsbot_service::status::{
    self, AuditStatus, ContradictionStatus, CoverageStatus, GuildStatus, HistoryStatus,
};
use propsbot_store::StoreError;

/// The state of every guild's mirror, for people, or as JSON.
pub async fn status(config: &Config, json: bool) -> Result<String, Error> {
    let store = open_existing_store(&config.store_path).await?;
    let named = config.guilds.clone();
    let guilds = tokio::task::spawn_blocking(move || -> Result<Vec<GuildStatus>, StoreError> {
        // Where none is named, all that the store has are mirrored.
        let is_mirrored = |guild: GuildId| named.is_empty() || named.contains(&guild);
        let mut all = Vec::new();
        for guild in store.guilds()? {
            all.push(status::of_guild(
                &store,
                guild.guild_id,
                None,
                &is_mirrored,
            )?);
        }
        Ok(all)
    })
    .await??;
    if json {
        return Ok(printable_json(&serde_json::to_string_pretty(&guilds)?));
    }
    if guilds.is_empty() {
        return Ok("The store is empty: `propsbot sync` fills it.".to_owned());
    }
    Ok(guilds.iter().map(text).collect::<Vec<_>>().join("\n\n"))
}

fn text(guild: &GuildStatus) -> String {
    let mut text = format!(
        "{} ({}): {} members, {} messages, {} reactions, {} props given with commands\n",
        one_line(&guild.name),
        guild.id,
        guild.members,
        guild.totals.messages,
        guild.totals.reactions,
        guild.totals.props,
    );
    for (class, at) in &guild.synced {
        let when = at.map_or_else(|| "never".to_owned(), time);
        let _ = writeln!(text, "  {class} complete as of: {when}");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["channel", "messages", "reactions", "known"]);
    for channel in &guild.channels {
        table.add_row([
            one_line(&channel.name),
            channel.totals.messages.to_string(),
            channel.totals.reactions.to_string(),
            match channel.coverage {
                CoverageStatus::Live => "complete and live".to_owned(),
                CoverageStatus::Empty => "nothing posted yet".to_owned(),
                CoverageStatus::Complete { to } => format!("to {}", time(to.created_at())),
                CoverageStatus::Partial { gaps } => format!("{gaps} gap(s)"),
                CoverageStatus::Unknown => "nothing yet".to_owned(),
                CoverageStatus::Unreadable => "the bot may not read it".to_owned(),
            },
        ]);
    }
    let _ = write!(text, "{table}");
    if guild.totals.texts_missing > 0 {
        let missing = guild.totals.texts_missing;
        let _ = write!(
            text,
            "\n{missing} messages without their text, which Discord kept back"
        );
    }
    if guild.pending_lists > 0 {
        let _ = write!(
            text,
            "\n{} lists of reactors still to be fetched",
            guild.pending_lists
        );
    }
    for list in &guild.contradictions {
        let _ = write!(text, "\n{}", contradiction(list));
    }
    let _ = write!(text, "\n{}", history(&guild.history));
    let _ = write!(text, "\n{}", audit(&guild.audit));
    for failure in &guild.failures {
        let _ = write!(
            text,
            "\nfailed {} time(s), last {}: {}: {}",
            failure.times,
            time(failure.at),
            one_line(&failure.object),
            one_line(&failure.reason)
        );
    }
    text
}

fn contradiction(list: &ContradictionStatus) -> String {
    let kind = if list.burst {
        "burst reactions"
    } else {
        "reactions"
    };
    let (what, since) = (one_line(&list.emoji), time(list.since));
    let outcome = if list.settled {
        "Discord's count is wrong: the list is believed"
    } else {
        "not complete; the list is asked for again an hour later"
    };
    format!(
        "{kind} {what} on message {}/{}: Discord counts {} but lists {}, since {since}: {outcome}",
        list.channel, list.message, list.counted, list.listed
    )
}

fn history(history: &HistoryStatus) -> String {
    let Some(known) = history.known_until else {
        return "history: not read yet".to_owned();
    };
    let reread = history.reread.map_or_else(|| "never".to_owned(), time);
    format!(
        "history known until: {}; last re-read from end to end: {reread}. Later changes to messages older \
         than the look-back are found by `propsbot run`, or at once by `propsbot sync --recheck`",
        time(known)
    )
}

fn audit(audit: &AuditStatus) -> String {
    let mut text = match audit.shown_within.zip(audit.found_within) {
        Some((shown, found)) => {
            let swaps = if found > shown {
                format!(
                    ", and reactions that were swapped one for another within {}",
                    hours(found)
                )
            } else {
                String::new()
            };
            format!(
                "audit of older history: round {}, {} of about {} pages; last finished: {}; while \
                 `propsbot run` is up, every change is found within {}{swaps}",
                audit.round,
                audit.pages_done,
                audit.pages_estimated,
                audit.finished.map_or_else(|| "never".to_owned(), time),
                hours(shown),
            )
        }
        None => "audit of older history: switched off".to_owned(),
    };
    let found = audit.drift;
    let _ = write!(
        text,
        "\n  changed unheard, and found: {} edited, {} deleted, {} unseen messages, {} reactions, \
         {} threads",
        found.edited, found.deleted, found.found, found.reactions, found.threads
    );
    text
}

fn hours(seconds: u64) -> String {
    match seconds.div_ceil(60) {
        minutes @ ..120 => format!("{minutes} min"),
        minutes => format!("{} h", minutes.div_ceil(60)),
    }
}

fn time(at: Millis) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| at.0.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}
