//! `propsbot status`: how complete the mirror is, without asking the platform.

use std::time::Duration;

use anyhow::anyhow;
use serde_json::Value;

use super::Error;
use propsbot_archive::{Millis, one_line, printable_json};
use propsbot_jobs::clock::Clock;
use propsbot_mirror::{DataProvider, SpaceStatus};

/// The status of every space, as text or JSON. With `max_age`, nothing if the mirror is complete, and known
/// to follow the platform until so long ago.
///
/// # Errors
/// With `max_age`, [`Error::Incomplete`] if it isn't, with a line for each reason.
pub(super) async fn status(
    provider: &dyn DataProvider,
    json: bool,
    max_age: Option<Duration>,
) -> Result<Vec<String>, Error> {
    let spaces = provider.status().await?;
    if let Some(max_age) = max_age {
        return match &*shortcomings(&spaces, max_age, Clock::now()) {
            [] => Ok(Vec::new()),
            found => Err(Error::Incomplete(anyhow!(
                "the mirror is incomplete or out of date:\n  {}",
                found.join("\n  ")
            ))),
        };
    }
    if json {
        let details: Vec<Value> = spaces.into_iter().map(|space| space.details).collect();
        let details = serde_json::to_string_pretty(&details)?;
        return Ok(vec![printable_json(&details)]);
    }
    if spaces.is_empty() {
        return Ok(vec![
            "The store is empty; `propsbot sync` fills it.".to_owned(),
        ]);
    }
    let texts: Vec<String> = spaces.into_iter().map(|space| space.text).collect();
    Ok(vec![texts.join("\n\n")])
}

/// What the mirror lacks, and why it may be out of date, a line each.
fn shortcomings(spaces: &[SpaceStatus], max_age: Duration, now: Millis) -> Vec<String> {
    if spaces.is_empty() {
        return vec!["nothing is mirrored yet; `propsbot sync` fetches it".to_owned()];
    }
    let of_space = |space: &SpaceStatus| {
        let mut found = space.lacks.clone();
        let age = space.current.map(|current| {
            let age = u64::try_from(now.0.saturating_sub(current.0)).unwrap_or_default();
            Duration::from_millis(age)
        });
        found.extend(match age {
            None => Some("it was never up to date".to_owned()),
            Some(age) if age > max_age => Some(format!(
                "it was last up to date {} ago, which is more than {}",
                humantime::format_duration(Duration::from_secs(age.as_secs())),
                humantime::format_duration(max_age)
            )),
            Some(_) => None,
        });
        let name = format!("{} ({})", one_line(&space.name), space.space);
        let lines = found.into_iter().map(|found| format!("{name}: {found}"));
        lines.collect::<Vec<_>>()
    };
    spaces.iter().flat_map(of_space).collect()
}

#[cfg(test)]
mod tests {
    use propsbot_archive::Id;

    use super::*;

    #[test]
    fn names_what_is_missing_and_what_is_old() {
        let hour = Duration::from_hours(1);
        let now = Millis(100 * 3_600_000);
        let space = |lacks: &[&str], current: Option<i64>| SpaceStatus {
            space: Id::new(7),
            name: "Hearth\n".to_owned(),
            text: String::new(),
            details: Value::Null,
            lacks: lacks.iter().map(ToString::to_string).collect(),
            current: current.map(|hours| Millis(hours * 3_600_000)),
        };
        let cases = [
            (
                vec![],
                vec!["nothing is mirrored yet; `propsbot sync` fetches it"],
            ),
            (vec![space(&[], Some(99))], vec![]),
            // A clock that was set back.
            (vec![space(&[], Some(101))], vec![]),
            (
                vec![space(&[], None)],
                vec!["Hearth (7): it was never up to date"],
            ),
            (
                vec![space(
                    &["2 channels whose messages are not all there"],
                    Some(97),
                )],
                vec![
                    "Hearth (7): 2 channels whose messages are not all there",
                    "Hearth (7): it was last up to date 3h ago, which is more than 1h",
                ],
            ),
        ];
        for (spaces, expected) in cases {
            assert_eq!(shortcomings(&spaces, hour, now), expected);
        }
    }
}
