//! What members ask of SourceCred's ledger: their login on GitHub, and whether they want Grain.

use serde::{Deserialize, Serialize};

use super::{GuildId, Millis, UserId};

/// What a member asks of the ledger of a guild's instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub guild_id: GuildId,
    pub user_id: UserId,
    /// The account that they proved last.
    pub github: Option<GithubLink>,
    pub grain: Option<GrainWish>,
}

/// A GitHub account that a member proved to be theirs. The later one is greater.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GithubLink {
    /// When they proved it.
    pub since: Millis,
    /// When the link was undone.
    pub undone: Option<Millis>,
    /// GitHub's global id, which a new login doesn't change. Empty if the link was undone.
    pub id: String,
    /// The login when they proved it. Empty if the link was undone.
    pub login: String,
}

/// Whether a member wants to receive Grain. The later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GrainWish {
    /// When they said so.
    pub since: Millis,
    pub wanted: bool,
}

impl Link {
    /// A member who asks for nothing.
    pub fn none(guild_id: GuildId, user_id: UserId) -> Self {
        Self {
            guild_id,
            user_id,
            github: None,
            grain: None,
        }
    }

    /// Whether they ask for nothing, and never did.
    pub fn is_none(&self) -> bool {
        self.github.is_none() && self.grain.is_none()
    }

    /// Merges what the same member said at another time. The latest word counts.
    pub fn merge(&mut self, other: &Self) {
        self.github = self.github.take().max(other.github.clone());
        self.grain = self.grain.max(other.grain);
    }

    /// Keeps what was said at these times.
    pub fn retain(&mut self, keeps: impl Fn(Millis) -> bool) {
        self.github = self.github.take().filter(|github| keeps(github.since));
        self.grain = self.grain.filter(|grain| keeps(grain.since));
    }

    /// The account that is linked now.
    pub fn linked(&self) -> Option<&GithubLink> {
        let github = self.github.as_ref();
        github.filter(|github| github.undone.is_none())
    }
}

impl GithubLink {
    /// What remains of the link once it is undone: no word of the account.
    #[must_use]
    pub fn undone(&self, at: Millis) -> Self {
        Self {
            since: self.since,
            undone: Some(at),
            id: String::new(),
            login: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn github(since: i64, undone: Option<i64>) -> GithubLink {
        GithubLink {
            since: Millis(since),
            undone: undone.map(Millis),
            id: "U_1".to_owned(),
            login: "ana".to_owned(),
        }
    }

    fn grain(since: i64, wanted: bool) -> GrainWish {
        GrainWish {
            since: Millis(since),
            wanted,
        }
    }

    #[test]
    fn the_latest_word_counts_in_any_order() {
        let of = |github: Option<GithubLink>, grain: Option<GrainWish>| Link {
            github,
            grain,
            ..Link::none(GuildId(1), UserId(2))
        };
        let said = [
            of(Some(github(1, None)), None),
            of(Some(github(1, None).undone(Millis(5))), None),
            of(Some(github(7, None)), Some(grain(2, true))),
            of(None, Some(grain(9, false))),
        ];
        let merged = |count: usize, order: &[usize]| {
            let mut link = Link::none(GuildId(1), UserId(2));
            let order = order.iter().filter(|index| **index < count);
            order.for_each(|index| link.merge(&said[*index]));
            link
        };
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            assert_eq!(merged(2, &order).linked(), None);
            let all = of(Some(github(7, None)), Some(grain(9, false)));
            assert_eq!(merged(4, &order), all);
        }
    }
}
