//! The promise: the same rows and stamps give the same files, however often and in whatever steps exported.

use proptest::prelude::*;

use super::*;
use crate::{
    manifest::{Index, ONE_LIST, parse},
    tests::forum::{id_at, time_of},
};

/// About five rows' worth, so that a few rows make deep splits.
pub(super) const SMALL: Limits = Limits {
    parts: 1000,
    own: 150,
    own_whole: 150,
    own_apart: 150,
};

/// 2026-12-27T00:00Z: a few days before New Year.
pub(super) const START: Millis = Millis(1_798_329_600_000);

#[derive(Clone, Debug)]
pub(super) enum Step {
    Post {
        topic: u64,
        ago: i64,
        words: usize,
    },
    Edit {
        which: usize,
        words: usize,
    },
    Delete {
        which: usize,
    },
    Like {
        which: usize,
        ago: i64,
        is_seen: bool,
    },
    Unlike {
        which: usize,
    },
    Hide {
        topic: u64,
    },
    Show {
        topic: u64,
    },
    Rename {
        topic: u64,
    },
    Future,
    Wait {
        hours: i64,
    },
    Export,
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let topic = 0..3_u64;
    let which = 0..100_usize;
    let ago = prop_oneof![4 => 0..HOUR, 2 => 0..3 * DAY, 1 => 0..70 * DAY, 1 => 0..3000 * DAY];
    prop_oneof![
        12 => (topic.clone(), ago.clone(), 1..60_usize)
            .prop_map(|(topic, ago, words)| Step::Post { topic, ago, words }),
        3 => (which.clone(), 1..60_usize).prop_map(|(which, words)| Step::Edit { which, words }),
        2 => which.clone().prop_map(|which| Step::Delete { which }),
        4 => (which.clone(), ago, any::<bool>())
            .prop_map(|(which, ago, is_seen)| Step::Like { which, ago, is_seen }),
        1 => which.prop_map(|which| Step::Unlike { which }),
        1 => topic.clone().prop_map(|topic| Step::Hide { topic }),
        1 => topic.clone().prop_map(|topic| Step::Show { topic }),
        1 => topic.prop_map(|topic| Step::Rename { topic }),
        1 => Just(Step::Future),
        4 => prop_oneof![3 => 1..12_i64, 2 => 12..80_i64, 1 => 400..1000_i64]
            .prop_map(|hours| Step::Wait { hours }),
        5 => Just(Step::Export),
    ]
}

/// A world in which these steps are done, one after the other.
pub(super) struct Story {
    pub(super) world: World,
    pub(super) now: Millis,
    posts: Vec<(u64, u64)>,
    likes: Vec<(u64, Vec<u8>)>,
    numbers: u64,
}

impl Story {
    pub(super) fn new() -> Self {
        let mut world = World::new(SMALL);
        for topic in 0..3 {
            world.topic(topic_id(topic), "a topic");
        }
        Self {
            world,
            now: START,
            posts: Vec::new(),
            likes: Vec::new(),
            numbers: 0,
        }
    }

    /// Another each time: posts that are gone do not come back.
    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn chosen(&self, which: usize) -> Option<(u64, u64)> {
        self.posts.get(which % self.posts.len().max(1)).copied()
    }

    pub(super) fn carry_out(&mut self, step: &Step) {
        let text = |words: usize| "word ".repeat(words);
        let now = self.now;
        let earlier = |ago: i64| Millis(now.0 - ago);
        match *step {
            Step::Post { topic, ago, words } => {
                let id = id_at(earlier(ago), self.number());
                self.posts.push((topic_id(topic), id));
                self.world.post(topic_id(topic), id, &text(words), None);
            }
            Step::Edit { which, words } => {
                if let Some((topic, id)) = self.chosen(which) {
                    self.world.post(topic, id, &text(words), Some(self.now));
                }
            }
            // With what belongs to it.
            Step::Delete { which } => {
                if let Some((topic, id)) = self.chosen(which) {
                    let id = id.to_be_bytes();
                    self.world.delete(topic, Post::TABLE, id.into());
                    let is_its = |(on, key): &(u64, Vec<u8>)| *on == topic && key.starts_with(&id);
                    for (topic, key) in self.likes.extract_if(.., |like| is_its(like)) {
                        self.world.delete(topic, Like::TABLE, key);
                    }
                    self.posts.retain(|post| post.1.to_be_bytes() != id);
                }
            }
            // Again with another time, it lies elsewhere.
            Step::Like {
                which,
                ago,
                is_seen,
            } => {
                if let Some((topic, id)) = self.chosen(which) {
                    let seen = is_seen.then(|| earlier(ago).max(time_of(id)));
                    self.world.like(topic, id, 5, seen);
                    let key = [
                        &id.to_be_bytes()[..],
                        "❤️".as_bytes(),
                        &[0],
                        &5_u64.to_be_bytes(),
                    ];
                    self.likes.push((topic, key.concat()));
                }
            }
            Step::Unlike { which } => {
                let chosen = self.likes.get(which % self.likes.len().max(1));
                if let Some((topic, key)) = chosen.cloned() {
                    self.world.delete(topic, Like::TABLE, key);
                }
            }
            Step::Hide { topic } => {
                self.world.hidden.insert(topic_id(topic));
            }
            Step::Show { topic } => {
                self.world.hidden.remove(&topic_id(topic));
            }
            Step::Rename { topic } => self.world.topic(topic_id(topic), &self.now.0.to_string()),
            Step::Future => {
                let id = id_at(Millis(3_450_000_000_000), self.number()); // in 2079
                self.posts.push((topic_id(1), id));
                self.world.post(topic_id(1), id, "from the future", None);
            }
            Step::Wait { hours } => self.now.0 += hours * HOUR,
            Step::Export => {
                self.cover();
                self.world.export(self.now);
                self.check();
            }
        }
    }

