//! Which repositories are mirrored.

use std::str::FromStr;

/// Repositories by name, all of some owners, and exceptions from those.
///
/// Written as `owner/name,owner/*,!owner/name`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Owner and name.
    pub named: Vec<(String, String)>,
    /// Owners of whom all repositories are mirrored.
    pub owners: Vec<String>,
    /// Owner and name of those that aren't.
    pub except: Vec<(String, String)>,
}

impl Wanted {
    /// Whether this repository is mirrored.
    pub(crate) fn has(&self, owner: &str, name: &str) -> bool {
        let is = |(of, one): &(String, String)| {
            of.eq_ignore_ascii_case(owner) && one.eq_ignore_ascii_case(name)
        };
        let is_owned = self.owners.iter().any(|of| of.eq_ignore_ascii_case(owner));
        self.named.iter().any(is) || is_owned && !self.except.iter().any(is)
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut wanted = Self::default();
        for entry in text
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty())
        {
            let (is_except, name) = match entry.strip_prefix('!') {
                Some(name) => (true, name),
                None => (false, entry),
            };
            let parts = name.split_once('/').filter(|(owner, name)| {
                let is_plain = |char: char| char.is_ascii_alphanumeric() || "-._".contains(char);
                let is_name = |text: &str| !text.is_empty() && text.chars().all(is_plain);
                is_name(owner) && (*name == "*" || is_name(name))
            });
            let Some((owner, name)) = parts else {
                return Err(format!(
                    "{entry:?} is no repository: write owner/name, owner/* for all of an owner's, or !owner/name for \
                     an exception"
                ));
            };
            let pair = (owner.to_owned(), name.to_owned());
            match (is_except, name) {
                (true, "*") => {
                    return Err(format!(
                        "{entry:?} leaves out all of an owner's repositories"
                    ));
                }
                (true, _) => wanted.except.push(pair),
                (false, "*") => wanted.owners.push(pair.0),
                (false, _) => wanted.named.push(pair),
            }
        }
        Ok(wanted)
    }
}
