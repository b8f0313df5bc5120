//! What a guild's admins have chosen.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    Channel, ChannelId, ChannelKind, GuildId, Limits, Millis, Quota, QuotaPeriod, RoleId, UserId,
    counted::ending,
};

/// What [`Settings::look_back_days`] may be.
pub const LOOK_BACK_DAYS: RangeInclusive<u16> = 0..=365;
/// What [`Settings::audit_share`] may be.
pub const AUDIT_SHARE: RangeInclusive<u16> = 0..=1000;
/// What [`Settings::audit_rest_hours`] may be.
pub const AUDIT_REST_HOURS: RangeInclusive<u16> = 0..=720;
/// What [`Settings::cooldown_minutes`] may be: up to 30 days.
pub const COOLDOWN_MINUTES: RangeInclusive<u32> = 0..=43_200;
/// What [`Settings::undo_minutes`] may be: up to a day.
pub const UNDO_MINUTES: RangeInclusive<u16> = 0..=1_440;
/// What [`Settings::per_minute`] may be.
pub const PER_MINUTE: RangeInclusive<u32> = 0..=60;
/// What [`Settings::edit_minutes`] may be: up to a year.
pub const EDIT_MINUTES: RangeInclusive<u32> = 0..=525_600;

/// A guild's settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The guild.
    pub guild_id: GuildId,
    /// The channels whose messages are props, sorted; a category stands for its channels. `None`
    /// until an admin chose: then every text channel whose name contains "props" is one.
    pub props_channels: Option<Vec<ChannelId>>,
    /// Messages that were this many days old or younger when we last heard are read again after an
    /// outage.
    #[serde(default = "look_back_days")]
    pub look_back_days: u16,
    /// The audit of older history takes this much of the guild's part of all requests, per mille;
    /// 0: none is made.
    #[serde(default = "audit_share")]
    pub audit_share: u16,
    /// A round of the audit begins this long after the last one began, or later.
    #[serde(default = "audit_rest_hours")]
    pub audit_rest_hours: u16,
    /// Channels and categories that are not exported although everyone may read them, sorted.
    #[serde(default)]
    pub excluded_channels: Vec<ChannelId>,
    /// Channels and categories that are exported although not everyone may read them, sorted.
    #[serde(default)]
    pub included_channels: Vec<ChannelId>,
    /// How much a member may give, with commands and plain messages.
    #[serde(default = "quota")]
    pub quota: Option<Quota>,
    /// How long a member waits before thanking the same one again with a command; 0: not at all.
    #[serde(default)]
    pub cooldown_minutes: u32,
    /// Who may give with commands: members with one of these roles, sorted; where there are none,
    /// everybody.
    #[serde(default)]
    pub giver_roles: Vec<RoleId>,
    /// With what the bot reacts to plain messages that are props: an emoji as Discord writes it
    /// (`🙏`, `<:wow:8>`); `None`: it does not.
    #[serde(default = "acknowledge")]
    pub acknowledge: Option<String>,
    /// Whether props hold although the bot's message that says so was deleted.
    #[serde(default)]
    pub keep_deleted_props: bool,
    /// How long members may take back props; 0: not at all.
    #[serde(default = "undo_minutes")]
    pub undo_minutes: u16,
    /// How numbers and dates are written.
    #[serde(default)]
    pub language: Language,
    /// How often a member may run commands that give props, in any minute, whether or not they take
    /// the props back; 0: any number of times.
    #[serde(default = "per_minute")]
    pub per_minute: u32,
    /// Whether members' plain messages are no props.
    #[serde(default)]
    pub commands_only: bool,
    /// Mentions that an edit adds later than this many minutes after a message was posted thank nobody.
    #[serde(default = "edit_minutes")]
    pub edit_minutes: u32,
    /// The bots whose posts in props channels are props, sorted.
    #[serde(default)]
    pub props_bots: Vec<UserId>,
    /// What bounded the giving of props since when, the oldest first.
    #[serde(default)]
    pub limits: Vec<Limits>,
    /// Whether age-restricted (NSFW) channels are exported, with their threads.
    #[serde(default)]
    pub age_restricted: bool,
}

/// What is not one of the words that may stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the possible words")]
pub struct UnknownWord;

