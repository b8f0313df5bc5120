//! A provider for tests that isn't Discord: wikis and their pages, with text ids.

use propsbot_archive::Millis;
use serde::{Deserialize, Serialize};

use crate::{
    Domain, Observed, OldRow, OldRows, Place, ReadRows as _, Record, Rows, Stamp, StoreError,
    Table, View,
};

/// Wikis and their pages.
pub(crate) struct Wiki;

/// An edit of a page.
pub(crate) struct Edit {
    pub(crate) at: Stamp,
    pub(crate) wiki: String,
    pub(crate) title: String,
    pub(crate) change: Change,
}

pub(crate) enum Change {
    Text(String),
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) wiki: String,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// The number of edits of a wiki.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Count {
    pub(crate) wiki: String,
    pub(crate) edits: u64,
}

impl Record for Page {
    type Key = (String, String);

    const TABLE: Table = Table {
        number: 1,
        name: "pages",
    };

    fn key(&self) -> Self::Key {
        (self.wiki.clone(), self.title.clone())
    }

    fn place(&self) -> Option<Place> {
        Some(Place::of_part(&self.wiki, &self.title, Millis(0)))
    }
}

impl Record for Count {
    type Key = String;

    const TABLE: Table = Table {
        number: 2,
        name: "counts",
    };

    fn key(&self) -> String {
        self.wiki.clone()
    }
}

impl Observed for Edit {
    fn at(&self) -> Stamp {
        self.at
    }

    fn is_event(&self) -> bool {
        true
    }
}

impl Domain for Wiki {
    type Observation = Edit;
    type Missing = String;
    type Reader = Pages;

    const DELETION_RULES: u8 = 1;

    fn merge<S: Rows>(rows: &mut S, seen: &Edit) -> Result<Vec<String>, S::Error> {
        let page = Page {
            wiki: seen.wiki.clone(),
            title: seen.title.clone(),
            text: String::new(),
        };
        match &seen.change {
            Change::Text(text) => {
                rows.update(page, |page| page.text.clone_from(text))?;
            }
            Change::Gone => rows.delete(&page)?,
        }
        let none = Count {
            wiki: seen.wiki.clone(),
            edits: 0,
        };
        rows.update(none, |count| count.edits += 1)?;
        Ok(Vec::new())
    }

    fn upgrade(
        _: OldRows<'_>,
    ) -> Result<impl FnMut(OldRow) -> Result<Option<OldRow>, StoreError> + '_, StoreError> {
        Ok(|row| Ok(Some(row)))
    }
}

/// Queries on the mirror of wikis.
pub(crate) struct Pages(View);

impl From<View> for Pages {
    fn from(view: View) -> Self {
        Self(view)
    }
}

impl Pages {
    pub(crate) fn page(&self, wiki: &str, title: &str) -> Result<Option<Page>, StoreError> {
        self.0.get((wiki.to_owned(), title.to_owned()))
    }

    pub(crate) fn all(&self, wiki: &str) -> Result<Vec<Page>, StoreError> {
        self.0.scan(wiki.to_owned())
    }

    pub(crate) fn each(
        &self,
        wiki: &str,
    ) -> impl DoubleEndedIterator<Item = Result<Page, StoreError>> {
        self.0.iter(wiki.to_owned()..=wiki.to_owned())
    }

    pub(crate) fn last(&self, wiki: &str) -> Result<Option<Page>, StoreError> {
        self.0.last(wiki.to_owned())
    }
}
