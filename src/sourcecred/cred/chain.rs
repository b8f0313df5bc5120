//! `CredRank`'s Markov chain: how cred flows in a step.
//!
//! Source: SourceCred 0.11.2, `core/credrank/markovProcessGraph.js` and `core/algorithm/markovChain.js`.
//! Its nodes are, in this order:
//!
//! - the *base* nodes: the graph's, without accounts;
//! - the *seed*, which mints: cred flows from it to the nodes that have a weight;
//! - for each week an *accumulator*, then each participant's part of that week.
//!
//! Cred flows along the graph's edges (an account's end of an edge is its part of the week), between the
//! parts of a participant's neighboring weeks, from each part to its week's accumulator, and from
//! everything back to the seed. Only the first kind is stored: the others follow from the numbers of weeks
//! and participants.
//!
//! Results are SourceCred's to the last bit because every sum has its terms in SourceCred's order.

use super::attributions::Attributions;

/// The share that flows from each node to the seed.
pub(super) const ALPHA: f64 = 0.1;
/// The share that flows from a participant's part of a week to its accumulator: it is the cred.
pub(super) const BETA: f64 = 0.4;
/// The share that flows to the participant's next week, and likewise to the week before.
pub(super) const GAMMA: f64 = 0.1;

/// The chain.
pub(super) struct Chain {
    /// How many base nodes there are.
    pub(super) base: usize,
    pub(super) participants: usize,
    pub(super) weeks: usize,
    /// What flows along the graph's edges to each node, as ranges of the next two.
    into: Vec<u32>,
    sources: Vec<u32>,
    shares: Vec<f64>,
    /// The share of the seed that flows to each base node.
    mint: Vec<f64>,
    /// The share of each node that flows to the seed.
    pub(super) radiation: Vec<f64>,
    /// What attributions move, by where it goes, then by who passes it on.
    passed: Vec<Passed>,
    /// The shares that flow to accumulators where they aren't BETA: by week and participant.
    payouts: Vec<(usize, f64)>,
}

/// What somebody passes on in a week.
struct Passed {
    to: u32,
    from: u32,
    share: f64,
}

/// What flows along an edge of the graph in a step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) share: f64,
}

impl Chain {
    pub(super) fn new(
        flows: &[Flow],
        mint: Vec<f64>,
        radiation: Vec<f64>,
        participants: usize,
        attributions: &Attributions,
        starts: impl ExactSizeIterator<Item = propsbot_archive::Millis>,
    ) -> Self {
        let mut into = vec![0_u32; radiation.len() + 1];
        for flow in flows {
            into[flow.to as usize + 1] += 1;
        }
        for node in 1..into.len() {
            into[node] += into[node - 1];
        }
        let mut next = into.clone();
        let (mut sources, mut shares) = (vec![0; flows.len()], vec![0.0; flows.len()]);
        for flow in flows {
            let at = &mut next[flow.to as usize];
            sources[*at as usize] = flow.from;
            shares[*at as usize] = flow.share;
            *at += 1;
        }
        drop(next);
        let mut chain = Self {
            base: mint.len(),
            participants,
            weeks: starts.len(),
            into,
            sources,
            shares,
            mint,
            radiation,
            passed: Vec::new(),
            payouts: Vec::new(),
        };
        for (week, start) in starts.enumerate() {
            let part = |participant| u32::try_from(chain.part(week, participant));
            let part = |participant| part(participant).expect("nodes are counted in 32 bits");
            let passed = attributions.of_week(start).map(|(from, to, share)| Passed {
                to: part(to),
                from: part(from),
                share: BETA * share,
            });
            let passed: Vec<Passed> = passed.collect();
            chain.passed.extend(passed);
            for giver in &attributions.by_giver {
                let share = attributions
                    .passed_on(giver.participant, start)
                    .unwrap_or(0.0);
                let payout = BETA - share * BETA;
                chain
                    .payouts
                    .push((chain.part(week, giver.participant), payout));
            }
        }
        chain.passed.sort_by_key(|passed| (passed.to, passed.from));
        chain.payouts.sort_by_key(|(part, _)| *part);
        chain
    }

    /// How many nodes the chain has.
    pub(super) fn len(&self) -> usize {
        self.radiation.len()
    }

    pub(super) fn seed(&self) -> usize {
        self.base
    }

    /// The accumulator of a week.
    pub(super) fn accumulator(&self, week: usize) -> usize {
        self.base + 1 + week * (self.participants + 1)
    }

    /// A participant's part of a week.
    pub(super) fn part(&self, week: usize, participant: usize) -> usize {
        self.accumulator(week) + 1 + participant
    }