/// How numbers and dates are written. (Moments within a message are Discord's own to write: it
/// does so in each reader's language.)
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
    /// All, each with the word by which it is chosen.
    pub const ALL: [(&'static str, Self); 6] = [
        ("international", Self::International),
        ("en-US", Self::American),
        ("en-GB", Self::British),
        ("de", Self::German),
        ("fr", Self::French),
        ("es", Self::Spanish),
    ];

    /// A number, its thousands apart.
    pub fn number(self, number: u64) -> String {
        let mark = match self {
            Self::International | Self::American | Self::British => ',',
            Self::German | Self::Spanish => '.',
            // The narrow blank that French takes, and at which no line breaks.
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

    /// A number with its noun, as in `1,234 files`. Takes the noun as [`counted`](super::counted()) does.
    pub fn counted(self, count: u64, noun: &str) -> String {
        format!("{} {noun}{}", self.number(count), ending(count == 1))
    }

    /// The day (UTC) of a time.
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

impl FromStr for Language {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        let text = text.trim();
        let mut all = Self::ALL.into_iter();
        all.find(|(word, _)| word.eq_ignore_ascii_case(text))
            .map(|(_, found)| found)
            .ok_or(UnknownWord)
    }
}

fn look_back_days() -> u16 {
    7
}

fn audit_share() -> u16 {
    20
}

fn audit_rest_hours() -> u16 {
    6
}

#[expect(clippy::unnecessary_wraps, reason = "it is the default of an option")]
fn acknowledge() -> Option<String> {
    Some("🙏".to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "it is the default of an option")]
fn quota() -> Option<Quota> {
    Some(Quota {
        count: 50,
        period: QuotaPeriod::Day,
    })
}

fn per_minute() -> u32 {
    3
}

fn edit_minutes() -> u32 {
    10
}

fn undo_minutes() -> u16 {
    30
}

impl Settings {
    /// What holds until an admin chooses otherwise.
    pub fn default_for(guild_id: GuildId) -> Self {
        Self {
            guild_id,
            props_channels: None,
            look_back_days: look_back_days(),
            audit_share: audit_share(),
            audit_rest_hours: audit_rest_hours(),
            excluded_channels: Vec::new(),
            included_channels: Vec::new(),
            quota: quota(),
            cooldown_minutes: 0,
            giver_roles: Vec::new(),
            acknowledge: acknowledge(),
            keep_deleted_props: false,
            undo_minutes: undo_minutes(),
            language: Language::default(),
            per_minute: per_minute(),
            commands_only: false,
            edit_minutes: edit_minutes(),
            props_bots: Vec::new(),
            limits: Vec::new(),
            age_restricted: false,
        }
    }

    /// Remembers what bounds the giving of props from `at` on, if it is anything else than before.
    pub fn note_limits(&mut self, at: Millis) {
        let new = Limits {
            since: at,
            quota: self.quota,
            commands_only: self.commands_only,
            edit_minutes: self.edit_minutes,
        };
        Limits::note(&mut self.limits, new);
    }

    /// The guild was there at `at`: from then on its limits hold. Of several such times the first
    /// counts, in whatever order they are told.
    pub fn begin_limits(&mut self, at: Millis) {
        match self.limits.as_mut_slice() {
            [] => self.note_limits(at),
            [only] => only.since = only.since.min(at),
            _ => {}
        }
    }

    /// Whether plain messages in `channel` that mention somebody are props. A category that was
    /// chosen means its channels; for a thread, also ask about its channel.
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
    fn settings_of_before_have_the_defaults_of_today() {
        let before = (GuildId(1), Some(vec![ChannelId(2)]));
        let bytes = rmp_serde::to_vec(&before).unwrap();
        let read: Settings = rmp_serde::from_slice(&bytes).unwrap();
        let expected = Settings {
            props_channels: Some(vec![ChannelId(2)]),
            ..Settings::default_for(GuildId(1))
        };
        assert_eq!(read, expected);
        assert!(LOOK_BACK_DAYS.contains(&read.look_back_days));
        assert!(AUDIT_SHARE.contains(&read.audit_share));
        assert!(AUDIT_REST_HOURS.contains(&read.audit_rest_hours));
        assert!(UNDO_MINUTES.contains(&read.undo_minutes));
        assert!(PER_MINUTE.contains(&read.per_minute));
        assert!(EDIT_MINUTES.contains(&read.edit_minutes));
    }

    #[test]
    fn numbers_and_dates_are_written_as_chosen() {
        let time = Millis(1_700_000_000_000);
        let texts = Language::ALL.map(|(word, language)| {
            assert_eq!(word.parse(), Ok(language));
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
