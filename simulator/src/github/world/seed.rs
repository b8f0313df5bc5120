//! Makes a world from a seed: equal seeds with equal ends give equal worlds, ids included.

mod discussions;

use rand::Rng;
use rand::SeedableRng as _;
use rand::seq::IndexedRandom as _;
use rand_chacha::ChaCha8Rng;

use super::entities::{AccountKind, Content, ItemKind, ReviewState};
use super::{World, now};

/// What a world is made from. The numbers are for all repositories together.
#[derive(Debug, Clone)]
pub struct Seed {
    pub seed: u64,
    /// As `owner/name`.
    pub repositories: Vec<String>,
    /// Issues and pull requests, two of three being issues.
    pub issues: usize,
    /// Comments on issues, pull requests and in reviews.
    pub comments: usize,
    /// Commits, without those that merge pull requests.
    pub commits: usize,
    /// Discussions, each with a few comments.
    pub discussions: usize,
    pub users: usize,
    /// Share of what was written that has reactions, 0 to 1.
    pub reactions: f64,
    /// Length of the history.
    pub days: u32,
    /// End of the history, in seconds since 1970; none: now.
    pub until: Option<i64>,
    /// Whether there are mannequins, and reactions by nobody. SourceCred's plugin fails on both.
    pub odd: bool,
}

impl Default for Seed {
    fn default() -> Self {
        Self {
            seed: 7,
            repositories: vec!["octo-org/alpha".to_owned(), "Octo-Labs/beta".to_owned()],
            issues: 60,
            comments: 300,
            commits: 40,
            discussions: 12,
            users: 20,
            reactions: 0.2,
            days: 365,
            until: None,
            odd: true,
        }
    }
}

const DAY: i64 = 86_400;

const NAMES: &[&str] = &[
    "amara",
    "bram",
    "chiyo",
    "dalia",
    "eskil",
    "farida",
    "gwen",
    "Hadrien",
    "ines",
    "jomo",
    "kaisa",
    "lorenzo",
    "Mireille",
    "nuru",
    "oona",
    "priya",
    "quentin",
    "rosa-lind",
    "sefa",
    "tomasz",
    "ulrike",
    "vesna",
    "wilder",
    "ximena",
    "yusuf",
    "zofia",
];

/// Bots, organizations and mannequins that write too; the last ones only in odd worlds.
const OTHERS: &[(&str, AccountKind)] = &[
    ("dependabot", AccountKind::Bot),
    ("credbot", AccountKind::User),
    ("octo-writers", AccountKind::Organization),
    ("imported-ida", AccountKind::Mannequin),
];

/// `{n}` is a number of the same repository, `{user}` a login, `{repo}` another repository, `{sha}` a commit.
const TEXTS: &[&str] = &[
    "Thanks, this works.",
    "I see the same since #{n}, see also @{user}.",
    "Fixes #{n}. cc @{user}",
    "Duplicate of {repo}#{n}?",
    "As in https://github.com/{repo}/issues/{n}, but *without* the cache.",
    "The cause is in {sha}.",
    "```\n#{n} and @{user} in code are no references\n```\nbut #{n} is.",
    "Inline `#{n}` isn't, [a link](https://github.com/{repo}/pull/{n}) is.",
    "> quoting @{user}: it's #{n}\n\nI don't think so 🤔",
    "Paired with @{user} on this. Größe, 名前, &amp; <b>tags</b>.",
    "1. first\n2. second for #{n}\n\n- [ ] to do\n- [x] done by @{user}",
    "",
    "Line one\r\nline two\r\n\r\n#{n}",
    "mail@{user}.example isn't a mention, and neither is foo#{n}bar.",
];

const TITLES: &[&str] = &[
    "Crash when the list is empty",
    "Explain the setup",
    "Follow-up of #{n}",
    "Support \"quotes\" & <angles>",
    "Größere Schrift für @{user}",
    "Speed up the second start",
];

const LINES: &[&str] = &[
    "Handle the empty list",
    "Fix #{n} at last",
    "Merge what @{user} said in #{n}",
    "Update dependencies",
    "Revert {sha}",
];

impl World {
    /// A world made from a seed. 10,000 issues with 50,000 comments take a moment.
    pub fn seeded(seed: &Seed) -> Self {
        let mut world = Self::default();
        Maker::new(seed, &mut world).make();
        world
    }
}

