//! A guild's cred in a file, in which members and messages are looked up by id.
//!
//! Its parts, one after the other: the length of the header in 8 bytes, the header as JSON, a record of
//! [`MEMBER`] bytes for each member, one of [`MESSAGE`] bytes for each message, and details of members as JSON.
//! Records are sorted by id; numbers are big-endian.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    os::unix::fs::FileExt as _,
    path::Path,
};

use propsbot_graph::About;
use propsbot_model::{MessageId, Millis, UserId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The version of the format.
const FORMAT: u32 = 4;
/// A member's id, their cred, and where their details begin and how long they are.
const MEMBER: u64 = MEMBER_RECORD as u64;
const MEMBER_RECORD: usize = 32;
/// A message's id, and the cred that it brought.
const MESSAGE: u64 = 16;
/// The longest header, and the longest details.
const LONGEST: u64 = 1 << 20;
/// The most records that are read at once.
const MOST_MEMBERS: u64 = 1 << 24;

/// The most weeks that a file may have: a century.
const MOST_WEEKS: usize = 5_300;
/// How far the first week may be from 1970, in milliseconds.
const FARTHEST: u64 = 1 << 50;

/// How long a week is.
pub const WEEK_MS: i64 = 7 * 86_400_000;

/// What cred was computed from. It's computed again if this changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CredBasis {
    /// The version of the file's format.
    format: u32,
    /// The version of the program.
    program: String,
    /// The generation of the guild in the archive.
    generation: u64,
    /// When it was exported.
    pub exported_at: Millis,
    /// A hash of how cred is computed: the instance's files and the weights.
    configured: u64,
}

impl CredBasis {
    /// A generation of a guild in the archive, and how its cred is computed.
    pub fn new(program: &str, generation: u64, exported_at: Millis, configured: u64) -> Self {
        Self {
            format: FORMAT,
            program: program.to_owned(),
            generation,
            exported_at,
            configured,
        }
    }

    /// The hash of how cred is computed.
    pub fn configured(&self) -> u64 {
        self.configured
    }
}

/// A guild's cred, to be kept.
#[derive(Debug)]
pub struct NewCred {
    pub basis: CredBasis,
    /// When the repositories of GitHub were exported that it counts; `None` if it counts none.
    pub github_as_of: Option<Millis>,
    /// When the first of the weeks begins that members have cred of.
    pub first_week: Millis,
    /// How many weeks those are.
    pub weeks: usize,
    /// Accounts with members of Discord.
    pub members: Vec<NewMember>,
    /// What each message brought to all.
    pub messages: Vec<(MessageId, f64)>,
}

/// An account's cred.
#[derive(Debug)]
pub struct NewMember {
    /// Its members: several, if somebody has several accounts at Discord.
    pub users: Vec<UserId>,
    pub cred: f64,
    pub details: MemberDetails,
}

/// A member's cred by week, and what brought most of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MemberDetails {
    /// Up to the kept cred's last week, and from the first with cred on.
    pub by_week: Vec<f32>,
    /// The largest first.
    pub top: Vec<KeptContribution>,
}

/// A contribution, and the cred that it brought somebody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeptContribution {
    pub cred: f32,
    #[serde(flatten)]
    pub what: KeptWhat,
}

/// What a contribution is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptWhat {
    /// Something on Discord.
    Discord(About),
    /// Something else, with its description and its link.
    Other(String, Option<String>),
}

/// What is kept of a member.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptMember {
    pub cred: f64,
    pub details: MemberDetails,
}

#[derive(Debug, Serialize, Deserialize)]
struct Header {
    basis: CredBasis,
    #[serde(default)]
    github_as_of: Option<Millis>,
    first_week: Millis,
    weeks: usize,
    members: u64,
    messages: u64,
    details: u64,
}

/// A guild's cred in an open file. Each question reads the file.
#[derive(Debug)]
pub struct KeptCred {
    file: File,
    header: Header,
    /// Where records begin.
    start: u64,
}

impl NewCred {
    /// Replaces the file with this, all at once.
    pub fn write(mut self, path: &Path) -> io::Result<()> {
        let (mut records, mut details) = (Vec::new(), Vec::new());
        for member in &self.members {
            let at = details.len() as u64;
            serde_json::to_writer(&mut details, &member.details)?;
            let length = details.len() as u64 - at;
            let users = member.users.iter();
            records.extend(users.map(|user| (user.0, member.cred, at, length)));
        }
        records.sort_by_key(|(user, ..)| *user);
        records.dedup_by_key(|(user, ..)| *user);
        self.messages.sort_by_key(|(message, _)| *message);
        self.messages.dedup_by(|more, kept| {
            let is_same = more.0 == kept.0;
            if is_same {
                kept.1 += more.1;
            }
            is_same
        });
        let header = serde_json::to_vec(&Header {
            basis: self.basis,
            github_as_of: self.github_as_of,
            first_week: self.first_week,
            weeks: self.weeks,
            members: records.len() as u64,
            messages: self.messages.len() as u64,
            details: details.len() as u64,
        })?;
        let partial = path.with_extension("partial");
        let mut to = BufWriter::new(File::create(&partial)?);
        to.write_all(&(header.len() as u64).to_be_bytes())?;
        to.write_all(&header)?;
        for (user, cred, at, length) in records {
            for number in [user, cred.to_bits(), at, length] {
                to.write_all(&number.to_be_bytes())?;
            }
        }
        for (message, cred) in self.messages {
            for number in [message.0, cred.to_bits()] {
                to.write_all(&number.to_be_bytes())?;
            }
        }
        to.write_all(&details)?;
        let file = to.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(partial, path)
    }
}

