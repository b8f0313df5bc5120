//! `/link`: which GitHub account is a member's, proved by a comment there, and whether they want Grain.
//!
//! Owns the codes that are out, in memory: after a restart, a member asks for another one. What was proved is in the
//! store.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error as StdError,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use data_encoding::BASE32_NOPAD;
use tokio::{sync::Mutex as AsyncMutex, time::timeout};

use super::{Refusal, Service, ServiceError};
use propsbot_model::{Fact, GithubLink, GrainWish, GuildId, Link, Millis, Tier, UserId};

/// How long after a code was given the comment has to be written.
const VALID_MS: i64 = 3_600_000;

/// How long a comment is looked for: it is mirrored and exported some time after it was written.
const LOOKED_FOR_MS: i64 = 24 * 3_600_000;

/// How much GitHub's clock may be behind Discord's.
const CLOCKS_MS: i64 = 10 * 60_000;

/// How many codes a member gets in [`VALID_MS`].
const MOST_CODES: usize = 5;

/// How many members have codes at a time.
const MOST_MEMBERS: usize = 10_000;

/// How long after a look the next one has news, in milliseconds.
const LOOK_AGAIN_MS: i64 = 5_000;

/// How long a look may take.
const LOOKING: Duration = Duration::from_secs(120);

/// GitHub's longest login. Source: <https://docs.github.com/en/enterprise-cloud@latest/admin/managing-iam>.
const LONGEST_LOGIN: usize = 39;

/// Why GitHub's comments can't be read.
pub type CommentsError = Box<dyn StdError + Send + Sync>;

/// The mirror of GitHub, as far as it proves who somebody is.
#[async_trait]
pub trait GithubComments: Send + Sync {
    /// The public repositories that are mirrored, as `owner/name`.
    async fn repositories(&self) -> Result<Vec<String>, CommentsError>;

    /// The comments since a time whose text is one of these, apart from the space around it. Deleted ones aren't
    /// among them.
    async fn with_texts(
        &self,
        texts: BTreeSet<String>,
        since: Millis,
    ) -> Result<Vec<GithubComment>, CommentsError>;
}

/// A comment on GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GithubComment {
    /// Without the space around it.
    pub text: String,
    /// GitHub's global id of its author.
    pub author_id: String,
    /// Their login.
    pub login: String,
    pub created_at: Millis,
    pub is_edited: bool,
}

/// A code that proves a GitHub account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkCode {
    /// The account.
    pub login: String,
    /// The text of the comment.
    pub text: String,
    /// When it was given.
    pub given: Millis,
}

impl LinkCode {
    /// Until when the comment has to be written.
    pub fn until(&self) -> Millis {
        Millis(self.given.0 + VALID_MS)
    }

    /// Whether a comment proves the account. Somebody could have changed the text of an edited one.
    fn is_proved_by(&self, comment: &GithubComment) -> bool {
        comment.text == self.text
            && comment.login.eq_ignore_ascii_case(&self.login)
            && !comment.is_edited
            && comment.created_at <= self.until()
    }
}

/// What a member asks of the ledger, and what is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStanding {
    pub link: Link,
    /// The code whose comment wasn't found yet.
    pub code: Option<LinkCode>,
    /// Their privacy choice. If it hides their name, the archive doesn't have their link.
    pub tier: Tier,
}

/// The codes that are out.
#[derive(Clone, Default)]
pub(super) struct Codes {
    by_member: Arc<Mutex<BTreeMap<(GuildId, UserId), Asked>>>,
    /// One look serves everybody.
    looking: Arc<AsyncMutex<Option<Millis>>>,
}

/// What a member asked for.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// When they got codes.
    given: Vec<Millis>,
    /// The last one, unless it was used.
    code: Option<LinkCode>,
}

impl Codes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(GuildId, UserId), Asked>> {
        self.by_member
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a member a new code in place of the last one.
    fn give(
        &self,
        member: (GuildId, UserId),
        login: &str,
        now: Millis,
    ) -> Result<LinkCode, Refusal> {
        let mut all = self.lock();
        all.retain(|_, asked| {
            asked.given.retain(|given| now.0 - given.0 < VALID_MS);
            let is_open = |code: &LinkCode| now.0 - code.given.0 < LOOKED_FOR_MS;
            asked.code = asked.code.take().filter(is_open);
            asked.code.is_some() || !asked.given.is_empty()
        });
        let again = Millis(now.0 + VALID_MS);
        if all.len() >= MOST_MEMBERS && !all.contains_key(&member) {
            return Err(Refusal::TooManyCodes { again });
        }
        let asked = all.entry(member).or_default();
        if asked.given.len() >= MOST_CODES {
            let first = asked.given.iter().min().copied().unwrap_or(now);
            let again = Millis(first.0 + VALID_MS);
            return Err(Refusal::TooManyCodes { again });
        }
        let code = LinkCode {
            login: login.to_owned(),
            text: format!(
                "propsbot link {}",
                BASE32_NOPAD.encode(&rand::random::<[u8; 10]>())
            ),
            given: now,
        };
        asked.given.push(now);
        asked.code = Some(code.clone());
        Ok(code)
    }