struct Maker<'w> {
    seed: &'w Seed,
    rng: ChaCha8Rng,
    world: &'w mut World,
    repositories: Vec<u64>,
    /// Who writes; a none has left.
    people: Vec<Option<u64>>,
    logins: Vec<String>,
    threads: Vec<u64>,
    reviews: Vec<u64>,
    /// Nothing is later.
    until: i64,
}

impl<'w> Maker<'w> {
    fn new(seed: &'w Seed, world: &'w mut World) -> Self {
        Self {
            seed,
            rng: ChaCha8Rng::seed_from_u64(seed.seed),
            world,
            repositories: Vec::new(),
            people: Vec::new(),
            logins: Vec::new(),
            threads: Vec::new(),
            reviews: Vec::new(),
            until: seed.until.unwrap_or_else(now),
        }
    }

    fn make(&mut self) {
        let until = self.until;
        let from = until - i64::from(self.seed.days.max(1)) * DAY;
        for name in &self.seed.repositories {
            let made = self.world.create(name, from);
            self.repositories.push(made.expect("a name with an owner"));
        }
        if self.repositories.is_empty() {
            return;
        }
        for index in 0..self.seed.users.max(2) {
            let login = login(index);
            let id = self.world.sign_up(&login, AccountKind::User, from);
            self.people.push(Some(id));
            self.logins.push(login);
        }
        for (login, kind) in OTHERS {
            if *kind != AccountKind::Mannequin || self.seed.odd {
                let id = self.world.sign_up(login, *kind, from);
                self.people.push(Some(id));
            }
        }
        self.people.push(None);
        let mut left = [self.seed.issues, self.seed.comments, self.seed.commits];
        let all: usize = left.iter().sum();
        for step in 0..all {
            // Evenly over the time, in this order.
            let share = i64::try_from(step).unwrap_or(0) * (until - from);
            let at = from + share / i64::try_from(all).unwrap_or(1);
            let mut which = self.rng.random_range(0..left.iter().sum());
            let kind = left.iter().position(|number| {
                let here = which < *number;
                which = which.saturating_sub(*number);
                here
            });
            let kind = kind.unwrap_or(0);
            // The first thing to comment on.
            let kind = if kind == 1 && self.threads.is_empty() && left[0] > 0 {
                0
            } else {
                kind
            };
            left[kind] -= 1;
            match kind {
                0 => self.open(at),
                1 => self.comment(at),
                _ => self.commit(at),
            }
        }
        self.make_more(from);
    }

    fn person(&mut self) -> Option<u64> {
        // Half of it is by the first few.
        let most = if self.rng.random_bool(0.5) {
            4
        } else {
            self.people.len()
        };
        self.people[self.rng.random_range(0..most.min(self.people.len()))]
    }

    fn text(&mut self, texts: &[&str]) -> String {
        let template = *texts.choose(&mut self.rng).unwrap_or(&"");
        if !template.contains('{') {
            return template.to_owned();
        }
        let repository = *self.repositories.choose(&mut self.rng).expect("one");
        let found = &self.world.repositories[&repository];
        let commit = found
            .commits
            .last()
            .map_or("deadbeef", |commit| &commit.sha);
        let number = self.rng.random_range(1..=found.next);
        let user = self.logins.choose(&mut self.rng).map_or("", String::as_str);
        template
            .replace("{n}", &number.to_string())
            .replace("{user}", user)
            .replace("{repo}", &self.world.full_name(found))
            .replace("{sha}", commit)
    }

    fn open(&mut self, at: i64) {
        let is_pull = self.rng.random_ratio(1, 3);
        let kind = if is_pull {
            ItemKind::PullRequest
        } else {
            ItemKind::Issue
        };
        let repository = *self.repositories.choose(&mut self.rng).expect("one");
        let (author, body, title) = (self.person(), self.text(TEXTS), self.text(TITLES));
        let made = self.world.write(kind, repository, 0, author, body, at);
        let id = made.expect("a repository");
        let closes = self.rng.random_bool(0.5);
        let (additions, deletions) = (self.rng.random_range(0..500), self.rng.random_range(0..200));
        let later = (at + self.rng.random_range(60..DAY)).min(self.until);
        let item = self.world.item_mut(id).expect("made just now");
        item.title = title;
        if let Some(pull) = &mut item.pull {
            (pull.additions, pull.deletions) = (additions, deletions);
        }
        if closes && is_pull {
            let by = self.person();
            self.world
                .merge(id, by, None, later)
                .expect("a pull request");
        } else if closes {
            (item.closed, item.updated) = (Some(later), later);
        }
        self.threads.push(id);
        self.react(id, at);
    }

