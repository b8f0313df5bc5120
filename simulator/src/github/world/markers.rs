//! Labels and milestones.

use anyhow::{Context as _, bail};

use super::entities::{ItemKind, Marker, MarkerKind};
use super::{World, now};

impl World {
    pub(super) fn add_marker(
        &mut self,
        kind: MarkerKind,
        repository: u64,
        name: String,
        description: String,
        creator: Option<u64>,
        at: i64,
    ) -> anyhow::Result<u64> {
        let id = self.new_id();
        self.repository_mut(repository)?;
        let before = self.markers(repository);
        let before = before.filter(|marker| marker.kind == MarkerKind::Milestone);
        let last = before.map(|marker| marker.number).max().unwrap_or_default();
        let marker = Marker {
            id,
            kind,
            repository,
            number: if kind == MarkerKind::Milestone {
                last + 1
            } else {
                0
            },
            name,
            description,
            creator,
            created: at,
            updated: at,
            closed: None,
        };
        self.markers.insert(id, marker);
        self.tell_marker("created", id)
    }

    pub(super) fn edit_marker(
        &mut self,
        id: u64,
        name: Option<String>,
        description: Option<String>,
    ) -> anyhow::Result<u64> {
        let marker = self.markers.get_mut(&id);
        let marker = marker.with_context(|| format!("{id} is no label or milestone"))?;
        marker.name = name.unwrap_or_else(|| marker.name.clone());
        marker.description = description.unwrap_or_else(|| marker.description.clone());
        marker.updated = now();
        self.tell_marker("edited", id)
    }

    pub(super) fn forget_times(&mut self, id: u64) -> anyhow::Result<u64> {
        let label = self.markers.get_mut(&id);
        let label = label.filter(|marker| marker.kind == MarkerKind::Label);
        let label = label.with_context(|| format!("{id} is no label"))?;
        (label.created, label.updated) = (0, 0);
        Ok(id)
    }

    /// It goes from everything that it marked, which changes no `updated` there.
    pub(super) fn delete_marker(&mut self, id: u64) -> anyhow::Result<u64> {
        self.tell_marker("deleted", id)?;
        self.markers.remove(&id);
        for item in self.items.values_mut() {
            item.markers.remove(&id);
        }
        Ok(id)
    }

    /// Marks an item with a label, or with a milestone in place of the one that it has.
    pub(super) fn mark(&mut self, on: u64, with: u64) -> anyhow::Result<()> {
        let marker = self.marker(with);
        let marker = marker.with_context(|| format!("{with} is no label or milestone"))?;
        let (kind, home) = (marker.kind, marker.repository);
        let item = self.item_mut(on)?;
        let takes = item.kind.is_thread()
            || (item.kind == ItemKind::Discussion && kind == MarkerKind::Label);
        if !takes || item.repository != home {
            bail!("there is no such {kind:?} for a {:?}", item.kind);
        }
        if kind == MarkerKind::Milestone {
            let item = self.items[&on].clone();
            let before = self.marks(&item, kind).map(|marker| marker.id).next();
            if let Some(before) = before {
                self.item_mut(on)?.markers.remove(&before);
            }
        }
        self.item_mut(on)?.markers.insert(with);
        Ok(())
    }

    fn tell_marker(&mut self, action: &'static str, id: u64) -> anyhow::Result<u64> {
        let marker = self.marker(id).context("it was found before")?.clone();
        let name = match marker.kind {
            MarkerKind::Label => "label",
            MarkerKind::Milestone => "milestone",
        };
        self.tell(name, action, marker.repository, None);
        if let Some(event) = self.events.last_mut().filter(|_| self.live) {
            event.marker = Some(marker);
        }
        Ok(id)
    }
}
