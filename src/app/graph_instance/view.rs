//! An instance's `credGrainView`: its participants, and their cred week by week.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::place::{LONGEST, Place};
use propsbot_archive::Millis;
use propsbot_sourcecred::{IdentityType, NodeAddress};

/// Where an instance keeps cred by participant and week.
pub(super) const VIEW: &str = "output/credGrainView";

/// The length of a week, in milliseconds.
const WEEK: i64 = 7 * 86_400_000;

/// What is read of a `credGrainView`.
#[derive(Debug, Deserialize)]
pub(super) struct View {
    pub(super) participants: Vec<Participant>,
    pub(super) intervals: Vec<Interval>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Participant {
    pub(super) identity: Identity,
    pub(super) cred_per_interval: Vec<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) subtype: IdentityType,
    pub(super) aliases: Vec<Alias>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Alias {
    pub(super) address: NodeAddress,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Interval {
    pub(super) start_time_ms: i64,
    pub(super) end_time_ms: i64,
}

impl View {
    pub(super) async fn read(place: &mut Place, now: Millis) -> anyhow::Result<Self> {
        let bytes = place.read(VIEW, LONGEST).await?.with_context(|| {
            format!(
                "{place} has no {VIEW}: run `sourcecred credrank` there first, or `propsbot cred --out`"
            )
        })?;
        let view: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("could not read {VIEW} of {place}"))?;
        if !are_weeks(&view.intervals, now) {
            bail!(
                "{VIEW} of {place}: its intervals aren't weeks one after another, between 1970 and now"
            );
        }
        let weeks = view.intervals.len();
        for participant in &view.participants {
            let cred = &participant.cred_per_interval;
            let is_cred = |cred: &f64| cred.is_finite() && *cred >= 0.0;
            if cred.len() != weeks || !cred.iter().all(is_cred) {
                bail!(
                    "{VIEW} of {place}: the cred of {:?} isn't one number, from 0 on, for each of the {weeks} weeks",
                    participant.identity.name
                );
            }
        }
        Ok(view)
    }
}

/// Whether these are weeks one after another, from 1970 at the earliest to the week of `now` at the latest. Several
/// in one week would mint the rate several times.
fn are_weeks(intervals: &[Interval], now: Millis) -> bool {
    let latest = now.0.saturating_add(WEEK);
    let is_week = |week: &Interval| {
        let (start, end) = (week.start_time_ms, week.end_time_ms);
        start >= 0 && end <= latest && start.checked_add(WEEK) == Some(end)
    };
    let follows = |pair: &[Interval]| pair[1].start_time_ms == pair[0].end_time_ms;
    intervals.iter().all(is_week) && intervals.windows(2).all(follows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_have_to_be_weeks_one_after_another() {
        let now = Millis(100 * WEEK);
        let are = |intervals: &[(i64, i64)]| {
            let intervals = intervals.iter();
            let intervals = intervals.map(|(start_time_ms, end_time_ms)| Interval {
                start_time_ms: *start_time_ms,
                end_time_ms: *end_time_ms,
            });
            are_weeks(&intervals.collect::<Vec<_>>(), now)
        };
        assert!(are(&[]));
        assert!(are(&[(0, WEEK), (WEEK, 2 * WEEK)]));
        assert!(are(&[(100 * WEEK, 101 * WEEK)]), "that of now");
        for (wrong, why) in [
            (&[(0, WEEK), (0, WEEK)][..], "one twice"),
            (&[(WEEK, 2 * WEEK), (0, WEEK)], "backwards"),
            (&[(0, WEEK), (2 * WEEK, 3 * WEEK)], "a gap"),
            (&[(0, WEEK - 1)], "too short"),
            (&[(-1, WEEK - 1)], "before 1970"),
            (&[(101 * WEEK, 102 * WEEK)], "after now"),
            (&[(i64::MIN, i64::MAX)], "all time"),
            (&[(i64::MAX, i64::MIN)], "no time"),
        ] {
            assert!(!are(wrong), "{why}");
        }
    }
}
