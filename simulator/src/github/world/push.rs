//! Commits on the default branch.

use std::fmt::Write as _;

use super::World;
use super::entities::{Commit, GitActor};

impl World {
    /// Adds a commit to the default branch: on its head, and on more parents if it merges some. Returns its place.
    pub(super) fn commit(
        &mut self,
        repository: u64,
        name: &str,
        user: Option<u64>,
        message: String,
        at: i64,
        more_parents: Vec<usize>,
    ) -> anyhow::Result<usize> {
        let mut authors = vec![GitActor {
            name: name.to_owned(),
            email: format!("{}@example.org", name.to_lowercase().replace(' ', ".")),
            user,
        }];
        for line in message.lines() {
            let lower = line.to_ascii_lowercase();
            if let Some(rest) = lower.strip_prefix("co-authored-by:") {
                // The letters' case is the message's.
                let rest = &line[line.len() - rest.len()..];
                let (name, email) = rest.trim().split_once(" <").unwrap_or((rest.trim(), ""));
                let email = email.trim_end_matches('>');
                let login = email.split('@').next().unwrap_or_default();
                let user = self.account_named(login).map(|account| account.id);
                authors.push(GitActor {
                    name: name.to_owned(),
                    email: email.to_owned(),
                    user,
                });
            }
        }
        let sha = self.new_sha(&message);
        let found = self.repository_mut(repository)?;
        let commit = Commit {
            sha,
            repository,
            message,
            authors,
            at,
            parents: found.head.into_iter().chain(more_parents).collect(),
        };
        let place = found.commits.len();
        found.commits.push(commit);
        found.head = Some(place);
        found.pushed = found.pushed.max(at);
        found.updated = found.updated.max(at);
        Ok(place)
    }

    /// A hash that no other commit has, and that the same actions give again.
    fn new_sha(&mut self, message: &str) -> String {
        let seed = self.new_id();
        let mut state = message
            .bytes()
            .fold(seed ^ 0x9e37_79b9_7f4a_7c15, |state, byte| {
                (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
        let mut sha = String::with_capacity(48);
        for _ in 0..3 {
            // A step of SplitMix64.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            _ = write!(sha, "{:016x}", mixed ^ (mixed >> 31));
        }
        sha.truncate(40);
        sha
    }
}
