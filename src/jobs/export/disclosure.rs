//! What an export discloses, and whether it still may: a channel may be withdrawn, or a member choose to be
//! hidden, while the export is made.

use std::collections::BTreeSet;

use super::decision::decisions;
use propsbot_archive::{ExportRequest, Id};
use propsbot_model::tables;
use propsbot_store::{Dirty, Store, StoreError};

/// The channels that go out, and the privacy choices that the export carries out.
pub(super) struct Disclosure {
    channels: BTreeSet<Id>,
    choices: Vec<Dirty>,
}

impl Disclosure {
    /// What this request discloses; it settles these marks.
    pub(super) fn new(request: &ExportRequest, dirty: &[Dirty]) -> Self {
        let channels = request.spaces.iter().flat_map(|space| &space.parts);
        let choices = dirty.iter().filter(|mark| is_choice(mark));
        Self {
            channels: channels.map(|channel| channel.id.clone()).collect(),
            choices: choices.cloned().collect(),
        }
    }

    /// Whether the store by now shows less, or other privacy choices.
    pub(super) fn is_outdated(&self, store: &Store) -> Result<bool, StoreError> {
        let now = store.view();
        let decisions = decisions(&now)?.into_iter();
        let public = decisions.filter(|decision| decision.withheld.is_none());
        let public: BTreeSet<Id> = public.map(|decision| Id::new(decision.id)).collect();
        let choices: Vec<Dirty> = now.dirty()?.into_iter().filter(is_choice).collect();
        Ok(!self.channels.is_subset(&public) || self.choices != choices)
    }

    /// Whether the export carries out privacy choices.
    pub(super) fn has_choices(&self) -> bool {
        !self.choices.is_empty()
    }
}

/// Whether it is the mark of a privacy choice.
fn is_choice(dirty: &Dirty) -> bool {
    dirty.mark.is_of(tables::PRIVACY)
}
