//! Cleans the reasons that members type.

/// The reason without control characters (line breaks stay) and surrounding whitespace; `None` if nothing
/// visible is left.
pub(super) fn clean(typed: &str) -> Option<String> {
    let lines = typed.replace("\r\n", "\n");
    let kept = lines.chars().filter_map(|letter| match letter {
        '\n' | '\r' | '\u{2028}' | '\u{2029}' => Some('\n'),
        '\t' => Some(' '),
        letter => (!letter.is_control()).then_some(letter),
    });
    let kept: String = kept.collect();
    let kept = kept.trim();
    kept.contains(is_visible).then(|| kept.to_owned())
}

/// Whether a character is visible by itself. Source: Unicode's `Default_Ignorable_Code_Point`, and the
/// braille pattern without dots.
fn is_visible(letter: char) -> bool {
    let invisible = letter.is_whitespace()
        || letter.is_control()
        || matches!(letter,
            '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fff8}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}');
    !invisible
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_text_is_no_reason() {
        for typed in [
            "",
            " \n\t ",
            "\u{200b}",
            "\u{200b} \u{200d}\u{feff}\n",
            "\u{2800}\u{3164}",
            "\0\u{1b}\u{9b}",
            "\u{e0061}\u{e007f}",
            "\u{202e}\u{2066}",
        ] {
            assert_eq!(clean(typed), None, "{typed:?}");
        }
    }

    #[test]
    fn visible_text_stays_as_typed() {
        for typed in [
            "the review",
            "❤\u{fe0f}",
            "👨\u{200d}👩",
            "a\nb",
            "\u{202e}x",
        ] {
            assert_eq!(clean(typed).as_deref(), Some(typed));
        }
        assert_eq!(
            clean(" a\tb\r\nc\u{1b}[2J\0 ").as_deref(),
            Some("a b\nc[2J")
        );
    }
}