    /// Some topics are covered up to now, one is only up to some time.
    fn cover(&mut self) {
        for (topic, to) in [(0, self.now), (1, self.now), (2, START)] {
            let all = Covered {
                after: Millis(0),
                to,
            };
            self.world.covered.insert(topic_id(topic), vec![all]);
        }
    }

    fn check(&self) {
        self.check_read();
        let fresh = self.world.fresh(self.now);
        let names = |world: &World| world.files.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&self.world), names(&fresh));
        let said = |world: &World| {
            let (_, manifest, _) = world.manifest.clone().unwrap();
            // The newest row ever seen may be gone.
            let newest = None;
            Manifest {
                generation: 1,
                previous: None,
                newest,
                ..manifest
            }
        };
        let (own, fresh) = (said(&self.world), said(&fresh));
        let heard = Manifest {
            heard_at: own.heard_at,
            created_at: own.created_at,
            ..fresh
        };
        let covered_to = own.covered_to;
        let exceptions = own.exceptions.clone();
        assert_eq!(
            own,
            Manifest {
                covered_to,
                exceptions,
                ..heard
            }
        );
    }
}

impl Story {
    /// What is read is what was exported: all of it, and a part of it.
    fn check_read(&self) {
        let files = self.world.all_files();
        let (rows, covered) = read(&files, SMALL, &Query::all()).unwrap();
        assert!(rows == self.world.rows(|_, _, _| true));
        for (id, covered) in covered {
            let known = self.world.covered.get(&id.as_str().parse().unwrap());
            let Some(known) = known else {
                assert_eq!(covered, []);
                continue;
            };
            // It may say less where nothing changed since.
            assert!(covered.len() == 1 && covered[0].to <= known[0].to);
        }
        let (topic, since) = (Id::new(topic_id(1)), Millis(self.now.0 - 40 * DAY));
        let query = Query {
            parts: Some([topic.clone()].into()),
            tables: Some([Like::TABLE].into()),
            times: since..=self.now,
            ..Query::all()
        };
        let wanted = |part: &Option<Id>, table: &str, time: Millis| {
            part.as_ref() == Some(&topic) && table == Like::TABLE && query.times.contains(&time)
        };
        assert!(read(&files, SMALL, &query).unwrap().0 == self.world.rows(wanted));
    }
}

pub(super) fn topic_id(topic: u64) -> u64 {
    id_at(Millis(1_600_000_000_000), topic)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_same_rows_and_stamps_are_the_same_files(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut story = Story::new();
        for step in &steps {
            story.carry_out(step);
        }
        story.carry_out(&Step::Export);
    }
}

#[test]
fn a_row_of_the_year_2079_moves_nothing() {
    let mut story = Story::new();
    story.carry_out(&Step::Post {
        topic: 0,
        ago: 0,
        words: 3,
    });
    story.carry_out(&Step::Export);
    let before = story.world.stamps();
    assert_eq!(
        before,
        Some(("2026-12-26".to_owned(), "2026-12".to_owned()))
    );
    story.carry_out(&Step::Future);
    story.carry_out(&Step::Export);
    assert_eq!(story.world.stamps(), before);
}

#[test]
fn an_empty_space_has_no_stamps_and_a_withdrawal_moves_none() {
    let mut story = Story::new();
    story.carry_out(&Step::Export);
    assert_eq!(story.world.stamps(), None);
    story.carry_out(&Step::Post {
        topic: 0,
        ago: 0,
        words: 3,
    });
    story.carry_out(&Step::Export);
    let before = story.world.stamps();
    assert!(before.is_some());
    story.carry_out(&Step::Hide { topic: 0 });
    story.carry_out(&Step::Export);
    assert_eq!(story.world.stamps(), before);
    let (_, manifest, _) = story.world.manifest.as_ref().unwrap();
    assert!(manifest.hours.is_empty() && manifest.days.is_none());
    assert_eq!(manifest.parts.count, 2);
}

