//! Labels and milestones.

use apollo_compiler::response::{JsonMap, JsonValue};

use super::items::Order;
use super::object::{Given, Thing};
use super::page::Entry;
use super::source::{WEB, sorted};
use super::{World, text};
use crate::github::world::{Item, ItemKind, Marker, MarkerKind, Repository, time};

impl<'w> World<'w> {
    /// What a repository has of these.
    pub(super) fn repository_markers(
        &self,
        of: &'w Repository,
        name: &str,
        arguments: &JsonMap,
    ) -> Option<Given<'w>> {
        let all = self.source.markers(of.id);
        Some(match name {
            "labels" => page(all, MarkerKind::Label, arguments),
            "milestones" => page(all, MarkerKind::Milestone, arguments),
            "label" => {
                let asked = text(arguments, "name");
                let mut all = all.filter(|marker| marker.kind == MarkerKind::Label);
                Given::maybe(all.find(|one| one.name == asked).map(Thing::Marker))
            }
            "milestone" => {
                let asked = arguments.get("number").and_then(JsonValue::as_i64);
                let mut all = all.filter(|marker| marker.kind == MarkerKind::Milestone);
                let found = all.find(|one| asked == Some(i64::from(one.number)));
                Given::maybe(found.map(Thing::Marker))
            }
            _ => return None,
        })
    }

    /// What an issue, a pull request or a discussion has of these.
    pub(super) fn item_markers(
        &self,
        of: &'w Item,
        name: &str,
        arguments: &JsonMap,
    ) -> Option<Given<'w>> {
        let all = of.markers.iter().filter_map(|id| self.source.marker(*id));
        match (of.kind, name) {
            (ItemKind::Issue | ItemKind::PullRequest | ItemKind::Discussion, "labels") => {
                Some(page(all, MarkerKind::Label, arguments))
            }
            (ItemKind::Issue | ItemKind::PullRequest, "milestone") => {
                let mut all = all.filter(|marker| marker.kind == MarkerKind::Milestone);
                Some(Given::maybe(all.next().map(Thing::Marker)))
            }
            _ => None,
        }
    }

    pub(super) fn marker(
        &self,
        of: &'w Marker,
        name: &str,
        arguments: &JsonMap,
    ) -> Option<Given<'w>> {
        let home = self.source.repository(of.repository)?;
        let full_name = self.source.full_name(home);
        let path = match of.kind {
            MarkerKind::Label => format!("/{full_name}/labels/{}", of.name.replace(' ', "%20")),
            MarkerKind::Milestone => format!("/{full_name}/milestone/{}", of.number),
        };
        let marked = |kind: ItemKind| {
            let all = self.source.threads(home);
            let all = all.filter(|item| item.kind == kind && item.markers.contains(&of.id));
            Given::Page(Order::of(arguments).sort(all))
        };
        Some(match (of.kind, name) {
            (_, "id") => of.node_id().into(),
            (_, "description") => of.description.as_str().into(),
            (_, "createdAt") => known(of.created).into(),
            (_, "updatedAt") => known(of.updated).into(),
            (_, "url") => format!("{WEB}{path}").into(),
            (_, "resourcePath") => path.into(),
            (_, "repository") => Given::One(Thing::Repository(home)),
            (_, "issues") => marked(ItemKind::Issue),
            (_, "pullRequests") => marked(ItemKind::PullRequest),
            (MarkerKind::Label, "name") | (MarkerKind::Milestone, "title") => {
                of.name.as_str().into()
            }
            (MarkerKind::Label, "color") => "d73a4a".into(),
            (MarkerKind::Milestone, "number") => i64::from(of.number).into(),
            (MarkerKind::Milestone, "state") => of.closed.map_or("OPEN", |_| "CLOSED").into(),
            (MarkerKind::Milestone, "closed") => of.closed.is_some().into(),
            (MarkerKind::Milestone, "closedAt") => of.closed.map(time).into(),
            (MarkerKind::Milestone, "progressPercentage") => 0.0.into(),
            (MarkerKind::Milestone, "creator") => {
                let creator = of.creator.and_then(|creator| self.source.account(creator));
                Given::maybe(creator.map(Thing::Account))
            }
            _ => return None,
        })
    }
}

/// A time, unless nobody knows it.
fn known(at: i64) -> Option<String> {
    (at != 0).then(|| time(at))
}

fn page<'w>(
    all: impl Iterator<Item = &'w Marker>,
    kind: MarkerKind,
    arguments: &JsonMap,
) -> Given<'w> {
    let order = Order::of(arguments);
    let all = all.filter(|marker| marker.kind == kind);
    let entry = |marker: &'w Marker| Entry {
        key: order.key_of(marker.created, marker.updated, marker.id),
        thing: Thing::Marker(marker),
    };
    Given::Page(sorted(all.map(entry).collect()))
}
