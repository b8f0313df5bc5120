//! Simulates reading communities of several shapes within Discord's limits, and compares the
//! estimates with the time needed.

use std::cmp::Reverse;

use super::*;

const DAY: f64 = 86_400_000.0;
const NOW: f64 = 4_000.0 * DAY;

/// A channel: its creation, and its messages' times in ms, newest last.
#[derive(Clone)]
struct Channel {
    made: u64,
    messages: Vec<u64>,
    /// Only messages after this are read again; the store has all of them.
    look_back: Option<u64>,
}

/// The estimate at a share of the total time, and the time then needed, in seconds.
struct Told {
    at: f64,
    left: Option<f64>,
    needed: f64,
}

/// A channel being read.
struct Reading {
    channel: Channel,
    reads: [Read; 1],
    course: Course,
    newest: MessageId,
    lists: u32,
    ended: bool,
}

fn id(ms: u64) -> MessageId {
    MessageId(ms << 22)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap()
}

impl Reading {
    fn begin(mut channel: Channel) -> Self {
        let after = channel.look_back.unwrap_or(0);
        channel.messages.retain(|at| *at > after);
        let pages = count(channel.messages.len() / 100 + 1);
        let newest = channel.messages.last().copied();
        Self {
            reads: [Read {
                after: id(after),
                to: None,
            }],
            course: Course {
                reads: true,
                expected: channel.look_back.map(|_| pages),
                ..Course::default()
            },
            newest: id(newest.unwrap_or(channel.made)),
            lists: 0,
            ended: false,
            channel,
        }
    }

    /// Reads a page on which every `every`th message has a list of reactors.
    fn page(&mut self, every: usize) {
        let len = self.channel.messages.len().min(100);
        let page = self
            .channel
            .messages
            .split_off(self.channel.messages.len() - len);
        self.ended = len < 100;
        let oldest = if self.ended {
            MessageId(0)
        } else {
            id(page[0])
        };
        let ends = (id(self.channel.made), self.newest);
        self.course.read(&self.reads, ends, (0, oldest), len);
        self.course.found += count(len / every);
        self.lists += count(len / every);
    }
}

/// Reads all channels: a page and four lists per second each, 48 requests per second in all;
/// unknown channels first, then the longest.
fn play(channels: &[Channel], every: usize) -> Vec<Told> {
    let mut finished = Finished::default();
    let mut open: Vec<Reading> = channels.iter().cloned().map(Reading::begin).collect();
    let mut told = Vec::new();
    while !open.is_empty() {
        let mut budget = 48;
        open.sort_by_key(|open| {
            let left = open.channel.messages.len() + open.lists as usize;
            (open.course.pages > 0, Reverse(left))
        });
        for reading in &mut open {
            if budget > 0 && !reading.ended {
                budget -= 1;
                reading.page(every);
                if reading.course.is_read() {
                    finished.add(&mut reading.course);
                }
            }
            let lists = reading.lists.min(4).min(budget);
            reading.lists -= lists;
            reading.course.done += lists;
            budget -= lists;
        }
        open.retain(|reading| !reading.ended || reading.lists > 0);
        let courses = open.iter().map(|reading| &reading.course);
        let left = time_left(courses, &finished, &PACE, None);
        told.push(left.map(|left| left.as_secs_f64()));
    }
    let whole = f64::from(count(told.len()));
    let told = told.into_iter().zip(1..);
    told.map(|(left, second)| Told {
        at: f64::from(second) / whole,
        left,
        needed: whole - f64::from(second),
    })
    .collect()
}

/// A channel with messages since `days` ago; `when` maps the share of messages to the share of time
/// (0 to 1).
fn channel(made: u32, days: u32, messages: u32, when: fn(f64) -> f64) -> Channel {
    let (made, days) = (f64::from(made), f64::from(days));
    let at = |index: u32| {
        let part = (f64::from(index) + 0.5) / f64::from(messages);
        millis(NOW - days * DAY * (1.0 - when(part)))
    };
    Channel {
        made: millis(NOW - made * DAY),
        messages: (0..messages).map(at).collect(),
        look_back: None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time of our day"
)]
fn millis(time: f64) -> u64 {
    time as u64
}

