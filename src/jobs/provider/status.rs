//! How complete the mirror is, without asking Discord, for people and for programs.

use std::{fmt::Write as _, time::Instant};

use comfy_table::{Table, presets};

use super::{DiscordProvider, mirror};
use crate::{
    clock::Clock,
    mirrored::{Selection, chosen_guilds},
    status::{
        self, ContradictionStatus, CoverageStatus, GuildStatus, HistoryStatus, ScrubStatus,
        ShardsStatus,
    },
};
use propsbot_archive::Id;
use propsbot_mirror::{ProviderError, SpaceStatus};
use propsbot_model::{GuildId, Millis, counted, one_line};

impl DiscordProvider {
    pub(super) async fn status_of_guilds(&self) -> Result<Vec<SpaceStatus>, ProviderError> {
        let vitals = self.vitals();
        let gateway = vitals.gateway.as_ref();
        // A quiet server sends no events for hours.
        let heard = gateway.and_then(|gateway| gateway.heard_at(Instant::now(), Clock::now()));
        let selection = self.options.guilds.clone();
        let mut guilds = mirror::read(self.existing_store().await?, move |store| {
            let chosen = chosen_guilds(&store.guild_choices()?);
            let is_mirrored = |guild: GuildId| match &selection {
                // All guilds in the store.
                Selection::First => true,
                Selection::Named(named) => named.contains(&guild),
                Selection::Admins => chosen.contains(&guild),
            };
            let guilds = store.guilds()?.into_iter();
            guilds
                .map(|guild| status::of_guild(store, guild.guild_id, None, &is_mirrored))
                .collect::<Result<Vec<GuildStatus>, _>>()
        })
        .await?;
        for guild in &mut guilds {
            guild.shards = ShardsStatus::of(&self.shards);
        }
        let space = |guild: &GuildStatus| SpaceStatus {
            space: Id::new(guild.id),
            name: guild.name.clone(),
            text: text(guild),
            details: serde_json::to_value(guild).expect("a status holds numbers and texts"),
            lacks: guild.lacks(),
            current: guild
                .current
                .max(heard.filter(|_| self.shards.hears(guild.id))),
        };
        Ok(guilds.iter().map(space).collect())
    }
}

fn text(guild: &GuildStatus) -> String {
    let mut text = format!(
        "{} ({}): {}, {}, {}, {} from commands\n",
        one_line(&guild.name),
        guild.id,
        counted(guild.members, "member"),
        counted(guild.totals.messages, "message"),
        counted(guild.totals.reactions, "reaction"),
        counted(guild.totals.props, "props message"),
    );
    if let Some(ShardsStatus { connected, all }) = guild.shards {
        let _ = writeln!(text, "  {connected} of {all} shards connected");
    }
    for (class, at) in &guild.synced {
        let when = at.map_or_else(|| "never".to_owned(), time);
        let _ = writeln!(text, "  {class} complete as of: {when}");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["channel", "messages", "reactions", "coverage"]);
    for channel in &guild.channels {
        table.add_row([
            one_line(&channel.name),
            channel.totals.messages.to_string(),
            channel.totals.reactions.to_string(),
            match channel.coverage {
                CoverageStatus::Live => "complete and live".to_owned(),
                CoverageStatus::Empty => "no messages yet".to_owned(),
                CoverageStatus::Complete { to } => {
                    format!("complete up to {}", time(to.created_at()))
                }
                CoverageStatus::Partial { gaps } => counted(gaps, "gap"),
                CoverageStatus::Unknown => "not fetched yet".to_owned(),
                CoverageStatus::Unreadable => "the bot has no permission to read it".to_owned(),
            },
        ]);
    }
    let _ = write!(text, "{table}");
    if guild.totals.texts_missing > 0 {
        let missing = guild.totals.texts_missing;
        let _ = write!(
            text,
            "\n{} without text, which Discord withheld",
            counted(missing, "message")
        );
    }
    if guild.pending_lists > 0 {
        let _ = write!(
            text,
            "\n{} still to fetch",
            counted(guild.pending_lists, "reaction list")
        );
    }
    for list in &guild.contradictions {
        let _ = write!(text, "\n{}", contradiction(list));
    }
    let _ = write!(text, "\n{}", history(&guild.history));
    let _ = write!(text, "\n{}", scrub(&guild.scrub));
    for failure in &guild.failures {
        let _ = write!(
            text,
            "\nfailed {}, last {}: {}: {}",
            counted(failure.times, "time"),
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
        "Discord's count is wrong, so the list counts"
    } else {
        "incomplete; asked for again an hour later"
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
        "history known up to: {}; last re-read from end to end: {reread}. `propsbot run` finds later \
         changes to messages older than the look-back, `propsbot sync --recheck` finds them at once",
        time(known)
    )
}

fn scrub(scrub: &ScrubStatus) -> String {
    let mut text = match scrub.shown_within.zip(scrub.found_within) {
        Some((shown, found)) => {
            let swaps = if found > shown {
                format!(", and swapped reactions within {}", hours(found))
            } else {
                String::new()
            };
            format!(
                "check of older history: round {}, {} of about {}; last finished: {}; while `propsbot run` \
                 is up, every change is found within {}{swaps}",
                scrub.round,
                scrub.pages_done,
                counted(scrub.pages_estimated, "page"),
                scrub.finished.map_or_else(|| "never".to_owned(), time),
                hours(shown),
            )
        }
        None => "check of older history: off".to_owned(),
    };
    let found = scrub.drift;
    let _ = write!(
        text,
        "\n  missed changes found: {}, {}, {}, {}, {}",
        counted(found.edited, "edit"),
        counted(found.deleted, "deletion"),
        counted(found.found, "message"),
        counted(found.reactions, "reaction"),
        counted(found.threads, "thread")
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