    fn comment(&mut self, at: i64) {
        let recent = self.threads.len().saturating_sub(200);
        let Some(on) = self.threads[recent..].choose(&mut self.rng).copied() else {
            return;
        };
        let item = self.world.item_mut(on).expect("a thread");
        let (repository, is_pull) = (item.repository, item.pull.is_some());
        let (author, body) = (self.person(), self.text(TEXTS));
        let made = if is_pull && self.rng.random_bool(0.6) {
            let review = self.review(repository, on, at);
            self.world.write(
                ItemKind::ReviewComment,
                repository,
                review,
                author,
                body,
                at,
            )
        } else {
            self.world
                .write(ItemKind::Comment, repository, on, author, body, at)
        };
        let id = made.expect("a place for a comment");
        if self.rng.random_bool(0.05) {
            let later = (at + 60).min(self.until);
            let item = self.world.item_mut(id).expect("made just now");
            (item.edited, item.updated) = (Some(later), later);
        }
        self.react(id, at);
    }

    /// A review of the pull request: the last one, or a new one.
    fn review(&mut self, repository: u64, on: u64, at: i64) -> u64 {
        let last = self.world.items[&on].reviews.last().copied();
        if let Some(last) = last.filter(|_| self.rng.random_bool(0.5)) {
            return last;
        }
        let (author, body) = (self.person(), self.text(TEXTS));
        let made = self
            .world
            .write(ItemKind::Review, repository, on, author, body, at);
        let id = made.expect("a pull request");
        let states = [
            ReviewState::Approved,
            ReviewState::ChangesRequested,
            ReviewState::Commented,
            ReviewState::Dismissed,
        ];
        let state = states.choose(&mut self.rng).copied();
        self.world.item_mut(id).expect("made just now").review = state;
        self.reviews.push(id);
        self.react(id, at);
        id
    }

    fn react(&mut self, on: u64, at: i64) {
        if !self.rng.random_bool(self.seed.reactions.clamp(0.0, 1.0)) {
            return;
        }
        for _ in 0..self.rng.random_range(1..4) {
            let by = self.person();
            let is_odd =
                by.is_none_or(|id| self.world.accounts[&id].kind == AccountKind::Mannequin);
            if is_odd && !self.seed.odd {
                continue;
            }
            let (content, ..) = *Content::ALL.choose(&mut self.rng).expect("eight");
            self.world
                .react(on, by, content, (at + 30).min(self.until))
                .expect("an item");
        }
    }

    fn commit(&mut self, at: i64) {
        let repository = *self.repositories.choose(&mut self.rng).expect("one");
        let mut message = self.text(LINES);
        if self.rng.random_bool(0.3) {
            let with = self.logins.choose(&mut self.rng).expect("two at least");
            message += "\n\nCo-authored-by: ";
            message += with;
            message += " <";
            message += with;
            message += "@example.org>\n";
        }
        let by = self.person().and_then(|id| self.world.account(id));
        // A mannequin isn't known to git.
        let by = by.filter(|account| matches!(account.kind, AccountKind::User | AccountKind::Bot));
        let (name, user) = match by {
            Some(account) => (account.login.clone(), Some(account.id)),
            None => ("Somebody Else".to_owned(), None),
        };
        let head = self.world.repositories[&repository].head;
        // Now and then a merge, of the commit before the last one.
        let more = head
            .filter(|at| *at > 2 && self.rng.random_ratio(1, 8))
            .map(|at| at - 2);
        let more = more.into_iter().collect();
        let made = self
            .world
            .commit(repository, &name, user, message, at, more);
        made.expect("a repository");
    }
}

fn login(index: usize) -> String {
    let name = NAMES[index % NAMES.len()];
    match index / NAMES.len() {
        0 => name.to_owned(),
        round => format!("{name}{}", round + 1),
    }
}
