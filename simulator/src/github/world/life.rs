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
        let chance = rng.random_range(0..130);
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
            55..65 => some(rng, &|one| one.deleted.is_none()).map(|on| Action::Edit {
                on,
                body: Some(body),
                title: None,
            }),
            65..80 => some(rng, &|one| one.deleted.is_none()).map(|on| Action::React {
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
            99 => {
                let commits = self.repository(self.find(&repository).ok()?)?.head;
                commits.map(|_| Action::ForcePush {
                    repository,
                    drop: 1,
                })
            }
            _ => self.random_discussion(rng, chance - 100, by, body),
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

impl World {
    /// Something random about labels, milestones, releases and discussions.
    fn random_discussion(
        &self,
        rng: &mut impl Rng,
        chance: u32,
        by: Option<String>,
        body: String,
    ) -> Option<Action> {
        let repositories: Vec<_> = self.repositories.keys().copied().collect();
        let home = *repositories.choose(rng)?;
        let repository = home.into();
        let some = |rng: &mut _, fits: &dyn Fn(&Item) -> bool| {
            let found = self.items.values().filter(|one| fits(one));
            let found: Vec<u64> = found.map(|one| one.id).collect();
            found.choose(rng).copied()
        };
        let marker = |rng: &mut _, of: u64| {
            let found: Vec<u64> = self.markers(of).map(|marker| marker.id).collect();
            found.choose(rng).copied()
        };
        let kind = |wanted: ItemKind| move |one: &Item| one.kind == wanted && one.deleted.is_none();
        let at = None;
        Some(match chance {
            0..2 => Action::Label {
                repository,
                name: body.clone(),
                description: body,
            },
            2..3 => Action::Milestone {
                repository,
                by,
                title: body.clone(),
                description: body,
            },
            3..8 => {
                let on = some(rng, &|one| one.kind.is_thread())?;
                let with = marker(rng, self.items[&on].repository)?;
                let (on, with) = (on.into(), with.into());
                if rng.random_ratio(1, 3) {
                    Action::Unmark { on, with }
                } else {
                    Action::Mark { on, with }
                }
            }
            8..10 => Action::Edit {
                on: marker(rng, home)?.into(),
                title: Some(body),
                body: None,
            },
            10..11 => Action::Delete {
                on: marker(rng, home)?.into(),
            },
            11..14 => Action::Release {
                repository,
                by,
                tag: body.replace([' ', ','], "-"),
                title: body.clone(),
                body,
                draft: rng.random_ratio(1, 4),
            },
            14..15 => Action::SetDraft {
                on: some(rng, &kind(ItemKind::Release))?.into(),
                draft: rng.random_ratio(1, 2),
            },
            15..18 => Action::Discussion {
                repository,
                by,
                title: body.clone(),
                body,
                at,
            },
            18..24 => Action::DiscussionComment {
                on: some(rng, &kind(ItemKind::Discussion))?.into(),
                by,
                body,
                at,
            },
            24..26 => Action::DiscussionComment {
                on: some(rng, &|one| {
                    kind(ItemKind::DiscussionComment)(one) && !one.is_reply
                })?
                .into(),
                by,
                body,
                at,
            },
            26..27 => Action::Answer {
                on: some(rng, &|one| {
                    kind(ItemKind::DiscussionComment)(one) && !one.is_reply
                })?
                .into(),
                by,
            },
            27..29 => Action::Delete {
                on: some(rng, &kind(ItemKind::DiscussionComment))?.into(),
            },
            _ => Action::Delete {
                on: some(rng, &|one| {
                    matches!(one.kind, ItemKind::Discussion | ItemKind::Release)
                })?
                .into(),
            },
        })
    }
}
