//! Labels, milestones, releases and discussions: how they are followed, and who is left out of them.

use std::time::Duration;

use simulator::github::{
    Fault, Github, What,
    world::{Action, Content, ItemKind, MarkerKind, Seed},
};

use super::{
    Source, first_issue,
    truth::{archived, assert_same, truth},
};

const ALPHA: &str = "octo-org/alpha";

fn discussion(title: &str, body: &str) -> Action {
    Action::Discussion {
        repository: ALPHA.into(),
        by: Some("amara".to_owned()),
        title: title.to_owned(),
        body: body.to_owned(),
        at: None,
    }
}

fn answer(on: u64, by: &str, body: &str) -> Action {
    Action::DiscussionComment {
        on: on.into(),
        by: Some(by.to_owned()),
        body: body.to_owned(),
        at: None,
    }
}

fn release(tag: &str, by: &str, body: &str, draft: bool) -> Action {
    Action::Release {
        repository: ALPHA.into(),
        by: Some(by.to_owned()),
        tag: tag.to_owned(),
        title: format!("Release {tag}"),
        body: body.to_owned(),
        draft,
    }
}

pub(super) fn heart(on: u64) -> Action {
    Action::React {
        on: on.into(),
        by: Some("bram".to_owned()),
        content: Content::Heart,
        at: None,
    }
}

fn heart_on_comment(source: &Source, on: u64) {
    let said = source.act(answer(on, "bram", "So"));
    source.act(heart(said));
}

fn edit(on: u64, title: &str) -> Action {
    Action::Edit {
        on: on.into(),
        title: Some(title.to_owned()),
        body: None,
    }
}

fn delete(on: u64) -> Action {
    Action::Delete { on: on.into() }
}

impl Source {
    /// Something of the repository that fits.
    fn item(&self, kind: ItemKind) -> u64 {
        self.github.world(|world| {
            let home = world.repository_named(ALPHA).unwrap().id;
            let mut items = world.items();
            let fits = |item: &&simulator::github::world::Item| {
                let is_draft = item.release.as_ref().is_some_and(|release| release.draft);
                item.repository == home && item.kind == kind && !is_draft
            };
            items.find(fits).unwrap().id
        })
    }

    pub(super) fn marker(&self, kind: MarkerKind) -> u64 {
        self.github.world(|world| {
            let home = world.repository_named(ALPHA).unwrap().id;
            let mut all = world.markers(home).filter(|marker| marker.kind == kind);
            all.next().unwrap().id
        })
    }
}

/// What changed is there after the next reading, and costs little.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_labels_milestones_releases_and_discussions() {
    let source = Source::seeded(&Seed::default()).await;
    source.run(&["sync"]).await.ok();
    source.check().await;

    let label = source.act(Action::Label {
        repository: ALPHA.into(),
        name: "new".to_owned(),
        description: String::new(),
    });
    let issue = first_issue(&source, ALPHA, 1);
    for with in [label, source.marker(MarkerKind::Milestone)] {
        source.act(Action::Mark {
            on: issue.clone(),
            with: with.into(),
        });
    }
    source.act(edit(source.marker(MarkerKind::Label), "renamed"));
    source.act(Action::Close {
        on: source.marker(MarkerKind::Milestone).into(),
    });
    source.act(edit(source.item(ItemKind::Release), "Another name"));
    source.act(release("v9", "amara", "All of it", false));
    source.act(release("v10", "amara", "Nobody sees it", true));
    let asked = source.act(discussion("How?", "See #1"));
    let said = source.act(answer(asked, "bram", "So"));
    source.act(answer(said, "chiyo", "Thanks"));
    source.act(heart(said));
    source.act(Action::Answer {
        on: said.into(),
        by: Some("amara".to_owned()),
    });
    source.run(&["sync"]).await.ok();
    source.check().await;

    // In the same second, perhaps.
    source.act(answer(asked, "eskil", "Once more"));
    source.run(&["sync"]).await.ok();
    source.check().await;

    // A deleted label, milestone or release is missing from a short list. Of a comment, the place is left.
    source.act(delete(said));
    source.act(answer(asked, "eskil", "Gone?"));
    source.act(Action::Unmark {
        on: issue,
        with: label.into(),
    });
    source.act(delete(label));
    source.act(delete(source.item(ItemKind::Release)));
    source.run(&["sync"]).await.ok();
    source.check().await;
    assert_eq!(source.github.violations(), [""; 0]);
}

