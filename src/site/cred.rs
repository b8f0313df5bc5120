//! Cred by member and week, as `SourceCred` has it in an instance's `output/credGrainView`.

use std::{collections::BTreeMap, io::Read as _};

use flate2::read::ZlibDecoder;
use propsbot_archive::Millis;
use propsbot_model::UserId;
use serde::Deserialize;

/// The longest file that is read once it is unpacked, in bytes.
const LONGEST: u64 = 512 << 20;

/// What every address of a Discord user's node begins with.
const MEMBER: [&str; 4] = ["N", "sourcecred", "discord", "MEMBER"];

/// How long a week is.
pub(crate) const WEEK_MS: i64 = 7 * 86_400_000;

/// Cred by member and week.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cred {
    /// When each week begins.
    pub(crate) weeks: Vec<Millis>,
    /// One number for each week.
    pub(crate) members: BTreeMap<UserId, Vec<f64>>,
}

/// The file isn't a `credGrainView`.
#[derive(Debug, thiserror::Error)]
pub enum CredError {
    /// It can't be unpacked, or is too long.
    #[error("it is neither JSON nor zlib-compressed JSON of at most 512 MiB: {0}")]
    Packed(std::io::Error),
    /// It is JSON of another kind.
    #[error("it isn't a credGrainView of SourceCred 0.11: {0}")]
    Json(#[from] serde_json::Error),
    /// A participant hasn't a number for each week.
    #[error("a participant's cred isn't one number, from 0 on, for each of the {0} weeks")]
    Weeks(usize),
}

#[derive(Deserialize)]
struct View {
    participants: Vec<Participant>,
    intervals: Vec<Interval>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Participant {
    identity: Identity,
    cred_per_interval: Vec<f64>,
}

#[derive(Deserialize)]
struct Identity {
    aliases: Vec<Alias>,
}

#[derive(Deserialize)]
struct Alias {
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Interval {
    start_time_ms: f64,
}

impl Cred {
    /// Cred of so many weeks, the first of which begins then. Numbers are of the weeks up to the last.
    pub fn of_weeks(
        first: Millis,
        weeks: usize,
        members: impl IntoIterator<Item = (UserId, Vec<f64>)>,
    ) -> Self {
        let begins = |week: usize| Millis(first.0 + i64::try_from(week).unwrap_or(0) * WEEK_MS);
        let members = members.into_iter().map(|(member, own)| {
            let mut cred = vec![0.0; weeks.saturating_sub(own.len())];
            cred.extend(own);
            (member, cred)
        });
        Self {
            weeks: (0..weeks).map(begins).collect(),
            members: members.collect(),
        }
    }

    /// Whether a member has any.
    pub(crate) fn is_shown_of(&self, member: UserId) -> bool {
        let own = self.members.get(&member);
        own.is_some_and(|own| own.iter().any(|cred| *cred > 0.0))
    }

    /// Reads a `credGrainView`, packed or not. Participants without a Discord account are left out; those with several
    /// have their cred under the one with the lowest id.
    ///
    /// # Errors
    /// It is something else.
    pub fn read(bytes: &[u8]) -> Result<Self, CredError> {
        let is_json = bytes.trim_ascii_start().starts_with(b"{");
        let mut unpacked = Vec::new();
        if !is_json {
            let read = ZlibDecoder::new(bytes)
                .take(LONGEST)
                .read_to_end(&mut unpacked);
            read.map_err(CredError::Packed)?;
        }
        let json = if is_json { bytes } else { &unpacked };
        let view: View = serde_json::from_slice(json)?;
        let weeks = view.intervals.iter();
        #[expect(clippy::cast_possible_truncation, reason = "it saturates")]
        let weeks = weeks.map(|week| Millis(week.start_time_ms as i64));
        let weeks: Vec<Millis> = weeks.collect();
        let mut members = BTreeMap::new();
        for participant in view.participants {
            let cred = participant.cred_per_interval;
            let is_number = |cred: &f64| cred.is_finite() && *cred >= 0.0;
            if cred.len() != weeks.len() || !cred.iter().all(is_number) {
                return Err(CredError::Weeks(weeks.len()));
            }
            let aliases = participant.identity.aliases.iter();
            let accounts = aliases.filter_map(|alias| account(&alias.address));
            if let Some(account) = accounts.min() {
                members.insert(account, cred);
            }
        }
        Ok(Self { weeks, members })
    }
}

/// The Discord user of a node.
fn account(address: &str) -> Option<UserId> {
    let mut parts = address.split('\0');
    let is_member = MEMBER.iter().all(|part| parts.next() == Some(part));
    let kind = parts.next().filter(|_| is_member)?;
    let id = parts.next().filter(|_| matches!(kind, "user" | "bot"))?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn view(cred: &str) -> String {
        let address = |id: u64| {
            format!("N\\u0000sourcecred\\u0000discord\\u0000MEMBER\\u0000user\\u0000{id}\\u0000")
        };
        format!(
            r#"{{"participants":[{{"active":true,"cred":3,"credPerInterval":{cred},"identity":{{"aliases":[
            {{"address":"N\u0000sourcecred\u0000github\u0000USER\u0000ana\u0000","description":""}},
            {{"address":"{}","description":""}},{{"address":"{}","description":""}}]}}}}],
            "intervals":[{{"startTimeMs":0,"endTimeMs":5}},{{"startTimeMs":604800000,"endTimeMs":6}}]}}"#,
            address(9),
            address(7),
        )
    }

    #[test]
    fn reads_what_sourcecred_writes() {
        let json = view("[1,2.5]");
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
        packed.write_all(json.as_bytes()).unwrap();
        let expected = Cred {
            weeks: vec![Millis(0), Millis(604_800_000)],
            members: [(UserId(7), vec![1.0, 2.5])].into(),
        };
        assert_eq!(Cred::read(json.as_bytes()).unwrap(), expected);
        assert_eq!(Cred::read(&packed.finish().unwrap()).unwrap(), expected);
    }

    #[test]
    fn says_what_is_wrong_with_other_files() {
        for (bytes, says) in [
            (&b"cred"[..], "neither JSON nor"),
            (b"{}", "isn't a credGrainView"),
            (view("[1]").as_bytes(), "each of the 2 weeks"),
            (view("[1,-2]").as_bytes(), "from 0 on"),
        ] {
            let error = Cred::read(bytes).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
