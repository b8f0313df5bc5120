//! Random changes, as a community makes them.

use rand::Rng;
use rand::seq::IndexedRandom as _;

use super::World;
use super::action::Action;
use super::entities::{AccountKind, Content, Item, ItemKind, ReviewState};

impl World {
    /// Something random that can happen now; none in a world without repositories.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of action")]
    pub fn random_action(&self, rng: &mut impl Rng) -> Option<Action> {
        let repositories: Vec<_> = self.repositories.keys().copied().collect();
        let repository = (*repositories.choose(rng)?).into();
        let users = self.accounts.values();
        let users: Vec<_> = users.filter(|one| one.kind == AccountKind::User).collect();
        let by = users.choose(rng).map(|account| account.login.clone());
        let some = |rng: &mut _, fits: &dyn Fn(&Item) -> bool| {
            let found: Vec<u64> = self
                .items
                .values()
                .filter(|one| fits(one))
                .map(|one| one.id)
                .collect();
            found.choose(rng).map(|id| (*id).into())
        };
        let body = format!("Said at random, {}", rng.random_range(0..1_000_000));
        let at = None;
        let (content, ..) = *Content::ALL.choose(rng)?;
        let chance = rng.random_range(0..100);
        let found = match chance {
            0..30 => some(rng, &|one| one.kind.is_thread()).map(|on| Action::Comment {
                on,
                by,
                body,
                at,
            }),
            30..40 => Some(Action::Issue {
                repository,
                by,
                title: body.clone(),
                body,
                at,
            }),
            40..45 => Some(Action::Pull {
                repository,
                by,
                title: body.clone(),
                body,
                at,
            }),
            45..50 => {
                some(rng, &|one| one.kind == ItemKind::PullRequest).map(|on| Action::Review {
                    on,
                    by,
                    state: ReviewState::Approved,
                    body,
                    at,
                })
            }
            50..55 => some(rng, &|one| one.kind == ItemKind::Review)
                .map(|on| Action::ReviewComment { on, by, body, at }),
            55..65 => some(rng, &|_| true).map(|on| Action::Edit {
                on,
                body: Some(body),
                title: None,
            }),
            65..80 => some(rng, &|_| true).map(|on| Action::React {
                on,
                by,
                content,
                at,
            }),
            80..85 => {
                let reacted = some(rng, &|one| !one.reactions.is_empty());
                reacted.and_then(|on| {
                    let reaction = self.item(self.find(&on).ok()?)?.reactions.first()?;
                    let by = reaction.user.and_then(|user| self.account(user));
                    let by = by.map(|account| account.login.clone());
                    Some(Action::Unreact {
                        on,
                        by,
                        content: reaction.content,
                    })
                })
            }
            85..89 => some(rng, &|one| {
                matches!(one.kind, ItemKind::Comment | ItemKind::ReviewComment)
            })
            .map(|on| Action::Delete { on }),
            89..90 => some(rng, &|one| one.kind == ItemKind::Issue).map(|on| Action::Delete { on }),
            90..92 => some(rng, &|one| one.kind == ItemKind::Issue)
                .map(|on| Action::Transfer { on, to: repository }),
            92..95 => some(rng, &|one| {
                one.kind == ItemKind::PullRequest && one.closed.is_none()
            })
            .map(|on| Action::Merge {
                on,
                by,
                message: None,
            }),
            95..97 => some(rng, &|one| one.kind.is_thread() && one.closed.is_none())
                .map(|on| Action::Close { on }),
            97..99 => Some(Action::Commit {
                repository,
                message: body,
                by,
                name: None,
                at,
            }),
            _ => {
                let commits = self.repository(self.find(&repository).ok()?)?.head;
                commits.map(|_| Action::ForcePush {
                    repository,
                    drop: 1,
                })
            }
        };
        // Where that is impossible, there is something to say.
        found.or_else(|| {
            let title = "Nothing else to do".to_owned();
            let repository = (*repositories.first()?).into();
            Some(Action::Issue {
                repository,
                by: None,
                title,
                body: String::new(),
                at,
            })
        })
    }
}