fn look_back(channel: Channel) -> Channel {
    Channel {
        look_back: Some(millis(NOW - 7.0 * DAY)),
        ..channel
    }
}

fn uniform(part: f64) -> f64 {
    part
}

/// A hundred times as many per day at the end as at the beginning.
fn growing(part: f64) -> f64 {
    (1.0 + part * 99.0).ln() / 100_f64.ln()
}

fn fading(part: f64) -> f64 {
    1.0 - growing(1.0 - part)
}

/// All within a twentieth of each tenth.
fn bursty(part: f64) -> f64 {
    let part = part * 20.0;
    (part.floor() + part.fract() / 10.0) / 20.0
}

/// Some long channels, many short ones.
fn usual(made: u32, days: u32, when: fn(f64) -> f64) -> Vec<Channel> {
    let sizes = [
        9_000, 7_000, 3_000, 2_000, 900, 600, 500, 400, 300, 250, 220, 150, 120, 80, 60, 30,
    ];
    sizes.map(|size| channel(made, days, size, when)).into()
}

/// Small channels beside one long one.
fn beside(small: (u32, u32), long: Channel) -> Vec<Channel> {
    let (made, days) = small;
    let small = (0..30).map(|index| channel(made, days, 150 + 10 * index, growing));
    small.chain([long]).collect()
}

/// After a tenth of the time, estimates are within a factor of 2.5, and before never absurd.
/// `often` is the share of that time with an estimate, with few and with many reactions.
#[test]
fn estimates_are_close_to_the_time_needed() {
    let lively_hour = || {
        let mut channel = channel(900, 6, 1_500, uniform);
        for at in &mut channel.messages {
            *at = millis(NOW) - (millis(NOW) - *at) / 200;
        }
        look_back(channel)
    };
    let many = (0..400).map(|index| channel(500 + index, 400, 120 + 7 * (index % 60), bursty));
    let looking_back = (0..40).map(|index| look_back(channel(900, 6, 50 + 40 * index, bursty)));
    let communities: [(&str, Vec<Channel>, [f64; 2]); 13] = [
        ("uniform", usual(800, 800, uniform), [0.9, 0.9]),
        ("growing", usual(800, 800, growing), [0.9, 0.9]),
        ("fading", usual(800, 800, fading), [0.9, 0.9]),
        ("bursty", usual(800, 800, bursty), [0.9, 0.9]),
        ("old, active of late", usual(2_900, 90, uniform), [0.9, 0.9]),
        ("many small", many.collect(), [0.1, 0.6]),
        (
            "one long",
            beside((700, 600), channel(700, 700, 12_000, growing)),
            [0.9, 0.9],
        ),
        (
            "one long, older",
            beside((300, 250), channel(1_500, 1_500, 12_000, uniform)),
            [0.5, 0.8],
        ),
        ("alone", vec![channel(900, 900, 9_000, uniform)], [0.5, 0.8]),
        (
            "alone, active of late",
            vec![channel(2_900, 90, 9_000, uniform)],
            [0.0, 0.6],
        ),
        (
            "four alike",
            vec![channel(900, 900, 7_000, growing); 4],
            [0.5, 0.8],
        ),
        ("look-back", looking_back.collect(), [0.9, 0.9]),
        (
            "look-back of a lively hour",
            vec![lively_hour(); 3],
            [0.9, 0.9],
        ),
    ];
    for (name, channels, often) in communities {
        for (every, often) in [50, 10].into_iter().zip(often) {
            let all = play(&channels, every);
            let of = |told: &Told| Some(told.left? / told.needed.max(5.0));
            for it in &all {
                let least = if it.needed >= 5.0 { 0.4 } else { 0.0 };
                if let Some(ratio) = of(it) {
                    let near = (least..2.5).contains(&ratio);
                    assert!(
                        ratio < 3.0 && (near || it.at < 0.1),
                        "{name}: {ratio:.2} at {:.2}",
                        it.at
                    );
                }
            }
            let late = || all.iter().filter(|told| told.at >= 0.1);
            let told = late().filter(|told| told.left.is_some()).count();
            let share = f64::from(count(told)) / f64::from(count(late().count()));
            assert!(share >= often, "{name}: told in {share:.2} of the time");
        }
    }
}
