//! Things that go wrong on purpose.

use std::time::Duration;

use serde::Serialize;

/// Files, by path.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// What a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A repository's description, or its branches.
    Repository,
    /// REST: reading refs.
    ReadRef,
    /// REST: creating, moving or deleting a ref.
    WriteRef,
    /// REST: a file or folder by its path.
    ReadContents,
    /// REST: a commit of one file by its path.
    WriteContents,
    /// REST: a blob by its hash.
    ReadBlob,
    /// REST: making a blob.
    WriteBlob,
    /// REST: a tree by its hash.
    ReadTree,
    /// REST: making a tree.
    WriteTree,
    /// REST: commits.
    ReadCommit,
    /// REST: making a commit object.
    WriteCommit,
    /// REST: asking where the archive of a commit is.
    Tarball,
    /// That archive itself; no API request.
    Codeload,
    /// The account, or the rate limit.
    Account,
    /// GraphQL: a query.
    Query,
    /// GraphQL: `createCommitOnBranch`.
    CommitOnBranch,
    /// GraphQL: any other mutation.
    Mutation,
    /// A route that is not simulated.
    Unknown,
}

impl Kind {
    /// Whether it is one that GitHub counts as creating content.
    pub fn writes(self) -> bool {
        matches!(
            self,
            Self::WriteRef
                | Self::WriteContents
                | Self::WriteBlob
                | Self::WriteTree
                | Self::WriteCommit
                | Self::CommitOnBranch
                | Self::Mutation
        )
    }

    /// Whether it is a GraphQL request.
    pub fn graphql(self) -> bool {
        matches!(self, Self::Query | Self::CommitOnBranch | Self::Mutation)
    }
}

/// Which requests meet a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Every request.
    Any,
    /// Those that change something.
    Writes,
    /// Those that change nothing.
    Reads,
    /// Those of these kinds.
    Only(Vec<Kind>),
    /// Those whose path (query included) or GraphQL body has this text in it.
    Naming(String),
}

impl From<Kind> for What {
    fn from(kind: Kind) -> Self {
        Self::Only(vec![kind])
    }
}

impl<const N: usize> From<[Kind; N]> for What {
    fn from(kinds: [Kind; N]) -> Self {
        Self::Only(kinds.to_vec())
    }
}

/// A request as faults look at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Met<'a> {
    pub(crate) kind: Kind,
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
}

impl What {
    fn fits(&self, met: &Met<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Writes => met.kind.writes(),
            Self::Reads => !met.kind.writes(),
            Self::Only(kinds) => kinds.contains(&met.kind),
            Self::Naming(text) => {
                met.path.contains(text.as_str())
                    || (met.kind.graphql() && String::from_utf8_lossy(met.body).contains(text))
            }
        }
    }
}

/// What happens to a request instead of its answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// This status, with GitHub's JSON error; nothing is done.
    Status(u16),
    /// The right answer, late.
    Delay(Duration),
    /// The connection breaks; nothing is done.
    Reset,
    /// It is done, but the connection breaks before the answer arrives.
    Lost,
    /// It is done, but this status is answered: GitHub's 502 after its own time-out.
    DoneBut(u16),
    /// The right answer's head, and half of its body; then the connection breaks.
    Truncated,
    /// The right answer with one bit of the content wrong: of `content` where the body is JSON with one, else of the body.
    FlippedBit,
    /// A secondary rate limit, although none was exceeded.
    SecondaryLimit {
        /// 403 or 429: GitHub sends both.
        status: u16,
        /// Seconds; GitHub does not always say.
        retry_after: Option<u64>,
    },
    /// The primary rate limit, used up although it was not: 403 with no requests remaining until so long from now.
    PrimaryLimit {
        /// How long until `x-ratelimit-reset`; GitHub says it in whole seconds.
        reset_in: Duration,
    },
    /// Somebody else commits these files to the default branch right before it.
    Overtaken(Vec<(String, Vec<u8>)>),
    /// Somebody else commits these files while it is being done: after the expected head was compared, before the branch is moved.
    Raced(Vec<(String, Vec<u8>)>),
    /// This status and body; nothing is done.
    Answer(u16, String),
    /// Status 200 with a body of so many MiB of blanks; nothing is done.
    Huge(usize),
}

#[derive(Debug)]
struct Planned {
    what: What,
    skip: usize,
    times: usize,
    fault: Fault,
}

/// The faults still to come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: Vec<Planned>,
}

impl Faults {
    pub(crate) fn plan(&mut self, what: What, skip: usize, times: usize, fault: Fault) {
        self.planned.push(Planned {
            what,
            skip,
            times,
            fault,
        });
    }

    pub(crate) fn clear(&mut self) {
        self.planned.clear();
    }

    /// The fault that this request meets, if any: the first planned that still applies.
    pub(crate) fn meet(&mut self, met: &Met<'_>) -> Option<Fault> {
        for planned in self
            .planned
            .iter_mut()
            .filter(|planned| planned.what.fits(met))
        {
            if planned.skip > 0 {
                planned.skip -= 1;
            } else if planned.times > 0 {
                planned.times -= 1;
                return Some(planned.fault.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_then_strikes_then_is_spent() {
        let mut faults = Faults::default();
        faults.plan(What::Writes, 1, 2, Fault::Status(500));
        let mut meet = |kind| {
            let met = Met {
                kind,
                path: "/graphql",
                body: b"",
            };
            faults.meet(&met).is_some()
        };
        assert!(!meet(Kind::Query));
        let struck: Vec<_> = (0..4).map(|_| meet(Kind::CommitOnBranch)).collect();
        assert_eq!(struck, [false, true, true, false]);
    }
}
