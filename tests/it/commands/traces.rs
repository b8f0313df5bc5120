//! Traces of a member: what must not be found of them anywhere after a deletion.

use std::{collections::BTreeSet, path::Path};

use memchr::memmem;
use propsbot_graph::{Weights, props_documents};
use propsbot_model::{ChannelId, MessageId, Millis};
use propsbot_sourcecred::Document;
use serde_json::Value;

use crate::mirror::{Mirror, content_below};

/// The store's table of privacy choices.
const WISHES: u8 = 30;

pub(super) fn times(bytes: &[u8], what: &[u8]) -> usize {
    memmem::find_iter(bytes, what).count()
}

/// The times that bound what an archive's manifests and lists of channels say is covered.
fn boundaries_below(folder: &Path) -> Vec<Millis> {
    let mut found = Vec::new();
    for line in content_below(folder).split(|byte| *byte == b'\n') {
        // Rows are no JSON.
        if let Ok(value) = serde_json::from_slice(line) {
            collect_boundaries(&value, &mut found);
        }
    }
    found
}

fn collect_boundaries(value: &Value, found: &mut Vec<Millis>) {
    match value {
        Value::Object(fields) => {
            let bounds = ["after", "to", "covered_to"].map(|name| fields.get(name));
            let bounds = bounds.into_iter().flatten().filter(|at| !at.is_null());
            found.extend(bounds.map(|at| Millis(at.as_i64().unwrap())));
            fields
                .values()
                .for_each(|field| collect_boundaries(field, found));
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| collect_boundaries(item, found)),
        _ => {}
    }
}

/// Encodings of an id other than those of keys and MessagePack.
pub(super) fn other_forms(id: u64) -> [Vec<u8>; 2] {
    [id.to_string().into_bytes(), id.to_le_bytes().to_vec()]
}

/// What must be gone.
pub(super) struct Gone {
    pub(super) user: u64,
    pub(super) messages: BTreeSet<u64>,
    pub(super) texts: Vec<String>,
}

impl Gone {
    /// All of a member's data in Discord now.
    pub(super) fn of(mirror: &Mirror, user: u64, texts: &[&str]) -> Self {
        let truth = mirror.discord.truth();
        // A thread keeps its id, which is that of its starter message.
        let places: BTreeSet<u64> = truth.channels.iter().map(|channel| channel.id).collect();
        let theirs = truth.messages.iter().filter(|message| {
            (message.author == user || message.invoker == Some(user))
                && !places.contains(&message.id)
        });
        Self {
            user,
            messages: theirs.map(|their| their.id).collect(),
            texts: texts.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    /// The store's rows and the bytes of its files.
    pub(super) fn check_store(&self, mirror: &Mirror, when: &str) {
        let bytes = content_below(&mirror.store_path());
        for text in &self.texts {
            assert_eq!(times(&bytes, text.as_bytes()), 0, "{when}: {text}");
        }
        for id in &self.messages {
            let forms = other_forms(*id)
                .into_iter()
                .chain([id.to_be_bytes().to_vec()]);
            for form in forms {
                assert_eq!(times(&bytes, &form), 0, "{when}: message {id}");
            }
        }
        for form in other_forms(self.user) {
            assert_eq!(times(&bytes, &form), 0, "{when}: the user");
        }
        let store = mirror.store();
        let coverage = store.coverage(mirror.guild()).unwrap();
        let ends = coverage.values().flat_map(|known| {
            let intervals = known.intervals.iter();
            let ends = intervals.flat_map(|known| [known.after, known.to]);
            ends.chain(known.live.map(|live| live.after))
        });
        let kept: BTreeSet<u64> = store
            .channels(mirror.guild())
            .unwrap()
            .iter()
            .flat_map(|part| store.messages(ChannelId(part.id), 0..=u64::MAX))
            .map(|row| row.unwrap().id.0)
            .collect();
        self.check_boundaries(ends.map(MessageId::created_at), &kept, when);
        drop(store);
        let db = mirror.raw_store();
        let mut naming = Vec::new();
        for row in &db.iter().collect::<Result<Vec<_>, _>>().unwrap() {
            let (key, value) = (row.0.as_ref(), row.1.as_ref());
            let named =
                times(key, &self.user.to_be_bytes()) + times(value, &self.user.to_be_bytes());
            if named > 0 {
                naming.push(key[0]);
            }
        }
        assert_eq!(
            naming,
            [WISHES],
            "{when}: rows that name the user, by table"
        );
    }

    /// No boundary of coverage tells the time of one of the messages, unless it is that of a kept one.
    fn check_boundaries(
        &self,
        boundaries: impl Iterator<Item = Millis>,
        kept: &BTreeSet<u64>,
        when: &str,
    ) {
        let times = |ids: &BTreeSet<u64>| -> BTreeSet<Millis> {
            ids.iter().map(|id| MessageId(*id).created_at()).collect()
        };
        let (gone, kept) = (times(&self.messages), times(kept));
        let gone: BTreeSet<Millis> = gone.difference(&kept).copied().collect();
        for boundary in boundaries {
            assert!(!gone.contains(&boundary), "{when}: {boundary:?}");
        }
    }

    /// The archive's files and the graph.
    pub(super) async fn check_archive(&self, mirror: &Mirror) {
        let bytes = content_below(&mirror.archive_path());
        let snapshot = mirror.archived().await;
        let documents = props_documents(&snapshot, &Weights::default());
        let graph: Vec<u8> = Document::ALL
            .into_iter()
            .flat_map(|document| documents.bytes(document))
            .collect();
        for text in &self.texts {
            let found = times(&bytes, text.as_bytes()) + times(&graph, text.as_bytes());
            assert_eq!(found, 0, "{text}");
        }
        for id in &self.messages {
            let id = id.to_string();
            let found = times(&bytes, id.as_bytes()) + times(&graph, id.as_bytes());
            assert_eq!(found, 0, "message {id}");
        }
        let boundaries = boundaries_below(&mirror.archive_path());
        assert!(boundaries.len() > 4, "{boundaries:?}");
        let kept = snapshot.messages.iter().map(|row| row.id.0).collect();
        self.check_boundaries(boundaries.into_iter(), &kept, "in the archive");
        let user = self.user.to_string();
        assert_eq!(times(&bytes, user.as_bytes()), 1, "the row of the wish");
        assert_eq!(times(&graph, user.as_bytes()), 0);
        let wish = snapshot
            .members
            .iter()
            .find(|member| member.user_id.0 == self.user);
        assert!(wish.unwrap().forgotten_at.is_some());
    }
}
