//! Snapshots of the rows while the store goes on changing.
//!
//! While a view is open, every writer saves here the values that it replaces. So a view takes
//! memory only for what changes meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use crate::{
    ReadRows, StoreError,
    engine::{Engine, Entry, Op},
    mirror::Inner,
    scan::{Changes, Overlay, Scan},
};

/// Bytes of old values kept per view. Beyond this the view ends.
const VIEW_LIMIT: usize = 64 << 20;

/// Approximate overhead of an entry, in bytes.
const ENTRY: usize = 100;

/// All rows of a mirror, either live or as of one instant.
///
/// Reading a snapshot fails with [`StoreError::ViewEnded`] once too much has changed since.
pub struct View {
    inner: Arc<Inner>,
    /// What has changed since the instant; `None` if live.
    old: Option<Arc<OldValues>>,
}

/// The values replaced since a view opened; `None` once there were too many.
pub(crate) struct OldValues(Mutex<Option<Kept>>);

#[derive(Default)]
struct Kept {
    values: Changes,
    bytes: usize,
}

impl OldValues {
    fn lock(&self) -> MutexGuard<'_, Option<Kept>> {
        self.0
            .lock()
            .expect("nothing panics while it holds old values")
    }

    fn read<T>(&self, ask: impl FnOnce(&Changes) -> T) -> Result<T, StoreError> {
        match &*self.lock() {
            Some(kept) => Ok(ask(&kept.values)),
            None => Err(StoreError::ViewEnded { limit: VIEW_LIMIT }),
        }
    }

    fn needs(&self, key: &[u8]) -> bool {
        self.read(|values| !values.contains_key(key))
            .unwrap_or(false)
    }

    fn keep(&self, key: &[u8], value: Option<Vec<u8>>, limit: usize) {
        let mut old = self.lock();
        if let Some(kept) = &mut *old {
            kept.bytes += ENTRY + key.len() + value.as_ref().map_or(0, Vec::len);
            kept.values.insert(key.to_vec(), value);
            if kept.bytes > limit {
                *old = None;
            }
        }
    }
}

impl Overlay for Option<&OldValues> {
    fn changes(&self, from: &[u8], to: &[u8]) -> Result<Changes, StoreError> {
        match self {
            Some(old) => old.read(|values| values.changes(from, to))?,
            None => Ok(Changes::new()),
        }
    }
}

pub(crate) struct Views {
    open: Vec<Weak<OldValues>>,
    /// Bytes of old values kept per view.
    limit: usize,
}

impl Views {
    pub(crate) fn new() -> Self {
        Self {
            open: Vec::new(),
            limit: VIEW_LIMIT,
        }
    }

    /// Saves, for every open view, the values that these changes replace.
    pub(crate) fn keep(&mut self, engine: &Engine, ops: &[Op]) -> Result<(), StoreError> {
        self.open.retain(|view| view.strong_count() > 0);
        let open: Vec<Arc<OldValues>> = self.open.iter().filter_map(Weak::upgrade).collect();
        for key in ops.iter().map(Op::key) {
            let need: Vec<&Arc<OldValues>> = open.iter().filter(|old| old.needs(key)).collect();
            if need.is_empty() {
                continue;
            }
            let value = engine.get(key)?;
            for old in need {
                old.keep(key, value.clone(), self.limit);
            }
        }
        Ok(())
    }

    pub(crate) fn open(&mut self, inner: Arc<Inner>) -> View {
        let old = Arc::new(OldValues(Mutex::new(Some(Kept::default()))));
        self.open.push(Arc::downgrade(&old));
        View {
            inner,
            old: Some(old),
        }
    }
}

impl View {
    pub(crate) fn live(inner: Arc<Inner>) -> Self {
        Self { inner, old: None }
    }
}

impl ReadRows for View {
    type Error = StoreError;

