//! Network faults and kills at every single request of an export.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::{Either, select};
use propsbot_archive::{DataArchive, ExportRequest, Hash, MemoryArchive, ROOT, export};
use simulator::github::{Fault, Github, Options, What};

use super::{
    super::{
        assert_valid,
        bucket::{clean, first, second, terse},
        community::request,
    },
    ATTRIBUTES, archive_in, commits, files,
    staging::in_parts,
    started, writes,
};

/// Writes the first export.
async fn begin(github: &Github, prefix: &str) {
    let written = MemoryArchive::new();
    first(&written).await;
    let named = |(path, bytes)| (format!("{prefix}/{path}"), bytes);
    let attributes = (ATTRIBUTES.to_owned(), b"* -text\n".to_vec());
    let files = written.files().await.into_iter().chain([attributes]);
    github.commit_as_somebody(files.map(named)).unwrap();
}

/// Longer than any test.
const FOR_EVER: Duration = Duration::from_mins(10);

/// Applies the fault to each request of an export in turn, and checks that it is written exactly
/// once.
async fn nobody_notices(fault: &Fault, strangers: usize) {
    let clean = clean().await;
    let github = started().await;
    for step in 0.. {
        let prefix = format!("step-{step}");
        begin(&github, &prefix).await;
        let (before, made) = (github.requests().len(), commits(&github));
        github.fail_after(What::Any, step, 1, fault.clone());
        let archive = archive_in(&github, &prefix);
        assert_eq!(second(&archive).await, Ok(2), "{fault:?} at {step}");
        assert_eq!(files(&github, &prefix), clean, "{fault:?} at {step}");
        let struck = github.requests().len() > before + step;
        let made = commits(&github) - made;
        let most = 1 + if struck { strangers } else { 0 };
        assert!((1..=most).contains(&made), "{fault:?} at {step}: {made}");
        github.heal();
        if !struck {
            assert!(step > 6, "{step} requests are too few for an export");
            break;
        }
        assert_valid(&archive).await;
    }
    assert_eq!(github.violations(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_reset_connections() {
    nobody_notices(&Fault::Reset, 0).await;
    nobody_notices(&Fault::Truncated, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn resolves_lost_responses_by_reading_the_branch() {
    nobody_notices(&Fault::Lost, 0).await;
    nobody_notices(&Fault::DoneBut(502), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_failing_servers() {
    nobody_notices(&Fault::Status(503), 0).await;
    let limit = Fault::SecondaryLimit {
        status: 429,
        retry_after: Some(0),
    };
    nobody_notices(&limit, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn survives_commits_by_others() {
    let files = || {
        vec![(
            "theirs.txt".to_owned(),
            rand::random::<u128>().to_string().into(),
        )]
    };
    nobody_notices(&Fault::Overtaken(files()), 1).await;
    nobody_notices(&Fault::Raced(files()), 1).await;
}

/// When a process is killed, relative to a request.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Before sending it.
    Before,
    /// After sending it, without seeing the response. Only writes: after a read, nothing is different.
    After,
}

impl End {
    /// Of which requests there are how many at least, and how many there were.
    fn requests(self, github: &Github) -> (What, usize, usize) {
        match self {
            Self::Before => (What::Any, 10, github.requests().len()),
            Self::After => (What::Writes, 4, writes(github)),
        }
    }
}

/// Exports in parts until killed at this request. Returns whether it was killed.
async fn killed(
    github: &Github,
    step: usize,
    end: End,
    exporting: impl Future<Output = Result<u64, String>>,
) -> bool {
    let fault = match end {
        End::Before => Fault::Answer(401, "{}".to_owned()),
        End::After => Fault::Delay(FOR_EVER),
    };
    let (what, _, before) = end.requests(github);
    github.fail_after(what, step, usize::MAX / 2, fault);
    let reached = github.wait(FOR_EVER, |github| end.requests(github).2 > before + step);
    let ended = select(Box::pin(exporting), Box::pin(reached)).await;
    let alive = matches!(ended, Either::Left((Ok(_), _)));
    drop(ended);
    github.heal();
    !alive
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_github_exports_are_atomic() {
    let clean = clean().await;
    for end in [End::Before, End::After] {
        let mut generations = BTreeSet::new();
        let github = started().await;
        for step in 0.. {
            let prefix = format!("step-{step}");
            let archive = || in_parts(&github, &prefix);
            begin(&github, &prefix).await;
            let killed = killed(&github, step, end, second(&archive())).await;
            let later = archive();
            generations.insert(assert_valid(&later).await.manifests[0].generation);
            assert_eq!(second(&later).await, Ok(2), "{end:?} {step}");
            assert_eq!(files(&github, &prefix), clean, "{end:?} {step}");
            assert_eq!(github.branches().unwrap(), ["main"], "{end:?} {step}");
            assert_valid(&later).await;
            if !killed {
                let (_, least, _) = end.requests(&github);
                assert!(step > least, "{step} requests are too few");
                break;
            }
        }
        assert_eq!(generations, BTreeSet::from([1, 2]), "{end:?}");
    }
}

/// The first export, short enough for a few parts.
async fn beginning(archive: &dyn DataArchive) -> Result<u64, String> {
    let rows = terse();
    let everything = request(&rows);
    let done = export(archive, Arc::new(rows), everything).await;
    done.map(|done| done.generation)
        .map_err(|generation| generation.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_first_github_exports_are_atomic() {
    let undisturbed = MemoryArchive::new();
    beginning(&undisturbed).await.unwrap();
    let undisturbed: BTreeSet<String> = undisturbed.files().await.into_keys().collect();
    for end in [End::Before, End::After] {
        for step in 0.. {
            let github = Github::start(Options::default()).await.unwrap();
            let archive = || archive_in(&github, "").with_part(2_500);
            let killed = killed(&github, step, end, beginning(&archive())).await;
            let later = archive();
            assert_eq!(beginning(&later).await, Ok(1), "{end:?} {step}");
            assert_eq!(files(&github, ""), undisturbed, "{end:?} {step}");
            assert_eq!(github.branches().unwrap(), ["main"], "{end:?} {step}");
            assert_valid(&later).await;
            let head = github.head().unwrap().unwrap();
            assert!(github.files_at(&head).unwrap().contains_key(ATTRIBUTES));
            if !killed {
                let (_, least, _) = end.requests(&github);
                assert!(step > least, "{step} requests are too few");
                break;
            }
        }
    }
}

/// Puts an archive of format 1 on the branch.
fn lay_format_one(github: &Github, prefix: &str) -> BTreeSet<String> {
    let hash = Hash::of(b"old").to_string();
    let manifest = br#"{"format":1,"provider":"discord","generation":4,"guilds":[]}"#;
    let files = [
        (ROOT.to_owned(), manifest.to_vec()),
        (
            format!("blobs/{}/{hash}.msgpack", &hash[..2]),
            b"old".to_vec(),
        ),
        (
            format!("indexes/{}/{hash}.json", &hash[..2]),
            b"old".to_vec(),
        ),
    ];
    let named = files.map(|(path, bytes)| (format!("{prefix}/{path}"), bytes));
    github.commit_as_somebody(named).unwrap();
    self::files(github, prefix)
}

/// The first export over an archive of format 1.
async fn replacing(archive: &dyn DataArchive) -> Result<u64, String> {
    let rows = terse();
    let everything = ExportRequest {
        begins_anew: true,
        ..request(&rows)
    };
    let done = export(archive, Arc::new(rows), everything).await;
    done.map(|done| done.generation)
        .map_err(|error| error.to_string())
}

/// Until a replacement is complete, it can be repeated; readers see the old archive or the new one.
#[tokio::test(flavor = "multi_thread")]
async fn killed_replacements_of_format_1_can_be_repeated() {
    let undisturbed = MemoryArchive::new();
    beginning(&undisturbed).await.unwrap();
    let undisturbed: BTreeSet<String> = undisturbed.files().await.into_keys().collect();
    let mut seen = BTreeSet::new();
    let github = started().await;
    for step in 0.. {
        let prefix = format!("step-{step}");
        let old = lay_format_one(&github, &prefix);
        let archive = || archive_in(&github, &prefix).with_part(2_500);
        let killed = killed(&github, step, End::Before, replacing(&archive())).await;
        let is_old = files(&github, &prefix) == old;
        seen.insert(is_old);
        match beginning(&archive()).await {
            Err(refused) => assert!(is_old && refused.contains("export --replace"), "{refused}"),
            Ok(_) => assert!(!is_old, "{step}"),
        }
        replacing(&archive()).await.unwrap();
        assert_eq!(files(&github, &prefix), undisturbed, "{step}");
        assert_eq!(github.branches().unwrap(), ["main"], "{step}");
        assert_valid(&archive()).await;
        if !killed {
            assert!(step > 10, "{step} requests are too few");
            break;
        }
    }
    assert_eq!(seen.len(), 2);
}
