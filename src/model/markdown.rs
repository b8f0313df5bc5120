//! Escapes user text for our messages, and back.
//!
//! Escaped text contains no markdown, mention, emoji or masked link; URLs stay clickable. Source:
//! <https://discord.com/developers/docs/reference#message-formatting>.

/// Escapes the next character; invisible.
const BACKSLASH: char = '\\';

/// Follows each `@`: invisible, and disarms `@everyone`.
const ZERO_WIDTH: char = '\u{200b}';

/// Special characters anywhere in a line.
const ANYWHERE: [char; 9] = ['\\', '*', '_', '~', '`', '|', '<', '[', ']'];

/// Special characters at the start of a line.
const AT_START: [char; 4] = ['#', '-', '+', '>'];

/// Escapes `text`; `unescape` reverses it.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    let mut at_start = true;
    for word in words(text) {
        if is_address(word) {
            escaped.push_str(word);
            at_start = false;
            continue;
        }
        for it in word.chars() {
            if ANYWHERE.contains(&it) || (at_start && AT_START.contains(&it)) {
                escaped.push(BACKSLASH);
            }
            escaped.push(it);
            if it == '@' {
                escaped.push(ZERO_WIDTH);
            }
            at_start = it == '\n' || (at_start && it.is_whitespace());
        }
    }
    escaped
}

/// Reverses [`escape`].
pub(super) fn unescape(escaped: &str) -> String {
    let mut text = String::with_capacity(escaped.len());
    for word in words(escaped) {
        if is_address(word) {
            text.push_str(word);
            continue;
        }
        let mut rest = word.chars().peekable();
        while let Some(it) = rest.next() {
            match it {
                BACKSLASH => text.extend(rest.next()),
                '@' => {
                    text.push(it);
                    rest.next_if_eq(&ZERO_WIDTH);
                }
                _ => text.push(it),
            }
        }
    }
    text
}

/// Words and whitespace characters, in order.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace).flat_map(|word| {
        let blank = word.len() - word.trim_end_matches(char::is_whitespace).len();
        let (word, blank) = word.split_at(word.len() - blank);
        [word, blank].into_iter().filter(|text| !text.is_empty())
    })
}

/// Whether a word is a plain URL, which Discord shows as is. It contains no character that could
/// end it and start other markup. Escaping doesn't change the answer.
fn is_address(word: &str) -> bool {
    (word.starts_with("https://") || word.starts_with("http://"))
        && !word.contains(['\\', '<', '>', '@', '`', '|', '*', '[', ']', '(', ')'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_everything_but_urls() {
        for (text, escaped) in [
            (
                "**b** _i_ ~~s~~ ||x||",
                r"\*\*b\*\* \_i\_ \~\~s\~\~ \|\|x\|\|",
            ),
            ("<@1> <#2> <:a:3>", "\\<@\u{200b}1> \\<#2> \\<:a:3>"),
            ("@everyone", "@\u{200b}everyone"),
            (
                "[here](https://evil.example)",
                r"\[here\](https://evil.example)",
            ),
            ("# big\n- list\n> quote", "\\# big\n\\- list\n\\> quote"),
            ("well-done #1 C++", "well-done #1 C++"),
            (
                "https://example.org/a_b#c_d ok_",
                "https://example.org/a_b#c_d ok\\_",
            ),
            ("https://x<@1>", "https://x\\<@\u{200b}1>"),
        ] {
            assert_eq!(escape(text), escaped);
            assert_eq!(unescape(escaped), text);
        }
    }

    proptest! {
        #[test]
        fn unescape_undoes_escape(text in r"[\\*_~`|<>@#\-+\[\]a \n\u{200b}]{0,12}|(http://|https://|[@<>a_*]| |\n){0,9}|.{0,40}") {
            prop_assert_eq!(unescape(&escape(&text)), text);
        }
    }
}