    fn value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        // The store first, then the old values: see `Scan`.
        let now = self.inner.engine.get(key)?;
        let Some(old) = &self.old else { return Ok(now) };
        let old = old.read(|values| values.get(key).cloned())?;
        Ok(old.unwrap_or(now))
    }

    fn entries(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        few: bool,
    ) -> impl DoubleEndedIterator<Item = Result<Entry, StoreError>> {
        Scan::new(&self.inner.engine, self.old.as_deref(), (from, to), few)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{
        Mirror, Stamp,
        wiki::{Change, Edit, Page, Pages, Wiki},
    };

    /// Pages by title: the wiki's content at an instant.
    type Model = BTreeMap<String, String>;

    fn page(row: Page) -> (String, String) {
        (row.title, row.text)
    }

    fn edit(at: i64, title: &str, text: Option<String>) -> Edit {
        Edit {
            at: Stamp(at),
            wiki: "wiki".to_owned(),
            title: title.to_owned(),
            change: text.map_or(Change::Gone, Change::Text),
        }
    }

    fn open() -> (tempfile::TempDir, Mirror<Wiki>) {
        let folder = tempfile::tempdir().unwrap();
        let mirror = Mirror::open(folder.path()).unwrap();
        (folder, mirror)
    }

    #[derive(Clone, Debug)]
    enum Step {
        /// A batch that changes or removes pages.
        Write(Vec<(u8, bool)>),
        Open,
        Close(prop::sample::Index),
        /// Continues the scan of a view from either end.
        Read(prop::sample::Index, usize, bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => prop::collection::vec(any::<(u8, bool)>(), 1..30).prop_map(Step::Write),
            2 => Just(Step::Open),
            1 => any::<prop::sample::Index>().prop_map(Step::Close),
            6 => any::<(prop::sample::Index, usize, bool)>()
                .prop_map(|(view, rows, end)| Step::Read(view, rows % 40, end)),
        ]
    }

    fn title(number: u8) -> String {
        format!("page {:03}", number % 120)
    }

    /// Checks every query of a view against the model.
    fn check(view: &Pages, then: &Model) {
        let all = view.all("wiki").unwrap();
        assert!(all.into_iter().map(page).eq(then.clone()));
        let last = view.last("wiki").unwrap().map(page);
        assert_eq!(last.as_ref().map(|(title, _)| title), then.keys().last());
        for number in 0..120 {
            let one = view.page("wiki", &title(number)).unwrap();
            assert_eq!(one.as_ref().map(|row| &row.text), then.get(&title(number)));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_view_stays_as_it_was_opened(steps in prop::collection::vec(step(), 1..40)) {
            let (_folder, mirror) = open();
            let mut now = Model::new();
            let mut at = 0;
            let mut write = |now: &mut Model, pages: Vec<(u8, bool)>| {
                let edits = pages.into_iter().map(|(number, gone)| {
                    at += 1;
                    let (title, text) = (title(number), (!gone).then(|| format!("text {at}")));
                    match &text {
                        Some(text) => now.insert(title.clone(), text.clone()),
                        None => now.remove(&title),
                    };
                    edit(at, &title, text)
                });
                mirror.merge(&[edits.collect()]).unwrap();
            };
            write(&mut now, (0..100).map(|number| (number, false)).collect());
            // Each view, its expected content, and how many rows of its scan were read.
            let views: Vec<(Pages, Model)> = Vec::new();
            let views = std::cell::RefCell::new(views);
            for step in steps {
                let mut views = views.borrow_mut();
                match step {
                    Step::Write(pages) => write(&mut now, pages),
                    Step::Open => views.push((mirror.view(), now.clone())),
                    Step::Close(which) if !views.is_empty() => {
                        let at = which.index(views.len());
                        views.swap_remove(at);
                    }
                    Step::Read(which, rows, from_end) if !views.is_empty() => {
                        let (view, then) = which.get(&views);
                        let mut scan = view.each("wiki");
                        let mut expected = then.clone().into_iter();
                        for read in 0..rows {
                            // The store changes during the scan, which alternates between both
                            // ends.
                            let end = from_end == (read % 7 < 5);
                            let (got, expected) = if end {
                                (scan.next_back(), expected.next_back())
                            } else {
                                (scan.next(), expected.next())
                            };
                            prop_assert_eq!(got.map(|row| page(row.unwrap())), expected);
                            if read % 5 == 4 {
                                let number = u8::try_from(read).unwrap();
                                write(&mut now, vec![(number * 3, read % 2 == 0), (119 - number, false)]);
                            }
                        }
                    }
                    Step::Close(_) | Step::Read(..) => {}
                }
            }
            for (view, then) in views.borrow().iter() {
                check(view, then);
            }
            check(&mirror, &now);
        }
    }

    #[test]
    fn a_view_ends_when_too_much_changes() {
        let (_folder, mirror) = open();
        let write = |at, text: &str| {
            let edit = edit(at, "page", Some(text.to_owned()));
            mirror.merge(&[vec![edit]]).unwrap();
        };
        write(1, &"long ".repeat(1_000));
        mirror.inner.changing().views.limit = 2_000;
        let view = mirror.view();
        let mut scan = view.each("wiki");
        write(2, "short");
        let ended = view.page("wiki", "page").unwrap_err();
        assert!(matches!(ended, StoreError::ViewEnded { .. }), "{ended:?}");
        assert!(scan.next().unwrap().is_err() && scan.next().is_none());
        assert!(view.last("wiki").is_err() && view.all("wiki").is_err());
        // Other readers still work.
        let text = |pages: &Pages| pages.page("wiki", "page").unwrap().unwrap().text;
        assert_eq!(
            (text(&mirror), text(&mirror.view())),
            ("short".into(), "short".into())
        );
    }

    #[test]
    fn closed_views_take_no_memory() {
        let (_folder, mirror) = open();
        let write = |at| {
            let edit = edit(at, "page", Some(at.to_string()));
            mirror.merge(&[vec![edit]]).unwrap();
        };
        write(1);
        let views = [mirror.view(), mirror.view()];
        write(2);
        let kept = mirror.inner.changing().views.open[0].clone();
        let is_empty = kept.upgrade().unwrap().read(Changes::is_empty);
        assert!(!is_empty.unwrap());
        drop(views);
        assert!(kept.upgrade().is_none());
        write(3);
        assert!(mirror.inner.changing().views.open.is_empty());
    }
}
