//! Personal attributions: participants pass a share of their cred on to others.
//!
//! Source: SourceCred 0.11.2, `api/config/personalAttributionsConfig.js` and
//! `core/credrank/personalAttribution.js`.

use std::collections::HashMap;

use propsbot_archive::Millis;

use super::{
    Account, Attribution, CredError, IdentityId, Ledger, Weeks, config::Recipient, event::Name,
};

/// Who passes cred on to whom.
#[derive(Clone, Debug, Default)]
pub(super) struct Attributions {
    /// As configured.
    pub(super) by_giver: Vec<Giver>,
    /// The index in `by_giver` of each participant who passes cred on.
    of: HashMap<usize, usize>,
}

/// Somebody who passes cred on.
#[derive(Clone, Debug)]
pub(super) struct Giver {
    pub(super) id: IdentityId,
    pub(super) participant: usize,
    pub(super) shares: Vec<Share>,
}

/// What somebody passes on to somebody else.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub(super) id: IdentityId,
    pub(super) to: usize,
    /// From when how much.
    pub(super) proportions: Vec<(Millis, f64)>,
}

impl Share {
    fn at(&self, start: Millis) -> Option<f64> {
        let mut past = self.proportions.iter().rev();
        // If they are in order, what holds is the last that began.
        past.find(|(at, _)| *at <= start).map(|(_, share)| *share)
    }
}

/// The configuration with the ids and current names of everyone in it, as SourceCred writes it back.
pub(super) fn with_ids(
    attributions: Vec<Attribution>,
    ledger: &Ledger,
) -> Result<Vec<Attribution>, CredError> {
    let account = |id: Option<&IdentityId>, name: &Name| -> Result<&Account, CredError> {
        let account = match id {
            Some(id) => ledger.account(id),
            None => ledger.account_named(name),
        };
        let missing = || CredError::Attribution(format!("the ledger has no account {name}"));
        account.ok_or_else(missing)
    };
    let attributions = attributions.into_iter();
    let with_ids = attributions.map(|attribution| {
        let from = attribution.from_participant_id.as_ref();
        let from = &account(from, &attribution.from_participant_name)?.identity;
        let recipients = attribution.recipients.into_iter().map(|recipient| {
            let to = recipient.to_participant_id.as_ref();
            let to = &account(to, &recipient.to_participant_name)?.identity;
            Ok(Recipient {
                proportions: recipient.proportions,
                to_participant_id: Some(to.id.clone()),
                to_participant_name: to.name.clone(),
            })
        });
        Ok(Attribution {
            from_participant_id: Some(from.id.clone()),
            from_participant_name: from.name.clone(),
            recipients: recipients.collect::<Result<_, CredError>>()?,
        })
    });
    with_ids.collect()
}

impl Attributions {
    /// The attributions, checked. `participants` has everyone's index.
    pub(super) fn new(
        config: &[Attribution],
        participants: &HashMap<IdentityId, usize>,
        weeks: Weeks,
    ) -> Result<Self, CredError> {
        let wrong = |why: String| Err(CredError::Attribution(why));
        let mut all = Self::default();
        for attribution in config {
            let from = &attribution.from_participant_name;
            let id = attribution
                .from_participant_id
                .clone()
                .expect("it was looked up");
            let participant = participants[&id];
            let mut shares: Vec<Share> = Vec::new();
            for recipient in &attribution.recipients {
                let to = &recipient.to_participant_name;
                let id = recipient
                    .to_participant_id
                    .clone()
                    .expect("it was looked up");
                let share = Share {
                    to: participants[&id],
                    id,
                    proportions: recipient
                        .proportions
                        .iter()
                        .map(|proportion| (proportion.start_date.at, proportion.decimal_proportion))
                        .collect(),
                };
                if shares.iter().any(|other| other.to == share.to) {
                    return wrong(format!("{from} passes cred on to {to} in two places"));
                }
                if !share.proportions.is_sorted_by_key(|(at, _)| *at) {
                    return wrong(format!(
                        "the proportions of {from} for {to} are not in order of their time"
                    ));
                }
                shares.push(share);
            }
            if all.of.insert(participant, all.by_giver.len()).is_some() {
                return wrong(format!("{from} passes cred on in two places"));
            }
            all.by_giver.push(Giver {
                id,
                participant,
                shares,
            });
            if let Some(sum) = weeks
                .starts()
                .filter_map(|start| all.passed_on(participant, start))
                .find(|sum| *sum > 1.0)
            {
                return wrong(format!("{from} passes more on than there is: {sum} of 1"));
            }
        }
        Ok(all)
    }

    /// How much of a participant's cred of a week goes to others, if it is configured.
    pub(super) fn passed_on(&self, participant: usize, start: Millis) -> Option<f64> {
        let giver = &self.by_giver[*self.of.get(&participant)?];
        let shares = giver.shares.iter().filter_map(|share| share.at(start));
        shares.fold(None, |sum, share| Some(sum.unwrap_or(0.0) + share))
    }

    /// All shares above 0 of the week that starts then: from whom, to whom, how much.
    pub(super) fn of_week(&self, start: Millis) -> impl Iterator<Item = (usize, usize, f64)> {
        self.by_giver.iter().flat_map(move |giver| {
            let shares = giver.shares.iter();
            shares.filter_map(move |share| {
                let amount = share.at(start).filter(|amount| *amount > 0.0)?;
                Some((giver.participant, share.to, amount))
            })
        })
    }
}
