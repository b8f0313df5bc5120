//! What is wrong with the bot, and what to do about it. Pure: the values and the time are arguments.

use std::time::{Duration, Instant};

use propsbot_github::GithubVitals;
use propsbot_jobs::provider::{GatewayVitals, Vitals};
use propsbot_mirror::RESERVE;
use propsbot_model::Millis;

use crate::app::providers::ProviderVitals;

/// How long a loop may take for one piece of work.
pub(super) const STUCK: Duration = Duration::from_secs(30);

/// How many heartbeats may go unheard. Discord is heard at least once per heartbeat, and a new
/// connection takes seconds.
const HEARTBEATS: u32 = 3;

/// The least time without a word from Discord that is a problem.
const LEAST_DEAF: Duration = Duration::from_secs(10);

/// How long it may take until every shard has a session. Discord lets one start every 5 seconds.
const FIRST_CONNECTION: Duration = Duration::from_mins(5);

/// How long GitHub may be silent. Changes are asked for every two minutes, and a request that fails is repeated for
/// some minutes more.
const SILENT: Duration = Duration::from_mins(15);

/// How many intervals exports may fail for.
const INTERVALS: u32 = 3;

/// Everything that health depends on.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// When the process began.
    pub(super) started: Instant,
    pub(super) vitals: ProviderVitals,
    /// The free bytes of the store's disk; `None` while unknown.
    pub(super) free_bytes: Option<u64>,
    /// Since when every export has failed.
    pub(super) exports_fail_since: Option<Millis>,
    pub(super) export_interval: Duration,
}

impl Health {
    /// What is wrong at this time, a sentence each; empty if the bot is healthy.
    pub(super) fn problems(&self, now: Instant, wall: Millis) -> Vec<String> {
        let mut problems = Vec::new();
        problems.extend(self.full_disk());
        match &self.vitals {
            ProviderVitals::Discord(vitals) => problems.extend(self.of_discord(vitals, now)),
            ProviderVitals::Github(vitals) => problems.extend(self.of_github(vitals, now)),
        }
        problems.extend(self.failing_exports(wall));
        problems
    }

