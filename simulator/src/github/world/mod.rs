//! A world of repositories beside the archive: people, what they write, and what they change. It knows no requests.
//!
//! `seed` makes one, `action` changes it. Lookups are here; everything is found by its database id.

mod action;
mod change;
mod discussions;
mod entities;
mod event;
pub(crate) mod id;
mod life;
mod markers;
mod push;
mod seed;
mod spot;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;

pub use action::Action;
pub use entities::{
    Account, AccountKind, Answer, Commit, Content, GitActor, Item, ItemKind, Marker, MarkerKind,
    Pull, Reaction, Release, Repository, ReviewState, Topic,
};
pub(crate) use event::Event;
pub use seed::Seed;
pub use spot::Spot;

/// The login that REST shows in place of a deleted author.
pub const GHOST: &str = "ghost";

/// All repositories that are a source of data, with everything in them.
#[derive(Debug, Clone, Default)]
pub struct World {
    accounts: BTreeMap<u64, Account>,
    /// By lower-case login.
    logins: HashMap<String, u64>,
    repositories: BTreeMap<u64, Repository>,
    /// By lower-case full name, former names included.
    names: HashMap<String, u64>,
    items: BTreeMap<u64, Item>,
    markers: BTreeMap<u64, Marker>,
    /// Names that actions gave to what they made.
    labels: HashMap<String, u64>,
    /// The last id given.
    last: u64,
    /// What happened since the webhooks were last sent.
    events: Vec<Event>,
    /// Whether `events` are kept: not while a world is made.
    live: bool,
}

/// Questions about the truth.
impl World {
    pub fn accounts(&self) -> impl Iterator<Item = &Account> {
        self.accounts.values()
    }

    pub fn account(&self, id: u64) -> Option<&Account> {
        self.accounts.get(&id)
    }

    /// The account with this login, ignoring case.
    pub fn account_named(&self, login: &str) -> Option<&Account> {
        self.account(*self.logins.get(&login.to_ascii_lowercase())?)
    }

    /// All repositories, hidden ones included.
    pub fn repositories(&self) -> impl Iterator<Item = &Repository> {
        self.repositories.values()
    }

    pub fn repository(&self, id: u64) -> Option<&Repository> {
        self.repositories.get(&id)
    }

    /// The repository with this name or former name, ignoring case.
    pub fn repository_named(&self, full_name: &str) -> Option<&Repository> {
        self.repository(*self.names.get(&full_name.to_ascii_lowercase())?)
    }

    pub fn full_name(&self, repository: &Repository) -> String {
        let owner = self.account(repository.owner);
        let owner = owner.map_or(GHOST, |owner| owner.login.as_str());
        format!("{owner}/{}", repository.name)
    }

    /// Everything that somebody wrote and that exists, oldest first: issues, comments, discussions, releases and so on.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    pub fn item(&self, id: u64) -> Option<&Item> {
        self.items.get(&id)
    }

    /// The labels and milestones of a repository, oldest first.
    pub fn markers(&self, repository: u64) -> impl Iterator<Item = &Marker> {
        let all = self.markers.values();
        all.filter(move |marker| marker.repository == repository)
    }

    pub fn marker(&self, id: u64) -> Option<&Marker> {
        self.markers.get(&id)
    }

    /// The labels, or the milestone, of an item.
    pub fn marks<'w>(
        &'w self,
        item: &'w Item,
        kind: MarkerKind,
    ) -> impl Iterator<Item = &'w Marker> {
        let all = item.markers.iter().filter_map(|id| self.marker(*id));
        all.filter(move |marker| marker.kind == kind)
    }

    /// The issue or pull request with this number.
    pub fn thread(&self, repository: &Repository, number: u32) -> Option<&Item> {
        self.item(*repository.numbers.get(&number)?)
    }

    /// The issues and pull requests of a repository, by number.
    pub fn threads<'w>(&'w self, repository: &'w Repository) -> impl Iterator<Item = &'w Item> {
        repository.numbers.values().filter_map(|id| self.item(*id))
    }

    /// An issue, a pull request or a discussion, or the one that something belongs to.
    pub fn thread_of<'w>(&'w self, item: &'w Item) -> Option<&'w Item> {
        if item.parent == 0 {
            return Some(item);
        }
        self.thread_of(self.item(item.parent)?)
    }

    /// Commits of the default branch, newest first.
    pub fn history<'w>(&self, repository: &'w Repository) -> Vec<&'w Commit> {
        let places = repository.history(repository.head).into_iter();
        places.map(|at| &repository.commits[at]).collect()
    }

    /// Whether the token sees the repository of this item.
    pub(crate) fn sees(&self, repository: u64) -> Option<&Repository> {
        self.repository(repository)
            .filter(|found| found.is_visible())
    }

    /// From here on, what happens is told to webhooks.
    pub(crate) fn begin(&mut self) {
        self.live = true;
    }

    /// What happened since this was last asked.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn new_id(&mut self) -> u64 {
        // Real ids don't begin at 1, and two of them differ by more than one.
        self.last = self.last.max(1_000_000) + 3;
        self.last
    }
}

/// The time in seconds since 1970.
fn now() -> i64 {
    Timestamp::now().as_second()
}

/// A time as GitHub writes it.
pub(crate) fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds)
        .map(|time| time.to_string())
        .unwrap_or_default()
}
