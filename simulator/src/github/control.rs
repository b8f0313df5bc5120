//! Controls a running GitHub by lines of JSON, for programs in other languages. Each gets a line of JSON for an answer.

use anyhow::Context as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Github;
use super::faults::{Fault, What};
use super::world::{Action, World};

/// What can be asked for beside actions of the world.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Command {
    /// Answers with the counters of requests and points.
    Count,
    /// The next `times` requests that fit get this fault.
    Fail {
        what: What,
        #[serde(default)]
        skip: usize,
        times: usize,
        fault: Fault,
    },
    /// Removes all planned faults.
    Heal,
    /// Random changes, the same ones with the same seed in the same world.
    Live { seed: u64, times: usize },
    /// Answers with the hash at the head of a repository's default branch.
    Head { repository: String },
    /// Answers with everything that people wrote.
    Truth,
}

/// Carries out a line with an action, which may name its result (`"as":"label"`). Blank lines are fine. Returns the
/// action's id.
pub fn act_in_line(world: &mut World, line: &str) -> anyhow::Result<u64> {
    if line.trim().is_empty() {
        return Ok(0);
    }
    let mut given: Value = serde_json::from_str(line).context("not JSON")?;
    let label = given.as_object_mut().and_then(|given| given.remove("as"));
    let action: Action = serde_json::from_value(given).context("no action")?;
    let id = world.act(action)?;
    if let Some(label) = label.as_ref().and_then(Value::as_str) {
        world.label(label, id);
    }
    Ok(id)
}

impl Github {
    /// Carries out a line: an action of the world, a fault, or a question.
    pub fn obey(&self, line: &str) -> Value {
        let done = match serde_json::from_str(line) {
            Ok(command) => Ok(self.carry_out(command)),
            Err(_) => self
                .change(|world| act_in_line(world, line))
                .map(|id| json!({"id": id})),
        };
        done.unwrap_or_else(|error| json!({"error": format!("{error:#}")}))
    }

    fn carry_out(&self, command: Command) -> Value {
        match command {
            Command::Count => json!(self.counters()),
            Command::Fail {
                what,
                skip,
                times,
                fault,
            } => {
                self.fail_after(what, skip, times, fault);
                json!({})
            }
            Command::Heal => {
                self.heal();
                json!({})
            }
            Command::Live { seed, times } => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                let done = (0..times).filter(|_| self.live(&mut rng)).count();
                json!({"done": done})
            }
            Command::Head { repository } => self.world(|world| {
                let found = world.repository_named(&repository);
                let head = found.and_then(|found| Some(&found.commits[found.head?].sha));
                json!({"head": head})
            }),
            Command::Truth => self.world(|world| {
                let item = |item: &super::world::Item| {
                    let author = item.author.and_then(|author| world.account(author));
                    json!({
                        "id": item.id, "node_id": item.node_id(), "kind": item.kind, "number": item.number,
                        "author": author.map(|author| &author.login), "title": item.title, "body": item.body,
                        "reactions": item.reactions.len(), "repository": item.repository,
                    })
                };
                json!(world.items().map(item).collect::<Vec<_>>())
            }),
        }
    }
}