    fn of(&self, member: (GuildId, UserId)) -> Option<LinkCode> {
        self.lock().get(&member)?.code.clone()
    }

    fn open(&self, now: Millis) -> Vec<((GuildId, UserId), LinkCode)> {
        let all = self.lock();
        let open = all.iter().filter_map(|(member, asked)| {
            let code = asked.code.clone()?;
            (now.0 - code.given.0 < LOOKED_FOR_MS).then_some((*member, code))
        });
        open.collect()
    }

    /// Forgets a code; with a text only that one. How many a member got is remembered.
    pub(super) fn drop_code(&self, member: (GuildId, UserId), text: Option<&str>) {
        if let Some(asked) = self.lock().get_mut(&member) {
            let is_other = |code: &LinkCode| text.is_some_and(|text| code.text != text);
            asked.code = asked.code.take().filter(is_other);
        }
    }
}

impl Service {
    /// A code with which a member proves that a GitHub login is theirs, and the repositories where they can.
    ///
    /// # Errors
    /// [`Refusal`] if it's no login, nothing is mirrored, they hide their name or ask too often.
    pub async fn link_code(
        &self,
        (guild, user): (GuildId, UserId),
        login: &str,
        now: Millis,
    ) -> Result<(LinkCode, Vec<String>), ServiceError> {
        let login = login.trim().trim_start_matches('@');
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if !(1..=LONGEST_LOGIN).contains(&login.len()) || !login.bytes().all(is_legal) {
            return Err(Refusal::NotALogin(login.chars().take(100).collect()).into());
        }
        self.check_name_shown(guild, user).await?;
        let repositories = self.repositories().await?;
        if repositories.is_empty() {
            return Err(Refusal::NoRepositories.into());
        }
        let code = self.codes.give((guild, user), login, now)?;
        Ok((code, repositories))
    }

    /// What a member asks of the ledger. With `look`, looks first whether their comment is there, unless that was
    /// just done.
    pub async fn link_standing(
        &self,
        (guild, user): (GuildId, UserId),
        look: bool,
        now: Millis,
    ) -> Result<LinkStanding, ServiceError> {
        if look && self.codes.of((guild, user)).is_some() {
            self.look_for_comments(now).await?;
        }
        let code = self.codes.of((guild, user));
        let code = code.filter(|code| now.0 - code.given.0 < LOOKED_FOR_MS);
        self.ask(move |store| {
            let known = store.link(guild, user)?;
            Ok(LinkStanding {
                link: known.unwrap_or_else(|| Link::none(guild, user)),
                code,
                tier: store.privacy_of(guild, user)?.tier,
            })
        })
        .await
    }

    /// Undoes a member's link. Returns the login.
    ///
    /// # Errors
    /// [`Refusal`] if there is none.
    pub async fn undo_link(
        &self,
        (guild, user): (GuildId, UserId),
        now: Millis,
    ) -> Result<String, ServiceError> {
        self.codes.drop_code((guild, user), None);
        let known = self.ask(move |store| Ok(store.link(guild, user)?)).await?;
        let linked = known.as_ref().and_then(Link::linked);
        let linked = linked.ok_or(Refusal::NothingLinked)?;
        let undone = Link {
            github: Some(linked.undone(now)),
            ..Link::none(guild, user)
        };
        self.record(vec![Fact::Link(undone)]).await?;
        Ok(linked.login.clone())
    }

    /// Records whether a member wants to receive Grain.
    ///
    /// # Errors
    /// [`Refusal`] if they hide their name.
    pub async fn ask_for_grain(
        &self,
        (guild, user): (GuildId, UserId),
        wanted: bool,
        now: Millis,
    ) -> Result<(), ServiceError> {
        self.check_name_shown(guild, user).await?;
        let since = now;
        let asked = Link {
            grain: Some(GrainWish { since, wanted }),
            ..Link::none(guild, user)
        };
        self.record(vec![Fact::Link(asked)]).await
    }

    /// Looks for the comments of all codes that are out, and records what they prove.
    pub async fn look_for_comments(&self, now: Millis) -> Result<(), ServiceError> {
        let Some(comments) = &self.parts.comments else {
            return Ok(());
        };
        let mut last = self.codes.looking.lock().await;
        if last.is_some_and(|last| (0..LOOK_AGAIN_MS).contains(&(now.0 - last.0))) {
            return Ok(());
        }
        let open = self.codes.open(now);
        let Some(first) = open.iter().map(|(_, code)| code.given).min() else {
            return Ok(());
        };
        let texts = open.iter().map(|(_, code)| code.text.clone()).collect();
        let looking = comments.with_texts(texts, Millis(first.0 - CLOCKS_MS));
        let found = timeout(LOOKING, looking).await;
        let found = found.unwrap_or_else(|late| Err(late.into()));
        let found = found.map_err(ServiceError::Comments)?;
        *last = Some(now);
        for (member, code) in open {
            let mut proofs = found.iter().filter(|comment| code.is_proved_by(comment));
            if let Some(proof) = proofs.next() {
                self.prove(member, proof, now).await?;
                self.codes.drop_code(member, Some(&code.text));
            }
        }
        Ok(())
    }

