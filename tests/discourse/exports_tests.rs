//! What leaves the mirror, what is withdrawn, and the way back.

use std::{
    collections::BTreeMap,
    ops::RangeInclusive,
    sync::atomic::{AtomicUsize, Ordering},
};

use propsbot_archive::{
    EncodedRow, Id, ReadError, Row as _, Schema, Scope, Source, SourceError, read_rows,
};
use propsbot_mirror::{
    Contents, Dirty, ExportTurn, ExportView, Exports, ForgetRequest, Ledger, Mirror, StoreError,
    export_control, export_regularly,
};

use super::*;
use crate::{
    exports::Store,
    merge::{Fact, Seen},
    rows::Forgotten,
};

fn user(id: u64) -> ForgetRequest {
    ForgetRequest::User {
        user: Id::new(id),
        space: None,
    }
}

fn forgotten(user: u64) -> Fact {
    Fact::Forget(Forgotten {
        site: SITE.to_owned(),
        user: user.to_string(),
    })
}

/// Two topics; users 1 and 2 post in the first, user 1 alone in the second.
async fn world() -> (World, [u64; 2]) {
    let world = World::new().await;
    let topics = {
        let mut forum = world.server.forum();
        let topics = ["lifetimes", "bread"].map(|title| forum.topic(title));
        forum.post(topics[0], 1, "why?");
        let answer = forum.post(topics[0], 2, "because");
        forum.like(answer);
        forum.post(topics[1], 1, "sourdough");
        topics
    };
    (world, topics)
}

#[tokio::test]
async fn exports_what_is_public() {
    let (world, [rust, bread]) = world().await;
    let provider = world.provider();
    sync(&provider).await;
    assert_eq!(world.export(&provider).await.generation, 1);
    assert_eq!(world.archived().await, mirrored(&provider).await);
    let marks = provider.ask(|store| store.0.0.scan::<Dirty>(()));
    assert_eq!(marks.await.unwrap(), []);
    // Nothing changed.
    sync(&provider).await;
    assert!(!world.export(&provider).await.changed);

    world.server.forum().post(rust, 3, "thanks");
    sync(&provider).await;
    assert_eq!(world.export(&provider).await.generation, 2);
    assert_eq!(world.archived().await, mirrored(&provider).await);

    // A topic that is no longer public is withdrawn; if it is public again, it comes back.
    world.server.forum().set_public(bread, false);
    assert_eq!(sync(&provider).await.0, SyncedState::Complete);
    assert_eq!(world.export(&provider).await.withdrawn, [Id::new(bread)]);
    assert_eq!(
        texts(&world.archived().await),
        ["<p>why?</p>", "<p>because</p>", "<p>thanks</p>"]
    );
    world.server.forum().set_public(bread, true);
    sync(&provider).await;
    assert_eq!(world.export(&provider).await.added, [Id::new(bread)]);
    assert_eq!(world.archived().await, mirrored(&provider).await);
}

/// Another store goes on where the first one ended.
#[tokio::test]
async fn restores_from_an_archive() {
    let (world, _) = world().await;
    let mut provider = world.provider();
    sync(&provider).await;
    provider.forget(&user(2)).await.unwrap();
    world.export(&provider).await;

    let archive = world.target.archive.as_ref();
    let restored = Discourse::open_to_restore(world.options("two")).unwrap();
    let said = restored.restore(archive, &|_, _| {}).await.unwrap();
    assert!(said.starts_with("3 posts"), "{said}");
    assert_eq!(mirrored(&restored).await, mirrored(&provider).await);
    let before = world.archived().await;
    assert!(!world.export(&restored).await.changed);
    // It reads all topics again, and whoever was forgotten stays so.
    assert_eq!(sync(&restored).await.1, "The Forum: 2 topics, 2 read");
    assert_eq!(mirrored(&restored).await, before);

    // An older store learns from the archive who was forgotten since.
    let older = Discourse::open(world.options("three")).unwrap();
    sync(&older).await;
    assert_eq!(older.adopt_choices(archive).await.unwrap(), 1);
    assert_eq!(mirrored(&older).await, before);
    assert_eq!(older.adopt_choices(archive).await.unwrap(), 0);
}

#[tokio::test]
async fn forgets_users() {
    let (world, _) = world().await;
    let mut provider = world.provider();
    sync(&provider).await;
    world.export(&provider).await;
    provider.forget(&user(1)).await.unwrap();
    world.export(&provider).await;
    let archived = world.archived().await;
    assert_eq!(texts(&archived), ["-", "<p>because</p>", "-"]);
    assert_eq!(archived[0].author, None);
    sync(&provider).await;
    assert!(!world.export(&provider).await.changed);
}

