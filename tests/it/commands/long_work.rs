//! Long-running work: progress, and results after Discord stops taking responses.

use std::{
    fs::{self, File},
    io::Write as _,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use serde_json::json;
use simulator::discord::{Answer, Discord, Fault, InteractionId};

use super::{SOON, Server, answers::DECORATION, says};

const CALLBACK: &str = "POST /interactions/{interaction_id}/{interaction_token}/callback";
const EDIT: &str = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original";
const POST: &str = "POST /channels/{channel_id}/messages";

/// A manifest that blocks its readers: a pipe in its place.
struct SlowManifest {
    path: PathBuf,
    kept: PathBuf,
    pipe: File,
}

impl SlowManifest {
    fn of(server: &Server) -> Self {
        let path = server.mirror.archive_path().join("manifest.json");
        let kept = path.with_extension("kept");
        fs::rename(&path, &kept).unwrap();
        let made = crate::mirror::spawn(Command::new("mkfifo").arg(&path)).wait();
        assert!(made.unwrap().success());
        // Open for both, so that neither end waits for the other.
        let pipe = File::options().read(true).write(true).open(&path).unwrap();
        Self { path, kept, pipe }
    }

    /// Unblocks the readers, and restores the file.
    fn let_go(mut self) {
        let manifest = fs::read(&self.kept).unwrap();
        fs::rename(&self.kept, &self.path).unwrap();
        self.pipe.write_all(&manifest).unwrap();
    }
}

/// A server with an archive that is exported only on request.
async fn exported() -> Server {
    let mut server = Server::start().await;
    server.stop().await;
    // Nothing else may read a manifest that blocks its readers, so no cred is computed either.
    for (name, value) in [("EXPORT_INTERVAL", "1d"), ("CRED_MEMORY", "0")] {
        let variable = (name.to_owned(), value.to_owned());
        server.mirror.variables.push(variable);
    }
    server.run().await;
    says(
        &server.admin("archive now", json!({})).await,
        &["generation"],
    );
    server
}

/// Starts an export that blocks, and waits until its progress was shown this often.
async fn told(server: &Server, times: usize) -> (InteractionId, Answer) {
    let discord = server.discord();
    let run = discord.slash(discord.owner_id(), server.general, "archive now", json!({}));
    let enough = |server: &simulator::discord::Discord| {
        server
            .answer_so_far(run)
            .is_some_and(|answer_so_far| answer_so_far.edits.len() >= times)
    };
    assert!(discord.wait(SOON, enough).await, "{}", server.log());
    (run, discord.answer_so_far(run).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_progress_and_then_the_result() {
    let server = exported().await;
    let slow = SlowManifest::of(&server);
    let (run, answer) = told(&server, 2).await;
    assert!(
        answer.ephemeral && answer.followups.is_empty(),
        "{answer:?}"
    );
    let first = answer.data["content"].as_str().unwrap();
    let mut texts = vec![first];
    texts.extend(
        answer
            .edits
            .iter()
            .map(|edit| edit["content"].as_str().unwrap()),
    );
    assert!(
        texts
            .iter()
            .all(|text| text.starts_with("Exporting") && text.ends_with(" so far)"))
    );
    texts.dedup();
    assert_eq!(texts.len(), 3, "{texts:?}");
    // Other commands are answered meanwhile.
    assert!(
        !server
            .give(server.ana, &[server.ben], "meanwhile")
            .await
            .ephemeral
    );

    slow.let_go();
    let done = |server: &simulator::discord::Discord| {
        server
            .answer_so_far(run)
            .is_some_and(|answer_so_far| answer_so_far.content.contains("generation"))
    };
    assert!(server.discord().wait(SOON, done).await, "{}", server.log());
    let answer = server.discord().answer_so_far(run).unwrap();
    assert!(answer.followups.is_empty(), "{answer:?}");
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_after_15_minutes_are_posted_in_the_channel() {
    let server = exported().await;
    let slow = SlowManifest::of(&server);
    let (run, before) = told(&server, 1).await;
    let discord = server.discord();
    discord.expire_tokens();
    discord.mutate(POST, "/author/avatar_decoration_data", DECORATION);
    // Showing progress is tried once more; its failure stops nothing.
    let tried = discord.count(EDIT);
    let again = |discord: &simulator::discord::Discord| discord.count(EDIT) > tried;
    assert!(
        discord.wait(Duration::from_secs(20), again).await,
        "{}",
        server.log()
    );

    slow.let_go();
    let owner = discord.owner_id();
    let said = |discord: &simulator::discord::Discord| {
        let messages = discord.truth().messages;
        let mut here = messages
            .iter()
            .filter(|message| message.channel == server.general);
        here.any(|here| {
            here.content.starts_with(&format!("<@{owner}> ")) && here.content.contains("generation")
        })
    };
    assert!(discord.wait(SOON, said).await, "{}", server.log());
    let after = discord.answer_so_far(run).unwrap();
    assert_eq!(
        after.content, before.content,
        "it could not be changed any more"
    );
    let mut server = server;
    let running = server.running.take().unwrap();
    running.terminate();
    let ended = running.wait_for(Duration::from_secs(10)).await.ok();
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}

/// Whether an export's result was shown, in the response or below it.
fn is_told(discord: &Discord, run: InteractionId) -> bool {
    let told = |text: &str| text.contains("generation");
    discord.answer_so_far(run).is_some_and(|answer| {
        let below = answer
            .followups
            .iter()
            .any(|answer| answer.data["content"].as_str().is_some_and(told));
        told(&answer.content) || below
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_results_even_if_the_first_response_was_lost() {
    let server = exported().await;
    let slow = SlowManifest::of(&server);
    let discord = server.discord();
    let before = discord.count(CALLBACK);
    discord.fail(CALLBACK, 1, Fault::Lost);
    let run = discord.slash(discord.owner_id(), server.general, "archive now", json!({}));
    let tried = |discord: &Discord| discord.count(CALLBACK) > before;
    assert!(discord.wait(SOON, tried).await, "{}", server.log());
    slow.let_go();
    let done = |discord: &Discord| is_told(discord, run);
    assert!(discord.wait(SOON, done).await, "{}", server.log());
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_continues_if_progress_cannot_be_shown() {
    let server = exported().await;
    let slow = SlowManifest::of(&server);
    let discord = server.discord();
    let limited = Fault::RateLimited {
        retry_after: 300.0,
        global: false,
        shared: false,
    };
    let before = discord.count(EDIT);
    discord.fail(EDIT, 1, limited);
    let run = discord.slash(discord.owner_id(), server.general, "archive now", json!({}));
    let tried = |discord: &Discord| discord.count(EDIT) > before;
    assert!(discord.wait(SOON, tried).await, "{}", server.log());
    slow.let_go();
    let done = |discord: &Discord| is_told(discord, run);
    assert!(discord.wait(SOON, done).await, "{}", server.log());
}

/// It would show progress after the result.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn abandoned_edits_are_not_sent_later() {
    let server = exported().await;
    let slow = SlowManifest::of(&server);
    let discord = server.discord();
    let limited = Fault::RateLimited {
        retry_after: 6.0,
        global: false,
        shared: false,
    };
    let before = discord.count(EDIT);
    discord.fail(EDIT, 1, limited);
    discord.slash(discord.owner_id(), server.general, "archive now", json!({}));
    let again = |discord: &Discord| discord.count(EDIT) > before + 1;
    assert!(discord.wait(SOON, again).await, "{}", server.log());
    let requests = discord.requests();
    let edits = requests.iter().filter(|request| request.method == "PATCH");
    let times: Vec<_> = edits.map(|request| request.arrived).collect();
    // It is abandoned after 5 s, and the next is sent 4 s later.
    let gap = times[before + 1] - times[before];
    assert!(gap > Duration::from_secs(8), "{gap:?}");
    slow.let_go();
}

/// Each check waits for the disk, without blocking the threads that others need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn archive_checks_do_not_block_other_commands() {
    let server = exported().await;
    let slow = SlowManifest::of(&server);
    let discord = server.discord();
    let owner = discord.owner_id();
    let check = |_| discord.slash(owner, server.general, "archive verify", json!({}));
    let runs: Vec<_> = (0..20).map(check).collect();
    let told = |discord: &Discord| runs.iter().all(|run| discord.answer_so_far(*run).is_some());
    assert!(discord.wait(SOON, told).await, "{}", server.log());
    let given = server.give(server.ana, &[server.ben], "meanwhile").await;
    assert!(!given.ephemeral, "{given:?}");
    slow.let_go();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stops_during_archive_checks() {
    let mut server = exported().await;
    let slow = SlowManifest::of(&server);
    let discord = server.discord();
    let run = discord.slash(
        discord.owner_id(),
        server.general,
        "archive verify",
        json!({}),
    );
    let told = |discord: &Discord| discord.answer_so_far(run).is_some();
    assert!(discord.wait(SOON, told).await, "{}", server.log());
    let running = server.running.take().unwrap();
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
    drop(slow);
}
