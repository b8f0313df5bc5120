//! Who is left out: of whom nothing is kept.

use std::collections::BTreeSet;

use propsbot_mirror::{Place, ReadRows, Record, Stamp, Table};
use serde::{Deserialize, Serialize};

use crate::{records::Login, rows::UserId};

/// The login of accounts whose logins aren't known any more, because an archive has only their ids.
pub(crate) const UNKNOWN: &str = "";

/// A login that is left out, with all accounts that have, or had it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Exclusion {
    /// In lower case.
    pub login: String,
    /// Since when.
    pub at: Stamp,
}

impl Record for Exclusion {
    type Key = String;

    const TABLE: Table = Table {
        number: 12,
        name: "exclusions",
    };

    fn key(&self) -> String {
        self.login.clone()
    }

    /// Of no repository: it only tells exports that there is a choice to carry out.
    fn place(&self) -> Option<Place> {
        Some(Place::of_space("everywhere"))
    }
}

/// Everyone who is left out.
#[derive(Debug, Default)]
pub(crate) struct Exclusions {
    logins: BTreeSet<String>,
    ids: BTreeSet<UserId>,
}

impl Exclusions {
    pub(crate) fn of<R: ReadRows>(rows: &R) -> Result<Self, R::Error> {
        let mut all = Self::default();
        for exclusion in rows.scan::<Exclusion>(())? {
            let accounts = rows.scan::<Login>(exclusion.login.clone())?;
            all.ids
                .extend(accounts.into_iter().map(|account| account.id));
            if exclusion.login != UNKNOWN {
                all.logins.insert(exclusion.login);
            }
        }
        Ok(all)
    }

    pub(crate) fn has(&self, id: Option<&UserId>) -> bool {
        id.is_some_and(|id| self.ids.contains(id))
    }

    pub(crate) fn has_login(&self, login: &str) -> bool {
        self.logins.contains(login)
    }

    /// Replaces mentions of people who are left out.
    pub(crate) fn clean(&self, text: &mut String) {
        for login in &self.logins {
            let mention = format!("@{login}");
            let mut from = 0;
            while let Some(at) = find(&text[from..], &mention) {
                let (start, end) = (from + at, from + at + mention.len());
                let is_whole = !text[end..]
                    .starts_with(|next: char| next.is_ascii_alphanumeric() || next == '-');
                if is_whole {
                    text.replace_range(start..end, "@ghost");
                    from = start + "@ghost".len();
                } else {
                    from = end;
                }
            }
        }
    }
}

/// Where the text has the words, in whatever case of ASCII letters.
fn find(text: &str, words: &str) -> Option<usize> {
    let (text, words) = (text.as_bytes(), words.as_bytes());
    let mut windows = text.windows(words.len());
    windows.position(|window| window.eq_ignore_ascii_case(words))
}
