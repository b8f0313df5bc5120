//! Counts with English nouns.

use std::fmt::Display;

/// A count with its noun: `1 guild`, `2 guilds`, `0 props messages`.
///
/// Takes the singular; its plural must end in "s".
pub fn counted<N: Copy + Display + PartialEq + From<u8>>(count: N, noun: &str) -> String {
    format!("{count} {noun}{}", ending(count == N::from(1)))
}

pub(super) fn ending(is_one: bool) -> &'static str {
    if is_one { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let texts = [0_usize, 1, 2].map(|count| counted(count, "guild"));
        assert_eq!(texts, ["0 guilds", "1 guild", "2 guilds"]);
    }
}
