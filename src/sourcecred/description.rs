//! Makes what people wrote safe and short for node descriptions, which SourceCred renders as Markdown
//! with HTML.

use std::fmt::Write as _;

use propsbot_archive::one_line;

/// The text as SourceCred's Discord plugin writes it (`createGraph.js`): cut after `units` UTF-16 code
/// units, even within a character, and escaped like the npm package `entities` 2.2. Markdown in it stays
/// active.
pub fn escaped(from: &str, units: usize) -> String {
    let mut left = units;
    let mut text = String::new();
    for char in from.chars() {
        if left == 0 {
            break;
        }
        if char.len_utf16() > left {
            let mut units = [0; 2];
            reference(&mut text, char.encode_utf16(&mut units)[0].into());
            break;
        }
        left -= char.len_utf16();
        if char.is_ascii() && !"&<>\"'".contains(char) {
            text.push(char);
        } else {
            reference(&mut text, char.into());
        }
    }
    text
}

/// The text as one line of at most `units` UTF-16 code units, without active Markdown, HTML or links:
/// everything but ASCII letters, digits, spaces and a few harmless marks becomes a character reference.
pub fn text(text: &str, units: usize) -> String {
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

/// A description as one line of plain text that is safe to print on a terminal.
pub fn plain(description: &str) -> String {
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
    one_line(&text)
}

/// A description without its Markdown link, as one line of plain text, and where the link leads.
pub fn linked(description: &str) -> (String, Option<&str>) {
    let parts = || {
        let (before, rest) = description.split_once('[')?;
        let (label, rest) = rest.split_once("](")?;
        let (url, after) = rest.split_once(')')?;
        let is_safe = |char: char| char.is_ascii_graphic();
        let is_link = url.starts_with("https://") || url.starts_with("http://");
        (is_link && url.chars().all(is_safe)).then_some((before, label, url, after))
    };
    match parts() {
        Some((before, label, url, after)) => (plain(&format!("{before}{label}{after}")), Some(url)),
        None => (plain(description), None),
    }
}

/// Appends a character reference: Markdown shows it as the character, without its special meaning.
fn reference(to: &mut String, code: u32) {
    write!(to, "&#x{code:X};").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_like_the_discord_plugin() {
        assert_eq!(escaped("ana_b.c [x]", 20), "ana_b.c [x]");
        assert_eq!(
            escaped("<b>&\"'é", 20),
            "&#x3C;b&#x3E;&#x26;&#x22;&#x27;&#xE9;"
        );
        assert_eq!(escaped("abc", 2), "ab");
        assert_eq!(escaped("a🎉b", 3), "a&#x1F389;");
        assert_eq!(escaped("a🎉", 2), "a&#xD83C;");
    }

    #[test]
    fn descriptions_have_no_active_markdown() {
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
    fn reads_descriptions_as_plain_text() {
        for name in ["ana", "<b>&\"'é🎉", "&#xZZ; &#x", "[a]"] {
            assert_eq!(plain(&escaped(name, 40)), name);
        }
        assert_eq!(plain("a&#x1B;[31m&#xA;&#xD83C;\u{9b}b"), "a[31m \u{FFFD}b");
    }

    #[test]
    fn tells_a_link_from_its_text() {
        let (text, link) = linked("Props by ana in #b: [\"&#x5B;x\"](https://a.example/1)");
        assert_eq!(
            (&*text, link),
            ("Props by ana in #b: \"[x\"", Some("https://a.example/1"))
        );
        assert_eq!(
            linked("[a](javascript:b)"),
            ("[a](javascript:b)".to_owned(), None)
        );
        assert_eq!(linked("[a] b"), ("[a] b".to_owned(), None));
    }

    #[test]
    fn cuts_long_texts_between_characters() {
        assert_eq!(text("abc", 3), "abc");
        assert_eq!(text("abcd", 3), "abc&#x2026;");
        assert_eq!(text("ab🎉", 3), "ab&#x2026;");
        assert_eq!(text("a🎉", 3), "a&#x1F389;");
    }
}