/// Which discussion changed, that, and its comments; not reactions to those that are known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_comment_on_a_discussion_costs_little() {
    let source = Source::seeded(&Seed::default()).await;
    let on = source.act(discussion("How?", "To be asked"));
    for _ in 0..30 {
        heart_on_comment(&source, on);
    }
    source.run(&["sync"]).await.ok();
    source.act(answer(on, "eskil", "Once more"));
    let cost = source.cost(&["sync", "--guild", ALPHA]).await;
    // Those three lists cost nothing.
    assert_eq!(cost.not_modified, 3, "{cost:?}");
    assert_eq!(cost.requests - cost.not_modified, 5, "{cost:?}");
    source.check().await;
}

/// A discussion that is read by itself isn't taken for one whose comments are known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_comments_on_a_discussion_that_was_read_since() {
    let source = Source::seeded(&Seed::default()).await;
    let mut asked = discussion("How?", "To be asked");
    let long_ago = jiff::Timestamp::now().as_second() - 1_000;
    if let Action::Discussion { at, .. } = &mut asked {
        *at = Some(long_ago);
    }
    let asked = source.act(asked);
    source.run(&["sync"]).await.ok();
    source.check().await;

    // Between the list of discussions and the reading of everything, and long enough ago.
    let late = Fault::Delay(Duration::from_secs(5));
    source
        .github
        .fail(What::Naming("/pulls/comments".to_owned()), 1, late);
    let before = source.github.counters().requests;
    let running = source.start(&["sync", "--guild", ALPHA, "--recheck"]);
    let is_under_way = |github: &Github| {
        let requests = github.requests();
        let mut new = requests.iter().skip(usize::try_from(before).unwrap());
        new.any(|request| request.path.contains("/pulls/comments"))
    };
    assert!(
        source
            .github
            .wait(Duration::from_mins(1), is_under_way)
            .await
    );
    source.act(Action::DiscussionComment {
        on: asked.into(),
        by: Some("bram".to_owned()),
        body: "To be found".to_owned(),
        at: Some(jiff::Timestamp::now().as_second() - 70),
    });
    running.wait().await.ok();
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// What was known before it was refused stays, and all else is read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discussions_that_are_refused_later_keep_nothing_else_from_being_read_again() {
    let source = Source::seeded(&Seed::default()).await;
    let asked = source.act(discussion("How?", "To be asked"));
    source.act(heart(asked));
    heart_on_comment(&source, asked);
    source.run(&["sync"]).await.ok();
    source.check().await;
    let refuse = |refused: bool| {
        source.act(Action::SetDiscussions {
            repository: ALPHA.into(),
            on: true,
            readable: !refused,
        })
    };
    refuse(true);
    source.act(heart(source.item(ItemKind::Issue)));
    let known = source.reactions_known_until().await;
    let again = source.run(&["sync", "--recheck"]).await;
    again.failed(3, &["let GITHUB_SOURCE_TOKEN read", "discussions"]);
    let known_now = source.reactions_known_until().await;
    assert!(known_now > known, "{known_now} after {known}");
    source.check().await;
    refuse(false);
    source.run(&["sync", "--recheck"]).await.ok();
    source.check().await;
    assert_eq!(source.github.violations(), [""; 0]);
}

/// The comments on it keep their ids, but not their place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_discussion_is_moved_to_another_repository_with_its_comments() {
    let source = Source::seeded(&Seed::default()).await;
    let asked = source.act(discussion("How?", "To be asked"));
    for _ in 0..2 {
        heart_on_comment(&source, asked);
    }
    source.run(&["sync"]).await.ok();
    source.check().await;
    source.act(Action::Repository {
        name: "octo-org/closed".to_owned(),
    });
    source.act(Action::SetPrivate {
        repository: "octo-org/closed".into(),
        private: true,
        readable: true,
    });
    source.act(Action::Transfer {
        on: asked.into(),
        to: "octo-org/closed".into(),
    });
    source.run(&["sync", "--recheck"]).await.ok();
    source.check_without("octo-org/closed", 3).await;
}

/// GitHub then shows neither commits nor releases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn contents_may_be_refused() {
    let source = Source::seeded(&Seed::default()).await;
    let show = |readable: bool| {
        source.act(Action::SetContents {
            repository: ALPHA.into(),
            readable,
        })
    };
    show(false);
    source.act(discussion("How?", "To be asked"));
    let synced = source.run(&["sync"]).await;
    synced.failed(3, &["let GITHUB_SOURCE_TOKEN read", "contents"]);
    source.export().await;
    let lines = archived(&source.archive()).await;
    assert!(lines.iter().any(|line| line.contains("To be asked")));
    let expected = source.github.world(truth);
    let issues = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains(" merged "))
            .count()
    };
    assert!(issues(&lines) > 0);
    assert_eq!(issues(&lines), issues(&expected));
    show(true);
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// It is beyond what a repository tells in short.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_all_again_finds_an_old_release_that_is_published() {
    let source = Source::seeded(&Seed::default()).await;
    let old = source.act(release("v0", "amara", "Not yet", true));
    for number in 1..12 {
        source.act(release(&format!("v{number}"), "amara", "All of it", false));
    }
    source.run(&["sync"]).await.ok();
    source.check().await;
    source.act(Action::SetDraft {
        on: old.into(),
        draft: false,
    });
    source.run(&["sync", "--recheck"]).await.ok();
    source.check().await;
}

