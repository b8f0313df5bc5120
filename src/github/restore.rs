//! Fills an empty store from an archive.

use std::sync::Arc;

use propsbot_archive::{ArchiveReader, DataArchive, Manifest};
use propsbot_mirror::{Record, Stamp, ask};

use crate::{
    clock::Clock,
    error::RestoreError,
    exclusions::{Exclusion, UNKNOWN},
    export::Store,
    records::{Kept, Login, Progress, Read},
    rows::{
        Comment, Commit, Discussion, DiscussionComment, Issue, Label, Milestone, Reaction, Release,
        Repository, Review, User,
    },
    schema::SCHEMA,
};

/// Restores everything. What was found by reading all again isn't known any more: the next reading begins that anew.
pub(crate) async fn restore(
    store: &Arc<Store>,
    archive: &dyn DataArchive,
    told: &(dyn Fn(u64, u64) + Sync),
) -> Result<String, RestoreError> {
    let reader = ArchiveReader::open(archive, &SCHEMA).await?;
    ask(store, |store| store.mirror.clear()).await??;
    let manifests = reader.manifests();
    let rows = manifests.iter().flat_map(|manifest| manifest.rows.values());
    let total = rows.copied().fold(0, u64::saturating_add);
    let newest = manifests.iter().map(|manifest| manifest.created_at).max();
    let newest: Stamp = newest.unwrap_or_default().min(Clock::now()).into();
    let mut done = 0;
    macro_rules! table {
        ($row:ident) => {{
            let rows = reader.rows::<$row>().await?;
            done += rows.len() as u64;
            told(done, total);
            keep(store, rows, newest).await?;
        }};
    }
    table!(Repository);
    let users = reader.rows::<User>().await?;
    done += users.len() as u64;
    let logins = users.iter().map(|user| Login {
        login: user.login.to_lowercase(),
        id: user.id.clone(),
    });
    let logins: Vec<Login> = logins.collect();
    let is_left_out = logins.iter().any(|account| account.login == UNKNOWN);
    let left_out = Exclusion {
        login: UNKNOWN.to_owned(),
        at: newest,
    };
    ask(store, move |store| {
        store.mirror.restore(&logins, newest)?;
        let left_out = is_left_out.then_some(left_out);
        store.mirror.restore(left_out.as_slice(), newest)
    })
    .await??;
    keep(store, users, newest).await?;
    table!(Commit);
    table!(Issue);
    table!(Review);
    table!(Comment);
    table!(Reaction);
    table!(Label);
    table!(Milestone);
    table!(Release);
    table!(Discussion);
    table!(DiscussionComment);
    let progress: Vec<Progress> = manifests
        .iter()
        .map(|manifest| progress(manifest, newest))
        .collect();
    let origins = reader.origins();
    ask(store, move |store| {
        store.mirror.restore(&progress, newest)?;
        store.mirror.restored(newest, &origins)
    })
    .await??;
    told(total, total);
    let repositories = manifests.len();
    Ok(format!(
        "{repositories} {}, {done} rows. The archive doesn't hold private repositories that weren't exported: \
         `propsbot sync` fetches those again",
        if repositories == 1 {
            "repository"
        } else {
            "repositories"
        }
    ))
}

/// Keeps rows, as if all had been read when the archive was written.
async fn keep<R: Kept>(store: &Arc<Store>, rows: Vec<R>, at: Stamp) -> Result<(), RestoreError> {
    ask(store, move |store| {
        for rows in rows.chunks(1_000) {
            let reads = rows.iter().map(|row| Read {
                space: row.space().to_owned(),
                table: <R as Record>::TABLE.number,
                parent: row.parent().to_owned(),
                id: row.node().to_owned(),
                created: row.created(),
                at,
                updated_at: None,
                is_gone: row.gone().is_some(),
            });
            let reads: Vec<Read> = reads.collect();
            store.mirror.restore(rows, at)?;
            store.mirror.restore(&reads, at)?;
        }
        Ok::<_, propsbot_mirror::StoreError>(())
    })
    .await??;
    Ok(())
}

/// How far the repository was read when it was exported. Changes are asked for from there.
fn progress(manifest: &Manifest, at: Stamp) -> Progress {
    let synced = |class: &str| manifest.synced.get(class).copied().flatten();
    let tracker = synced("tracker");
    let history = synced("history");
    let since = tracker.map(|at| propsbot_archive::Millis(at.0 - 10 * 60_000));
    Progress {
        space: manifest.space.to_string(),
        named: manifest.name.clone(),
        at,
        are_listed: [tracker.is_some(); 2],
        since,
        complete: [tracker, synced("reactions"), history],
        scrub_done: synced("reactions"),
        // Earlier versions had one class for both.
        discussions: match manifest.synced.get("discussions") {
            Some(discussions) => *discussions,
            None => synced("reactions"),
        },
        // It may have been exported while they were read.
        lacks_ancestors: true,
        lacks_merged: true,
        ..Progress::default()
    }
}
