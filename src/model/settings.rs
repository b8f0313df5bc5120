//! A guild's settings.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    Channel, ChannelId, ChannelKind, GuildId, Limits, Millis, Quota, QuotaPeriod, ReactionThanks,
    RecapSetting, RoleId, UserId, counted::ending,
};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct Settings {
    pub guild_id: GuildId,
    /// Channels whose messages are props, sorted; a category includes its channels. `None`
    /// (default): every text channel with "props" in its name.
    pub props_channels: Option<Vec<ChannelId>>,
    /// The maximum age of messages that are read again after an outage, in days before its start.
    pub look_back_days: u16,
    /// The scrub's share of the guild's requests, per mille; 0 turns it off.
    pub scrub_share: u16,
    /// The minimum time between the starts of two scrub rounds.
    pub scrub_rest_hours: u16,
    /// Channels and categories excluded from export, sorted.
    pub excluded_channels: Vec<ChannelId>,
    /// Channels and categories exported although not everyone can read them, sorted.
    pub included_channels: Vec<ChannelId>,
    /// How much a member can give, with commands and plain messages.
    pub quota: Option<Quota>,
    /// How long to wait before thanking the same member again by command; 0: not at all.
    pub cooldown_minutes: u32,
    /// Roles that can give with commands, sorted; empty: everyone.
    pub giver_roles: Vec<RoleId>,
    /// The reaction that acknowledges plain props, as Discord writes an emoji (`🙏`, `<:wow:8>`);
    /// `None` turns it off.
    pub acknowledge: Option<String>,
    /// Whether props outlive the bot's message that announces them.
    pub keep_deleted_props: bool,
    /// How long members can take back props; 0: not at all.
    pub undo_minutes: u16,
    pub language: Language,
    /// Props commands a member can run per minute, including ones taken back; 0: unlimited.
    pub per_minute: u32,
    /// Whether plain messages don't count as props.
    pub commands_only: bool,
    /// Minutes after posting within which an edit can add recipients.
    pub edit_minutes: u32,
    /// Bots whose posts in props channels are props, sorted.
    pub props_bots: Vec<UserId>,
    /// All limits on giving, oldest first.
    pub limits: Vec<Limits>,
    /// Whether age-restricted (NSFW) channels and their threads are exported.
    pub age_restricted: bool,
    /// The emoji whose reactions are thanks, as Discord writes it; `None` (default) turns that off.
    pub thanks_emoji: Option<String>,
    /// All states of thanks by reaction, oldest first.
    pub reaction_thanks: Vec<ReactionThanks>,
    /// Where and how often the recap is posted; `None` (default) turns it off.
    pub recap: Option<RecapSetting>,
    /// Whether scheduled events are mirrored and exported.
    pub meeting_events: bool,
}

/// The format of numbers and dates. (Discord itself formats timestamps in messages for each
/// reader's locale.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// 1,234 and 2026-11-23
    #[default]
    International,
    /// 1,234 and 11/23/2026
    American,
    /// 1,234 and 23/11/2026
    British,
    /// 1.234 and 23.11.2026
    German,
    /// 1 234 and 23/11/2026
    French,
    /// 1.234 and 23/11/2026
    Spanish,
}

impl Language {
    /// All languages with the word that selects each.
    pub const ALL: [(&'static str, Self); 6] = [
        ("international", Self::International),
        ("en-US", Self::American),
        ("en-GB", Self::British),
        ("de", Self::German),
        ("fr", Self::French),
        ("es", Self::Spanish),
    ];

    /// A number with thousands separators.
    pub fn number(self, number: u64) -> String {
        let mark = match self {
            Self::International | Self::American | Self::British => ',',
            Self::German | Self::Spanish => '.',
            // French uses a narrow no-break space.
            Self::French => '\u{202f}',
        };
        let digits = number.to_string();
        let mut text = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                text.push(mark);
            }
            text.push(digit);
        }
        text
    }

    /// A number from 0 on with one decimal place, or with two below ten.
    pub fn decimal(self, number: f64) -> String {
        let places = if number < 9.995 { 2 } else { 1 };
        let text = format!("{:.places$}", number.max(0.0));
        let (whole, part) = text.split_once('.').unwrap_or((&text, ""));
        let point = match self {
            Self::International | Self::American | Self::British => '.',
            Self::German | Self::Spanish | Self::French => ',',
        };
        // What has no place in 64 bits is as good as infinite.
        let whole = whole
            .parse()
            .map_or_else(|_| whole.to_owned(), |whole| self.number(whole));
        format!("{whole}{point}{part}")
    }

    /// A count with its noun: `1,234 files`. Takes the same noun as [`counted`](super::counted()).
    pub fn counted(self, count: u64, noun: &str) -> String {
        format!("{} {noun}{}", self.number(count), ending(count == 1))
    }

    /// The UTC date of a time.
    pub fn date(self, time: Millis) -> String {
        let form = match self {
            Self::International => "%Y-%m-%d",
            Self::American => "%m/%d/%Y",
            Self::British | Self::French | Self::Spanish => "%d/%m/%Y",
            Self::German => "%d.%m.%Y",
        };
        let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        time.strftime(form).to_string()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = Self::ALL.iter();
        let word = all
            .find(|(_, language)| language == self)
            .map_or("", |(word, _)| *word);
        f.write_str(word)
    }
}

