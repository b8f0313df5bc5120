//! A provider's whole life, without Discord.

use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use super::*;

struct World {
    platform: Arc<Platform>,
    home: TempDir,
    target: ExportTarget,
}

impl World {
    fn new() -> Self {
        let home = TempDir::new().unwrap();
        Self {
            platform: Arc::default(),
            target: ExportTarget {
                name: "memory".to_owned(),
                archive: Arc::new(MemoryArchive::new()),
                beside: None,
                follower: None,
                made: archive::ExportProgressBoard::default(),
                spool: home.path().join("spool"),
                drop_copies: None,
            },
            home,
        }
    }

    fn provider(&self, name: &str) -> Provider {
        Provider::new(&self.platform, &self.home.path().join(name))
    }

    async fn export(&self, provider: &Provider) -> archive::Summary {
        let exports = provider.exports().await.unwrap();
        let options = ExportOptions::default();
        let done = export(&exports, &self.target, Millis(1), &options).await;
        let found = verify(self.target.archive.as_ref(), &SCHEMA, Depth::Whole).await;
        let found = found.unwrap();
        assert!(found.is_valid(), "{:?}", found.faults);
        done.unwrap()
    }

    async fn archived(&self) -> Vec<Post> {
        let archive = self.target.archive.as_ref();
        let reader = ArchiveReader::open(archive, &SCHEMA).await.unwrap();
        let mut posts = reader.rows::<Post>().await.unwrap();
        posts.sort_by_key(Record::key);
        posts
    }
}

#[tokio::test]
async fn a_whole_life_without_discord() {
    let world = World::new();
    world.platform.post("rust", "lifetimes", "ana", "why?");
    world.platform.post("rust", "lifetimes", "bo", "because");
    world.platform.post("cooking", "bread", "ana", "sourdough");
    let mut provider = world.provider("one");
    let never = CancellationToken::new();
    let spaces = provider
        .sync(&SyncRequest::default(), &never)
        .await
        .unwrap();
    let spaces: Vec<String> = spaces.into_iter().map(|space| space.text).collect();
    assert_eq!(spaces, ["cooking: 1 posts", "rust: 2 posts"]);
    assert_eq!(world.export(&provider).await.generation, 1);
    assert_eq!(world.archived().await, provider.posts());
    let marks: Vec<Dirty> = provider.store.0.0.scan(()).unwrap();
    assert_eq!(marks, []);
    // Nothing changed.
    assert!(!world.export(&provider).await.changed);

    // An event.
    let stop = CancellationToken::new();
    let listening = provider.listen(stop.clone());
    let posting = async {
        world.platform.post("rust", "macros", "cy", "help");
        while provider.posts().len() < 4 {
            tokio::task::yield_now().await;
        }
        stop.cancel();
    };
    tokio::join!(async { listening.await.unwrap() }, posting);
    let done = world.export(&provider).await;
    // The post and the topics of its forum, each with an index, and the list of parts.
    assert_eq!((done.generation, done.files), (2, 5));

    // Another store goes on where this one ended.
    let restored = Provider {
        platform: Arc::clone(&world.platform),
        store: Arc::new(Store(
            Mirror::open_to_restore(&world.home.path().join("two")).unwrap(),
        )),
    };
    let archive = world.target.archive.as_ref();
    let report = restored.restore(archive, &|_, _| {}).await.unwrap();
    assert_eq!(report, "4 posts");
    assert_eq!(restored.posts(), provider.posts());
    assert!(!world.export(&restored).await.changed);

    let request = ForgetRequest::User {
        user: Id::new("ana"),
        space: None,
    };
    provider.forget(&request).await.unwrap();
    let done = world.export(&provider).await;
    // Nobody else posted there.
    assert_eq!(done.withdrawn, [Id::new("bread")]);
    let authors: Vec<String> = world
        .archived()
        .await
        .into_iter()
        .map(|post| post.author)
        .collect();
    assert_eq!(authors, ["bo", "cy"]);
    // What the platform shows again stays forgotten.
    provider
        .sync(&SyncRequest::default(), &never)
        .await
        .unwrap();
    assert!(!world.export(&provider).await.changed);
}