    /// The share of a part that is its cred.
    pub(super) fn payout(&self, part: usize) -> f64 {
        let found = self.payouts.binary_search_by_key(&part, |(part, _)| *part);
        found.map_or(BETA, |index| self.payouts[index].1)
    }

    /// What flows along the graph's edges to a node: from where, and which share.
    pub(super) fn flows_into(&self, node: usize) -> impl Iterator<Item = (usize, f64)> {
        let range = self.into[node] as usize..self.into[node + 1] as usize;
        let sources = self.sources[range.clone()].iter();
        sources
            .zip(&self.shares[range])
            .map(|(from, share)| (*from as usize, *share))
    }

    /// What attributions move to a participant's part of a week: from which part, and which share.
    pub(super) fn passed_to(&self, part: usize) -> impl Iterator<Item = (usize, f64)> {
        let begin = self
            .passed
            .partition_point(|passed| (passed.to as usize) < part);
        let passed = self.passed[begin..].iter();
        let passed = passed.take_while(move |passed| passed.to as usize == part);
        passed.map(|passed| (passed.from as usize, passed.share))
    }

    /// What each base node mints of everything.
    pub(super) fn mint(&self) -> &[f64] {
        &self.mint
    }

    /// Writes where everything is after a step, and returns the largest change.
    fn step(&self, now: &[f64], next: &mut [f64]) -> f64 {
        let mut largest = f64::NEG_INFINITY;
        let mut set = |node: usize, value: f64| {
            largest = largest.max((now[node] - value).abs());
            next[node] = value;
        };
        let seed = now[self.seed()];
        for (node, mint) in self.mint.iter().enumerate() {
            let mut sum = self.gathered(now, node);
            if *mint > 0.0 {
                sum += seed * mint;
            }
            set(node, sum);
        }
        let all = now.iter().zip(&self.radiation);
        let (before, after) = (all.clone().take(self.base), all.skip(self.base + 1));
        let radiated = before
            .chain(after)
            .fold(0.0, |sum, (at, share)| sum + at * share);
        set(self.seed(), radiated);

        let mut passed = self.passed.iter().peekable();
        let mut payouts = self.payouts.iter().peekable();
        for week in 0..self.weeks {
            let accumulator = self.accumulator(week);
            let mut paid = 0.0;
            for part in accumulator + 1..=accumulator + self.participants {
                let share = payouts
                    .next_if(|(at, _)| *at == part)
                    .map_or(BETA, |(_, share)| *share);
                paid += now[part] * share;

                let mut sum = self.gathered(now, part);
                while let Some(passed) =
                    passed.next_if(|passed| passed.to as usize == part && passed.from <= passed.to)
                {
                    sum += now[passed.from as usize] * passed.share;
                }
                let last_week = if week > 0 {
                    part - self.participants - 1
                } else {
                    part
                };
                sum += now[last_week] * GAMMA;
                while let Some(passed) = passed.next_if(|passed| passed.to as usize == part) {
                    sum += now[passed.from as usize] * passed.share;
                }
                let next_week = if week + 1 < self.weeks {
                    part + self.participants + 1
                } else {
                    part
                };
                sum += now[next_week] * GAMMA;
                set(part, sum);
            }
            set(accumulator, paid);
        }
        largest
    }

    /// What flows along the graph's edges to a node in a step.
    fn gathered(&self, now: &[f64], node: usize) -> f64 {
        let range = self.into[node] as usize..self.into[node + 1] as usize;
        let sources = &self.sources[range.clone()];
        let flows = sources.iter().zip(&self.shares[range]);
        flows.fold(0.0, |sum, (from, share)| sum + now[*from as usize] * share)
    }
}

/// Where everything is, and how it came to be there.
#[derive(Clone, Debug)]
pub(super) struct Distribution {
    pub(super) at: Vec<f64>,
    /// How many steps were computed.
    pub(super) steps: u32,
    /// The largest change by one more step.
    pub(super) change: f64,
    pub(super) converged: bool,
}

/// Steps until one changes nothing by `change` or more, but at most `most`. The result is where everything
/// was before that step, as in SourceCred.
pub(super) fn run(chain: &Chain, start: Vec<f64>, change: f64, most: u32) -> Distribution {
    let mut at = start;
    let mut next = vec![0.0; at.len()];
    let mut steps = 0;
    loop {
        let largest = chain.step(&at, &mut next);
        let is_last = steps >= most;
        if is_last || largest < change {
            return Distribution {
                at,
                steps: if is_last { most } else { steps + 1 },
                change: largest,
                converged: !is_last,
            };
        }
        steps += 1;
        (at, next) = (next, at);
    }
}

/// Everything everywhere alike.
pub(super) fn uniform(nodes: usize) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "nodes are counted in 32 bits")]
    let each = 1.0 / nodes as f64;
    vec![each; nodes]
}
