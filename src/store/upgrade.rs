//! Converts Discord's rows of schema 1 to the current schema.

use std::collections::BTreeMap;

use propsbot_mirror::{Dirty, Mark, OldRow, OldRows, ReadRows as _, Record, StoreError, Table};
use propsbot_model::{
    Channel, ChannelId, Coverage, Failure, FailureObject, GuildEntity, GuildId, LeftOut, Millis,
    Pending, Reaction, Reason, Tally, tables,
};
use serde::{Deserialize, de::IgnoredAny};

/// The number of the table of marks.
const MARKS: u8 = 17;

/// A mark: the guild, the table's name, and the channel and day of its rows.
#[derive(Deserialize)]
struct OldMark(GuildId, String, Option<(ChannelId, IgnoredAny)>);

/// Returns the conversion of one row. Schema 2 adds the guild to the keys of coverage and pending
/// lists, encodes the keys of emojis and failures differently, and stores marks as records.
pub(crate) fn upgrade(
    old: &OldRows<'_>,
) -> Result<impl FnMut(OldRow) -> Result<Option<OldRow>, StoreError> + use<>, StoreError> {
    let mut guilds: BTreeMap<ChannelId, GuildId> = BTreeMap::new();
    for tally in old.scan::<Tally>(())? {
        guilds.insert(tally.channel_id, tally.guild_id);
    }
    for channel in old.scan::<GuildEntity<Channel>>(())? {
        guilds.insert(ChannelId(channel.id), channel.guild_id);
    }
    Ok(move |row: OldRow| {
        let is_of = |table: Table| row.table == table.number;
        Ok(Some(if is_of(tables::COVERAGE) {
            let coverage: Coverage = row.read()?;
            // The guild of this channel is unknown, so its coverage is dropped and all is fetched
            // again.
            let Some(guild_id) = guilds.get(&coverage.channel_id) else {
                return Ok(None);
            };
            OldRow::of(&Coverage {
                guild_id: *guild_id,
                ..coverage
            })
        } else if is_of(tables::PENDING) {
            again::<Pending>(&row)?
        } else if is_of(tables::LEFT_OUT) {
            again::<LeftOut>(&row)?
        } else if is_of(tables::REACTIONS) {
            again::<Reaction>(&row)?
        } else if is_of(tables::FAILURES) {
            failure(row.read()?)
        } else if row.table == MARKS {
            return mark(&row);
        } else {
            row
        }))
    })
}

/// A failure with a sentence as its reason.
#[derive(Deserialize)]
struct OldFailure(
    GuildId,
    FailureObject,
    String,
    u32,
    Millis,
    #[serde(default)] bool,
);

fn failure(old: OldFailure) -> OldRow {
    let OldFailure(guild_id, object, reason, times, at, refused) = old;
    let unreadable = Reason::Unreadable;
    let reason = if reason == unreadable.to_string() {
        unreadable
    } else {
        Reason::Other(reason)
    };
    OldRow::of(&Failure {
        guild_id,
        object,
        reason,
        times,
        at,
        refused,
    })
}

/// The same record under its current key.
fn again<R: Record>(row: &OldRow) -> Result<OldRow, StoreError> {
    Ok(OldRow::of(&row.read::<R>()?))
}

fn mark(row: &OldRow) -> Result<Option<OldRow>, StoreError> {
    // The key had the guild twice: first alone, then within the mark.
    let OldMark(guild, name, channel_day) = row.read_key(8)?;
    let Some(table) = EXPORTED.into_iter().find(|table| table.name == name) else {
        return Ok(None);
    };
    let mut mark = Mark::of_space(guild, table);
    // The day is that of the messages, but reactions lie at other times.
    mark.part = channel_day.map(|(channel, _)| propsbot_mirror::Id::new(channel));
    let generation = row.number().unwrap_or(1);
    Ok(Some(OldRow::of(&Dirty { mark, generation })))
}

const EXPORTED: [Table; 10] = [
    tables::GUILDS,
    tables::CHANNELS,
    tables::ROLES,
    tables::EMOJIS,
    tables::MEMBERS,
    tables::MESSAGES,
    tables::REACTIONS,
    tables::PROPS,
    tables::SETTINGS,
    tables::PRIVACY,
];
