//! The ids of accounts.
//!
//! Source: SourceCred 0.11.2, `util/uuid.js`: 16 bytes in base64, of which only those are allowed that read
//! well.

use std::{
    fmt::{self, Display},
    sync::Arc,
};

use data_encoding::BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use sha2::{Digest as _, Sha256};

/// The id of an account in SourceCred's ledger.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdentityId(Arc<str>);

impl IdentityId {
    /// An id that follows from a text alone, where SourceCred draws one at random. `attempt` counts up
    /// until it is free.
    pub(super) fn derived(from: &str, attempt: u32) -> Self {
        let ids = (0_u32..).map(|salt| {
            let hash = Sha256::digest(format!("{from}\0{attempt}\0{salt}"));
            let mut id = BASE64.encode(&hash[..16]);
            id.truncate(22);
            id
        });
        let mut clean = ids.filter(|id| is_clean(id));
        Self(clean.next().expect("one in five is clean").into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Display for IdentityId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for IdentityId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for IdentityId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // The last of the 22 characters has two bits of the 128.
        if text.len() == 22 && is_clean(&text) && text.ends_with(['A', 'Q', 'g', 'w']) {
            Ok(Self(text.into()))
        } else {
            Err(D::Error::custom(format_args!(
                "{text:?} is no id of SourceCred's"
            )))
        }
    }
}

/// Whether an id has neither signs nor two letters in a row that could make a curse.
fn is_clean(id: &str) -> bool {
    let is_letter = |byte: &u8| b"csfhuit".contains(&byte.to_ascii_lowercase());
    let pairs = id.as_bytes().windows(2);
    id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !pairs.into_iter().any(|pair| pair.iter().all(is_letter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_ids_are_ids() {
        for number in 0..200 {
            let id = IdentityId::derived(&number.to_string(), 0);
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<IdentityId>(&json).unwrap(), id);
        }
        assert_ne!(IdentityId::derived("a", 0), IdentityId::derived("a", 1));
    }

    #[test]
    fn other_texts_are_no_ids() {
        for text in [
            "",
            "AAAAAAAAAAAAAAAAAAAAAB",
            "AAAAAAAAAAAAAAAAAAASHA",
            "AAAAAAAAAAAAAAAAAAAA-A",
        ] {
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<IdentityId>(&json).is_err(), "{text}");
        }
    }
}
