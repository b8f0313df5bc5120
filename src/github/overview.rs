//! A repository as GitHub has it now, and what it tells in short of all that it lists.

use propsbot_archive::Millis;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    queries::Listing,
    rows::{NodeId, Repository},
    wire::{At, time},
};

/// How long after a change, in milliseconds, there may be another one with the same time.
const SETTLING: i64 = 2_000;

/// A repository as GitHub has it now.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Overview {
    pub(crate) id: String,
    pub(crate) name: String,
    owner: Owner,
    visibility: String,
    created_at: At,
    default_branch_ref: Option<Branch>,
    #[serde(default)]
    has_discussions_enabled: bool,
    /// When it told that, by GitHub's clock.
    #[serde(skip)]
    pub(crate) told_at: Option<Millis>,
    labels: Option<Value>,
    milestones: Option<Value>,
    releases: Option<Value>,
    discussions: Option<Value>,
}

/// What a repository tells in short of a list. Nothing in the list changed while it is the same.
pub(crate) struct Told {
    pub(crate) listing: Listing,
    /// A hash of it.
    pub(crate) text: String,
    /// Whether discussions are switched off.
    pub(crate) is_off: bool,
    /// The last change.
    pub(crate) newest: Option<Millis>,
    /// Whether that was long enough ago: another change in the same second would look the same.
    pub(crate) is_settled: bool,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct Branch {
    name: String,
    target: Option<Target>,
}

#[derive(Deserialize)]
struct Target {
    oid: String,
}

impl Overview {
    pub(crate) fn row(&self) -> Repository {
        let branch = self.default_branch_ref.as_ref();
        Repository {
            id: NodeId(self.id.clone()),
            owner: self.owner.login.clone(),
            name: self.name.clone(),
            visibility: self.visibility.clone(),
            default_branch: branch.map(|branch| branch.name.clone()),
            created_at: self.created_at.0,
            deleted_at: None,
        }
    }

    /// `owner/name`
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner.login, self.name)
    }

    pub(crate) fn name_is(&self, name: &str) -> bool {
        self.full_name().eq_ignore_ascii_case(name)
    }

    /// The last commit of the default branch.
    pub(crate) fn head(&self) -> Option<&str> {
        let target = self.default_branch_ref.as_ref()?.target.as_ref()?;
        Some(&target.oid)
    }

    /// What GitHub refuses to show, and what the token has to read for that.
    pub(crate) fn hidden(&self) -> Vec<(&'static str, &'static str)> {
        let is_there = |list: &Option<Value>| list.as_ref().is_some_and(|list| !list.is_null());
        let mut hidden = Vec::new();
        if self.has_discussions_enabled && !is_there(&self.discussions) {
            hidden.push(("discussions", "discussions"));
        }
        if !is_there(&self.releases) {
            hidden.push(("releases", "contents"));
        }
        hidden
    }

    /// Whether GitHub refuses to show this.
    pub(crate) fn hides(&self, what: &str) -> bool {
        self.hidden().iter().any(|(hidden, _)| *hidden == what)
    }

    /// What it tells in short of each list; of none that can't be read.
    pub(crate) fn told(&self) -> impl Iterator<Item = Told> {
        let lists = [
            (Listing::Labels, &self.labels),
            (Listing::Milestones, &self.milestones),
            (Listing::Releases, &self.releases),
            (Listing::Discussions, &self.discussions),
        ];
        lists.into_iter().filter_map(|(listing, list)| {
            let list = list.as_ref().filter(|list| !list.is_null())?;
            let nodes = list["nodes"].as_array();
            let times = nodes.into_iter().flatten();
            let times = times.filter_map(|node| time(node["updatedAt"].as_str()?));
            let newest = times.max();
            let is_late = |(newest, at): (Millis, Millis)| newest.0 + SETTLING <= at.0;
            let is_off = listing == Listing::Discussions && !self.has_discussions_enabled;
            let text = format!("{is_off} {list}");
            Some(Told {
                listing,
                text: hex::encode(Sha256::digest(text)),
                is_off,
                newest,
                is_settled: newest.zip(self.told_at).is_none_or(is_late),
            })
        })
    }
}
