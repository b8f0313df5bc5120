//! Text from outside on its way to a terminal or a document.
//!
//! Names, and what servers answer, may hold anything: sequences that steer a terminal, line breaks that
//! forge a line, marks that turn a line around. All of that is left out, and escaped in JSON.

use std::fmt::Write as _;

/// `text` without what steers a terminal or turns its lines around. Line breaks and tabs stay.
pub fn printable(text: &str) -> String {
    let kept = |letter: &char| matches!(letter, '\n' | '\t') || !steers(*letter);
    text.chars().filter(kept).collect()
}

/// `text` on one line: [`printable`], with a blank for each stretch of blanks and line breaks.
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    printable(&words.join(" "))
}

/// JSON that means the same as `json`, without what [`printable`] leaves out: it is escaped instead.
pub fn printable_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for letter in json.chars() {
        // JSON itself has line breaks between its values, and none of the others outside of strings.
        if letter != '\n' && steers(letter) {
            write!(escaped, "\\u{:04x}", u32::from(letter)).expect("a string takes everything");
        } else {
            escaped.push(letter);
        }
    }
    escaped
}

/// Whether a terminal or a browser takes it for more than a letter: a control character (C0, DEL, C1), a
/// line or paragraph separator, or one of Unicode's `Bidi_Control`. Source:
/// <https://www.unicode.org/Public/UCD/latest/ucd/PropList.txt>.
fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}'
            | '\u{200e}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_steers_a_terminal() {
        for (text, kept) in [
            ("\u{1b}]0;owned\u{7}ana", "]0;ownedana"),
            ("\u{1b}[2J\u{9b}31mana\u{7f}", "[2J31mana"),
            ("\u{202e}ana\u{2066}\u{200f}\u{61c}", "ana"),
            ("a\r\n\tb\u{2028}c\u{85}d", "a\n\tbcd"),
            (
                "👨\u{200d}👩 ❤\u{fe0f} é עברית",
                "👨\u{200d}👩 ❤\u{fe0f} é עברית",
            ),
        ] {
            assert_eq!(printable(text), kept);
        }
    }

    #[test]
    fn a_name_stays_on_its_line() {
        assert_eq!(
            one_line(" a\nb\r\n\tc\u{85}d\u{2028}e \u{1b}[H\u{202e}f"),
            "a b c d e [Hf"
        );
    }

    proptest! {
        #[test]
        fn escaped_json_is_ascii_where_it_matters_and_means_the_same(text in any::<String>(), odd in "[\u{7f}-\u{9f}\u{2028}-\u{202e}\u{2066}-\u{2069}\n\"\\\\]{0,8}") {
            let text = text + &odd;
            let json = printable_json(&serde_json::to_string(&[&text]).unwrap());
            prop_assert!(!json.contains(steers), "{json:?}");
            prop_assert_eq!(serde_json::from_str::<[String; 1]>(&json).unwrap(), [text]);
        }
    }
}