/// What a stored row lacks that an earlier version wrote.
impl Default for Settings {
    fn default() -> Self {
        Self::default_for(GuildId(0))
    }
}

impl Settings {
    /// The settings before any change by an admin.
    pub fn default_for(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            props_channels: None,
            look_back_days: 7,
            scrub_share: 20,
            scrub_rest_hours: 6,
            excluded_channels: Vec::new(),
            included_channels: Vec::new(),
            quota: Some(Quota {
                count: 50,
                period: QuotaPeriod::Day,
            }),
            cooldown_minutes: 0,
            giver_roles: Vec::new(),
            acknowledge: Some("🙏".to_owned()),
            keep_deleted_props: false,
            undo_minutes: 30,
            language: Language::default(),
            per_minute: 3,
            commands_only: false,
            edit_minutes: 10,
            props_bots: Vec::new(),
            limits: Vec::new(),
            age_restricted: false,
            thanks_emoji: None,
            reaction_thanks: Vec::new(),
            recap: None,
            meeting_events: false,
        }
    }

    /// Appends the current limits, and how reactions give thanks, to their histories if they changed at
    /// `at`.
    pub fn note_limits(&mut self, at: Millis) {
        let new = Limits {
            since: at,
            quota: self.quota,
            commands_only: self.commands_only,
            edit_minutes: self.edit_minutes,
        };
        Limits::note(&mut self.limits, new);
        let new = self.thanks_by(self.thanks_emoji.as_deref(), at);
        ReactionThanks::note(&mut self.reaction_thanks, new);
    }

    /// How reactions with an emoji give thanks under these settings, from a time on.
    pub fn thanks_by(&self, emoji: Option<&str>, since: Millis) -> ReactionThanks {
        ReactionThanks::new(since, emoji, self.cooldown_minutes, &self.giver_roles)
    }

    /// Starts the guild's limits at `at`. The earliest of several calls counts, in any order.
    pub fn begin_limits(&mut self, at: Millis) {
        match self.limits.as_mut_slice() {
            [] => self.note_limits(at),
            [only] => only.since = only.since.min(at),
            _ => {}
        }
    }

    /// Whether plain messages in `channel` that mention someone are props. A chosen category
    /// includes its channels; for a thread, also check its channel.
    pub fn is_props_channel(&self, channel: &Channel) -> bool {
        match &self.props_channels {
            Some(chosen) => {
                let category = channel.parent_id.filter(|_| !channel.is_thread());
                chosen.contains(&channel.id) || category.is_some_and(|id| chosen.contains(&id))
            }
            None => {
                channel.kind == ChannelKind::TEXT && channel.name.to_lowercase().contains("props")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_settings_get_current_defaults() {
        let before = (GuildId(1), Some(vec![ChannelId(2)]));
        let bytes = rmp_serde::to_vec(&before).unwrap();
        let read: Settings = rmp_serde::from_slice(&bytes).unwrap();
        let expected = Settings {
            props_channels: Some(vec![ChannelId(2)]),
            ..Settings::default_for(GuildId(1))
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn formats_numbers_and_dates_by_language() {
        let time = Millis(1_700_000_000_000);
        let texts = Language::ALL.map(|(word, language)| {
            assert_eq!(language.to_string(), word);
            format!(
                "{} {} {}",
                language.number(7),
                language.number(1_234_567),
                language.date(time)
            )
        });
        assert_eq!(
            texts,
            [
                "7 1,234,567 2023-11-14",
                "7 1,234,567 11/14/2023",
                "7 1,234,567 14/11/2023",
                "7 1.234.567 14.11.2023",
                "7 1\u{202f}234\u{202f}567 14/11/2023",
                "7 1.234.567 14/11/2023",
            ]
        );
    }
}
