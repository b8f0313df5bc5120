//! What is observed, and how it merges.

use propsbot_mirror::{Domain, Observed, Record, Rows, Stamp, View};

use crate::rows::{Forgotten, Kept, Post, Read, Site, Synced, Topic};

/// What a response or a user said.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    Site(Site),
    Topic(Topic),
    Post(Post),
    Read(Read),
    Synced(Synced),
    Forget(Forgotten),
}

#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) at: Stamp,
    pub(crate) fact: Fact,
}

impl Observed for Seen {
    fn at(&self) -> Stamp {
        self.at
    }

    fn is_event(&self) -> bool {
        false
    }
}

/// Discourse's merge rules.
pub(crate) struct Rules;

impl Domain for Rules {
    type Observation = Seen;
    type Missing = ();
    type Reader = Reader;

    const DELETION_RULES: u8 = 1;

    fn merge<S: Rows>(rows: &mut S, Seen { at, fact }: &Seen) -> Result<Vec<()>, S::Error> {
        match fact {
            Fact::Site(site) => keep_latest(rows, site, *at)?,
            Fact::Topic(topic) => keep_latest(rows, topic, *at)?,
            Fact::Read(read) => keep_latest(rows, read, *at)?,
            Fact::Synced(synced) => keep_latest(rows, synced, *at)?,
            Fact::Post(post) => {
                let author = post.author.as_ref();
                let author = author.map(|author| (post.site.clone(), author.clone()));
                let forgotten = match author {
                    Some(author) => rows.get::<Kept<Forgotten>>(author)?.is_some(),
                    None => false,
                };
                let kept = if forgotten {
                    &post.without_author()
                } else {
                    post
                };
                keep_latest(rows, kept, *at)?;
            }
            Fact::Forget(who) => {
                keep_latest(rows, who, *at)?;
                for kept in rows.scan::<Kept<Post>>(who.site.clone())? {
                    if kept.row.author.as_ref() == Some(&who.user) {
                        rows.update(kept, |kept| kept.row = kept.row.without_author())?;
                    }
                }
            }
        }
        Ok(Vec::new())
    }
}

/// The later of two observations holds, whichever arrives first.
fn keep_latest<R: Clone + Ord, S: Rows>(rows: &mut S, row: &R, at: Stamp) -> Result<(), S::Error>
where
    Kept<R>: Record + Clone + PartialEq,
{
    let new = Kept {
        row: row.clone(),
        seen: at,
    };
    rows.update(new.clone(), |known| {
        if (known.seen, &known.row) < (new.seen, &new.row) {
            *known = new;
        }
    })?;
    Ok(())
}

/// Reads all rows.
pub(crate) struct Reader(pub(crate) View);

impl From<View> for Reader {
    fn from(view: View) -> Self {
        Self(view)
    }
}
