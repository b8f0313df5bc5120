//! A graph plugin that is a program of somebody else's: it gets rows and says what it draws, as JSON lines.
//!
//! The protocol is in docs/plugins.md. Nothing that the program does is trusted: it has no environment, its
//! output is bounded and checked line by line, and it is killed with its process group once it is done or
//! takes too long. Both of its pipes are served at once, so that it may write before it has read everything.

mod hello;
mod needs;
mod output;
mod process;

use std::{path::Path, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value};

use self::{
    hello::hello,
    needs::{Need, Scopes},
    process::{Program, Running, Stopped},
};
use super::plugins;
use propsbot_archive::{ReadError, RowSource, Schema};
use propsbot_graph::People;
use propsbot_model::counted;
use propsbot_rows::{MEMBERS, SCHEMA};
use propsbot_sourcecred::{DrawError, Drawing, GraphPlugin};

/// How long a program may take to say what it needs, to take some rows, and to end after the last one.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// The version of the protocol.
const PROTOCOL: u32 = 1;

/// How many bytes of rows are handed over at a time.
const CHUNK: usize = 1 << 16;

/// A program that is a plugin.
#[derive(Debug)]
pub(super) struct ExecPlugin {
    name: String,
    program: Program,
    settings: Value,
}

impl ExecPlugin {
    /// The program at this path, with the settings in this file. Has to be called on a runtime.
    ///
    /// # Errors
    /// A program that isn't there or has no usable name, or settings that aren't JSON.
    pub(super) fn new(
        program: &Path,
        settings: Option<&Path>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let stem = program.file_stem().and_then(|stem| stem.to_str());
        let name = stem
            .unwrap_or_default()
            .to_ascii_lowercase()
            .replace('_', "-");
        let is_legal =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || !name.bytes().all(is_legal) {
            bail!(
                "{} can't be the name of a plugin: give the program a name of letters, digits and hyphens",
                program.display()
            );
        }
        let settings = match settings {
            None => Value::Object(Map::new()),
            Some(path) => serde_json::from_str(&plugins::config(path)?)
                .with_context(|| format!("the settings {} are no JSON", path.display()))?,
        };
        Ok(Self {
            program: Program::new(program, patience)?,
            settings,
            name,
        })
    }

    fn wrong(&self, why: &Stopped) -> DrawError {
        DrawError::Settings(format!("the program {}: {why}", self.program).into())
    }

    /// Hands the rows that are needed to the program, and returns the members.
    fn feed(
        &self,
        rows: &dyn RowSource,
        mut needs: Vec<Need>,
        to: &Running<'_>,
    ) -> Result<People, DrawError> {
        let mut people = People::default();
        if !needs.iter().any(|need| need.query.table == MEMBERS) {
            needs.push(Need::members(rows.schema()));
        }
        needs.sort_by_key(|need| rows.schema().turn(need.query.table));
        for need in needs {
            let mut chunk = Vec::with_capacity(CHUNK * 2);
            let mut stopped = None;
            let taken = rows.scan(&need.query, &|scope| need.wants(scope), &mut |batch| {
                if need.query.table == MEMBERS {
                    people.take(&batch)?;
                }
                for line in need.lines(&batch) {
                    serde_json::to_writer(&mut chunk, &line?)
                        .expect("JSON can be written to memory");
                    chunk.push(b'\n');
                    if chunk.len() >= CHUNK
                        && let Err(why) = to.send(std::mem::take(&mut chunk))
                    {
                        stopped = Some(why);
                        // Any error ends the reading.
                        return Err(ReadError::Superseded);
                    }
                }
                Ok(())
            });
            if let Some(why) = stopped {
                return Err(self.wrong(&why));
            }
            taken?;
            to.send(chunk).map_err(|why| self.wrong(&why))?;
        }
        Ok(people)
    }
}

impl GraphPlugin for ExecPlugin {
    fn name(&self) -> &str {
        &self.name
    }

    fn provider(&self) -> &'static Schema {
        &SCHEMA
    }

    fn draw(&self, rows: &dyn RowSource) -> Result<Drawing, DrawError> {
        let wrong = |why| self.wrong(&why);
        let scopes = Scopes::new(rows);
        let mut running = self.program.start(&self.name, scopes).map_err(wrong)?;
        running.send(hello(self, rows)).map_err(wrong)?;
        let needs = running.needs().map_err(wrong)?;
        let people = self.feed(rows, needs, &running)?;
        let output = running.finish().map_err(wrong)?;
        let (mut drawing, unknown) = output.drawing(&people);
        let lost = people.complete(&mut drawing.documents) + unknown;
        if lost > 0 {
            let ends = counted(lost, "edge's end");
            drawing.warnings.push(format!(
                "{ends} led to members whom the archive doesn't know; SourceCred ignores such edges"
            ));
        }
        Ok(drawing)
    }
}
