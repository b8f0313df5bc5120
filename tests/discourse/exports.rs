//! What may leave the mirror.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use propsbot_archive::{
    self as archive, Covered, EncodedRow, ExportPart, ExportSpace, Id, Millis, PartRow, Row, Scope,
    Source, SourceError,
};
use propsbot_mirror::{
    Contents, Dirty, ExportView, Exports, Ledger, Mark, Mirror, ReadRows as _, Record, StoreError,
    View, WithdrawnPart,
};

use crate::{
    merge::{Reader, Rules},
    rows::{Forgotten, Kept, Post, Read, SCHEMA, Site, Synced, Topic},
};

/// How far Discourse's clock may differ from ours, in milliseconds.
const CLOCKS_DIFFER: i64 = 600_000;

/// The mirror.
pub(crate) struct Store(pub(crate) Mirror<Rules>);

impl Exports for Store {
    fn schema(&self) -> &'static archive::Schema {
        &SCHEMA
    }

    fn rules(&self) -> u8 {
        1
    }

    fn view(&self) -> Result<ExportView, StoreError> {
        let Reader(view) = self.0.view();
        let sites = view.scan::<Kept<Site>>(())?.into_iter();
        let spaces = sites.map(|site| space(&view, site.row));
        let spaces = spaces.collect::<Result<_, StoreError>>()?;
        let marks = view.scan::<Dirty>(())?;
        let changed = marks.iter().filter_map(|Dirty { mark, .. }| {
            Some(archive::Mark {
                scope: mark.scope(),
                table: table_of(mark)?,
                period: mark.period,
            })
        });
        let carries_out_choices = choices(&marks).next().is_some();
        let contents = Contents {
            spaces,
            changed: changed.collect(),
            carries_out_choices,
            has_choices: !view.scan::<Kept<Forgotten>>(())?.is_empty(),
            marks,
        };
        let rows = Arc::new(Rows(view));
        Ok(ExportView { contents, rows })
    }

    fn is_current(&self, planned: &Contents) -> Result<bool, StoreError> {
        let now = self.view()?.contents;
        Ok(choices(&now.marks).eq(choices(&planned.marks))
            && parts(planned).is_subset(&parts(&now)))
    }

    fn ledger(&self) -> &dyn Ledger {
        &self.0
    }

    fn explain(&self, withdrawn: &[Id]) -> Result<Vec<WithdrawnPart>, StoreError> {
        let why = "it was deleted, or is no longer public";
        let withdrawn = withdrawn.iter().map(|id| WithdrawnPart {
            id: id.clone(),
            name: String::new(),
            why: why.to_owned(),
        });
        Ok(withdrawn.collect())
    }
}

/// What leaves of a site: all topics that are public.
fn space(view: &View, site: Site) -> Result<ExportSpace, StoreError> {
    let Site { site, title } = site;
    let mut parts = Vec::new();
    for Kept { row: topic, .. } in view.scan::<Kept<Topic>>(site.clone())? {
        let Some(name) = topic.title else { continue };
        let read = view.get::<Kept<Read>>((site.clone(), topic.id))?;
        let whole = read.filter(|read| read.row.is_whole);
        let covered = whole.map(|read| Covered {
            after: Millis(topic.created_at.0 - 1),
            to: Millis(read.seen.millis().0 - CLOCKS_DIFFER),
        });
        parts.push(ExportPart {
            id: Id::new(topic.id),
            name,
            covered: covered
                .filter(|range| range.after < range.to)
                .into_iter()
                .collect(),
        });
    }
    let mut synced = Vec::new();
    for class in SCHEMA.classes {
        let key = (site.clone(), (*class).to_owned());
        let complete = view.get::<Kept<Synced>>(key)?;
        synced.push(((*class).to_owned(), complete.map(|kept| kept.seen.millis())));
    }
    Ok(ExportSpace {
        id: Id::new(&site),
        name: title,
        heard_at: synced.iter().find_map(|(_, time)| *time),
        synced: synced.into_iter().collect(),
        history: None,
        stamps: None,
        parts,
    })
}

/// The archive's table of the marked rows; `None` if they aren't exported.
fn table_of(mark: &Mark) -> Option<&'static str> {
    let tables = [
        (<Kept<Site> as Record>::TABLE, Site::TABLE),
        (<Kept<Topic> as Record>::TABLE, Topic::TABLE),
        (<Kept<Post> as Record>::TABLE, Post::TABLE),
        (<Kept<Forgotten> as Record>::TABLE, Forgotten::TABLE),
    ];
    let table = tables.into_iter().find(|(table, _)| mark.is_of(*table));
    table.map(|(_, name)| name)
}

/// The marks of users who chose to be forgotten since the last export.
fn choices(marks: &[Dirty]) -> impl Iterator<Item = &Dirty> {
    let table = <Kept<Forgotten> as Record>::TABLE;
    marks.iter().filter(move |dirty| dirty.mark.is_of(table))
}

fn parts(contents: &Contents) -> BTreeSet<&Id> {
    let parts = contents.spaces.iter().flat_map(|space| &space.parts);
    parts.map(|part| &part.id).collect()
}

/// The rows of a view.
struct Rows(View);

impl Source for Rows {
    fn newest(&self, site: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        let mut rows = self.0.recent(site, Millis(i64::MIN)..=clock);
        Ok(rows.next_back().transpose()?.map(|row| row.time))
    }

    fn recent(
        &self,
        site: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        for row in self.0.recent(site, times) {
            let Kept { row: post, .. } = row?.read::<Kept<Post>>()?;
            each(PartRow {
                part: Some(Id::new(post.topic)),
                table: Post::TABLE,
                row: EncodedRow::new(&post),
            })?;
        }
        Ok(())
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let (view, site) = (&self.0, scope.space.to_string());
        match (table, &scope.part) {
            (Site::TABLE, None) => hand_on(view.scan::<Kept<Site>>(site)?, &times, each),
            (Topic::TABLE, None) => {
                let mut topics = view.scan::<Kept<Topic>>(site)?;
                topics.retain(|kept| kept.row.title.is_some());
                hand_on(topics, &times, each)
            }
            (Forgotten::TABLE, None) => hand_on(view.scan::<Kept<Forgotten>>(site)?, &times, each),
            (Post::TABLE, Some(topic)) => {
                let topic: u64 = topic.as_str().parse()?;
                hand_on(view.scan::<Kept<Post>>((site, topic))?, &times, each)
            }
            _ => Err(format!("there is no table {table}").into()),
        }
    }
}

/// Hands on the rows of these times, in their order.
fn hand_on<R: Row>(
    kept: Vec<Kept<R>>,
    times: &RangeInclusive<Millis>,
    each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut rows: Vec<R> = kept.into_iter().map(|kept| kept.row).collect();
    rows.retain(|row| times.contains(&row.key().time));
    rows.sort_by_key(Row::key);
    rows.iter().try_for_each(|row| each(EncodedRow::new(row)))
}