impl KeptCred {
    /// Opens a file; `None` if there is none.
    ///
    /// # Errors
    /// Also a file of another format, or one that is damaged.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let [length] = numbers(&file, 0)?;
        let header: Header = json(&file, 8, length)?;
        let kept = Self {
            file,
            header,
            start: 8 + length,
        };
        let Header {
            members,
            messages,
            details,
            ..
        } = kept.header;
        let length = members
            .checked_mul(MEMBER)
            .zip(messages.checked_mul(MESSAGE))
            .and_then(|(members, messages)| members.checked_add(messages)?.checked_add(details))
            .and_then(|length| length.checked_add(kept.start));
        if length != Some(kept.file.metadata()?.len()) {
            return Err(damaged("its length isn't what its header says"));
        }
        let is_far = kept.header.first_week.0.unsigned_abs() > FARTHEST;
        if kept.header.weeks > MOST_WEEKS || is_far {
            return Err(damaged("its weeks are none that there can be"));
        }
        Ok(Some(kept))
    }

    /// What it was computed from.
    pub fn basis(&self) -> &CredBasis {
        &self.header.basis
    }

    /// When the repositories of GitHub were exported that it counts; `None` if it counts none.
    pub fn github_as_of(&self) -> Option<Millis> {
        self.header.github_as_of
    }

    /// When the first of the weeks begins that members have cred of.
    pub fn first_week(&self) -> Millis {
        self.header.first_week
    }

    /// How many weeks there are.
    pub fn weeks(&self) -> usize {
        self.header.weeks
    }

    /// The members of each account that has cred, and its cred by week as [`MemberDetails`] have it.
    pub fn by_week(&self) -> io::Result<Vec<(Vec<UserId>, Vec<f64>)>> {
        let mut accounts: BTreeMap<u64, Vec<UserId>> = BTreeMap::new();
        for (user, cred, account) in self.members()? {
            if cred > 0.0 {
                accounts.entry(account).or_default().push(user);
            }
        }
        let accounts = accounts.into_values().map(|users| {
            let own = self.member(users[0])?.map(|member| member.details.by_week);
            let own = own.unwrap_or_default().into_iter().map(f64::from);
            Ok((users, own.take(self.weeks()).collect()))
        });
        accounts.collect()
    }

    /// The cred that a message brought to all; `None` if it brought none.
    pub fn message(&self, id: MessageId) -> io::Result<Option<f64>> {
        let start = self.start + self.header.members * MEMBER;
        let found = find(self.header.messages, id.0, |index| {
            numbers(&self.file, start + index * MESSAGE)
        })?;
        Ok(found.map(|[_, cred]| f64::from_bits(cred)))
    }

    /// A member; `None` if they have no account.
    pub fn member(&self, id: UserId) -> io::Result<Option<KeptMember>> {
        let found = find(self.header.members, id.0, |index| {
            numbers(&self.file, self.start + index * MEMBER)
        })?;
        let Some([_, cred, at, length]) = found else {
            return Ok(None);
        };
        let details = self.start + self.header.members * MEMBER + self.header.messages * MESSAGE;
        if at
            .checked_add(length)
            .is_none_or(|end| end > self.header.details)
        {
            return Err(damaged("a member's details aren't in it"));
        }
        Ok(Some(KeptMember {
            cred: f64::from_bits(cred),
            details: json(&self.file, details + at, length)?,
        }))
    }

    /// All members and their cred, by id, each with a number that is the same for those of one account.
    pub fn members(&self) -> io::Result<Vec<(UserId, f64, u64)>> {
        if self.header.members > MOST_MEMBERS {
            return Err(damaged("it has more members than a guild can have"));
        }
        let length = usize::try_from(self.header.members * MEMBER).map_err(io::Error::other)?;
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, self.start)?;
        let records = bytes.as_chunks::<MEMBER_RECORD>().0.iter();
        Ok(records
            .map(|record| {
                let (numbers, _) = record.as_chunks::<8>();
                let [user, cred, at] = [0, 1, 2].map(|index| u64::from_be_bytes(numbers[index]));
                (UserId(user), f64::from_bits(cred), at)
            })
            .collect())
    }
}