    fn of_discord(&self, vitals: &Vitals, now: Instant) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(writer) = &vitals.writer {
            let silent = silence(writer.beat, now).filter(|silent| *silent > STUCK);
            problems.extend(silent.map(|silent| {
                format!(
                    "The store's writer has been stuck for {}, so nothing is being stored: check whether the \
                     disk of STORE_PATH answers, then restart the bot.",
                    seconds(silent)
                )
            }));
        }
        match &vitals.gateway {
            Some(gateway) => {
                problems.extend(self.stuck_events(gateway, now));
                problems.extend(self.deaf_gateway(gateway, now));
            }
            None if now.duration_since(self.started) > FIRST_CONNECTION => {
                let waited = seconds(now.duration_since(self.started));
                problems.push(format!(
                    "The bot has not connected to Discord since it started {waited} ago: the log says why."
                ));
            }
            None => {}
        }
        problems
    }

    /// Silence isn't a problem while GitHub itself lets us wait.
    fn of_github(&self, vitals: &GithubVitals, now: Instant) -> Option<String> {
        let since = vitals.heard.unwrap_or(self.started);
        let since = since.max(vitals.limited_until.unwrap_or(since));
        let silent = now.saturating_duration_since(since);
        if silent > SILENT {
            return Some(format!(
                "GitHub has not answered for {}: check the network, and GitHub's state at \
                 https://www.githubstatus.com. propsbot keeps trying, and then reads what it missed.",
                seconds(silent)
            ));
        }
        let failing = silence(vitals.failing_since, now).filter(|failing| *failing > SILENT)?;
        Some(format!(
            "Every reading of GitHub has failed for {}: the log says why. propsbot keeps trying.",
            seconds(failing)
        ))
    }

    /// Why the bot isn't mirroring yet, or any more; empty if it is.
    pub(super) fn unready(&self, now: Instant, wall: Millis) -> Vec<String> {
        let mut reasons = self.problems(now, wall);
        let is_connected = |gateway: &GatewayVitals| gateway.is_connected;
        let (is_open, not_yet) = match &self.vitals {
            ProviderVitals::Discord(vitals) => {
                let is_connected = vitals.gateway.as_ref().is_some_and(is_connected);
                let not_yet = "The bot is not connected to Discord's gateway.";
                (vitals.writer.is_some(), (!is_connected).then_some(not_yet))
            }
            ProviderVitals::Github(vitals) => {
                let not_yet = match (vitals.heard, vitals.failing_since) {
                    (None, _) => Some("GitHub has not answered yet."),
                    (Some(_), Some(_)) => Some("GitHub couldn't be read: the log says why."),
                    (Some(_), None) => None,
                };
                (vitals.is_open, not_yet)
            }
        };
        if is_open {
            reasons.extend(not_yet.map(str::to_owned));
        } else {
            reasons.push("The store is being opened.".to_owned());
        }
        reasons
    }

    fn full_disk(&self) -> Option<String> {
        let is_full = self.is_disk_full();
        is_full.then(|| {
            let free = self.free_bytes.map_or_else(String::new, |bytes| {
                format!(" (free: {} MB)", bytes / 1_000_000)
            });
            format!(
                "The store's disk is full{free}, so nothing is being stored: make room. Nothing is lost; the \
                 bot goes on by itself."
            )
        })
    }

    fn is_disk_full(&self) -> bool {
        let waits = match &self.vitals {
            ProviderVitals::Discord(vitals) => {
                vitals.writer.is_some_and(|writer| writer.is_disk_full)
            }
            ProviderVitals::Github(_) => false,
        };
        waits || self.free_bytes.is_some_and(|free| free < RESERVE)
    }

    /// The loop that takes events waits for the writer, so a full disk stops it, too.
    fn stuck_events(&self, gateway: &GatewayVitals, now: Instant) -> Option<String> {
        let silent = silence(gateway.events_beat, now).filter(|silent| *silent > STUCK)?;
        (!self.is_disk_full()).then(|| {
            format!(
                "The queue of Discord's events has been stuck for {}: restart the bot, and report this if it \
                 happens again.",
                seconds(silent)
            )
        })
    }

    fn deaf_gateway(&self, gateway: &GatewayVitals, now: Instant) -> Option<String> {
        let (since, limit) = match gateway.heard {
            Some(heard) => (heard, (gateway.heartbeat * HEARTBEATS).max(LEAST_DEAF)),
            None => (gateway.since.unwrap_or(self.started), FIRST_CONNECTION),
        };
        let silent = now.saturating_duration_since(since);
        (silent > limit).then(|| {
            format!(
                "Nothing has been heard from Discord's gateway for {}: check the network, and Discord's state \
                 at https://discordstatus.com. The bot keeps trying, and then fetches what it missed.",
                seconds(silent)
            )
        })
    }

    fn failing_exports(&self, wall: Millis) -> Option<String> {
        let since = self.exports_fail_since?;
        let failing = u64::try_from(wall.0.saturating_sub(since.0)).unwrap_or_default();
        let failing = Duration::from_millis(failing);
        (failing > self.export_interval * INTERVALS).then(|| {
            let who = match self.vitals {
                ProviderVitals::Discord(_) => "the log and `/archive status` say why",
                ProviderVitals::Github(_) => "the log says why",
            };
            format!("Every export has failed for {}: {who}.", seconds(failing))
        })
    }
}

fn silence(beat: Option<Instant>, now: Instant) -> Option<Duration> {
    beat.map(|beat| now.saturating_duration_since(beat))
}

