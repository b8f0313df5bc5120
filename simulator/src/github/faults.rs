//! Planned faults.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Files, by path.
pub(crate) type Files = Vec<(String, Vec<u8>)>;

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A repository's description, or its branches.
    Repository,
    /// REST: reading refs.
    ReadRef,
    /// REST: creating, moving or deleting a ref.
    WriteRef,
    /// REST: issues, pull requests, and what belongs to them.
    ReadIssues,
    /// REST: a file or folder by its path.
    ReadContents,
    /// REST: a file or folder by path.
    WriteContents,
    /// REST: committing one file by path.
    ReadBlob,
    /// REST: creating a blob.
    WriteBlob,
    /// REST: creating a blob.
    ReadTree,
    /// REST: creating a tree.
    WriteTree,
    /// REST: creating a tree.
    ReadCommit,
    /// REST: creating a commit object.
    WriteCommit,
    /// REST: creating a commit object.
    Tarball,
    /// REST: the link to a commit's tarball.
    Codeload,
    /// The tarball itself; not an API request.
    Account,
    /// GraphQL: a query.
    Query,
    /// GraphQL: `createCommitOnBranch`.
    CommitOnBranch,
    /// GraphQL: any other mutation.
    Mutation,
    /// A route that isn't simulated.
    Unknown,
}

impl Kind {
    /// Whether GitHub counts it as creating content.
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

/// The requests that get a fault.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    Any,
    /// Those that change something.
    Writes,
    /// Those that change nothing.
    Reads,
    /// Those of these kinds.
    Only(Vec<Kind>),
    /// Those with this text in their path (query included) or GraphQL body.
    Naming(String),
    /// GraphQL queries that may answer with more nodes than this.
    LargerThan(u64),
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

/// What faults match on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Met<'a> {
    pub(crate) kind: Kind,
    pub(crate) path: &'a str,
    /// The most nodes that a GraphQL query can answer with.
    pub(crate) nodes: u64,
    pub(crate) body: &'a [u8],
}

impl What {
    fn fits(&self, met: &Met<'_>) -> bool {
        match self {
            Self::Any => true,
            Self::Writes => met.kind.writes(),
            Self::Reads => !met.kind.writes(),
            Self::Only(kinds) => kinds.contains(&met.kind),
            Self::LargerThan(nodes) => met.kind == Kind::Query && met.nodes > *nodes,
            Self::Naming(text) => {
                met.path.contains(text.as_str())
                    || (met.kind.graphql() && String::from_utf8_lossy(met.body).contains(text))
            }
        }
    }
}

/// What happens to a request instead of its normal response.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// This status, with GitHub's JSON error; the request isn't carried out.
    Status(u16),
    /// The normal response, late.
    Delay(Duration),
    /// The connection breaks; the request isn't carried out.
    Reset,
    /// The request is carried out, but the connection breaks before the response.
    Lost,
    /// The request is carried out, but gets this status, like GitHub's 502 after its own time-out.
    DoneBut(u16),
    /// The normal head and half of the body; then the connection breaks.
    Truncated,
    /// The normal response with one bit flipped: in `content` of a JSON body, otherwise in the body.
    FlippedBit,
    /// A secondary rate limit, although none was exceeded.
    SecondaryLimit {
        /// 403 or 429: GitHub sends both.
        status: u16,
        /// Seconds; GitHub does not always say.
        retry_after: Option<u64>,
    },
    /// The primary rate limit, although it wasn't exceeded: 403 with no requests remaining until then.
    PrimaryLimit {
        /// Time until `x-ratelimit-reset`, which GitHub gives in whole seconds.
        reset_in: Duration,
    },
    /// Someone else commits these files to the default branch right before.
    Overtaken(Vec<(String, Vec<u8>)>),
    /// Someone else commits these files during the request: after the expected head was checked, before the branch
    /// moves.
    Raced(Vec<(String, Vec<u8>)>),
    /// This status and body; the request isn't carried out.
    Answer(u16, String),
    /// This status with a page of HTML, as GitHub's proxies answer; the request isn't carried out.
    Html(u16),
    /// A GraphQL query that took too long: this status (502 or 504), and GitHub's words for it.
    QueryTimeout(u16),
    /// A GraphQL query that needs too much: status 200 with `RESOURCE_LIMITS_EXCEEDED`.
    ResourceLimits,
    /// The world's change isn't seen yet: 304 to whoever sends a tag, whatever there is.
    StaleTag,
    /// Status 200 with a body of this many MiB of spaces; the request isn't carried out.
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

    /// The fault for this request: the first planned one that applies.
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
                nodes: 0,
                body: b"",
            };
            faults.meet(&met).is_some()
        };
        assert!(!meet(Kind::Query));
        let struck: Vec<_> = (0..4).map(|_| meet(Kind::CommitOnBranch)).collect();
        assert_eq!(struck, [false, true, true, false]);
    }
}
