//! What moves to another repository, and labels that are older than their times.

use simulator::github::world::{Action, Item, MarkerKind, Seed};

use super::{Source, comment, truth::archived};

const ALPHA: &str = "octo-org/alpha";
const BETA: &str = "Octo-Labs/beta";

/// An issue with two comments that somebody likes.
fn discussed(source: &Source) -> u64 {
    let issue = source.act(Action::Issue {
        repository: ALPHA.into(),
        by: Some("amara".to_owned()),
        title: "In the wrong place".to_owned(),
        body: String::new(),
        at: None,
    });
    for text in ["To be moved", "To be moved, too"] {
        let number = source
            .github
            .world(|world| world.item(issue).unwrap().number);
        let said = source.act(comment(&format!("{ALPHA}#{number}"), text));
        source.act(super::discussions::heart(said));
    }
    issue
}

impl Source {
    /// Asserts that the archive has both comments where the issue is now.
    async fn check_moved(&self, issue: u64) {
        self.export().await;
        let (home, id) = self.github.world(|world| {
            let item = world.item(issue).unwrap();
            let home = world.repository(item.repository).unwrap();
            (home.node_id(), item.node_id())
        });
        let lines = archived(&self.archive()).await;
        let moved: Vec<&String> = lines
            .iter()
            .filter(|line| line.contains("To be moved"))
            .collect();
        let of = format!(" of {id} ");
        let is_there = |line: &&String| line.starts_with(&home) && line.contains(&of);
        let count = moved.iter().filter(|line| is_there(line)).count();
        assert_eq!(count, 2, "{moved:#?}");
    }
    /// Asserts that the archive has none of this repository's items, of which there are so many.
    pub(super) async fn check_without(&self, repository: &str, count: usize) {
        self.export().await;
        let ids: Vec<String> = self.github.world(|world| {
            let home = world.repository_named(repository).unwrap().id;
            let items = world.items().filter(|item| item.repository == home);
            items.map(Item::node_id).collect()
        });
        assert_eq!(ids.len(), count);
        let lines = archived(&self.archive()).await;
        let still = lines
            .iter()
            .find(|line| ids.iter().any(|id| line.contains(id)));
        assert_eq!(still, None);
    }
}

/// No list of changes has its comments, which are old. What it left behind is found by reading everything again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issue_is_transferred_with_its_comments() {
    let source = Source::seeded(&Seed::default()).await;
    let issues = [discussed(&source), discussed(&source)];
    source.run(&["sync"]).await.ok();
    source.check().await;
    for (issue, is_whole) in issues.into_iter().zip([false, true]) {
        let (on, to) = (issue.into(), BETA.into());
        let moved = source.act(if is_whole {
            Action::TransferWhole { on, to }
        } else {
            Action::Transfer { on, to }
        });
        source.run(&["sync"]).await.ok();
        source.check_moved(moved).await;
        source.run(&["sync", "--recheck"]).await.ok();
        source.check().await;
    }
    assert_eq!(source.github.violations(), [""; 0]);
}

/// Comments that keep their ids don't stay where they were, whoever may read their new place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comments_move_to_a_repository_that_is_not_mirrored() {
    let source = Source::seeded(&Seed::default()).await;
    let issue = discussed(&source);
    source.run(&["sync"]).await.ok();
    source.check().await;
    let closed = "octo-org/closed";
    source.act(Action::Repository {
        name: closed.to_owned(),
    });
    source.act(Action::SetPrivate {
        repository: closed.into(),
        private: true,
        readable: true,
    });
    source.act(Action::TransferWhole {
        on: issue.into(),
        to: closed.into(),
    });
    source.run(&["sync", "--recheck"]).await.ok();
    source.check_without(closed, 3).await;
}

/// GitHub doesn't know when its oldest labels were made, nor when they changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_has_no_times() {
    let source = Source::seeded(&Seed::default()).await;
    let label = source.marker(MarkerKind::Label);
    source.act(Action::ForgetTimes { on: label.into() });
    source.run(&["sync"]).await.ok();
    source.check().await;
    // Which is when GitHub learns of a time.
    source.act(Action::Edit {
        on: label.into(),
        title: Some("renamed".to_owned()),
        body: None,
    });
    source.run(&["sync"]).await.ok();
    source.check().await;
    // Deleting it changes nothing that lists tell of what it marked.
    source.act(Action::Delete { on: label.into() });
    source.run(&["sync", "--recheck"]).await.ok();
    source.check().await;
    assert_eq!(source.github.violations(), [""; 0]);
}
