//! How weights and props channels are named that change nothing.

use std::fmt::Display;

/// How many are named.
const NAMED: usize = 20;

/// A sentence about what `field` names in vain; `None` where there is nothing.
pub(super) fn unmatched(
    field: &str,
    absent: impl Iterator<Item = impl Display>,
    why: &str,
) -> Option<String> {
    let mut absent: Vec<String> = absent.map(|name| name.to_string()).collect();
    absent.sort_unstable();
    let more = match absent.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    absent.truncate(NAMED);
    let absent = absent.join(", ");
    (!absent.is_empty())
        .then(|| format!("these of `{field}` change nothing, since {why} them: {absent}{more}"))
}
