//! What may leave the mirror: public repositories, and private ones that the operator named.

use std::{collections::BTreeSet, ops::RangeInclusive, sync::Arc};

use propsbot_archive::{
    Covered, EncodedRow, ExportPart, ExportSpace, Id, ManifestHistory, Mark, Millis, PartRow, Row,
    Schema, Scope, Source, SourceError,
};
use propsbot_mirror::{
    Contents, Dirty, ExportView, Exports, Ledger, Mirror, ReadRows as _, Record, StoreError,
    WithdrawnPart,
};

use crate::{
    exclusions::Exclusion,
    merge::{Github, Reader},
    records::{HISTORY, Kept, Progress, TRACKER},
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, Part, Reaction,
        Release, Repository, Review, User,
    },
    schema::{CLASSES, SCHEMA},
    wanted::Wanted,
};

/// Version of what is exported of a row. Bump it to export all rows again.
const RULES: u8 = 1;

/// A repository, how far it is read, and why it stays here; `None` if it may leave.
type Decided = (Repository, Progress, Option<&'static str>);

/// The mirror, and which repositories may leave it.
pub(crate) struct Store {
    pub(crate) mirror: Mirror<Github>,
    /// `owner/name` in lower case, as configured.
    pub(crate) private: BTreeSet<String>,
    /// Those that are mirrored.
    pub(crate) wanted: Wanted,
}

impl Store {
    /// Why a repository stays here; `None` if it may leave.
    fn withheld(&self, repository: &Repository, named: &str) -> Option<&'static str> {
        let now = format!("{}/{}", repository.owner, repository.name).to_lowercase();
        let is_named = self.private.contains(&now) || self.private.contains(&named.to_lowercase());
        if repository.deleted_at.is_some() {
            Some("it is gone, or can't be read any more")
        } else if !self.names(repository, named) {
            Some("GITHUB_REPOSITORIES doesn't name it")
        } else if repository.is_public() || is_named {
            None
        } else {
            Some("it isn't public, and GITHUB_EXPORT_PRIVATE doesn't name it")
        }
    }

    /// Whether the configuration names a repository, by its name of now or of before.
    pub(crate) fn names(&self, repository: &Repository, named: &str) -> bool {
        let (of, name) = named.split_once('/').unwrap_or_default();
        self.wanted.has(&repository.owner, &repository.name) || self.wanted.has(of, name)
    }

    /// All repositories with how far they are read, and why each stays here.
    fn repositories(&self, Reader(view): &Reader) -> Result<Vec<Decided>, StoreError> {
        let mut all = Vec::new();
        for repository in view.scan::<Repository>(())? {
            let progress = view.get::<Progress>(repository.id.0.clone())?;
            let progress = progress.unwrap_or_default();
            let withheld = self.withheld(&repository, &progress.named);
            all.push((repository, progress, withheld));
        }
        Ok(all)
    }
}

fn name(repository: &Repository) -> String {
    format!("{}/{}", repository.owner, repository.name)
}

fn space(repository: &Repository, progress: &Progress) -> ExportSpace {
    let [tracker, reactions, history] = progress.complete;
    let part = |id: &str, until: Option<Millis>| ExportPart {
        id: Id::new(id),
        name: id.to_owned(),
        covered: until
            .filter(|until| until.0 > 0)
            .map(|to| Covered {
                after: Millis(0),
                to,
            })
            .into_iter()
            .collect(),
    };
    let synced = CLASSES.iter().zip(progress.synced());
    ExportSpace {
        id: Id::from(&repository.id),
        name: name(repository),
        heard_at: None,
        synced: synced
            .map(|(class, at)| ((*class).to_owned(), at))
            .collect(),
        history: progress.scrub_done.map(|done| ManifestHistory {
            known_until: reactions,
            reread_at: Some(done),
        }),
        stamps: None,
        parts: vec![part(TRACKER, tracker), part(HISTORY, history)],
    }
}