#[tokio::test]
async fn exports_on_request_and_records_the_outcome() {
    let world = World::new();
    world.platform.post("rust", "lifetimes", "ana", "why?");
    world.platform.post("rust", "macros", "bo", "help");
    let mut provider = world.provider("one");
    provider.fetch().unwrap();
    let exports = provider.exports().await.unwrap();
    let target = world.target.clone();
    let (control, requests) = export_control(&SCHEMA, target.clone(), Duration::from_hours(1));
    let stop = CancellationToken::new();
    let now = || Millis(1);
    let turn = ExportTurn::default();
    let exporting = export_regularly(exports.clone(), target, requests, turn, now, stop.clone());
    let exporting = tokio::spawn(exporting);

    let done = control.export_now().await.unwrap().unwrap();
    assert!(done.generation == 1 && done.files > 0);
    let found = control.verify().await.unwrap();
    assert!(found.is_valid(), "{found:?}");
    assert_eq!(found.read.rows.values().sum::<u64>(), 5);
    assert!(!exports.ledger().is_due().unwrap());

    let request = ForgetRequest::User {
        user: Id::new("ana"),
        space: None,
    };
    provider.forget(&request).await.unwrap();
    assert!(exports.ledger().is_due().unwrap());
    control.export_now().await.unwrap().unwrap();
    let report = exports.ledger().report().unwrap();
    let last = report.last.unwrap();
    let withdrawn: Vec<String> = last
        .withdrawn
        .iter()
        .map(|part| exports.describe(part))
        .collect();
    assert_eq!(withdrawn, ["lifetimes: it is not known any more"]);
    assert_eq!(report.written.unwrap(), last);
    stop.cancel();
    exporting.await.unwrap();
}

/// Someone is forgotten between the plan and its publication.
#[tokio::test]
async fn a_wish_during_an_export_is_heeded() {
    let world = World::new();
    world.platform.post("rust", "lifetimes", "ana", "why?");
    world.platform.post("rust", "lifetimes", "bo", "because");
    let provider = world.provider("one");
    provider.fetch().unwrap();
    let view = provider.store.view().unwrap();
    assert!(provider.store.is_current(&view.contents).unwrap());
    provider
        .merge(vec![Seen {
            at: Stamp(9),
            fact: Fact::Forget("ana".to_owned()),
        }])
        .unwrap();
    assert!(!provider.store.is_current(&view.contents).unwrap());
    // The view still shows what there was.
    let mut rows = 0;
    let scope = Scope::part("rust", "lifetimes");
    let all = Millis(i64::MIN)..=Millis(i64::MAX);
    let count = &mut |_| {
        rows += 1;
        Ok(())
    };
    view.rows
        .scan(&scope, <Post as Row>::TABLE, all, count)
        .unwrap();
    assert_eq!(rows, 2);
}

/// A store whose first view ends while it is read, and in which Ana is forgotten just before the second
/// one is published.
struct Overtaken {
    store: Arc<Store>,
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
                at: Stamp(1_000),
                fact: Fact::Forget("ana".to_owned()),
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
    let world = World::new();
    world.platform.post("rust", "lifetimes", "ana", "why?");
    world.platform.post("rust", "lifetimes", "bo", "because");
    let provider = world.provider("one");
    provider.fetch().unwrap();
    let overtaken = Arc::new(Overtaken {
        store: Arc::clone(&provider.store),
        views: AtomicUsize::new(0),
    });
    let exports: Arc<dyn Exports> = overtaken.clone();
    let options = ExportOptions::default();
    let done = export(&exports, &world.target, Millis(1), &options).await;
    assert_eq!(done.unwrap().generation, 1);
    assert_eq!(overtaken.views.load(Ordering::Relaxed), 3);
    let archived = world.archived().await;
    assert_eq!(archived, provider.posts());
    assert_eq!(archived.len(), 1, "Ana's post was never published");
}
