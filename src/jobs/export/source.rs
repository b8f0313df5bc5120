//! The exported rows: those of exported channels, redacted as members chose.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    sync::Arc,
};

use super::{
    contents::{contents, is_choice},
    decision::{self, decisions, exported_channels},
    guild_rows::GuildRows,
    withdrawn,
};
use propsbot_archive::{
    EncodedRow, Id, Mark, Millis, PartRow, Row, Schema, Scope, Source, SourceError,
};
use propsbot_mirror::{Contents, ExportView, Exports, Ledger, WithdrawnPart};
use propsbot_model::GuildId;
use propsbot_rows::{
    CHANNELS, ChannelRow, EMOJIS, EVENTS, EmojiRow, EventRow, GUILDS, GuildRow, LINKS, MEMBERS,
    MemberRow, ROLES, RULES, Redactor, RoleRow, SCHEMA, ids,
};
use propsbot_store::{Dirty, Reader, Store, StoreError};

pub(crate) struct StoreExports(pub(crate) Arc<Store>);

impl Exports for StoreExports {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rules(&self) -> u8 {
        RULES
    }

    fn view(&self) -> Result<ExportView, StoreError> {
        let view = self.0.view();
        Ok(ExportView {
            contents: contents(&view)?,
            rows: Arc::new(StoreSource::new(view)?),
        })
    }

    fn is_current(&self, published: &Contents) -> Result<bool, StoreError> {
        let now = self.0.view();
        let public = decisions(&now)?.into_iter();
        let public = public.filter(|decision| decision.withheld.is_none());
        let public: BTreeSet<Id> = public.map(|decision| Id::new(decision.id)).collect();
        let mut parts = published.spaces.iter().flat_map(|space| &space.parts);
        let all = now.dirty()?;
        let choices = |marks: &[Dirty]| -> Vec<Dirty> {
            let choices = marks.iter().filter(|mark| is_choice(mark));
            choices.cloned().collect()
        };
        Ok(parts.all(|part| public.contains(&part.id))
            && choices(&published.marks) == choices(&all))
    }

    fn ledger(&self) -> &dyn Ledger {
        self.0.as_ref()
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.0.guilds()?.is_empty())
    }

    fn explain(&self, ids: &[Id]) -> Result<Vec<WithdrawnPart>, StoreError> {
        withdrawn::explain(&self.0.view(), ids)
    }

    fn describe(&self, part: &WithdrawnPart) -> String {
        withdrawn::describe(part)
    }

    fn decisions(&self) -> Result<Vec<String>, StoreError> {
        decision::lines(&self.0.view())
    }
}

/// The rows of a view of the store, for the archive's planner.
pub(super) struct StoreSource {
    store: Reader,
    /// What is exported of each guild.
    guilds: BTreeMap<GuildId, GuildRows>,
}

impl StoreSource {
    pub(super) fn new(store: Reader) -> Result<Self, StoreError> {
        let mut guilds = BTreeMap::new();
        for guild in store.guilds()? {
            let id = GuildId(guild.id);
            guilds.insert(id, GuildRows::of(&store, id)?);
        }
        Ok(Self { store, guilds })
    }

    fn guild(&self, space: &Id) -> Result<(GuildId, &GuildRows), SourceError> {
        let id = space.as_str().parse()?;
        let rows = self.guilds.get(&id);
        Ok((
            id,
            rows.ok_or_else(|| format!("guild {id} was never seen"))?,
        ))
    }
}