fn seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use propsbot_jobs::provider::WriterVitals;

    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const NOW: Millis = Millis(1_800_000_000_000);

    /// A bot that has been healthy for an hour.
    fn healthy(now: Instant) -> Health {
        let beat = Some(now.checked_sub(Duration::from_secs(5)).unwrap());
        Health {
            started: now.checked_sub(HOUR).unwrap(),
            vitals: ProviderVitals::Discord(Vitals {
                writer: Some(WriterVitals {
                    beat,
                    ..WriterVitals::default()
                }),
                gateway: Some(GatewayVitals {
                    heard: Some(now.checked_sub(Duration::from_secs(41)).unwrap()),
                    heartbeat: Duration::from_millis(41_250),
                    is_connected: true,
                    events_beat: beat,
                    ..GatewayVitals::default()
                }),
                ..Vitals::default()
            }),
            free_bytes: Some(1 << 30),
            exports_fail_since: None,
            export_interval: HOUR,
        }
    }

    /// A change to a healthy bot, and how each problem that follows begins.
    type Case = (
        &'static str,
        fn(&mut Health, Instant),
        &'static [&'static str],
    );

    const CASES: [Case; 16] = [
        ("healthy", |_, _| {}, &[]),
        (
            "a busy writer",
            |health, now| writer(health).beat = before(now, 30),
            &[],
        ),
        (
            "a stuck writer",
            |health, now| writer(health).beat = before(now, 31),
            &["The store's writer has been stuck for 31s,"],
        ),
        (
            "a full disk",
            |health, _| writer(health).is_disk_full = true,
            &["The store's disk is full (free: 1073 MB),"],
        ),
        (
            "a disk that is about to be full",
            |health, _| health.free_bytes = Some(RESERVE - 1),
            &["The store's disk is full (free: 16 MB),"],
        ),
        (
            "a disk with little room",
            |health, _| health.free_bytes = Some(RESERVE),
            &[],
        ),
        (
            "events that wait for a full disk",
            |health, now| {
                writer(health).is_disk_full = true;
                gateway(health).events_beat = before(now, 90);
            },
            &["The store's disk is full"],
        ),
        (
            "a stuck queue",
            |health, now| gateway(health).events_beat = before(now, 90),
            &["The queue of Discord's events has been stuck for 1m 30s:"],
        ),
        (
            "two heartbeats missed",
            |health, now| gateway(health).heard = before(now, 123),
            &[],
        ),
        (
            "a deaf gateway",
            |health, now| gateway(health).heard = before(now, 124),
            &["Nothing has been heard from Discord's gateway for 2m 4s:"],
        ),
        (
            "a server with quick heartbeats",
            |health, now| {
                gateway(health).heartbeat = Duration::from_millis(100);
                gateway(health).heard = before(now, 10);
            },
            &[],
        ),
        (
            "never a session",
            |health, _| gateway(health).heard = None,
            &["Nothing has been heard from Discord's gateway for 1h:"],
        ),
        (
            "a fresh start",
            |health, now| {
                health.started = now.checked_sub(FIRST_CONNECTION).unwrap();
                health.vitals = ProviderVitals::default();
            },
            &[],
        ),
        (
            "never connected",
            |health, _| discord(health).gateway = None,
            &["The bot has not connected to Discord since it started 1h ago:"],
        ),
        (
            "exports that failed for a while",
            |health, _| health.exports_fail_since = Some(Millis(NOW.0 - 3 * 3_600_000)),
            &[],
        ),
        (
            "exports that fail for long",
            |health, _| health.exports_fail_since = Some(Millis(NOW.0 - 3 * 3_600_000 - 1_000)),
            &["Every export has failed for 3h 1s:"],
        ),
    ];

    fn discord(health: &mut Health) -> &mut Vitals {
        match &mut health.vitals {
            ProviderVitals::Discord(vitals) => vitals,
            ProviderVitals::Github(_) => unreachable!("these cases are Discord's"),
        }
    }

    fn writer(health: &mut Health) -> &mut WriterVitals {
        discord(health).writer.as_mut().unwrap()
    }

    fn gateway(health: &mut Health) -> &mut GatewayVitals {
        discord(health).gateway.as_mut().unwrap()
    }

    fn before(now: Instant, seconds: u64) -> Option<Instant> {
        now.checked_sub(Duration::from_secs(seconds))
    }

    #[test]
    fn names_each_problem_in_a_sentence() {
        // Far enough from the machine's start to subtract from.
        let now = Instant::now() + 2 * HOUR;
        for (name, change, expected) in CASES {
            let mut health = healthy(now);
            change(&mut health, now);
            let found = health.problems(now, NOW);
            let begins = |(problem, begin): (&String, &&str)| problem.starts_with(begin);
            assert!(
                found.len() == expected.len() && found.iter().zip(expected).all(begins),
                "{name}: {found:#?}"
            );
            assert!(
                found.iter().all(|problem| problem.ends_with('.')),
                "{found:?}"
            );
        }
    }

    #[test]
    fn is_ready_while_connected_and_healthy() {
        let now = Instant::now() + 2 * HOUR;
        let mut health = healthy(now);
        assert_eq!(health.unready(now, NOW), Vec::<String>::new());
        gateway(&mut health).is_connected = false;
        let reasons = ["The bot is not connected to Discord's gateway."];
        assert_eq!(health.unready(now, NOW), reasons);
        health.vitals = ProviderVitals::default();
        health.started = now;
        assert_eq!(health.unready(now, NOW), ["The store is being opened."]);
        health.free_bytes = Some(0);
        assert_eq!(health.unready(now, NOW).len(), 2);
    }

    #[test]
    fn a_mirror_of_github_is_healthy_while_github_answers_or_asks_to_wait() {
        let now = Instant::now() + 2 * HOUR;
        let ago = |minutes: u64| now.checked_sub(Duration::from_mins(minutes));
        let healthy = GithubVitals {
            is_open: true,
            heard: ago(2),
            ..GithubVitals::default()
        };
        let of = |vitals: GithubVitals| Health {
            vitals: ProviderVitals::Github(vitals),
            ..self::healthy(now)
        };
        assert_eq!(of(healthy.clone()).unready(now, NOW), Vec::<String>::new());
        let waits = GithubVitals {
            heard: ago(50),
            limited_until: ago(14),
            ..healthy.clone()
        };
        assert_eq!(of(waits.clone()).problems(now, NOW), Vec::<String>::new());
        let silent = GithubVitals {
            limited_until: ago(16),
            ..waits
        };
        let found = of(silent).problems(now, NOW);
        assert!(
            found[0].starts_with("GitHub has not answered for 16m:"),
            "{found:?}"
        );
        let fails = GithubVitals {
            failing_since: ago(16),
            ..healthy.clone()
        };
        let found = of(fails).problems(now, NOW);
        assert!(
            found[0].starts_with("Every reading of GitHub has failed for 16m:"),
            "{found:?}"
        );
        let never = GithubVitals::default();
        assert_eq!(of(never.clone()).problems(now, NOW).len(), 1);
        let fresh = Health {
            started: now,
            ..of(never.clone())
        };
        assert_eq!(fresh.unready(now, NOW), ["The store is being opened."]);
        let open = GithubVitals {
            is_open: true,
            ..never
        };
        let open = Health {
            started: now,
            ..of(open)
        };
        assert_eq!(open.unready(now, NOW), ["GitHub has not answered yet."]);
        let full = Health {
            free_bytes: Some(0),
            exports_fail_since: Some(Millis(0)),
            ..of(healthy)
        };
        let found = full.problems(now, NOW);
        assert!(
            found[0].starts_with("The store's disk is full"),
            "{found:?}"
        );
        assert!(found[1].ends_with(": the log says why."), "{found:?}");
    }
}
