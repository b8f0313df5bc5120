//! How what was read changes the store: the last reading of each thing counts, in whatever order they arrive.

use propsbot_mirror::{Domain, Observed, ReadRows, Record, Rows, Stamp, View};

use crate::{
    exclusions::{Exclusion, Exclusions},
    records::{Kept, Login, Progress, Read},
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, Reaction, Release,
        Repository, Review, User,
    },
};

/// Something that GitHub has, or had: a tombstone is read, too.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    /// A repository.
    Repository(Repository),
    /// A user.
    User(User),
    /// A commit.
    Commit(Commit),
    /// An issue or a pull request.
    Issue(Issue),
    /// A review.
    Review(Review),
    /// A comment.
    Comment(Comment),
    /// A reaction.
    Reaction(Reaction),
    /// A label.
    Label(Label),
    /// A milestone.
    Milestone(Milestone),
    /// A release.
    Release(Release),
    /// A discussion.
    Discussion(Discussion),
    /// A comment on a discussion.
    DiscussionComment(DiscussionComment),
}

/// Does the same with whatever an object is.
macro_rules! each_kind {
    ($object:expr, $row:ident => $do:expr) => {
        match $object {
            $crate::merge::Object::Repository($row) => $do,
            $crate::merge::Object::User($row) => $do,
            $crate::merge::Object::Commit($row) => $do,
            $crate::merge::Object::Issue($row) => $do,
            $crate::merge::Object::Review($row) => $do,
            $crate::merge::Object::Comment($row) => $do,
            $crate::merge::Object::Reaction($row) => $do,
            $crate::merge::Object::Label($row) => $do,
            $crate::merge::Object::Milestone($row) => $do,
            $crate::merge::Object::Release($row) => $do,
            $crate::merge::Object::Discussion($row) => $do,
            $crate::merge::Object::DiscussionComment($row) => $do,
        }
    };
}

/// What was learned.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// A thing as it was, with GitHub's time of its last change.
    Read(Box<Object>, Option<propsbot_archive::Millis>),
    /// How far the reading is.
    Progress(Box<Progress>),
    /// Nothing is to be kept of this login's accounts.
    Exclude(String),
}

/// A fact, and when it held: when the request was sent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observation {
    /// When it held.
    pub at: Stamp,
    /// The fact.
    pub fact: Fact,
}

impl Observed for Observation {
    fn at(&self) -> Stamp {
        self.at
    }

    fn is_event(&self) -> bool {
        false
    }
}

/// GitHub's facts and their rules.
pub(crate) struct Github;

/// The rows of a mirror, as of one instant or as they are now.
pub(crate) struct Reader(pub(crate) View);

impl From<View> for Reader {
    fn from(view: View) -> Self {
        Self(view)
    }
}

impl Domain for Github {
    type Observation = Observation;
    type Missing = ();
    type Reader = Reader;

    const DELETION_RULES: u8 = 1;

    fn merge<S: Rows>(rows: &mut S, seen: &Observation) -> Result<Vec<()>, S::Error> {
        match &seen.fact {
            Fact::Read(object, updated_at) => {
                let object = object.as_ref().clone();
                if let Object::User(user) = &object {
                    note_login(rows, user)?;
                }
                each_kind!(object, row => merge_row(rows, seen.at, row, *updated_at)?);
            }
            Fact::Progress(progress) => {
                let known = rows.get::<Progress>(progress.space.clone())?;
                if known.is_none_or(|known| known.at <= progress.at) {
                    rows.put(&**progress)?;
                }
            }
            Fact::Exclude(login) => {
                let login = login.to_lowercase();
                let at = seen.at;
                let exclusion = Exclusion { login, at };
                let (before, _) = rows.update(exclusion, |known| known.at = known.at.min(at))?;
                if before.is_none() {
                    redact_all(rows)?;
                }
            }
        }
        Ok(Vec::new())
    }
}

/// Keeps the reading if it is the last one. Of two at the same time, the greater row counts.
fn merge_row<R: Kept, S: Rows>(
    rows: &mut S,
    at: Stamp,
    mut row: R,
    updated_at: Option<propsbot_archive::Millis>,
) -> Result<(), S::Error> {
    row.redact(&Exclusions::of(rows)?);
    let read = Read {
        space: row.space().to_owned(),
        table: <R as Record>::TABLE.number,
        parent: row.parent().to_owned(),
        id: row.node().to_owned(),
        created: row.created(),
        at,
        updated_at,
        is_gone: row.gone().is_some(),
    };
    if let Some(known) = rows.get::<Read>(read.key())? {
        if known.at > at {
            return Ok(());
        }
        let before = row.made_at(known.created);
        if known.at == at {
            let stored = rows.get::<R>(Record::key(&before))?;
            let key = |read: &Read, row: Option<&R>| (row.cloned(), read.updated_at);
            if key(&known, stored.as_ref()) >= key(&read, Some(&row)) {
                return Ok(());
            }
        }
        // A release was made when its tag's commit was, and tags move.
        if known.created != read.created {
            rows.delete(&before)?;
        }
    }
    rows.update(row.clone(), |known| known.clone_from(&row))?;
    rows.put(&read)
}

/// Remembers who has this login, and removes them if it is left out.
fn note_login<S: Rows>(rows: &mut S, user: &User) -> Result<(), S::Error> {
    let login = Login {
        login: user.login.to_lowercase(),
        id: user.id.clone(),
    };
    if login.login.is_empty() || rows.get::<Login>(login.key())?.is_some() {
        return Ok(());
    }
    rows.put(&login)?;
    if Exclusions::of(rows)?.has_login(&login.login) {
        redact_all(rows)?;
    }
    Ok(())
}

/// Removes what is kept of people who are left out.
fn redact_all<S: Rows>(rows: &mut S) -> Result<(), S::Error> {
    let out = Exclusions::of(rows)?;
    redact_table::<User, S>(rows, &out)?;
    redact_table::<Commit, S>(rows, &out)?;
    redact_table::<Issue, S>(rows, &out)?;
    redact_table::<Review, S>(rows, &out)?;
    redact_table::<Comment, S>(rows, &out)?;
    redact_table::<Reaction, S>(rows, &out)?;
    redact_table::<Label, S>(rows, &out)?;
    redact_table::<Milestone, S>(rows, &out)?;
    redact_table::<Release, S>(rows, &out)?;
    redact_table::<Discussion, S>(rows, &out)?;
    redact_table::<DiscussionComment, S>(rows, &out)
}

fn redact_table<R: Kept, S: Rows>(rows: &mut S, out: &Exclusions) -> Result<(), S::Error> {
    let mut changed = Vec::new();
    for row in rows.iter::<R>(()..=()) {
        let row = row?;
        let mut redacted = row.clone();
        redacted.redact(out);
        if redacted != row {
            changed.push(redacted);
        }
    }
    changed.iter().try_for_each(|row| rows.put(row))
}

/// Everything that is kept of a table in a repository, with when it was last read.
pub(crate) fn readings<R: ReadRows>(
    rows: &R,
    space: &str,
    table: u8,
    parent: Option<&str>,
) -> Result<Vec<Read>, R::Error> {
    match parent {
        Some(parent) => rows.scan((space.to_owned(), table, parent.to_owned())),
        None => rows.scan((space.to_owned(), table)),
    }
}