/// The record with this id, which is its first number, among so many that are sorted by it.
fn find<const N: usize>(
    count: u64,
    id: u64,
    read: impl Fn(u64) -> io::Result<[u64; N]>,
) -> io::Result<Option<[u64; N]>> {
    let (mut from, mut to) = (0, count);
    while from < to {
        let middle = from.midpoint(to);
        let record = read(middle)?;
        match record[0].cmp(&id) {
            std::cmp::Ordering::Less => from = middle + 1,
            std::cmp::Ordering::Greater => to = middle,
            std::cmp::Ordering::Equal => return Ok(Some(record)),
        }
    }
    Ok(None)
}

fn numbers<const N: usize>(file: &File, at: u64) -> io::Result<[u64; N]> {
    let mut numbers = [0; N];
    let mut bytes = vec![0; N * 8];
    file.read_exact_at(&mut bytes, at)?;
    for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *number = u64::from_be_bytes(*bytes);
    }
    Ok(numbers)
}

fn json<T: DeserializeOwned>(file: &File, at: u64, length: u64) -> io::Result<T> {
    if length > LONGEST {
        return Err(damaged("a part of it is too long"));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, at)?;
    Ok(serde_json::from_slice(&bytes)?)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use propsbot_model::ChannelId;
    use proptest::{collection::btree_map, prelude::*};

    fn basis() -> CredBasis {
        CredBasis::new("1.0.0", 3, Millis(5), 7)
    }

    fn kept(cred: NewCred) -> (tempfile::TempDir, KeptCred) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.cred");
        cred.write(&path).unwrap();
        let kept = KeptCred::open(&path).unwrap().unwrap();
        (folder, kept)
    }

    proptest! {
        #[test]
        fn finds_every_member_and_message(
            members in btree_map(any::<u64>(), 0.0..1e9_f64, 0..40),
            messages in btree_map(any::<u64>(), 0.0..1e9_f64, 0..40),
            other: u64,
        ) {
            let details = |user: u64| MemberDetails {
                by_week: vec![1.5; usize::try_from(user % 5).unwrap()],
                top: vec![KeptContribution { cred: 0.25, what: KeptWhat::Discord(About::Props(ChannelId(user), MessageId(2))) }],
            };
            let new = NewCred {
                basis: basis(),
                github_as_of: None,
                first_week: Millis(9),
                weeks: 5,
                members: members.iter().rev().map(|(user, cred)| NewMember { users: vec![UserId(*user)], cred: *cred, details: details(*user) }).collect(),
                messages: messages.iter().rev().map(|(id, cred)| (MessageId(*id), *cred)).collect(),
            };
            let (_folder, kept) = kept(new);
            prop_assert_eq!((kept.basis(), kept.first_week()), (&basis(), Millis(9)));
            for (user, cred) in &members {
                let member = kept.member(UserId(*user)).unwrap();
                prop_assert_eq!(member, Some(KeptMember { cred: *cred, details: details(*user) }));
            }
            for (id, cred) in &messages {
                prop_assert_eq!(kept.message(MessageId(*id)).unwrap(), Some(*cred));
            }
            prop_assert_eq!(kept.message(MessageId(other)).unwrap(), messages.get(&other).copied());
            let everyone: Vec<_> = kept.members().unwrap().into_iter().map(|(user, cred, _)| (user.0, cred)).collect();
            prop_assert_eq!(everyone, members.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn adds_up_what_a_message_brought_as_several_nodes_and_knows_all_members_of_an_account() {
        let (_folder, kept) = kept(NewCred {
            basis: basis(),
            github_as_of: None,
            first_week: Millis(0),
            weeks: 0,
            members: vec![NewMember {
                users: vec![UserId(8), UserId(4)],
                cred: 2.0,
                details: MemberDetails::default(),
            }],
            messages: vec![
                (MessageId(2), 1.0),
                (MessageId(1), 4.0),
                (MessageId(2), 0.5),
            ],
        });
        assert_eq!(kept.message(MessageId(2)).unwrap(), Some(1.5));
        let everyone = kept.members().unwrap();
        assert_eq!(everyone, [(UserId(4), 2.0, 0), (UserId(8), 2.0, 0)]);
    }

    /// What reads all weeks makes room for them.
    #[test]
    fn refuses_more_weeks_than_there_can_be() {
        for (first_week, weeks) in [(Millis(0), MOST_WEEKS + 1), (Millis(i64::MAX), 1)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("1.cred");
            let new = NewCred {
                basis: basis(),
                github_as_of: None,
                first_week,
                weeks,
                members: Vec::new(),
                messages: Vec::new(),
            };
            new.write(&path).unwrap();
            KeptCred::open(&path).unwrap_err();
        }
    }

    #[test]
    fn refuses_a_damaged_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("1.cred");
        assert!(KeptCred::open(&path).unwrap().is_none());
        let new = NewCred {
            basis: basis(),
            github_as_of: None,
            first_week: Millis(0),
            weeks: 0,
            members: Vec::new(),
            messages: vec![(MessageId(1), 1.0)],
        };
        new.write(&path).unwrap();
        let bytes = fs::read(&path).unwrap();
        for damaged in [&bytes[..bytes.len() - 1], &bytes[..5], &[0xff; 40], b""] {
            fs::write(&path, damaged).unwrap();
            KeptCred::open(&path).unwrap_err();
        }
    }
}