    /// Records that a GitHub account is a member's, and nobody else's here.
    async fn prove(
        &self,
        (guild, user): (GuildId, UserId),
        proof: &GithubComment,
        now: Millis,
    ) -> Result<(), ServiceError> {
        let id = proof.author_id.clone();
        let facts = self.ask(move |store| {
            if !store.privacy_of(guild, user)?.tier.shows_names() {
                return Ok(None);
            }
            let mut others = store.links(guild)?;
            others.retain(|other| {
                let linked = other.linked();
                other.user_id != user && linked.is_some_and(|linked| linked.id == id)
            });
            let undone = others.iter().filter_map(|other| {
                Some(Fact::Link(Link {
                    github: Some(other.linked()?.undone(now)),
                    ..Link::none(guild, other.user_id)
                }))
            });
            Ok(Some(undone.collect::<Vec<Fact>>()))
        });
        let Some(mut facts) = facts.await? else {
            return Ok(());
        };
        facts.push(Fact::Link(Link {
            github: Some(GithubLink {
                since: proof.created_at,
                undone: None,
                id: proof.author_id.clone(),
                login: proof.login.clone(),
            }),
            ..Link::none(guild, user)
        }));
        self.record(facts).await
    }

    async fn repositories(&self) -> Result<Vec<String>, ServiceError> {
        let Some(comments) = &self.parts.comments else {
            return Ok(Vec::new());
        };
        let reading = timeout(LOOKING, comments.repositories()).await;
        let repositories = reading.unwrap_or_else(|late| Err(late.into()));
        repositories.map_err(ServiceError::Comments)
    }

    /// Fails for members who hide their name: a login is one, and Grain needs an account.
    async fn check_name_shown(&self, guild: GuildId, user: UserId) -> Result<(), ServiceError> {
        let privacy = self.ask(move |store| Ok(store.privacy_of(guild, user)?));
        if privacy.await?.tier.shows_names() {
            Ok(())
        } else {
            Err(Refusal::NameHidden.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = Millis(1_700_000_000_000);
    const ANA: (GuildId, UserId) = (GuildId(1), UserId(2));

    fn comment(code: &LinkCode) -> GithubComment {
        GithubComment {
            text: code.text.clone(),
            author_id: "U_1".to_owned(),
            login: "ana-gh".to_owned(),
            created_at: code.until(),
            is_edited: false,
        }
    }

    #[test]
    fn only_the_accounts_own_unedited_comment_in_time_proves_it() {
        let code = Codes::default().give(ANA, "Ana-GH", NOW).unwrap();
        let own = comment(&code);
        assert!(code.is_proved_by(&own));
        let others = [
            GithubComment {
                login: "ana-g".to_owned(),
                ..own.clone()
            },
            GithubComment {
                text: format!("> {}", own.text),
                ..own.clone()
            },
            GithubComment {
                text: own.text.to_lowercase(),
                ..own.clone()
            },
            GithubComment {
                is_edited: true,
                ..own.clone()
            },
            GithubComment {
                created_at: Millis(code.until().0 + 1),
                ..own.clone()
            },
        ];
        for other in others {
            assert!(!code.is_proved_by(&other), "{other:?}");
        }
    }

    #[test]
    fn a_new_code_replaces_the_last_one_and_there_are_few_in_an_hour() {
        let codes = Codes::default();
        let mut texts = BTreeSet::new();
        for _ in 0..MOST_CODES {
            let code = codes.give(ANA, "ana", NOW).unwrap();
            assert_eq!(codes.open(NOW), [(ANA, code.clone())]);
            texts.insert(code.text);
        }
        assert_eq!(texts.len(), MOST_CODES);
        let again = Millis(NOW.0 + VALID_MS);
        assert_eq!(
            codes.give(ANA, "ana", NOW),
            Err(Refusal::TooManyCodes { again })
        );
        // Neither forgetting a code nor another guild changes that, but time does.
        codes.drop_code(ANA, None);
        assert!(codes.give(ANA, "ana", NOW).is_err());
        assert!(codes.give((GuildId(9), ANA.1), "ana", NOW).is_ok());
        assert!(codes.give(ANA, "ana", again).is_ok());
    }

    #[test]
    fn a_code_is_forgotten_once_it_was_used_or_is_too_old() {
        let codes = Codes::default();
        let code = codes.give(ANA, "ana", NOW).unwrap();
        codes.drop_code(ANA, Some("propsbot link OTHER"));
        assert_eq!(codes.of(ANA), Some(code.clone()));
        assert!(codes.open(Millis(NOW.0 + LOOKED_FOR_MS)).is_empty());
        codes.drop_code(ANA, Some(&code.text));
        assert_eq!(codes.of(ANA), None);
    }
}
