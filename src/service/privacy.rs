//! Members' own data: their privacy choices, their data as a file, and its deletion.

use serde::Serialize;
use serde_json::json;

use super::{Reader, Service, ServiceError, UnderWay};
use propsbot_jobs::privacy::{self, Forgotten, PrivacyError};
use propsbot_mirror::ExportControl;
use propsbot_model::{
    GuildId, Millis, Privacy, Props, ScheduledEvent, Tier, UserId, printable_json,
};
use propsbot_rows::{LinkRow, PropsRow, Redactor};
use propsbot_store::{Store, StoreError};

/// The most bytes of a member's data in one file. Discord's limit is 10 MiB.
pub const PERSONAL_DATA_LIMIT: usize = 8 << 20;

/// What `/privacy show` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The member's choice.
    pub privacy: Privacy,
    /// How long the archive takes to follow a choice; `None` without an archive.
    pub exported_within: Option<std::time::Duration>,
}

/// A member's data as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalData {
    /// The file's contents.
    pub json: Vec<u8>,
    /// How many of the oldest rows didn't fit.
    pub left_out: usize,
}

impl From<PrivacyError> for ServiceError {
    fn from(error: PrivacyError) -> Self {
        match error {
            PrivacyError::Store(error) => error.into(),
            PrivacyError::Ending(error) => error.into(),
        }
    }
}

impl Service {
    /// A member's privacy choice.
    pub async fn privacy(&self, guild: GuildId, user: UserId) -> Result<Kept, ServiceError> {
        let exported_within = self.parts.exports.as_ref().map(ExportControl::interval);
        self.ask(move |store| {
            Ok(Kept {
                privacy: store.privacy_of(guild, user)?,
                exported_within,
            })
        })
        .await
    }

    /// Sets a member's privacy choice. When this returns, it applies to everything new, and older text
    /// is blanked if the choice says so.
    pub async fn opt_out(
        &self,
        guild: GuildId,
        user: UserId,
        tier: Tier,
        now: Millis,
    ) -> Result<(), ServiceError> {
        let chosen = Privacy {
            tier,
            since: now,
            ..Privacy::unchosen(guild, user)
        };
        let _under_way = self.heavy.begin(user).await;
        let parts = &self.parts;
        Ok(privacy::choose(&parts.store, &parts.writer, &parts.clock, chosen).await?)
    }

    /// Deletes a member's data until now; see [`privacy::forget`].
    pub async fn forget(
        &self,
        guild: GuildId,
        user: UserId,
        now: Millis,
    ) -> Result<Forgotten, ServiceError> {
        let _under_way = self.heavy.begin(user).await;
        self.codes.drop_code((guild, user), None);
        let parts = &self.parts;
        let forgotten = privacy::forget(
            &parts.store,
            &parts.writer,
            &parts.clock,
            (guild, user),
            now,
        );
        let forgotten = forgotten.await?;
        let cred = parts.cred.clone();
        privacy::searching(&parts.store, move |_| Ok(cred.clear(Some(guild), now)))
            .await?
            .map_err(ServiceError::KeptCred)?;
        Ok(forgotten)
    }

    /// A member's data, newest first. Props from others appear as in reports: only from channels that
    /// the member can read, and without the names of members who hide theirs.
    ///
    /// Runs one at a time per member: the next call waits until the returned guard is dropped.
    pub async fn personal_data(
        &self,
        reader: Reader,
    ) -> Result<(PersonalData, UnderWay), ServiceError> {
        let under_way = self.heavy.begin(reader.user_id).await;
        let data = privacy::searching(&self.parts.store, move |store| {
            let (guild, user) = (reader.guild_id, reader.user_id);
            let found = privacy::find(store, guild, user)?;
            let chosen = store.privacy_of(guild, user)?;
            let head = json!({
                "guild_id": guild.to_string(),
                "user_id": user.to_string(),
                "privacy": {
                    "opted_out_of": chosen.tier,
                    "since_ms": chosen.since.0,
                    "deleted_until_ms": chosen.forgotten,
                    "texts_kept_since_ms": chosen.texts_since,
                },
                "member": found.member,
                "owner_of_the_server": found.owns_guild,
                "link": found.link.as_ref().map(LinkRow::from),
            });
            let given: Vec<PropsRow> = found.given.iter().map(PropsRow::from).collect();
            Ok(document(
                head,
                [
                    ("messages", rows(&found.messages)),
                    ("reactions", rows(&found.reactions)),
                    ("props_given", rows(&given)),
                    ("props_received", received(store, &reader, &found.received)?),
                    ("threads_opened", rows(&found.threads)),
                    ("events", events(store, &reader, &found.events)?),
                    ("admin_actions", rows(&found.admin_actions)),
                ],
            ))
        });
        Ok((data.await?, under_way))
    }
}

