//! The codes that are out, in memory: after a restart, a member asks for another one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use data_encoding::BASE32_NOPAD;
use tokio::sync::Mutex as AsyncMutex;

use super::{GithubComment, Refusal};
use propsbot_model::{GuildId, Millis, UserId};

/// How long after a code was given the comment has to be written.
const VALID_MS: i64 = 3_600_000;

/// How long a comment is looked for: it is mirrored and exported some time after it was written.
const LOOKED_FOR_MS: i64 = 24 * 3_600_000;

/// How many codes a member gets in [`VALID_MS`].
const MOST_CODES: usize = 5;

/// How many members have codes at a time.
const MOST_MEMBERS: usize = 10_000;

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
    pub(super) fn is_proved_by(&self, comment: &GithubComment) -> bool {
        comment.text == self.text
            && comment.login.eq_ignore_ascii_case(&self.login)
            && !comment.is_edited
            && comment.created_at <= self.until()
    }

    /// Whether its comment is still looked for.
    pub(super) fn is_open(&self, now: Millis) -> bool {
        now.0 - self.given.0 < LOOKED_FOR_MS
    }
}

/// The codes that are out.
#[derive(Clone, Default)]
pub(in super::super) struct Codes {
    by_member: Arc<Mutex<BTreeMap<(GuildId, UserId), Asked>>>,
    /// One look serves everybody.
    pub(super) looking: Arc<AsyncMutex<Option<Look>>>,
    /// Held while a link is recorded or undone, so that the later of the two sees what the other did.
    pub(super) changing: Arc<AsyncMutex<()>>,
}

/// The last look for comments.
pub(super) struct Look {
    pub(super) began: Instant,
    /// Why it failed.
    pub(super) failed: Option<String>,
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
    pub(super) fn give(
        &self,
        member: (GuildId, UserId),
        login: &str,
        now: Millis,
    ) -> Result<LinkCode, Refusal> {
        let mut all = self.lock();
        all.retain(|_, asked| {
            asked.given.retain(|given| now.0 - given.0 < VALID_MS);
            asked.code = asked.code.take().filter(|code| code.is_open(now));
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

    pub(super) fn of(&self, member: (GuildId, UserId)) -> Option<LinkCode> {
        self.lock().get(&member)?.code.clone()
    }

    pub(super) fn open(&self, now: Millis) -> Vec<((GuildId, UserId), LinkCode)> {
        let all = self.lock();
        let open = all.iter().filter_map(|(member, asked)| {
            let code = asked.code.clone()?;
            code.is_open(now).then_some((*member, code))
        });
        open.collect()
    }

    /// Forgets a code; with a text only that one. How many a member got is remembered.
    pub(in super::super) fn drop_code(&self, member: (GuildId, UserId), text: Option<&str>) {
        if let Some(asked) = self.lock().get_mut(&member) {
            let is_other = |code: &LinkCode| text.is_some_and(|text| code.text != text);
            asked.code = asked.code.take().filter(is_other);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
