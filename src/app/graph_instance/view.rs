//! An instance's `credGrainView`: its participants, and their cred week by week.

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::place::Place;
use propsbot_sourcecred::{IdentityType, NodeAddress};

/// Where an instance keeps cred by participant and week.
pub(super) const VIEW: &str = "output/credGrainView";

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
    pub(super) async fn read(place: &Place) -> anyhow::Result<Self> {
        let bytes = place.read(VIEW).await?.with_context(|| {
            format!(
                "{place} has no {VIEW}: run `sourcecred credrank` there first, or `propsbot cred --out`"
            )
        })?;
        let view: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("could not read {VIEW} of {place}"))?;
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
