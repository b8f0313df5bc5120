//! What an archive costs: some weeks of a busy guild, exported each hour.

use rand::{Rng as _, SeedableRng as _, rngs::StdRng};

use super::*;
use crate::{
    file::{encode, pack},
    layout::LIMITS,
    tests::forum::id_at,
};

const TOPICS: u64 = 40;

/// What a community does, by chance that is always the same.
struct Life {
    world: World,
    chance: StdRng,
    posts: Vec<(u64, u64)>,
    /// Likes that are still to come.
    later: BTreeMap<Millis, (u64, u64)>,
    busy: i64,
    /// How likely it is, for each post, that an old one is edited, and another deleted.
    old_changes: f64,
}

impl Life {
    fn new(busy: i64, topics: u64) -> Self {
        let mut world = World::new(LIMITS);
        for topic in 0..topics {
            world.topic(topic_id(topic), "a topic");
        }
        let chance = StdRng::seed_from_u64(7);
        Self {
            world,
            chance,
            posts: Vec::new(),
            later: BTreeMap::new(),
            busy,
            old_changes: 0.002,
        }
    }

    /// One of so many, the first ones more often.
    fn pick(&mut self, of: u64) -> u64 {
        let chances = (0..3).map(|_| self.chance.random_range(0..of));
        chances.min().expect("three are some")
    }

    fn text(&mut self) -> String {
        let words = 1 + self.pick(30);
        let word = |rank: u64| format!("{:x} ", rank.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44);
        (0..words).map(|_| word(self.pick(3000))).collect()
    }

    fn hour(&mut self, from: Millis) {
        let count = self.chance.random_range(0..=2 * self.busy);
        let mut times: Vec<i64> = (0..count)
            .map(|_| from.0 + self.chance.random_range(0..HOUR))
            .collect();
        times.sort_unstable();
        for time in times {
            let rank = self.pick(TOPICS);
            let id = id_at(Millis(time), self.posts.len() as u64 % 4096);
            let text = self.text();
            self.posts.push((topic_id(rank), id));
            self.world.post(topic_id(rank), id, &text, None);
            if self.chance.random_bool(0.3) {
                let late = if self.chance.random_bool(0.7) {
                    HOUR
                } else {
                    9 * DAY
                };
                let at = Millis(time + self.chance.random_range(0..late));
                self.later.insert(at, (topic_id(rank), id));
            }
            if self.chance.random_bool(0.02) {
                self.edit(50, Millis(time));
            }
            if self.chance.random_bool(self.old_changes) {
                self.edit(usize::MAX, Millis(time));
            }
            if self.chance.random_bool(self.old_changes) {
                let which = self.chance.random_range(0..self.posts.len());
                let (topic, id) = self.posts[which];
                self.world
                    .delete(topic, Post::TABLE, id.to_be_bytes().into());
            }
        }
        let end = Millis(from.0 + HOUR);
        let rest = self.later.split_off(&end);
        for (at, (topic, post)) in std::mem::replace(&mut self.later, rest) {
            let user = self.chance.random_range(1..500);
            self.world.like(topic, post, user, Some(at));
        }
    }

    /// Edits one of the last posts.
    fn edit(&mut self, last: usize, at: Millis) {
        let last = last.min(self.posts.len());
        let which = self.posts.len() - 1 - self.chance.random_range(0..last);
        let (topic, id) = self.posts[which];
        let text = self.text();
        self.world.post(topic, id, &text, Some(at));
    }
}

fn topic_id(topic: u64) -> u64 {
    id_at(Millis(1_600_000_000_000), topic)
}

fn at(text: &str) -> Millis {
    text.parse::<Period>().unwrap().start()
}

/// Exports each hour of some weeks; returns what each wrote, in files and bytes.
fn weeks(life: &mut Life, history: Millis, from: Millis, hours: i64) -> Vec<Written> {
    for hour in 0..(from.0 - history.0) / HOUR {
        life.hour(Millis(history.0 + hour * HOUR));
    }
    life.world.export(from);
    let mut written = Vec::new();
    // Exports come at any minute of an hour.
    for hour in 0..hours {
        life.hour(Millis(from.0 + hour * HOUR + HOUR / 3));
        written.push(
            life.world
                .export(Millis(from.0 + (hour + 1) * HOUR + HOUR / 3))
                .1,
        );
    }
    written
}

fn share(mut of: Vec<usize>, percent: usize) -> usize {
    of.sort_unstable();
    of[(of.len() - 1) * percent / 100]
}

/// What some exports wrote.
fn figures(written: &[Written], life: &Life, from: Millis) -> (Vec<usize>, Vec<usize>, usize) {
    let files: Vec<usize> = written.iter().map(|written| written.files).collect();
    let bytes: Vec<usize> = written.iter().map(|written| written.bytes).collect();
    let shares = |of: &Vec<usize>| [50, 95, 100].map(|percent| share(of.clone(), percent));
    // What is new, in one file.
    let new = life
        .world
        .mirror
        .times
        .range((from, Id::from(""), "", Vec::new())..);
    let mut new: Vec<PartRow> = new
        .map(|(_, part, table, sort)| {
            let row = life.world.mirror.rows[&(Some(part.clone()), *table, sort.clone())].clone();
            PartRow {
                part: Some(part.clone()),
                table,
                row,
            }
        })
        .collect();
    let new = pack(Kind::Rows, &encode(&SCHEMA, &Id::new(FORUM), &mut new))
        .1
        .bytes
        .len();
    println!(
        "an export, median, 95 %, most: {:?} files, {:?} bytes; {} bytes for {new} of new rows, compressed; \
         manifest {} bytes; in all {} files, {} bytes for {} posts",
        shares(&files),
        shares(&bytes),
        bytes.iter().sum::<usize>(),
        life.world.manifest.as_ref().unwrap().2.len(),
        life.world.files.len(),
        life.world.files.values().map(Vec::len).sum::<usize>(),
        life.posts.len(),
    );
    (files, bytes, new)
}

#[test]
fn an_export_costs_what_changed() {
    let mut life = Life::new(23, TOPICS);
    let from = at("2026-11-20");
    let written = weeks(&mut life, at("2026-10-25"), from, 13 * 24);
    let (files, bytes, _) = figures(&written, &life, from);
    assert!(share(files.clone(), 50) <= 3);
    assert!(share(bytes.clone(), 50) <= 11_000);
    assert!(share(bytes.clone(), 95) <= 72_000);
    assert!(share(files, 100) <= 240);
    assert!(share(bytes, 100) <= 2_100_000);
    let fresh = life.world.fresh(Millis(from.0 + 13 * DAY + HOUR / 3));
    assert!(life.world.files.keys().eq(fresh.files.keys()));
}

#[test]
fn thousands_of_threads_cost_nothing_while_nobody_speaks_there() {
    let mut life = Life::new(23, 5_000);
    let from = at("2026-11-10");
    let written = weeks(&mut life, at("2026-11-07"), from, 24);
    let (files, bytes, _) = figures(&written, &life, from);
    assert!(share(files, 50) <= 3);
    assert!(share(bytes, 50) <= 15_000);
}

#[test]
fn a_very_busy_guild_has_a_small_manifest_and_hours_that_are_written_once() {
    let mut life = Life::new(2_000, TOPICS);
    life.old_changes = 0.0;
    let from = at("2026-11-10");
    let written = weeks(&mut life, at("2026-11-09T20"), from, 10);
    let (_, bytes, new) = figures(&written, &life, from);
    assert!(bytes.iter().sum::<usize>() <= 4 * new);
    assert!(life.world.manifest.as_ref().unwrap().2.len() <= 32_000);
}
