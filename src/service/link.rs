//! `/link`: which GitHub account is a member's, proved by a comment there, and whether they want Grain.
//!
//! Finds the comments, and records what they prove. The codes are out in memory (`codes.rs`), what was proved is in the
//! store.

mod codes;

use std::{
    collections::BTreeSet,
    error::Error as StdError,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::time::timeout;

use super::{Refusal, Service, ServiceError};
pub(super) use codes::Codes;
pub use codes::LinkCode;
use codes::Look;

use propsbot_model::{Fact, GithubLink, GrainWish, GuildId, Link, Millis, Tier, UserId};

/// How much GitHub's clock may be behind Discord's.
const CLOCKS_MS: i64 = 10 * 60_000;

/// How long after a look began the next one has news.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// How long a look may take.
const LOOKING: Duration = Duration::from_mins(2);

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

/// What a member asks of the ledger, and what is still open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStanding {
    pub link: Link,
    /// The code whose comment wasn't found yet.
    pub code: Option<LinkCode>,
    /// Their strictest privacy choice in any guild. If it hides their name, the archive doesn't have their link.
    pub tier: Tier,
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
        let code = self
            .codes
            .of((guild, user))
            .filter(|code| code.is_open(now));
        self.ask(move |store| {
            let known = store.link(guild, user)?;
            let mut choices = store.strictest_privacy(guild)?.into_iter();
            let strictest = choices.find(|choice| choice.user_id == user);
            Ok(LinkStanding {
                link: known.unwrap_or_else(|| Link::none(guild, user)),
                code,
                tier: strictest.map_or(Tier::default(), |choice| choice.tier),
            })
        })
        .await
    }

    /// Undoes a member's link, also one that is being proved right now, and takes back their code. Returns the login.
    ///
    /// # Errors
    /// [`Refusal`] if there is none.
    pub async fn undo_link(
        &self,
        (guild, user): (GuildId, UserId),
        now: Millis,
    ) -> Result<String, ServiceError> {
        let _changing = self.codes.changing.lock().await;
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
    /// [`Refusal`] if they want it and hide their name.
    pub async fn ask_for_grain(
        &self,
        (guild, user): (GuildId, UserId),
        wanted: bool,
        now: Millis,
    ) -> Result<(), ServiceError> {
        if wanted {
            self.check_name_shown(guild, user).await?;
        }
        let since = now;
        let asked = Link {
            grain: Some(GrainWish { since, wanted }),
            ..Link::none(guild, user)
        };
        self.record(vec![Fact::Link(asked)]).await
    }

    /// Looks for the comments of all codes that are out, and records what they prove. Whoever asks while others look
    /// shares a look that began later, or just before, also if it failed.
    pub async fn look_for_comments(&self, now: Millis) -> Result<(), ServiceError> {
        let Some(comments) = &self.parts.comments else {
            return Ok(());
        };
        let asked = Instant::now();
        let mut last = self.codes.looking.lock().await;
        if let Some(Look { began, failed }) = &*last
            && asked.saturating_duration_since(*began) < LOOK_AGAIN
        {
            let failed = failed.clone();
            return failed.map_or(Ok(()), |why| Err(ServiceError::Comments(why.into())));
        }
        let began = Instant::now();
        let open = self.codes.open(now);
        let Some(first) = open.iter().map(|(_, code)| code.given).min() else {
            return Ok(());
        };
        let texts = open.iter().map(|(_, code)| code.text.clone()).collect();
        let looking = comments.with_texts(texts, Millis(first.0 - CLOCKS_MS));
        let found = timeout(LOOKING, looking).await;
        let found = found.unwrap_or_else(|late| Err(late.into()));
        let failed = found.as_ref().err().map(ToString::to_string);
        *last = Some(Look { began, failed });
        let found = found.map_err(ServiceError::Comments)?;
        for (member, code) in open {
            let mut proofs = found.iter().filter(|comment| code.is_proved_by(comment));
            let Some(proof) = proofs.next() else { continue };
            let _changing = self.codes.changing.lock().await;
            // Meanwhile they may have undone that, or have asked for another one.
            if self.codes.of(member).as_ref() == Some(&code) {
                self.prove(member, proof, now).await?;
                self.codes.drop_code(member, Some(&code.text));
            }
        }
        Ok(())
    }

    /// Records that a GitHub account is a member's, and it and its login nobody else's here.
    async fn prove(
        &self,
        (guild, user): (GuildId, UserId),
        proof: &GithubComment,
        now: Millis,
    ) -> Result<(), ServiceError> {
        let (id, login) = (proof.author_id.clone(), proof.login.clone());
        let facts = self.ask(move |store| {
            if !store.privacy_of(guild, user)?.tier.shows_names() {
                return Ok(None);
            }
            let mut others = store.links(guild)?;
            others.retain(|other| {
                let linked = other.linked();
                let is_same = |linked: &GithubLink| {
                    linked.id == id || linked.login.eq_ignore_ascii_case(&login)
                };
                other.user_id != user && linked.is_some_and(is_same)
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
