//! A community that is computed on the fly, so that only the archive is measured.

use std::{collections::BTreeMap, ops::RangeInclusive};

use propsbot_archive::{
    EncodedRow, ExportPart, ExportRequest, ExportSpace, Hash, Id, Mark, PartRow, Period, Scope,
    Source, SourceError, Unit,
};
use propsbot_model::{
    AuthorKind, ChannelId, ChannelKind, Evidence, GuildId, MessageId, MessageKind, Millis, UserId,
};
use propsbot_rows::{ChannelRow, GuildRow, MessageRow, ReactionRow, SCHEMA, ids};

const GUILD: GuildId = GuildId(1_000_000);
pub(crate) const CHANNELS: u64 = 14;
/// 2022-01-01, and four years from then, in milliseconds.
const BEGIN: i64 = 1_640_995_200_000;
const YEARS: i64 = 4 * 365 * 86_400_000;

/// Messages spread over channels and years.
pub(crate) struct Community {
    /// Messages per channel.
    messages: u64,
    /// Whether to add one more message to each channel.
    more: bool,
}

impl Community {
    /// This many messages; with `more`, one more in each channel.
    pub(crate) fn new(messages: u64, more: bool) -> Self {
        let messages = (messages / CHANNELS).max(2);
        Self { messages, more }
    }

    /// A request to export one more message in the first channel, based on these manifests.
    pub(crate) fn change(&self, since: BTreeMap<String, Hash>) -> ExportRequest {
        let time = self.id(self.messages - 1).created_at();
        let mut change = request();
        change.since = since;
        change.marks = vec![Mark {
            scope: Scope::part(GUILD, ChannelId(1)),
            table: propsbot_rows::MESSAGES,
            period: Some(Period::of(Unit::Hour, time)),
        }];
        change
    }

    fn id(&self, n: u64) -> MessageId {
        let step = YEARS / i64::try_from(self.messages).expect("few enough");
        MessageId::at(Millis(BEGIN + i64::try_from(n).expect("few enough") * step))
    }

    /// The numbers of the messages with these ids.
    fn numbers(&self, ids: &RangeInclusive<u64>) -> impl Iterator<Item = u64> + use<'_> {
        let ids = ids.clone();
        let last = self.messages - u64::from(!self.more);
        (0..last)
            .skip_while({
                let first = *ids.start();
                move |n| self.id(*n).0 < first
            })
            .take_while(move |n| self.id(*n).0 <= *ids.end())
    }

    fn message(&self, channel_id: ChannelId, n: u64) -> MessageRow {
        let words = usize::try_from(n * 7 % 23).expect("few") + 3;
        MessageRow {
            guild_id: GUILD,
            channel_id,
            id: self.id(n),
            deleted_at: None,
            author_id: Some(UserId(2_000_000 + n % 500)),
            author_kind: Some(AuthorKind::User),
            kind: Some(MessageKind::DEFAULT),
            content: Some(format!("{n} {}", "thanks for it ".repeat(words))),
            mentions: Vec::new(),
            reply_to: None,
            command: None,
            edited_at: None,
            by_webhook: None,
            earlier_mentions: Vec::new(),
        }
    }

    fn reaction(&self, channel_id: ChannelId, n: u64) -> ReactionRow {
        ReactionRow {
            guild_id: GUILD,
            channel_id,
            message_id: self.id(n),
            user_id: UserId(2_000_000 + n % 500),
            emoji_id: None,
            emoji: Some("🎉".to_owned()),
            burst: false,
            added_at: Some(self.id(n).created_at()),
            added_by: Some(Evidence::Gateway),
            removed_at: None,
            removed_by: None,
        }
    }
}

impl Source for Community {
    fn newest(&self, _: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        let last = self.messages - 1 - u64::from(!self.more);
        Ok(Some(self.id(last).created_at().min(clock)))
    }

    fn recent(
        &self,
        _: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        for n in self.numbers(&ids(&times)) {
            for channel in (1..=CHANNELS).map(ChannelId) {
                let row = |table, row| PartRow {
                    part: Some(Id::new(channel)),
                    table,
                    row,
                };
                let message = EncodedRow::new(&self.message(channel, n));
                each(row(propsbot_rows::MESSAGES, message))?;
                if n % 10 == 0 {
                    let reaction = EncodedRow::new(&self.reaction(channel, n));
                    each(row(propsbot_rows::REACTIONS, reaction))?;
                }
            }
        }
        Ok(())
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let ids = ids(&times);
        let channel = scope.part.as_ref().map(|part| part.as_str().parse());
        match (table, channel.transpose()?) {
            (propsbot_rows::GUILDS, None) if ids.contains(&GUILD.0) => {
                each(EncodedRow::new(&GuildRow {
                    id: GUILD,
                    name: "The Community".to_owned(),
                    owner_id: UserId(2_000_000),
                    age_restricted: None,
                    reaction_thanks: Vec::new(),
                    meeting_events: None,
                    props_channels: None,
                    left_at: None,
                    keep_deleted_props: None,
                    excluded_channels: Vec::new(),
                    included_channels: Vec::new(),
                    limits: Vec::new(),
                    props_bots: Vec::new(),
                }))
            }
            (propsbot_rows::CHANNELS, None) => (1..=CHANNELS)
                .filter(|id| ids.contains(id))
                .try_for_each(|id| {
                    each(EncodedRow::new(&ChannelRow {
                        id: ChannelId(id),
                        guild_id: GUILD,
                        kind: ChannelKind::TEXT,
                        name: format!("channel-{id}"),
                        parent_id: None,
                        position: 0,
                        nsfw: false,
                        props_channel: false,
                        overwrites: Vec::new(),
                        owner_id: None,
                        archived: None,
                        archive_timestamp: None,
                        deleted_at: None,
                    }))
                }),
            (propsbot_rows::MESSAGES, Some(channel)) => self
                .numbers(&ids)
                .try_for_each(|n| each(EncodedRow::new(&self.message(channel, n)))),
            (propsbot_rows::REACTIONS, Some(channel)) => self
                .numbers(&ids)
                .filter(|n| n % 10 == 0)
                .try_for_each(|n| each(EncodedRow::new(&self.reaction(channel, n)))),
            _ => Ok(()),
        }
    }
}

/// A request to export everything.
pub(crate) fn request() -> ExportRequest {
    ExportRequest {
        now: Millis(1_800_000_000_000),
        spaces: vec![ExportSpace {
            id: Id::new(GUILD),
            name: "The Community".to_owned(),
            heard_at: None,
            synced: [].into(),
            history: None,
            stamps: None,
            parts: (1..=CHANNELS)
                .map(|id| ExportPart {
                    id: Id::new(id),
                    name: format!("channel-{id}"),
                    covered: Vec::new(),
                })
                .collect(),
        }],
        ..ExportRequest::new(&SCHEMA)
    }
}
