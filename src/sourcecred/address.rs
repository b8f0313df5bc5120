//! The addresses of nodes and edges, and their order.
//!
//! Source: SourceCred 0.11.2, `core/address.js`. An address is a list of parts. Its raw form is `N` or
//! `E`, then the parts, each followed by NUL. The files use both forms.

use std::{
    cmp::Ordering,
    fmt::{self, Display, Write as _},
    sync::Arc,
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, SeqAccess, Visitor},
    ser::SerializeSeq,
};

macro_rules! addresses {
    ($($(#[$doc:meta])* $name:ident = $nonce:literal;)*) => {$(
        $(#[$doc])*
        ///
        /// Ordered as JavaScript orders the raw form, by UTF-16 code units. Serialized in the raw form.
        /// Clones share their memory.
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The address with these parts.
            pub fn new(parts: &[&dyn Display]) -> Self {
                Self(append(concat!($nonce, "\0"), parts))
            }

            /// This address with more parts at its end.
            #[must_use]
            pub fn with(&self, parts: &[&dyn Display]) -> Self {
                Self(append(&self.0, parts))
            }

            /// Whether the address starts with all parts of `prefix`.
            pub fn has_prefix(&self, prefix: &Self) -> bool {
                self.0.starts_with(&*prefix.0)
            }

            /// The raw form: the letter and the parts, each followed by NUL.
            pub(super) fn raw(&self) -> &str {
                &self.0
            }

            /// The last part; empty if there are none.
            pub fn last_part(&self) -> &str {
                self.split().last().unwrap_or_default()
            }

            /// The parts.
            pub fn split(&self) -> impl Iterator<Item = &str> {
                split(&self.0)
            }

            /// The address, to be serialized as the list of its parts.
            pub fn parts(&self) -> Parts<'_> {
                Parts(&self.0)
            }
        }

        /// Reads the list of parts.
        impl FromParts for $name {
            fn from_parts<'de, S: SeqAccess<'de>>(mut parts: S) -> Result<Self, S::Error> {
                let mut raw = concat!($nonce, "\0").to_owned();
                while parts.next_element_seed(Part(&mut raw))?.is_some() {}
                Ok(Self(raw.into()))
            }
        }

        /// Reads the raw form.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let raw = String::deserialize(deserializer)?;
                if raw.starts_with(concat!($nonce, "\0")) && raw.ends_with('\0') {
                    Ok(Self(raw.into()))
                } else {
                    Err(D::Error::custom(format_args!("{raw:?} is no address")))
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                utf16_order(&self.0, &other.0)
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.split()).finish()
            }
        }
    )*};
}

addresses! {
    /// The address of a node, or the prefix of such addresses.
    NodeAddress = "N";
    /// The address of an edge, or the prefix of such addresses.
    EdgeAddress = "E";
}

/// An address that can be read from the list of its parts.
pub(super) trait FromParts: Sized {
    fn from_parts<'de, S: SeqAccess<'de>>(parts: S) -> Result<Self, S::Error>;
}

/// Appends a part of an address while it is read.
struct Part<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Part<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Part<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a part of an address")
    }

    fn visit_str<E>(self, part: &str) -> Result<(), E> {
        push(self.0, part);
        Ok(())
    }
}

/// An address, serialized as the list of its parts.
pub struct Parts<'a>(&'a str);

impl Serialize for Parts<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for part in split(self.0) {
            list.serialize_element(part)?;
        }
        list.end()
    }
}

fn append(raw: &str, parts: &[&dyn Display]) -> Arc<str> {
    let mut raw = raw.to_owned();
    for part in parts {
        let start = raw.len();
        write!(raw, "{part}").expect("writing to a string cannot fail");
        end_part(&mut raw, start);
    }
    raw.into()
}

fn push(raw: &mut String, part: &str) {
    let start = raw.len();
    raw.push_str(part);
    end_part(raw, start);
}

fn end_part(raw: &mut String, start: usize) {
    if raw[start..].contains('\0') {
        // A part must not contain the separator. No id does, but texts from outside can.
        let clean = raw[start..].replace('\0', "\u{FFFD}");
        raw.replace_range(start.., &clean);
    }
    raw.push('\0');
}

fn split(raw: &str) -> impl Iterator<Item = &str> {
    raw.split_terminator('\0').skip(1)
}

/// Compares strings as JavaScript does, by UTF-16 code units.
///
/// That is the order of the UTF-8 bytes, with one exception: characters above U+FFFF (their first byte is
/// F0 or more) are surrogates in UTF-16, which come before U+E000 to U+FFFF (EE, EF).
fn utf16_order(a: &str, b: &str) -> Ordering {
    let rank = |byte: u8| if byte & 0xFE == 0xEE { 0xFF } else { byte };
    // Most addresses start alike, so equal blocks are skipped whole.
    let blocks = a
        .as_bytes()
        .as_chunks::<16>()
        .0
        .iter()
        .zip(b.as_bytes().as_chunks::<16>().0);
    let same = 16 * blocks.take_while(|(a, b)| a == b).count();
    let mut rest = a.bytes().skip(same).zip(b.bytes().skip(same));
    match rest.find(|(a, b)| a != b) {
        Some((a, b)) => rank(a).cmp(&rank(b)).then(a.cmp(&b)),
        None => a.len().cmp(&b.len()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn writes_both_forms_of_an_address() {
        let address = NodeAddress::new(&[&"external", &"props"]).with(&[&7, &"a/b"]);
        assert_eq!(
            serde_json::to_string(&address).unwrap(),
            r#""N\u0000external\u0000props\u00007\u0000a/b\u0000""#
        );
        assert_eq!(
            serde_json::to_string(&address.parts()).unwrap(),
            r#"["external","props","7","a/b"]"#
        );
    }

    #[test]
    fn a_prefix_ends_where_a_part_ends() {
        let banana = NodeAddress::new(&[&"banana"]);
        assert!(!banana.has_prefix(&NodeAddress::new(&[&"ban"])));
        assert!(banana.with(&[&1]).has_prefix(&banana));
    }

    #[test]
    fn replaces_separators_within_parts() {
        let odd = EdgeAddress::new(&[&"a\0b", &"c"]);
        assert_eq!(odd, EdgeAddress::new(&[&"a\u{FFFD}b", &"c"]));
    }

    proptest! {
        #[test]
        fn orders_addresses_like_javascript(
            begin in "[a\u{1f389}]{0,20}",
            a in "[a\u{7f}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{1f389}\u{10ffff}]{0,4}",
            b in "[a\u{7f}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{1f389}\u{10ffff}]{0,4}",
        ) {
            let (a, b) = (NodeAddress::new(&[&begin, &a]), NodeAddress::new(&[&begin, &b]));
            prop_assert_eq!(a.cmp(&b), a.0.encode_utf16().cmp(b.0.encode_utf16()));
        }
    }
}
