//! What people wrote, made safe and short for the descriptions of nodes, which SourceCred shows as
//! Markdown with HTML.

use std::fmt::Write as _;

/// How much of a username SourceCred's Discord plugin shows, in UTF-16 code units.
const MEMBER_NAME_UNITS: usize = 20;

/// A username as SourceCred's Discord plugin shows it (`createGraph.js`, `memberNode`): cut after
/// 20 UTF-16 code units, even within a character, and escaped as the npm package `entities` 2.2
/// does. Brackets are escaped as well, so that no name can be a link; usernames contain none.
pub(super) fn member_name(username: &str) -> String {
    let mut left = MEMBER_NAME_UNITS;
    let mut text = String::new();
    for char in username.chars() {
        if left == 0 {
            break;
        }
        if char.len_utf16() > left {
            let mut units = [0; 2];
            reference(&mut text, char.encode_utf16(&mut units)[0].into());
            break;
        }
        left -= char.len_utf16();
        if char.is_ascii() && !"&<>\"'[]".contains(char) {
            text.push(char);
        } else {
            reference(&mut text, char.into());
        }
    }
    text
}

/// A text in one line of at most `units` UTF-16 code units, in which nothing is Markdown, HTML or a
/// link: all but ASCII letters, digits, spaces and some harmless marks are character references.
pub(super) fn text(text: &str, units: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut left = units;
    let mut safe = String::new();
    for char in line.chars() {
        if char.len_utf16() > left {
            reference(&mut safe, '…'.into());
            break;
        }
        left -= char.len_utf16();
        if char.is_ascii_alphanumeric() || " ,-?".contains(char) {
            safe.push(char);
        } else {
            reference(&mut safe, char.into());
        }
    }
    safe
}

/// What a description says, as plain text of one line: for terminals, so without anything that
/// would steer one.
pub(super) fn plain(description: &str) -> String {
    let mut text = String::new();
    let mut rest = description;
    while let Some((before, from)) = rest.split_once("&#x") {
        text.push_str(before);
        let code = from.split_once(';').and_then(|(code, after)| {
            let code = u32::from_str_radix(code, 16).ok()?;
            Some((char::from_u32(code).unwrap_or('\u{FFFD}'), after))
        });
        (text, rest) = match code {
            Some((char, after)) => (text + &String::from(char), after),
            None => (text + "&#x", from),
        };
    }
    text.push_str(rest);
    text.retain(|char| !char.is_control());
    text
}

/// A character reference. In Markdown it stands for the character as text, never for its meaning.
fn reference(to: &mut String, code: u32) {
    write!(to, "&#x{code:X};").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames_read_as_in_the_discord_plugin() {
        assert_eq!(member_name("ana_b.c"), "ana_b.c");
        assert_eq!(
            member_name("<b>&\"'é"),
            "&#x3C;b&#x3E;&#x26;&#x22;&#x27;&#xE9;"
        );
        assert_eq!(
            member_name("[a](https://b.c)"),
            "&#x5B;a&#x5D;(https://b.c)"
        );
        assert_eq!(member_name(&"a".repeat(21)), "a".repeat(20));
        assert_eq!(
            member_name(&format!("{}🎉b", "a".repeat(18))),
            format!("{}&#x1F389;", "a".repeat(18))
        );
        assert_eq!(
            member_name(&format!("{}🎉", "a".repeat(19))),
            format!("{}&#xD83C;", "a".repeat(19))
        );
    }

    #[test]
    fn nothing_is_smuggled_into_a_description() {
        assert_eq!(
            text("](x) <b>`*", 30),
            "&#x5D;&#x28;x&#x29; &#x3C;b&#x3E;&#x60;&#x2A;"
        );
        assert_eq!(text("www.evil.example", 30), "www&#x2E;evil&#x2E;example");
        assert_eq!(
            text(" two\r\n\n# lines\u{2028}x ", 30),
            "two &#x23; lines x"
        );
        assert_eq!(text("a\0b", 30), "a&#x0;b");
    }

    #[test]
    fn descriptions_are_read_back_as_plain_text() {
        for name in ["ana", "<b>&\"'é🎉", "&#xZZ; &#x", "[a]"] {
            assert_eq!(plain(&member_name(name)), name);
        }
        assert_eq!(plain("a&#x1B;[31m&#xA;&#xD83C;\u{9b}b"), "a[31m\u{FFFD}b");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(text("abc", 3), "abc");
        assert_eq!(text("abcd", 3), "abc&#x2026;");
        assert_eq!(text("ab🎉", 3), "ab&#x2026;");
        assert_eq!(text("a🎉", 3), "a&#x1F389;");
    }
}
