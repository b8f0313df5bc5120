//! What each participant earned, in the form that SourceCred's `grain` and pages read: `credGrainView`.
//!
//! Source: SourceCred 0.11.2, `core/credGrainView.js`.

use std::io::{self, Write};

use propsbot_archive::Millis;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use super::{Account, Cred, CredError, Grain, Weeks};
use crate::{Alias, NodeAddress, weighted_graph::write_javascript};

/// What each participant earned.
pub struct CredGrainView<'a> {
    participants: Vec<Participant<'a>>,
    /// The weeks of cred, and those that grain was paid for.
    weeks: Weeks,
}

/// What a participant earned.
pub struct Participant<'a> {
    /// The account.
    pub account: &'a Account,
    /// The cred in all.
    pub cred: f64,
    /// The cred in each of the view's weeks.
    pub by_week: Vec<f64>,
}

impl Cred {
    /// What each participant earned.
    ///
    /// # Errors
    /// The ledger has payments that don't fit the weeks.
    pub fn view(&self) -> Result<CredGrainView<'_>, CredError> {
        let own = self.weeks;
        let paid = self.ledger.distributed.iter().copied();
        let weeks = own.and(paid).ok_or(CredError::NoWeeks)?;
        let before = weeks
            .starting(own.start(0))
            .expect("the view has all weeks of cred");
        let after = weeks.len() - before - own.len();
        let accounts = self.ledger.accounts().enumerate();
        let participants = accounts.map(|(index, account)| {
            let mut by_week = vec![0.0; before];
            by_week.reserve_exact(own.len() + after);
            by_week.extend(self.by_week(index));
            let cred = by_week[before..].iter().fold(0.0, |sum, cred| sum + cred);
            by_week.resize(weeks.len(), 0.0);
            let received =
                grain(account, weeks).fold(0_i128, |sum, grain| sum.saturating_add(grain.0));
            if received != account.paid.0 {
                let name = account.identity.name.clone();
                return Err(CredError::Paid { name });
            }
            Ok(Participant {
                account,
                cred,
                by_week,
            })
        });
        let participants = participants.collect::<Result<_, _>>()?;
        Ok(CredGrainView {
            participants,
            weeks,
        })
    }
}

impl<'a> CredGrainView<'a> {
    /// The participants, in the ledger's order.
    pub fn participants(&self) -> &[Participant<'a>] {
        &self.participants
    }

    /// The weeks.
    pub fn weeks(&self) -> Weeks {
        self.weeks
    }

    /// Writes the view as SourceCred does, byte by byte, but not compressed.
    pub fn write_json(&self, to: impl Write) -> io::Result<()> {
        write_javascript(to, self)
    }
}

/// The grain that an account received for each week. SourceCred goes through payments and weeks at once,
/// so a payment for earlier cred than that of the payment before is lost.
fn grain(account: &Account, weeks: Weeks) -> impl Iterator<Item = Grain> {
    let mut history = account.history.iter().peekable();
    #[expect(
        clippy::cast_precision_loss,
        reason = "JavaScript's times are exact in f64"
    )]
    let exact = |Millis(at): Millis| at as f64;
    (0..weeks.len()).map(move |week| {
        let (start, end) = (exact(weeks.start(week)), exact(weeks.start(week + 1)));
        let mut sum = 0_i128;
        while let Some((_, grain)) = history.next_if(|(at, _)| (start..end).contains(at)) {
            sum = sum.saturating_add(grain.0);
        }
        Grain(sum)
    })
}

impl Serialize for CredGrainView<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct View<'a> {
            intervals: Intervals,
            participants: Participants<'a>,
        }
        let (weeks, participants) = (self.weeks, &*self.participants);
        let participants = Participants {
            participants,
            weeks,
        };
        View {
            intervals: Intervals(weeks),
            participants,
        }
        .serialize(serializer)
    }
}

/// The weeks as SourceCred writes them.
#[derive(Clone, Copy)]
pub(super) struct Intervals(pub(super) Weeks);

impl Serialize for Intervals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Interval {
            end_time_ms: Millis,
            start_time_ms: Millis,
        }
        let weeks = self.0;
        serializer.collect_seq((0..weeks.len()).map(|week| Interval {
            end_time_ms: weeks.start(week + 1),
            start_time_ms: weeks.start(week),
        }))
    }
}

struct Participants<'a> {
    participants: &'a [Participant<'a>],
    weeks: Weeks,
}

impl Serialize for Participants<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.participants.len()))?;
        for Participant {
            account,
            cred,
            by_week,
        } in self.participants
        {
            let identity = &account.identity;
            let aliases = identity.aliases.iter();
            list.serialize_element(&ParticipantJson {
                active: account.active,
                cred: *cred,
                cred_per_interval: by_week,
                grain_earned: account.paid,
                grain_earned_per_interval: grain(account, self.weeks).collect(),
                identity: IdentityJson {
                    address: &identity.address,
                    aliases: aliases.map(AliasJson::from).collect(),
                    id: identity.id.as_str(),
                    name: identity.name.as_str(),
                    subtype: identity.subtype,
                },
            })?;
        }
        list.end()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ParticipantJson<'a> {
    active: bool,
    cred: f64,
    cred_per_interval: &'a [f64],
    grain_earned: Grain,
    grain_earned_per_interval: Vec<Grain>,
    identity: IdentityJson<'a>,
}

#[derive(Serialize)]
struct IdentityJson<'a> {
    address: &'a NodeAddress,
    aliases: Vec<AliasJson<'a>>,
    id: &'a str,
    name: &'a str,
    subtype: crate::IdentityType,
}

#[derive(Serialize)]
struct AliasJson<'a> {
    address: &'a NodeAddress,
    description: &'a str,
}

impl<'a> From<&'a Alias> for AliasJson<'a> {
    fn from(alias: &'a Alias) -> Self {
        Self {
            address: &alias.address,
            description: &alias.description,
        }
    }
}
