//! Reads everything again, a hundred things at a time: finds what no list of changes tells, which is reactions,
//! un-reactions and deletions.

use propsbot_archive::Millis;
use propsbot_mirror::ReadRows as _;
use tracing::warn;

use crate::{
    error::{GithubError, SyncError},
    merge::{Reader, readings},
    queries::{IDS, Listed},
    reading::{Reading, SCRUBBED, number_of},
    records::Read,
    rows::Reaction,
};

impl Reading<'_> {
    /// Has the next reading list everything, since what repositories tell in short doesn't tell of each change.
    pub(crate) fn list_all_again(&mut self) {
        self.progress.told = Default::default();
        self.progress.discussed = None;
    }

    /// Reads the next hundred things again, at `now`. Returns whether that was the end of a round.
    pub(crate) async fn scrub_some(&mut self, now: Millis) -> Result<bool, SyncError> {
        let (space, from) = (self.space().to_owned(), self.progress.scrubbed.clone());
        if from.is_none() {
            self.progress.scrub_began = Some(now);
            (self.progress.scrub_lacks, self.progress.scrub_refused) = (false, false);
        }
        let next = self.stored(move |Reader(view)| {
            let [first, .., last] = SCRUBBED;
            let start = from.unwrap_or((first, String::new(), String::new()));
            let after = (space.clone(), start.0, start.1, start.2);
            // Ids are ASCII, so this comes after all of them.
            let end = (space.clone(), last, "\u{7f}".to_owned(), String::new());
            let mut next: Vec<(Read, bool)> = Vec::new();
            for read in view.iter::<Read>(after.clone()..=end) {
                let read = read?;
                let key = (
                    read.space.clone(),
                    read.table,
                    read.parent.clone(),
                    read.id.clone(),
                );
                let is_other = !SCRUBBED.contains(&read.table);
                if key == after || read.is_gone || is_other {
                    continue;
                }
                let reactions = readings(view, &space, number_of::<Reaction>(), Some(&read.id))?;
                let has_reactions = reactions.iter().any(|reaction| !reaction.is_gone);
                next.push((read, has_reactions));
                if next.len() == IDS {
                    break;
                }
            }
            Ok(next)
        });
        let next = next.await?;
        let is_done = next.len() < IDS;
        let last = next
            .last()
            .map(|(read, _)| (read.table, read.parent.clone(), read.id.clone()));
        let mut harvest = self.harvest();
        let (asked, reacted): (Vec<Read>, Vec<bool>) = next.into_iter().unzip();
        let with_reactions: Vec<String> = asked
            .iter()
            .zip(reacted)
            .filter(|(_, has_reactions)| *has_reactions)
            .map(|(read, _)| read.id.clone())
            .collect();
        self.ask_by_id(&mut harvest, asked).await?;
        harvest.lists.retain(|page| page.kind == Listed::Reactions);
        for id in with_reactions {
            let is_asked = harvest.lists.iter().any(|page| page.id == id);
            if harvest.found.contains(&id) && !is_asked {
                harvest.ask(Listed::Reactions, &id, "");
            }
        }
        self.read_lists(&mut harvest).await?;
        let unlisted = self.unlisted(&mut harvest).await?;
        self.ask_by_id(&mut harvest, unlisted).await?;
        self.progress.scrub_lacks |= harvest.lacks_others;
        if harvest.is_refused && !self.progress.scrub_refused {
            warn!(
                repository = self.name,
                "GitHub refuses some of what is known: {}",
                GithubError::Partial
            );
        }
        self.progress.scrub_refused |= harvest.is_refused;
        let lacks = self.progress.scrub_lacks;
        self.progress.scrubbed = last.filter(|_| !is_done);
        if is_done {
            self.progress.scrub_done = self.progress.scrub_began.take();
            self.list_all_again();
            if let Some(done) = self.progress.scrub_done.filter(|_| !lacks) {
                self.complete(1, done);
                if !self.progress.scrub_refused && !self.progress.hides_discussions {
                    self.progress.discussions = self.progress.complete[1];
                }
            }
        }
        self.keep(harvest.facts).await?;
        Ok(is_done)
    }
}