#[tokio::test]
async fn exports_on_request_and_records_the_outcome() {
    let (world, [_, bread]) = world().await;
    let provider = world.provider();
    sync(&provider).await;
    let exports = provider.exports().await.unwrap();
    let target = world.target.clone();
    let (control, requests) = export_control(&SCHEMA, target.clone(), Duration::from_hours(1));
    let stop = CancellationToken::new();
    let turn = ExportTurn::default();
    let clock = || NOW;
    let exporting = export_regularly(exports.clone(), target, requests, turn, clock, stop.clone());
    let exporting = tokio::spawn(exporting);

    let done = control.export_now().await.unwrap().unwrap();
    assert!(done.generation == 1 && done.files > 0);
    let found = control.verify().await.unwrap();
    assert!(found.is_valid(), "{found:?}");
    // A site, two topics, three posts.
    assert_eq!(found.read.rows.values().sum::<u64>(), 6);
    assert!(!exports.ledger().is_due().unwrap());

    world.server.forum().set_public(bread, false);
    sync(&provider).await;
    assert!(exports.ledger().is_due().unwrap());
    control.export_now().await.unwrap().unwrap();
    let report = exports.ledger().report().unwrap();
    let last = report.last.unwrap();
    let withdrawn = last.withdrawn.iter().map(|part| exports.describe(part));
    let withdrawn: Vec<String> = withdrawn.collect();
    assert_eq!(
        withdrawn,
        [format!("{bread}: it was deleted, or is no longer public")]
    );
    assert_eq!(report.written.unwrap(), last);
    stop.cancel();
    exporting.await.unwrap();
}

/// Somebody is forgotten, or a topic is hidden, between the plan and its publication.
#[tokio::test]
async fn a_plan_is_outdated_by_choices_and_withdrawals() {
    let (world, [rust, bread]) = world().await;
    let mut provider = world.provider();
    sync(&provider).await;
    let exports = provider.exports().await.unwrap();
    let view = exports.view().unwrap();
    assert!(exports.is_current(&view.contents).unwrap());
    world.server.forum().set_public(bread, false);
    sync(&provider).await;
    assert!(!exports.is_current(&view.contents).unwrap());
    let view = exports.view().unwrap();
    provider.forget(&user(1)).await.unwrap();
    assert!(!exports.is_current(&view.contents).unwrap());
    // The view still shows what there was.
    let mut texts = Vec::new();
    let all = Millis(i64::MIN)..=Millis(i64::MAX);
    let each = &mut |row: EncodedRow| {
        texts.extend(row.decode::<Post>()?.text);
        Ok(())
    };
    view.rows
        .scan(&Scope::part(SITE, rust), Post::TABLE, all, each)
        .unwrap();
    assert_eq!(texts, ["<p>why?</p>", "<p>because</p>"]);
}

/// A store whose first view ends while it is read, and in which user 1 is forgotten just before the
/// second one is published.
struct Overtaken {
    store: Store,
    views: AtomicUsize,
}

struct Ended;

impl Source for Ended {
    fn scan(
        &self,
        _: &Scope,
        _: &'static str,
        _: RangeInclusive<Millis>,
        _: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        Err(StoreError::ViewEnded { limit: 1 }.into())
    }
}

impl Exports for Overtaken {
    fn schema(&self) -> &'static Schema {
        self.store.schema()
    }

    fn rules(&self) -> u8 {
        self.store.rules()
    }

    fn view(&self) -> Result<ExportView, StoreError> {
        let view = self.store.view()?;
        Ok(match self.views.fetch_add(1, Ordering::Relaxed) {
            0 => ExportView {
                rows: Arc::new(Ended),
                ..view
            },
            _ => view,
        })
    }

    fn is_current(&self, contents: &Contents) -> Result<bool, StoreError> {
        if self.views.load(Ordering::Relaxed) == 2 {
            self.store.0.merge(&[vec![Seen {
                at: NOW.into(),
                fact: forgotten(1),
            }]])?;
        }
        self.store.is_current(contents)
    }

    fn ledger(&self) -> &dyn Ledger {
        self.store.ledger()
    }
}

#[tokio::test]
async fn an_export_starts_again_when_it_is_overtaken() {
    let (world, _) = world().await;
    let provider = world.provider();
    sync(&provider).await;
    drop(provider);
    let overtaken = Arc::new(Overtaken {
        store: Store(Mirror::open(&world.options("one").store).unwrap()),
        views: AtomicUsize::new(0),
    });
    let exports: Arc<dyn Exports> = overtaken.clone();
    let options = ExportOptions::default();
    let done = export(&exports, &world.target, NOW, &options).await;
    assert_eq!(done.unwrap().generation, 1);
    assert_eq!(overtaken.views.load(Ordering::Relaxed), 3);
    assert_eq!(texts(&world.archived().await), ["-", "<p>because</p>", "-"]);
}

/// What a graph plugin does: it reads tables, and knows nothing of Discourse's API.
#[tokio::test]
async fn anything_reads_rows_from_an_archive() {
    let (world, _) = world().await;
    let provider = world.provider();
    sync(&provider).await;
    world.export(&provider).await;
    let archive = world.target.archive.as_ref();
    let likes = read_rows(archive, &SCHEMA, None, |rows| {
        let mut likes = BTreeMap::new();
        let each = |post: &Post| {
            if let Some(author) = &post.author {
                *likes.entry(author.clone()).or_insert(0) += post.likes;
            }
        };
        rows.each(|_| true, each)?;
        Ok::<_, ReadError>(likes)
    });
    let (likes, _) = likes.await.unwrap();
    assert_eq!(likes, [("1".to_owned(), 0), ("2".to_owned(), 1)].into());
}