impl StoreSource {
    /// Hands on the rows of a table that is kept by guild.
    fn own_table(
        &self,
        guild: GuildId,
        table: &str,
        times: &RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let (store, ids) = (&self.store, ids(times));
        let redactor = Redactor::new(store.strictest_privacy(guild)?);
        match table {
            GUILDS => {
                let row = store.guild(guild)?.filter(|_| ids.contains(&guild.0));
                let settings = store.settings(guild)?;
                let row = row.and_then(|row| GuildRow::new(&row, &settings));
                all(row.map(|row| redactor.guild(row)), each)
            }
            CHANNELS => {
                let settings = store.settings(guild)?;
                let rows = exported_channels(store, guild)?;
                let rows = rows.iter().filter(|row| ids.contains(&row.id));
                let rows = rows.filter_map(|row| ChannelRow::new(row, &settings));
                all(rows.map(|row| redactor.channel(row)), each)
            }
            ROLES => {
                let rows = store.roles(guild)?;
                let rows = rows.iter().filter(|row| ids.contains(&row.id));
                all(rows.filter_map(RoleRow::new), each)
            }
            EMOJIS => {
                let rows = store.emojis(guild)?;
                let rows = rows.iter().filter(|row| ids.contains(&row.id));
                all(rows.filter_map(EmojiRow::new), each)
            }
            MEMBERS => {
                let rows = store.members(guild)?;
                let mut rows: Vec<MemberRow> =
                    rows.iter().flat_map(|row| redactor.member(row)).collect();
                rows.retain(|row| ids.contains(&row.user_id.0));
                rows.sort_by_key(|row| row.user_id);
                all(rows, each)
            }
            LINKS => {
                let links = store.links(guild)?;
                let links = links.iter().filter(|link| ids.contains(&link.user_id.0));
                all(links.filter_map(|link| redactor.link(link)), each)
            }
            EVENTS => {
                // Members see those outside of channels. Of the others, those who see the channel do.
                let exported = self.guilds.get(&guild);
                let is_shown = |row: &EventRow| {
                    row.channel_id.is_none_or(|channel| {
                        exported.is_some_and(|exported| exported.exports(channel))
                    })
                };
                let is_wanted = store.settings(guild)?.meeting_events;
                let events = store.scheduled_events(guild)?.into_iter();
                let events = events.filter(|event| is_wanted && ids.contains(&event.id.0));
                let rows = events.flat_map(|event| redactor.event(&event));
                all(rows.filter(is_shown), each)
            }
            _ => Err(no_table(&Scope::space(guild), table)),
        }
    }
}

impl Source for StoreSource {
    fn newest(&self, space: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        let (guild, rows) = self.guild(space)?;
        Ok(rows.newest(&self.store, guild, clock, None)?)
    }

    fn newest_since(
        &self,
        space: &Id,
        clock: Millis,
        changed: &[Mark],
    ) -> Result<Option<Millis>, SourceError> {
        let (guild, rows) = self.guild(space)?;
        Ok(rows.newest(&self.store, guild, clock, Some(changed))?)
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let (guild, rows) = self.guild(&scope.space)?;
        let Some(channel) = &scope.part else {
            return self.own_table(guild, table, &times, each);
        };
        let channel = channel.as_str().parse()?;
        let mut rows = rows.of_table(&self.store, channel, table, &times);
        let rows = rows.as_mut().ok_or_else(|| no_table(scope, table))?;
        rows.try_for_each(|row| each(row?.row))
    }

    fn recent(
        &self,
        space: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let (guild, rows) = self.guild(space)?;
        let (start, end) = times.into_inner();
        let recent_from = self.store.recent_from()?;
        // Before that time, the index of recent rows lacks some.
        if start < recent_from {
            let older = start..=end.min(Millis(recent_from.0 - 1));
            rows.merged(&self.store, &older)
                .try_for_each(|row| each(row?))?;
        }
        let recent = start.max(recent_from)..=end;
        if recent.is_empty() {
            return Ok(());
        }
        for found in self.store.recent(guild, recent) {
            if let Some(row) = rows.recent(&self.store, &found?)? {
                each(row)?;
            }
        }
        Ok(())
    }
}

fn no_table(scope: &Scope, table: &str) -> SourceError {
    format!("{table} is no table of {scope}").into()
}

fn all<R: Row>(
    rows: impl IntoIterator<Item = R>,
    each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut rows = rows.into_iter();
    rows.try_for_each(|row| each(EncodedRow::new(&row)))
}