/// Months of a year that is over are joined where they are short, also of parts in which nothing happened since.
#[test]
fn a_new_year_joins_the_months_of_the_last() {
    let mut story = Story::new();
    for ago in [40, 70, 130, 160] {
        let ago = ago * DAY;
        story.carry_out(&Step::Post {
            topic: 2,
            ago,
            words: 3,
        });
    }
    let periods = |story: &Story| {
        let indexes = story.world.files.iter();
        let indexes = indexes.filter(|(path, _)| path.starts_with("indexes/"));
        let indexes = indexes.map(|(_, packed)| {
            let mut bytes = Vec::new();
            let mut gzip = flate2::read::GzDecoder::new(&packed[..]);
            std::io::Read::read_to_end(&mut gzip, &mut bytes).unwrap();
            parse::<Index>(&bytes).unwrap()
        });
        let posts = indexes.filter_map(|mut index| index.tables.swap_remove(Post::TABLE));
        let periods = posts.flatten().map(|entry| entry.period.to_string());
        periods.collect::<Vec<_>>()
    };
    for (hours, expected) in [
        (0, vec!["2026-07", "2026-08", "2026-10", "2026-11"]),
        (7 * 24, vec!["2026", "2026"]),
    ] {
        story.carry_out(&Step::Wait { hours });
        story.carry_out(&Step::Post {
            topic: 0,
            ago: 0,
            words: 3,
        });
        story.carry_out(&Step::Export);
        let mut periods = periods(&story);
        periods.retain(|period| !period.starts_with("2026-12"));
        assert_eq!(periods, expected);
    }
}

#[test]
fn what_belongs_to_a_post_is_not_without_it_where_that_is_covered() {
    let mut story = Story::new();
    story.carry_out(&Step::Wait { hours: 5 });
    story.cover();
    for (topic, is_covered) in [(2, false), (0, true)] {
        let post = id_at(Millis(story.now.0 - HOUR), 1);
        story.world.like(topic_id(topic), post, 5, None);
        story.world.export(story.now);
        let read = read(&story.world.all_files(), SMALL, &Query::all());
        assert_eq!(read.is_err(), is_covered, "{read:?}");
    }
}

#[test]
fn stamps_never_move_back() {
    let mut story = Story::new();
    let post = Step::Post {
        topic: 0,
        ago: 0,
        words: 3,
    };
    story.carry_out(&post);
    story.carry_out(&Step::Wait { hours: 240 });
    story.carry_out(&post);
    story.carry_out(&Step::Export);
    let before = story.world.stamps();
    assert_eq!(
        before,
        Some(("2027-01-05".to_owned(), "2027-01".to_owned()))
    );
    story.carry_out(&Step::Delete { which: 1 });
    story.carry_out(&Step::Export);
    assert_eq!(story.world.stamps(), before);
}

#[test]
fn what_says_nothing_new_is_no_generation() {
    let mut story = Story::new();
    story.carry_out(&Step::Post {
        topic: 0,
        ago: 0,
        words: 3,
    });
    story.carry_out(&Step::Export);
    story.carry_out(&Step::Wait { hours: 5 });
    story.cover();
    let (plan, _) = story.world.export(story.now);
    assert!(plan.manifest.is_none());
    assert!(plan.remove.is_empty());
}

#[test]
fn many_parts_are_listed_in_shards_and_one_that_comes_changes_one() {
    let mut story = Story::new();
    for topic in 3..400 {
        story.world.topic(topic_id(topic), "a thread");
        story.carry_out(&Step::Post {
            topic,
            ago: 90 * DAY,
            words: 1,
        });
    }
    story.carry_out(&Step::Post {
        topic: 0,
        ago: 0,
        words: 3,
    });
    story.carry_out(&Step::Export);
    assert!(story.world.topics.len() > ONE_LIST);
    let lists = |world: &World| {
        let paths = world.files.keys().filter(|path| path.starts_with("parts/"));
        paths.cloned().collect::<BTreeSet<_>>()
    };
    let before = lists(&story.world);
    assert_eq!(before.len(), 65);
    story.world.topic(topic_id(400), "one more");
    story.carry_out(&Step::Export);
    let after = lists(&story.world);
    assert_eq!(
        after.difference(&before).count(),
        2,
        "a shard and the directory"
    );
    story.world.hidden.extend((3..300).map(topic_id));
    story.carry_out(&Step::Export);
    assert_eq!(lists(&story.world).len(), 1);
}