/// A release was made when its tag's commit was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_whose_tag_moves_is_one_release() {
    let source = Source::seeded(&Seed::default()).await;
    let nightly = source.act(release("nightly", "amara", "The last one", false));
    for _ in 0..3 {
        source.run(&["sync"]).await.ok();
        source.check().await;
        source.act(Action::MoveTag { on: nightly.into() });
    }
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// The rest is found by reading everything again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn finds_what_is_gone_from_discussions_and_releases() {
    let source = Source::seeded(&Seed::default()).await;
    let asked = source.act(discussion("How?", "To be asked"));
    let gone = source.act(discussion("Gone", "To be deleted"));
    source.act(answer(gone, "bram", "Goes with it"));
    let [replied, alone] = ["Stays empty", "To be deleted"].map(|body| {
        let comment = source.act(answer(asked, "bram", body));
        source.act(heart(comment));
        comment
    });
    source.act(answer(replied, "chiyo", "A reply"));
    source.act(Action::Answer {
        on: replied.into(),
        by: None,
    });
    let released = source.act(release("v9", "amara", "All of it", false));
    let drafted = source.act(release("v10", "amara", "Not yet", false));
    for on in [asked, released] {
        source.act(heart(on));
    }
    source.run(&["sync"]).await.ok();
    source.check().await;

    for on in [gone, replied, alone, source.marker(MarkerKind::Milestone)] {
        source.act(delete(on));
    }
    for on in [asked, released] {
        source.act(Action::Unreact {
            on: on.into(),
            by: Some("bram".to_owned()),
            content: Content::Heart,
        });
    }
    source.act(heart(source.item(ItemKind::Discussion)));
    source.act(heart(source.item(ItemKind::Release)));
    source.act(Action::SetDraft {
        on: drafted.into(),
        draft: true,
    });
    source.run(&["sync", "--recheck"]).await.ok();
    source.check().await;
    source.act(Action::SetDraft {
        on: drafted.into(),
        draft: false,
    });
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// Discussions that are switched off are withdrawn, and all come back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discussions_are_switched_off_and_on() {
    let source = Source::seeded(&Seed::default()).await;
    let switch = |on| {
        source.act(Action::SetDiscussions {
            repository: ALPHA.into(),
            on,
            readable: true,
        })
    };
    switch(false);
    source.run(&["sync"]).await.ok();
    source.check().await;
    for on in [true, false, true] {
        switch(on);
        source.run(&["sync"]).await.ok();
        source.check().await;
        let again = source.cost(&["sync"]).await;
        assert_eq!((again.graphql, again.graphql_points), (1, 1), "{again:?}");
    }
    assert_eq!(source.github.violations(), [""; 0]);
}

/// A token without that permission keeps nothing else from being read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn discussions_may_be_refused() {
    let source = Source::seeded(&Seed::default()).await;
    let refuse = |refused: bool| {
        source.act(Action::SetDiscussions {
            repository: ALPHA.into(),
            on: true,
            readable: !refused,
        })
    };
    refuse(true);
    let synced = source.run(&["sync"]).await.ok();
    let says = "let GITHUB_SOURCE_TOKEN read its discussions";
    assert_eq!(synced.stdout.matches(says).count(), 1, "{synced:?}");
    source.export().await;
    let mut expected = source.github.world(truth);
    let hidden: Vec<String> = source.github.world(|world| {
        let home = world.repository_named(ALPHA).unwrap().id;
        let all = world.items().filter(|item| item.repository == home);
        let discussing = [ItemKind::Discussion, ItemKind::DiscussionComment];
        let all = all.filter(|item| discussing.contains(&item.kind));
        all.map(simulator::github::world::Item::node_id).collect()
    });
    expected.retain(|line| !hidden.iter().any(|id| line.contains(id)));
    assert_same(&archived(&source.archive()).await, &expected);
    let status = source.run(&["status"]).await.ok().stdout;
    assert!(status.contains("not all of its issues"), "{status}");
    std::fs::remove_dir_all(source.home.path().join("data")).unwrap();
    source.run(&["restore", "--from", "dir:archive"]).await.ok();
    refuse(false);
    source.run(&["sync"]).await.ok();
    source.check().await;
}

