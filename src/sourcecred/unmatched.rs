//! Warnings about settings that match nothing.

use std::fmt::Display;

/// How many entries a warning names.
const NAMED: usize = 20;

/// A warning that these entries of the setting `field` have no effect; `None` if there are none.
///
/// `why` is the reason, and reads well before "them": "the archive does not have".
pub fn unmatched(
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
    (!absent.is_empty()).then(|| {
        format!("these entries of `{field}` have no effect, because {why} them: {absent}{more}")
    })
}