/// The exported table of each kind of record.
fn table(mark: &propsbot_mirror::Mark) -> Option<&'static str> {
    macro_rules! one_of {
        ($($row:ident),*) => {
            $(if mark.is_of(<$row as Record>::TABLE) {
                return Some(<$row as Row>::TABLE);
            })*
        };
    }
    one_of!(
        Repository,
        User,
        Commit,
        Issue,
        Review,
        Comment,
        Reaction,
        Label,
        Milestone,
        Release,
        Discussion,
        DiscussionComment
    );
    None
}

fn is_choice(dirty: &Dirty) -> bool {
    dirty.mark.is_of(Exclusion::TABLE)
}

impl Exports for Store {
    fn schema(&self) -> &'static Schema {
        &SCHEMA
    }

    fn rules(&self) -> u8 {
        RULES
    }

    fn view(&self) -> Result<ExportView, StoreError> {
        let view = self.mirror.view();
        let all = self.repositories(&view)?;
        let spaces = all.iter().filter(|(.., withheld)| withheld.is_none());
        let spaces = spaces.map(|(repository, progress, _)| space(repository, progress));
        let spaces = spaces.collect();
        let Reader(view) = view;
        let marks = view.scan::<Dirty>(())?;
        let changed = marks.iter().filter_map(|dirty| {
            Some(Mark {
                scope: dirty.mark.scope(),
                table: table(&dirty.mark)?,
                period: dirty.mark.period,
            })
        });
        let contents = Contents {
            spaces,
            changed: changed.collect(),
            carries_out_choices: marks.iter().any(is_choice),
            has_choices: !view.scan::<Exclusion>(())?.is_empty(),
            marks,
        };
        Ok(ExportView {
            contents,
            rows: Arc::new(Rows(view)),
        })
    }

    fn is_current(&self, published: &Contents) -> Result<bool, StoreError> {
        let now = self.mirror.view();
        let all = self.repositories(&now)?.into_iter();
        let may_leave = all.filter(|(.., withheld)| withheld.is_none());
        let may_leave: BTreeSet<Id> = may_leave
            .map(|(repository, ..)| Id::from(&repository.id))
            .collect();
        let Reader(view) = now;
        let choices = |marks: &[Dirty]| -> Vec<Dirty> {
            let choices = marks.iter().filter(|dirty| is_choice(dirty));
            choices.cloned().collect()
        };
        let marks = view.scan::<Dirty>(())?;
        let mut spaces = published.spaces.iter();
        Ok(spaces.all(|space| may_leave.contains(&space.id))
            && choices(&published.marks) == choices(&marks))
    }

    fn ledger(&self) -> &dyn Ledger {
        &self.mirror
    }

    fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(self.mirror.0.scan::<Repository>(())?.is_empty())
    }

    fn explain(&self, withdrawn: &[Id]) -> Result<Vec<WithdrawnPart>, StoreError> {
        // Parts have the same names in all repositories.
        Ok(withdrawn
            .iter()
            .map(|id| WithdrawnPart {
                id: id.clone(),
                name: String::new(),
                why: "its repository is no longer exported".to_owned(),
            })
            .collect())
    }

    fn decisions(&self) -> Result<Vec<String>, StoreError> {
        let all = self.repositories(&self.mirror.view())?.into_iter();
        let lines = all.map(|(repository, _, withheld)| {
            let name = name(&repository);
            match withheld {
                None => format!("{name}: exported"),
                Some(why) => format!("{name}: not exported: {why}"),
            }
        });
        Ok(lines.collect())
    }
}

/// The rows of a view of the store.
struct Rows(propsbot_mirror::View);

type Each<'a> = dyn FnMut(PartRow) -> Result<(), SourceError> + 'a;

impl Rows {
    /// Hands on the rows of a table that is kept by part, by time.
    fn part<R: Row + Kept + Record<Key = (String, i64, String)>>(
        &self,
        space: &str,
        part: &str,
        times: &RangeInclusive<Millis>,
        each: &mut Each<'_>,
    ) -> Result<(), SourceError> {
        let keys = (space.to_owned(), times.start().0)..=(space.to_owned(), times.end().0);
        for row in self.0.iter::<R>(keys) {
            each(PartRow {
                part: Some(Id::new(part)),
                table: <R as Row>::TABLE,
                row: EncodedRow::new(&row?),
            })?;
        }
        Ok(())
    }

