//! Cred by member and week, as `SourceCred` has it in an instance's `output/credGrainView`.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use propsbot_archive::Millis;
use propsbot_model::UserId;
use serde::Deserialize;

use crate::community::Member;

/// The longest file that is read once it is unpacked, in bytes.
const LONGEST: u64 = 512 << 20;

/// What every address of a Discord user's node begins with.
const MEMBER: [&str; 4] = ["N", "sourcecred", "discord", "MEMBER"];

/// How long a week is.
pub(crate) const WEEK_MS: i64 = 7 * 86_400_000;

/// Cred by account and week.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cred {
    /// When each week begins.
    pub(crate) weeks: Vec<Millis>,
    /// The members of each account, the lowest id first, and one number for each week.
    accounts: Vec<(Vec<UserId>, Vec<f64>)>,
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
    /// Cred of so many weeks, the first of which begins then, by the members of each account. Numbers are of the weeks up
    /// to the last.
    pub fn of_weeks(
        first: Millis,
        weeks: usize,
        accounts: impl IntoIterator<Item = (Vec<UserId>, Vec<f64>)>,
    ) -> Self {
        let begins = |week: usize| Millis(first.0 + i64::try_from(week).unwrap_or(0) * WEEK_MS);
        let accounts = accounts.into_iter().map(|(mut members, own)| {
            let mut cred = vec![0.0; weeks.saturating_sub(own.len())];
            cred.extend(own);
            members.sort_unstable();
            (members, cred)
        });
        Self {
            weeks: (0..weeks).map(begins).collect(),
            accounts: accounts.collect(),
        }
    }

    /// The cred of each of these members, which are sorted by id. An account with several of them has it under the first,
    /// so that it counts once.
    pub(crate) fn of_members(&self, members: &[Member]) -> Vec<Option<&[f64]>> {
        let mut of_members = vec![None; members.len()];
        for (users, cred) in &self.accounts {
            let mut shown = users
                .iter()
                .filter_map(|user| members.binary_search_by_key(user, |member| member.id).ok());
            if let Some(first) = shown.next() {
                of_members[first] = Some(&**cred);
            }
        }
        of_members
    }

    /// Reads a `credGrainView`, packed or not. Participants without a Discord account are left out.
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
        let mut accounts = Vec::new();
        for participant in view.participants {
            let cred = participant.cred_per_interval;
            let is_number = |cred: &f64| cred.is_finite() && *cred >= 0.0;
            if cred.len() != weeks.len() || !cred.iter().all(is_number) {
                return Err(CredError::Weeks(weeks.len()));
            }
            let aliases = participant.identity.aliases.iter();
            let mut members: Vec<UserId> = aliases
                .filter_map(|alias| account(&alias.address))
                .collect();
            members.sort_unstable();
            accounts.push((members, cred));
        }
        Ok(Self { weeks, accounts })
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
            accounts: vec![(vec![UserId(7), UserId(9)], vec![1.0, 2.5])],
        };
        assert_eq!(Cred::read(json.as_bytes()).unwrap(), expected);
        assert_eq!(Cred::read(&packed.finish().unwrap()).unwrap(), expected);
    }

    #[test]
    fn an_account_has_its_cred_once_under_the_first_member_who_is_shown() {
        let cred = Cred::read(view("[1,2.5]").as_bytes()).unwrap();
        let member = |id| Member {
            id: UserId(id),
            name: String::new(),
            is_bot: false,
            is_here: true,
        };
        let own = Some(vec![1.0, 2.5]);
        let of = |ids: &[u64]| {
            let members: Vec<Member> = ids.iter().copied().map(member).collect();
            let of = cred.of_members(&members);
            of.into_iter()
                .map(|own| own.map(<[f64]>::to_vec))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&[3, 7, 8, 9]), [None, own.clone(), None, None]);
        assert_eq!(of(&[3, 8, 9]), [None, None, own]);
        assert_eq!(of(&[3]), [None]);
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
