//! Reads JSON that `serde_json` rejects as a whole because of one bad value.
//!
//! Discord sometimes sends half a surrogate pair, a number too large for a float, or bytes that
//! aren't UTF-8. [`read`] replaces such values and keeps all others. It never completes a truncated
//! document.

use std::{borrow::Cow, ops::Range};

use serde::de::DeserializeOwned;
use serde_json::Value;

/// Deepest nesting that is read; `serde_json` gives up at 128.
const DEEPEST: usize = 100;

/// Replaces unreadable text.
const REPLACEMENT: &str = "\\ufffd";

/// Replaces any other unreadable value. `null` would mean "none"; this fits no field.
const UNREADABLE: &str = r#"{"\ufffd":null}"#;

/// Reads a document; on failure, reads it again with bad values replaced.
///
/// # Errors
/// The document is truncated, isn't JSON, or doesn't fit `T`.
pub fn read<T: DeserializeOwned>(json: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(json).or_else(|error| {
        // Via a `Value`, so that the last of duplicate keys wins.
        let mended = serde_json::from_slice::<Value>(&mend(json));
        mended.and_then(serde_json::from_value).map_err(|_| error)
    })
}

/// Replaces every value that `serde_json` rejects; other documents stay unchanged.
/// Text becomes U+FFFD, anything else an object that fits no type.
pub(super) fn mend(json: &[u8]) -> Cow<'_, [u8]> {
    let text = String::from_utf8_lossy(json);
    let mut mender = Mender {
        json: text.as_bytes(),
        at: 0,
        mended: Vec::new(),
        copied: 0,
    };
    mender.document();
    if mender.copied == 0 {
        return match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
    }
    let rest = &mender.json[mender.copied..];
    mender.mended.extend_from_slice(rest);
    Cow::Owned(mender.mended)
}

struct Mender<'a> {
    json: &'a [u8],
    /// Position of the reader.
    at: usize,
    /// The mended document up to `copied`.
    mended: Vec<u8>,
    copied: usize,
}

