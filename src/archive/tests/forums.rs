//! Several forums in memory, which are exported to one archive.

use std::sync::Arc;

use super::*;
use crate::{ExportRequest, ExportSpace, Summary, export};

const START: i64 = 1_700_000_000_000;

/// Forums by id.
#[derive(Clone, Default)]
pub(super) struct Forums(pub(super) BTreeMap<u64, Mirror>);

impl Forums {
    fn of(&self, space: &Id) -> &Mirror {
        &self.0[&space.as_str().parse().unwrap()]
    }

    /// Adds a forum with a topic and posts of these hours.
    pub(super) fn add(&mut self, forum: u64, hours: RangeInclusive<i64>) {
        let mirror = self.0.entry(forum).or_default();
        let name = format!("forum {forum}");
        mirror.put(
            None,
            &Forum {
                id: Number(forum),
                name,
            },
        );
        let topic = forum * 10;
        mirror.put(
            None,
            &Topic {
                forum: Number(forum),
                id: Number(topic),
                name: "topic".to_owned(),
            },
        );
        for hour in hours {
            self.post(forum, hour, "hello");
        }
    }

    pub(super) fn post(&mut self, forum: u64, hour: i64, text: &str) -> Vec<Mark> {
        let post = Post {
            forum: Number(forum),
            topic: Number(forum * 10),
            id: Number(forum::id_at(Millis(START + hour * HOUR), 0)),
            author: Number(1),
            text: Some(text.to_owned()),
            mentions: Vec::new(),
            edited_at: None,
        };
        let mut marks = self.0.get_mut(&forum).unwrap().put(Some(forum * 10), &post);
        for mark in &mut marks {
            mark.scope.space = Id::new(forum);
        }
        marks
    }

    pub(super) fn request(&self) -> ExportRequest {
        let spaces = self.0.keys().map(|forum| ExportSpace {
            id: Id::new(forum),
            name: format!("forum {forum}"),
            heard_at: None,
            synced: IndexMap::new(),
            history: None,
            stamps: None,
            parts: vec![ExportPart {
                id: Id::new(forum * 10),
                name: "topic".to_owned(),
                covered: Vec::new(),
            }],
        });
        ExportRequest {
            spaces: spaces.collect(),
            now: Millis(START + 1000 * HOUR),
            ..ExportRequest::new(&SCHEMA)
        }
    }

    pub(super) async fn export(&self, archive: &MemoryArchive, request: ExportRequest) -> Summary {
        export(archive, Arc::new(self.clone()), request)
            .await
            .unwrap()
    }
}

impl Source for Forums {
    fn newest(&self, space: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        self.of(space).newest(space, clock)
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.of(&scope.space).scan(scope, table, times, each)
    }

    fn recent(
        &self,
        space: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.of(space).recent(space, times, each)
    }
}

/// Two forums, with posts of two months and of some hours.
pub(super) fn forums() -> Forums {
    let mut forums = Forums::default();
    forums.add(7, 0..=900);
    forums.add(8, 890..=900);
    forums
}
