//! Hashes, which name the archive's files.

use std::{
    fmt,
    io::{self, Read},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use super::file;

/// A SHA-256; spelled in lowercase hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Its bytes.
    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Its first byte, by which parts are spread over shards.
    pub(super) fn first_byte(self) -> u8 {
        self.0[0]
    }

    pub(super) fn path(self, folder: &str, suffix: &str) -> String {
        let hex = self.to_string();
        format!("{folder}/{}/{hex}.{suffix}", &hex[..2])
    }

    /// The hash of what is read, and how many bytes that is.
    pub fn of_read(mut from: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = Sha256::new();
        let mut chunk = vec![0; 1 << 16];
        let mut bytes = 0;
        loop {
            match from.read(&mut chunk)? {
                0 => return Ok((Self(hasher.finalize().into()), bytes)),
                read => {
                    hasher.update(&chunk[..read]);
                    bytes += read as u64;
                }
            }
        }
    }

    /// The hash that the path of an object names; `None` for any other path.
    ///
    /// Files of format 1 count, so that whoever replaces such an archive removes them.
    pub fn in_path(path: &str) -> Option<Self> {
        let hash = Self::in_name(path)?;
        let is_old = hash.path("blobs", "msgpack") == path || hash.path("indexes", "json") == path;
        (is_old || file::is_named(path)).then_some(hash)
    }

    /// The hash in a file's name.
    pub(super) fn in_name(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        name.split('.').next()?.parse().ok()
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is no hash.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no SHA-256 in 64 lowercase hexadecimal digits")]
pub struct NotAHash(String);

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .ok()
            .map(|()| Self(bytes))
            .filter(|own| own.to_string() == text)
            .ok_or_else(|| NotAHash(text.to_owned()))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}