/// Hides what other members hide, and the names of those who hide theirs.
fn redactor(store: &Store, reader: &Reader) -> Result<Redactor, StoreError> {
    let mut chosen = store.privacy(reader.guild_id)?;
    chosen.retain(|choice| choice.user_id != reader.user_id);
    for choice in chosen
        .iter_mut()
        .filter(|choice| !choice.tier.shows_names())
    {
        choice.tier = Tier::Everything;
    }
    Ok(Redactor::new(chosen))
}

/// Props that the member received, as they may see them.
fn received(
    store: &Store,
    reader: &Reader,
    all: &[Props],
) -> Result<Vec<serde_json::Value>, StoreError> {
    let channels = reader.channels(store)?;
    let redactor = redactor(store, reader)?;
    let shown = all.iter().rev().filter_map(|props| {
        if channels.contains(&props.channel_id) {
            return serde_json::to_value(redactor.props(props)?).ok();
        }
        let given_at = props.id.created_at();
        Some(json!({"given_at_ms": given_at, "hidden": "it is in a channel that you can't read"}))
    });
    Ok(shown.collect())
}

/// The events that the member created or is interested in, without others, as they may see them.
fn events(
    store: &Store,
    reader: &Reader,
    all: &[ScheduledEvent],
) -> Result<Vec<serde_json::Value>, StoreError> {
    let channels = reader.channels(store)?;
    let redactor = redactor(store, reader)?;
    let rows = all.iter().rev();
    let rows = rows.flat_map(|event| redactor.event(event).into_iter().rev());
    let shown = rows.map(|mut row| {
        let is_own = row.creator_id == Some(reader.user_id);
        if !is_own && row.channel_id.is_some_and(|id| !channels.contains(&id)) {
            let hidden = "it is in a channel that you can't read";
            return json!({"start_ms": row.start, "hidden": hidden});
        }
        row.creator_id = row.creator_id.filter(|_| is_own);
        row.interested_ids.retain(|own| *own == reader.user_id);
        serde_json::to_value(row).expect("records consist of plain data")
    });
    Ok(shown.collect())
}

/// Rows as JSON, newest first.
fn rows<T: Serialize>(rows: &[T]) -> Vec<serde_json::Value> {
    let rows = rows.iter().rev();
    rows.map(|row| serde_json::to_value(row).expect("records consist of plain data"))
        .collect()
}

fn document(
    mut head: serde_json::Value,
    tables: [(&str, Vec<serde_json::Value>); 7],
) -> PersonalData {
    let (mut left, mut left_out) = (PERSONAL_DATA_LIMIT, 0);
    for (name, rows) in tables {
        let all = rows.len();
        let mut kept = Vec::new();
        for row in rows {
            // Indented, as it's printed below.
            let printed = printable_json(&serde_json::to_string_pretty(&row).unwrap_or_default());
            let bytes = printed.len() + 4 * (printed.lines().count() + 1);
            let Some(rest) = left.checked_sub(bytes) else {
                break;
            };
            left = rest;
            kept.push(row);
        }
        left_out += all - kept.len();
        head[name] = kept.into();
    }
    let json = serde_json::to_string_pretty(&head).expect("it is plain JSON");
    PersonalData {
        json: printable_json(&json).into_bytes(),
        left_out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_too_long_drops_the_oldest_rows() {
        let long = json!("x".repeat(1 << 20));
        let tables = [
            ("messages", vec![long; 10]),
            ("reactions", vec![json!(1)]),
            ("props_given", vec![]),
            ("props_received", vec![]),
            ("threads_opened", vec![]),
            ("events", vec![]),
            ("admin_actions", vec![]),
        ];
        let data = document(json!({}), tables);
        assert!(data.json.len() <= PERSONAL_DATA_LIMIT + 1_000);
        assert_eq!(data.left_out, 3);
        let read: serde_json::Value = serde_json::from_slice(&data.json).unwrap();
        assert_eq!(read["messages"].as_array().unwrap().len(), 7);
        assert_eq!(read["reactions"], json!([1]));
    }
}