    /// Hands on the rows of all tables of parts, one table after the other.
    fn all(
        &self,
        space: &str,
        times: &RangeInclusive<Millis>,
        table: Option<&str>,
        each: &mut Each<'_>,
    ) -> Result<(), SourceError> {
        macro_rules! tables {
            ($($row:ident in $part:expr),*) => {
                $(if table.is_none_or(|table| table == <$row as Row>::TABLE) {
                    self.part::<$row>(space, $part, times, each)?;
                })*
            };
        }
        tables!(
            Commit in HISTORY, Issue in TRACKER, Review in TRACKER, Comment in TRACKER, Reaction in TRACKER,
            Label in TRACKER, Milestone in TRACKER, Release in TRACKER, Discussion in TRACKER,
            DiscussionComment in TRACKER
        );
        Ok(())
    }

    fn last<R: Record<Key = (String, i64, String)> + Kept>(
        &self,
        space: &str,
        clock: Millis,
    ) -> Result<Option<Millis>, StoreError> {
        let keys = (space.to_owned(), i64::MIN)..=(space.to_owned(), clock.0);
        let last = self.0.iter::<R>(keys).next_back().transpose()?;
        Ok(last.map(|row| row.created()))
    }
}

/// Hands on these rows of a space's own table.
fn own<R: Row>(
    rows: impl IntoIterator<Item = R>,
    times: &RangeInclusive<Millis>,
    each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let rows = rows.into_iter().map(|row| EncodedRow::new(&row));
    let mut rows: Vec<_> = rows.filter(|row| times.contains(&row.key.time)).collect();
    rows.sort_by(|one, next| one.key.cmp(&next.key));
    rows.into_iter().try_for_each(each)
}

impl Source for Rows {
    fn newest(&self, space: &Id, clock: Millis) -> Result<Option<Millis>, SourceError> {
        let space = space.as_str();
        let newest = [
            self.last::<Commit>(space, clock)?,
            self.last::<Issue>(space, clock)?,
            self.last::<Review>(space, clock)?,
            self.last::<Comment>(space, clock)?,
            self.last::<Reaction>(space, clock)?,
            self.last::<Label>(space, clock)?,
            self.last::<Milestone>(space, clock)?,
            self.last::<Release>(space, clock)?,
            self.last::<Discussion>(space, clock)?,
            self.last::<DiscussionComment>(space, clock)?,
        ];
        Ok(newest.into_iter().max().flatten())
    }

    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let space = scope.space.to_string();
        let Some(part) = &scope.part else {
            return match table {
                <Repository as Row>::TABLE => own(self.0.get::<Repository>(space)?, &times, each),
                <Part as Row>::TABLE => {
                    let repository = self.0.get::<Repository>(space)?;
                    let parts = repository.into_iter().flat_map(|repository| {
                        [TRACKER, HISTORY].map(|part| Part {
                            repository_id: repository.id.clone(),
                            id: part.to_owned(),
                        })
                    });
                    own(parts, &times, each)
                }
                <User as Row>::TABLE => {
                    // Of those who are left out, the bare id: a restored store has to know it.
                    own(self.0.scan::<User>(space)?, &times, each)
                }
                _ => Err(format!("repositories have no table {table}").into()),
            };
        };
        let of_part = |row: &PartRow| row.part.as_ref() == Some(part);
        self.all(&space, &times, Some(table), &mut |row| {
            if of_part(&row) {
                each(row.row)?;
            }
            Ok(())
        })
    }

    fn recent(
        &self,
        space: &Id,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(PartRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let mut rows = Vec::new();
        self.all(space.as_str(), &times, None, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        rows.sort_by_key(|row| row.row.key.time);
        rows.into_iter().try_for_each(each)
    }
}