/// Nothing of somebody who is left out is in the archive, also of what they do later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_kept_of_people_who_are_left_out() {
    let mut source = Source::seeded(&Seed::default()).await;
    let secret = "Secret plans";
    let asked = source.act(discussion(secret, secret));
    let said = source.act(answer(asked, "amara", secret));
    source.act(answer(said, "bram", "As @amara says"));
    source.act(Action::Answer {
        on: said.into(),
        by: Some("amara".to_owned()),
    });
    source.act(release("secret-plans", "amara", secret, false));
    source.act(Action::Milestone {
        repository: ALPHA.into(),
        by: Some("amara".to_owned()),
        title: secret.to_owned(),
        description: secret.to_owned(),
    });
    source.run(&["sync"]).await.ok();
    source.check().await;
    let shown = async |source: &Source| {
        let lines = archived(&source.archive()).await.into_iter();
        let words = ["amara", "secret"];
        let mut shown = lines.filter(|line| {
            let line = line.to_lowercase();
            words.iter().any(|word| line.contains(word))
        });
        shown.next()
    };
    assert!(shown(&source).await.is_some());
    source.run(&["forget", "--github", "amara"]).await.ok();
    source.export().await;
    assert_eq!(shown(&source).await, None);

    source.set("GITHUB_EXCLUDE_USERS", "amara");
    source.act(answer(asked, "amara", secret));
    source.act(release("secret", "amara", secret, false));
    source.run(&["sync", "--recheck"]).await.ok();
    source.export().await;
    assert_eq!(shown(&source).await, None);
}

/// SourceCred's plugin knows none of them; improved rules do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn improved_rules_draw_discussions_and_releases() {
    let source = Source::seeded(&Seed::default()).await;
    let asked = source.act(discussion("How?", ""));
    let said = source.act(answer(
        asked,
        "bram",
        "In https://github.com/octo-org/alpha/releases/tag/v9",
    ));
    source.act(answer(said, "chiyo", "Thanks"));
    source.act(heart(said));
    source.act(Action::Answer {
        on: said.into(),
        by: None,
    });
    source.act(release(
        "v9",
        "amara",
        "See https://github.com/octo-org/alpha/discussions/1",
        false,
    ));
    source.run(&["sync"]).await.ok();
    source.export().await;
    let drawn = async |more: &[&str]| {
        let plain = [
            "graph",
            "--from",
            "dir:archive",
            "--plugin",
            "github",
            "--out",
            "graph",
        ];
        source.run(&[&plain, more].concat()).await.ok();
        let path = source.home.path().join("graph/graph.json");
        std::fs::read_to_string(path).unwrap().replace("\",\"", " ")
    };
    let words = ["DISCUSSION", "RELEASE", "ANSWERS"];
    let plain = drawn(&[]).await;
    assert_eq!(words.map(|word| plain.contains(word)), [false; 3]);
    let improved = drawn(&["--improved"]).await;
    let comment = format!(
        "COMMENT DISCUSSION octo-org alpha {} {said}",
        number_of(&source, asked)
    );
    for words in [
        format!("ANSWERS 8 sourcecred github {comment}"),
        format!("REACTS HEART 5 sourcecred github USERLIKE USER bram 8 sourcecred github {comment}"),
        format!("REFERENCES 8 sourcecred github {comment} 6 sourcecred github RELEASE octo-org alpha v9"),
        "AUTHORS 5 sourcecred github USERLIKE USER amara 6 sourcecred github RELEASE octo-org alpha v9".to_owned(),
    ] {
        assert!(improved.contains(&words), "{words}");
    }
}

fn number_of(source: &Source, item: u64) -> u32 {
    source
        .github
        .world(|world| world.item(item).unwrap().number)
}

/// A restored store finds what happened since, also to what it has from the archive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_discussions_and_goes_on() {
    let source = Source::seeded(&Seed::default()).await;
    let asked = source.act(discussion("How?", "To be asked"));
    source.run(&["sync"]).await.ok();
    source.check().await;
    let before = archived(&source.archive()).await;
    std::fs::remove_dir_all(source.home.path().join("data")).unwrap();
    source.run(&["restore", "--from", "dir:archive"]).await.ok();
    source.export().await;
    assert_same(&archived(&source.archive()).await, &before);
    source.act(answer(asked, "bram", "After the restore"));
    source.act(edit(source.marker(MarkerKind::Label), "renamed"));
    source.run(&["sync"]).await.ok();
    source.check().await;
    assert_same(
        &archived(&source.archive()).await,
        &source.github.world(truth),
    );
}
