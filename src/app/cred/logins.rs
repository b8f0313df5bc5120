//! Which login a GitHub account has, from the archive of a mirror.

use std::collections::{HashMap, HashSet};

use crate::{
    app::{Error, error::Tried as _},
    config::Config,
};
use propsbot_archive::{ReadError, retry};
use propsbot_backends::ArchiveSpec;
use propsbot_github::{SCHEMA, rows::User};

/// The logins of the accounts in an archive, in lower case; none if GitHub isn't in it.
#[derive(Default)]
pub(super) struct Logins {
    /// More than one if not all repositories were read since an account was renamed.
    by_id: HashMap<String, HashSet<String>>,
    ids: HashMap<String, HashSet<String>>,
    /// Those of whom nothing is kept (`GITHUB_EXCLUDE_USERS`, `forget --github`): the archive has their bare ids.
    left_out: HashSet<String>,
}

impl Logins {
    /// Reads GitHub's users.
    pub(super) async fn read(config: &Config, from: &ArchiveSpec) -> Result<Self, Error> {
        let tried = || format!("could not read the users of GitHub in {from}");
        let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
        let read = retry(archive.as_ref(), &SCHEMA, None, |reader| async move {
            reader.rows::<User>().await
        });
        let users = match read.await {
            Err(ReadError::Empty | ReadError::OtherProvider { .. }) => Vec::new(),
            users => users.tried(tried)?,
        };
        let mut logins = Self::default();
        for user in users {
            logins.add(user.id.0, &user.login);
        }
        Ok(logins)
    }

    fn add(&mut self, id: String, login: &str) {
        if login.is_empty() {
            self.left_out.insert(id);
            return;
        }
        let login = login.to_ascii_lowercase();
        let ids = self.ids.entry(login.clone()).or_default();
        ids.insert(id.clone());
        self.by_id.entry(id).or_default().insert(login);
    }

    /// Whether an account may have a login: as far as is known, it does, and no other account. Those who are left out
    /// have none.
    pub(super) fn may_be(&self, id: &str, login: &str) -> bool {
        let login = login.to_ascii_lowercase();
        let known = self.by_id.get(id);
        let ids = self.ids.get(&login);
        !self.left_out.contains(id)
            && known.is_none_or(|logins| logins.contains(&login))
            && ids.is_none_or(|ids| ids.iter().all(|other| other == id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_are_left_out_have_no_login() {
        let mut logins = Logins::default();
        logins.add("U_1".to_owned(), "ana");
        // In another repository, which was read before.
        logins.add("U_1".to_owned(), "");
        assert!(!logins.may_be("U_1", "ana"));
        assert!(logins.may_be("U_2", "ben"));
    }

    #[test]
    fn a_login_is_an_accounts_unless_it_was_renamed_or_another_has_it() {
        let mut logins = Logins::default();
        assert!(logins.may_be("U_1", "ana"));
        logins.add("U_1".to_owned(), "Ana");
        assert!(logins.may_be("U_1", "aNa"));
        assert!(!logins.may_be("U_1", "new"));
        assert!(!logins.may_be("U_2", "ana"));
        // One of the repositories is older than the change.
        logins.add("U_1".to_owned(), "new");
        assert!(logins.may_be("U_1", "ana") && logins.may_be("U_1", "new"));
        logins.add("U_2".to_owned(), "ana");
        assert!(!logins.may_be("U_1", "ana") && !logins.may_be("U_2", "ana"));
    }
}
