//! Text that people typed, made harmless in a message of ours, and back again.
//!
//! Nothing in it is taken for markdown, a mention, an emoji or a link with another text; addresses
//! stay as they are, so that they can be clicked. Source:
//! <https://discord.com/developers/docs/reference#message-formatting>.

/// Takes the meaning from what follows. Discord does not show it.
const BACKSLASH: char = '\\';

/// Comes after each `@`: nothing is seen of it, and `@everyone` is only a word.
const ZERO_WIDTH: char = '\u{200b}';

/// What Discord gives a meaning anywhere.
const ANYWHERE: [char; 9] = ['\\', '*', '_', '~', '`', '|', '<', '[', ']'];

/// What Discord gives a meaning at the start of a line.
const AT_START: [char; 4] = ['#', '-', '+', '>'];

/// Makes `text` harmless. `unescape` gives it back.
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

/// What [`escape`] was given.
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

/// The words, and each blank between them by itself.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(char::is_whitespace).flat_map(|word| {
        let blank = word.len() - word.trim_end_matches(char::is_whitespace).len();
        let (word, blank) = word.split_at(word.len() - blank);
        [word, blank].into_iter().filter(|text| !text.is_empty())
    })
}

/// Whether a word is a plain web address, which Discord shows as it is. None of the characters
/// that could end one and begin something else may be in it. An address and its escaped form are
/// the same, and so are the answers to this question.
fn is_address(word: &str) -> bool {
    (word.starts_with("https://") || word.starts_with("http://"))
        && !word.contains(['\\', '<', '>', '@', '`', '|', '*', '[', ']', '(', ')'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_keeps_its_meaning_but_addresses() {
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