impl Mender<'_> {
    fn document(&mut self) {
        let mut depth = 0_usize;
        // Start of a value nested too deeply, and the mended state before it.
        let mut too_deep = None;
        while let Some(byte) = self.json.get(self.at) {
            match byte {
                b'"' => self.string(),
                b'{' | b'[' => {
                    depth += 1;
                    if depth > DEEPEST {
                        too_deep.get_or_insert((self.at, self.mended.len(), self.copied));
                    }
                    self.at += 1;
                }
                b'}' | b']' => {
                    self.at += 1;
                    depth = depth.saturating_sub(1);
                    if depth == DEEPEST
                        && let Some((begin, mended, copied)) = too_deep.take()
                    {
                        self.mended.truncate(mended);
                        self.copied = copied;
                        self.replace(begin..self.at, UNREADABLE);
                    }
                }
                b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => self.word(),
                _ => self.at += 1,
            }
        }
    }

    /// Skips a number or a literal.
    fn word(&mut self) {
        let rest = &self.json[self.at..];
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let len = rest.iter().take_while(|byte| is_word(byte)).count();
        let word = self.at..self.at + len;
        self.at = word.end;
        let text = std::str::from_utf8(&rest[..len]).unwrap_or_default();
        // Also parses "NaN" and "Infinity", which some servers write.
        if text.parse().is_ok_and(|number: f64| !number.is_finite()) {
            self.replace(word, UNREADABLE);
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.json.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return;
                }
                b'\\' => self.escape(),
                0..=0x1f => {
                    self.at += 1;
                    self.replace(self.at - 1..self.at, REPLACEMENT);
                }
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) {
        let begin = self.at;
        // A bad escape never includes the quote that may end the string.
        match self.json.get(begin + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => match (self.unit(begin), self.unit(begin + 6)) {
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => self.at += 12,
                (Some(0xd800..=0xdfff), _) => {
                    self.at += 6;
                    self.replace(begin..self.at, REPLACEMENT);
                }
                (Some(_), _) => self.at += 6,
                (None, _) => {
                    self.at += 2;
                    self.replace(begin..self.at, REPLACEMENT);
                }
            },
            _ => {
                self.at += 1;
                self.replace(begin..self.at, REPLACEMENT);
            }
        }
    }

    /// Returns the UTF-16 unit escaped at this position.
    fn unit(&self, at: usize) -> Option<u16> {
        let digits = self.json.get(at..at + 6)?.strip_prefix(b"\\u")?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }

    fn replace(&mut self, range: Range<usize>, by: &str) {
        let between = &self.json[self.copied..range.start];
        self.mended.extend_from_slice(between);
        self.mended.extend_from_slice(by.as_bytes());
        self.copied = range.end;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn value(json: &str) -> Value {
        read(json.as_bytes()).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    fn unreadable() -> Value {
        json!({"\u{fffd}": null})
    }

    #[test]
    fn replaces_bad_values_and_keeps_the_others() {
        for (bad, expected) in [
            (r#""a\ud800b""#, json!("a\u{fffd}b")),
            (r#""\uDC00\ud83d\ude4f""#, json!("\u{fffd}🙏")),
            (r#""\ud83d\ud83d\ude4f\ud83d""#, json!("\u{fffd}🙏\u{fffd}")),
            (r#""\\ud800""#, json!(r"\ud800")),
            (r#""\\\ud800""#, json!("\\\u{fffd}")),
            (r#""\ud800\n""#, json!("\u{fffd}\n")),
            (r#""\u12""#, json!("\u{fffd}12")),
            (r#""\x""#, json!("\u{fffd}x")),
            ("\"a\nb\"", json!("a\u{fffd}b")),
            ("1e999", unreadable()),
            ("-1e999", unreadable()),
            ("NaN", unreadable()),
            ("-Infinity", unreadable()),
            ("1.5", json!(1.5)),
            ("true", json!(true)),
        ] {
            // The lone surrogate makes serde_json reject every document.
            let document = format!(r#"{{"bad": [{bad}], "odd": "\udfff", "good": {{"id": "7"}}}}"#);
            let expected = json!({"bad": [expected], "odd": "\u{fffd}", "good": {"id": "7"}});
            assert_eq!(value(&document), expected, "{document}");
        }
    }

    #[test]
    fn replaces_invalid_utf8() {
        let value: Value = read(b"{\"a\": \"x\xff\xf0\x9f\", \"b\": 1}").unwrap();
        assert_eq!(value, json!({"a": "x\u{fffd}\u{fffd}", "b": 1}));
    }

    #[test]
    fn drops_values_nested_too_deeply() {
        let deep = |levels| format!("{}\"\\ud800\"{}", "[".repeat(levels), "]".repeat(levels));
        let document = format!(
            r#"{{"before": "\ud800", "deep": {}, "id": 1e999}}"#,
            deep(5_000)
        );
        let read = value(&document);
        assert_eq!(
            (&read["before"], &read["id"]),
            (&json!("\u{fffd}"), &unreadable())
        );
        let shallow = value(&format!(r#"{{"deep": {}}}"#, deep(DEEPEST - 1)));
        assert!(shallow["deep"].to_string().contains('\u{fffd}'));
    }

    #[test]
    fn the_last_duplicate_key_wins() {
        #[derive(serde::Deserialize)]
        struct Of {
            id: u8,
        }
        let of: Of = read(br#"{"id": 1, "id": 2}"#).unwrap();
        assert_eq!(of.id, 2);
    }

    /// Generates any JSON, as `serde_json` writes it.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|of| Value::Object(of.into_iter().collect())),
            ]
        })
    }

    /// Generates pieces of JSON that rarely make a valid document.
    fn nearly_json() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\\", "\\u", "\\ud800", "\\udc00", "d8", "1",
            "1e999", "-", "null", "NaN", "a", "🙏", "\n", " ",
        ]);
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn leaves_valid_documents_alone(json in any_json()) {
            let text = json.to_string();
            prop_assert!(matches!(mend(text.as_bytes()), Cow::Borrowed(mended) if mended == text.as_bytes()));
        }

        #[test]
        fn reads_whatever_surrounds_a_bad_value(json in any_json()) {
            let text = format!(r#"{{"a": {json}, "\ud800": 1e999, "z": {json}}}"#);
            let value: Value = read(text.as_bytes()).unwrap();
            prop_assert_eq!((&value["a"], &value["z"]), (&value["z"], &value["a"]));
            prop_assert_eq!(&value["a"], &json);
        }

        #[test]
        fn never_panics_and_mends_once(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mended = mend(&bytes).into_owned();
            prop_assert_eq!(mend(&mended).into_owned(), mended);
        }

        #[test]
        fn never_panics_on_almost_json(text in nearly_json()) {
            let mended = mend(text.as_bytes()).into_owned();
            prop_assert_eq!(mend(&mended).into_owned(), mended);
            // Valid documents are read as serde_json reads them.
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(read::<Value>(text.as_bytes()).unwrap(), value);
            }
        }

        #[test]
        fn never_completes_a_truncated_document(json in any_json(), cut in any::<prop::sample::Index>()) {
            let text = format!(r#"{{"a": {json}, "b": "\ud800"}}"#);
            let cut = cut.index(text.len());
            prop_assert!(read::<Value>(&text.as_bytes()[..cut]).is_err());
        }
    }
}
