//! `propsbot restore`: a store rebuilt from an archive continues where the old one stopped.

use propsbot_rows::SCHEMA;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use propsbot_archive::{
    Depth,
    manifest::{print, print_checked},
    verify,
};
use propsbot_backends::FolderArchive;
use propsbot_model::{
    ChannelId, Coverage, Evidence, Fact, MessageId, Millis, Observation, Privacy, ReactionThanks,
    RoleId, Settings, Stamp, Tier, UserId,
};
use propsbot_store::Store;
use serde_json::Value;
use simulator::discord::{Discord, Fault, Request, TruthChannel, kind};

use crate::{
    archive::object_store::ObjectStore,
    mirror::{Mirror, open, whole},
};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const REACTORS: &str = "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}";
const FROM: [&str; 3] = ["restore", "--from", "dir:archive"];

/// Deletes the store.
fn lose(mirror: &Mirror) {
    fs::rename(mirror.store_path(), mirror.home.path().join("lost")).unwrap();
}

/// The names of all files in an archive.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
                found.insert(name.to_owned());
            }
        }
    }
    found
}

/// Requested messages and reactors of public channels since this many requests. Omits requests
/// before a channel's first message: they depend on the order in which pages arrive.
fn asked(discord: &Discord, since: usize) -> BTreeMap<String, usize> {
    let truth = discord.truth();
    let public = truth.channels.iter().filter(|channel| channel.public);
    let public: BTreeSet<String> = public.map(|public| public.id.to_string()).collect();
    let of_public = |request: &&Request| {
        let channel = request
            .path
            .split('/')
            .skip_while(|part| *part != "channels")
            .nth(1);
        channel.is_some_and(|channel| public.contains(channel))
    };
    let mut asked = BTreeMap::new();
    let requests = discord.requests();
    for request in requests[since..].iter().filter(of_public) {
        let route = format!("{} {}", request.method, request.route);
        let before = request.path.split("before=").nth(1);
        let before: Option<u64> = before.map(|before| before.parse().unwrap());
        let of_channel = |id: u64| request.path.contains(&format!("/{id}/"));
        let something = before.is_none_or(|before| {
            let mut messages = truth.messages.iter();
            // The previous page starts in the preceding millisecond: pages overlap.
            messages
                .any(|message| (message.id >> 22) + 1 < before >> 22 && of_channel(message.channel))
        });
        if [MESSAGES, REACTORS].contains(&&*route) && something {
            *asked.entry(request.path.clone()).or_default() += 1;
        }
    }
    asked
}

fn requests(discord: &Discord) -> usize {
    discord.requests().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restored_stores_continue_where_the_old_one_stopped() {
    let mirror = Mirror::seeded(7).await;
    // Without channels, which the archive wouldn't contain.
    let category = mirror
        .discord
        .create_channel(kind::CATEGORY, "empty", vec![]);
    mirror.sync().await.ok();
    let some = mirror.discord.truth().channels[0].id;
    let settings = Settings {
        props_channels: Some(vec![ChannelId(some)]),
        excluded_channels: vec![ChannelId(category)],
        keep_deleted_props: true,
        meeting_events: true,
        age_restricted: true,
        thanks_emoji: Some("🙏".to_owned()),
        cooldown_minutes: 7,
        giver_roles: vec![RoleId(5)],
        reaction_thanks: vec![
            ReactionThanks::new(Millis(1), Some("🎉"), 0, &[]),
            ReactionThanks::new(Millis(2), Some("🙏"), 7, &[RoleId(5)]),
        ],
        ..Settings::default_for(mirror.guild())
    };
    let chosen = Observation {
        at: Stamp(1),
        by: Evidence::Gateway,
        fact: Fact::Settings(settings.clone()),
    };
    mirror.store().merge(&[vec![chosen]]).unwrap();
    mirror.export().await;
    let manifest = || fs::read(mirror.manifest_path()).unwrap();
    let exported = manifest();
    let before = requests(&mirror.discord);
    mirror.sync().await.ok();
    let asked_anyway = asked(&mirror.discord, before);
    assert!(
        !asked_anyway.is_empty(),
        "the look-back reads something again"
    );

    lose(&mirror);
    let restored = mirror.run(&FROM).await.ok();
    assert!(restored.stdout.contains("generation 1"), "{restored:?}");
    let again = mirror.export().await;
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    assert!(manifest() == exported);
    // Not because it wasn't checked: elsewhere it writes the same.
    mirror.run(&["export", "--to", "dir:elsewhere"]).await.ok();
    assert_eq!(
        files(&mirror.home.path().join("elsewhere")),
        files(&mirror.archive_path())
    );
    assert_eq!(mirror.store().settings(mirror.guild()).unwrap(), settings);

    let before = requests(&mirror.discord);
    mirror.sync().await.ok();
    assert_eq!(asked(&mirror.discord, before), asked_anyway);
    mirror.check_store();
    let lost = open(&mirror.home.path().join("lost")).unwrap();
    let counted = lost.tallies(mirror.guild()).unwrap();
    drop(lost);
    let store = mirror.store();
    let public: BTreeSet<u64> = mirror
        .discord
        .truth()
        .channels
        .iter()
        .map(|channel| channel.id)
        .collect();
    for tally in counted
        .iter()
        .filter(|counted| public.contains(&counted.channel_id.0))
    {
        let restored = store.tallies(mirror.guild()).unwrap();
        let restored = restored
            .iter()
            .find(|restored| restored.channel_id == tally.channel_id);
        // Only the old store had seen deletions in private channels.
        assert_eq!(
            restored.map(|restored| restored.messages),
            Some(tally.messages)
        );
    }
}

/// Hidden data isn't in the archive, and doesn't count as known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refetches_hidden_data_after_a_restore() {
    let mirror = Mirror::seeded(7).await;
    mirror.sync().await.ok();
    let guild = mirror.guild();
    let truth = mirror.discord.truth();
    let author = truth
        .messages
        .iter()
        .find(|message| message.webhook.is_none());
    let hide = Privacy {
        tier: Tier::Everything,
        since: Millis(1),
        ..Privacy::unchosen(guild, UserId(author.unwrap().author))
    };
    let chosen = Observation {
        at: Stamp(1),
        by: Evidence::Gateway,
        fact: Fact::Privacy(hide.clone()),
    };
    mirror.store().merge(&[vec![chosen]]).unwrap();
    mirror.export().await;
    lose(&mirror);
    mirror.run(&FROM).await.ok();
    assert_eq!(mirror.store().privacy(guild).unwrap()[0].tier, hide.tier);
    let again = mirror.export().await;
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    mirror.sync().await.ok();
    let lost = open(&mirror.home.path().join("lost")).unwrap();
    let counts = |store: &Store| {
        let tallies = store.tallies(guild).unwrap().into_iter();
        let counts: Vec<_> = tallies
            .map(|tally| (tally.channel_id, tally.messages, tally.reactions))
            .collect();
        counts
    };
    let before = counts(&lost);
    drop(lost);
    assert_eq!(counts(&mirror.store()), before);
    let again = mirror.export().await;
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
}

/// What the old store hadn't finished doesn't count as known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refetches_unfinished_data_after_a_restore() {
    let mirror = Mirror::seeded(3).await;
    let gone = r#"{"message": "Unknown Emoji", "code": 10014}"#.to_owned();
    // Many, since a look-back reads the latest again anyway.
    let truth = mirror.discord.truth();
    let readable = truth.channels.iter().filter(|channel| channel.readable);
    let readable: BTreeSet<u64> = readable.map(|readable| readable.id).collect();
    let messages = truth.messages.iter();
    let lists: usize = messages
        .filter(|message| readable.contains(&message.channel))
        .map(|message| message.reactions.len())
        .sum();
    mirror
        .discord
        .fail_after(REACTORS, 2, lists / 2, Fault::Answer(404, gone));
    mirror.sync().await.failed(3, &["incomplete"]);
    mirror.export().await;
    assert_ne!(mirror.archive_differences().await, Vec::<String>::new());
    lose(&mirror);
    mirror.run(&FROM).await.ok();
    mirror.sync().await.ok();
    mirror.check_store();
    mirror.export().await;
    mirror.check_archive().await;
}

/// The archive doesn't say that a look-back is pending, so its times don't count as known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looks_back_after_a_restore_at_what_was_pending() {
    let mirror = Mirror::seeded(7).await;
    mirror.sync().await.ok();
    let guild = mirror.guild();
    let truth = mirror.discord.truth();
    let public = |id: u64| {
        let mut channels = truth.channels.iter();
        channels.any(|channel| channel.id == id && channel.public && channel.readable)
    };
    let messages = truth.messages.iter();
    let messages = messages.filter(|message| public(message.channel) && message.webhook.is_none());
    let oldest = messages.min_by_key(|message| message.id).unwrap();
    let channel = ChannelId(oldest.channel);
    let posted_at = MessageId(oldest.id).created_at();
    let pending = Observation {
        at: mirror.store().newest().unwrap(),
        by: Evidence::Gateway,
        fact: Fact::Unseen(guild, channel, Stamp::from(posted_at)),
    };
    mirror.store().merge(&[vec![pending]]).unwrap();
    assert!(mirror.discord.edit(channel.0, oldest.id, "changed unseen"));
    mirror.export().await;
    lose(&mirror);
    mirror.run(&FROM).await.ok();
    let known = mirror.store().coverage(guild).unwrap();
    let covers = |known: &Coverage| known.covers(MessageId(oldest.id));
    assert!(!known.is_empty() && !known.get(&channel).is_some_and(covers));
    mirror.sync().await.ok();
    mirror.check_store();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restores_replace_nothing() {
    let mirror = Mirror::empty().await;
    mirror.sync().await.ok();
    mirror.export().await;
    let before = whole(&mirror.store(), mirror.guild());
    let refused = mirror.run(&FROM).await;
    refused.failed(2, &["is not empty", "STORE_PATH"]);
    assert_eq!(whole(&mirror.store(), mirror.guild()), before);
    lose(&mirror);
    let nothing = mirror.run(&["restore", "--from", "dir:nowhere"]).await;
    nothing.failed(1, &["dir:nowhere", "there is no manifest.json"]);
    assert!(!mirror.store_path().exists());
    // A foreign archive is rejected before a store is created.
    let manifest = mirror.archive_path().join("manifest.json");
    let root: Value = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let mut root = root.as_object().unwrap().clone();
    root.remove("checksum");
    let text = String::from_utf8(print(&root)).unwrap();
    let id = mirror.guild().to_string();
    for (ours, theirs, code, says) in [
        ("\"discord\"", "\"github\"", 2, "of the provider"),
        (
            &*format!("\"{id}\""),
            &*format!("\"0{id}\""),
            1,
            "where an id should",
        ),
    ] {
        assert!(text.contains(ours), "{ours}");
        let forged: Value = serde_json::from_str(&text.replacen(ours, theirs, 1)).unwrap();
        fs::write(&manifest, print_checked(&forged)).unwrap();
        mirror.run(&FROM).await.failed(code, &[says]);
        assert!(!mirror.store_path().exists());
    }
}

/// Wherever a restore is interrupted, the remains aren't used as a store, and it can be restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn detects_interrupted_restores() {
    let mirror = Mirror::seeded(9).await;
    mirror.sync().await.ok();
    mirror.export().await;
    let expected = mirror.archived().await;
    lose(&mirror);
    // The last blob that is read: everything before it is restored.
    let (mut path, mut bytes) = (PathBuf::new(), Vec::new());
    let channels = expected
        .messages
        .chunk_by(|a, b| a.channel_id == b.channel_id);
    let last = channels.last().unwrap()[0].content.clone().unwrap();
    for name in files(&mirror.archive_path()) {
        let file = mirror.archive_path().join(name);
        let read = fs::read(&file).unwrap();
        let said = crate::mirror::content(&file);
        if said.windows(last.len()).any(|pair| pair == last.as_bytes()) {
            (path, bytes) = (file, read);
        }
    }
    fs::remove_file(&path).unwrap();
    mirror.run(&FROM).await.failed(1, &["is missing"]);
    for command in ["sync", "export", "status", "run"] {
        let refused = mirror.run(&[command]).await;
        refused.failed(2, &["only half restored", "propsbot restore"]);
    }
    fs::write(&path, bytes).unwrap();
    mirror.run(&FROM).await.ok();
    mirror.export().await;
    assert_eq!(mirror.archived().await, expected);

    // The same by a kill, at some moment of the work.
    for round in 0..6 {
        fs::remove_dir_all(mirror.store_path()).unwrap();
        let running = mirror.start(&FROM);
        tokio::time::sleep(std::time::Duration::from_millis(15 * round)).await;
        running.kill().await;
        // Not started, half done or complete: the bot knows, and never exports half a store.
        let exported = mirror.run(&["export"]).await;
        let says = match exported.code {
            Some(0) => "nothing changed",
            Some(1) if exported.stderr.contains("so there is nothing to export") => {
                "nothing to export"
            }
            Some(1) => "another store has exported",
            _ if mirror.store_path().exists() => "only half restored",
            _ => "there is no store",
        };
        let said = format!("{}{}", exported.stdout, exported.stderr);
        assert!(said.contains(says), "{exported:?}");
        if exported.code != Some(0) {
            mirror.run(&FROM).await.ok();
            mirror.export().await;
        }
        assert_eq!(mirror.archived().await, expected);
    }
}

/// The whole way, with a remote archive.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supports_archives_in_object_stores() {
    let objects = ObjectStore::start().await;
    let mut mirror = Mirror::seeded(2).await;
    let refused = mirror.run(&["verify", "--from", "s3://props/a"]).await;
    refused.failed(2, &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
    let variables = objects.variables();
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    mirror.variables.extend(variables);
    mirror.sync().await.ok();
    mirror.run(&["export", "--to", "s3://props/a"]).await.ok();
    mirror.export().await;
    let verified = mirror.run(&["verify", "--from", "s3://props/a"]).await.ok();
    assert!(verified.stdout.contains("No fault"), "{verified:?}");
    let files = |mirror: &Mirror| files(&mirror.archive_path());
    let mut here = files(&mirror);
    here.remove(".lock");
    // Only the export times differ.
    assert_eq!(objects.objects("a"), here);

    lose(&mirror);
    mirror
        .run(&["restore", "--from", "s3://props/a"])
        .await
        .ok();
    let again = mirror.run(&["export", "--to", "s3://props/a"]).await.ok();
    assert!(again.stdout.contains("nothing changed"), "{again:?}");
    let archive = objects.archive("a");
    assert!(
        verify(&archive, &SCHEMA, Depth::Whole)
            .await
            .unwrap()
            .is_valid()
    );
}

/// Lists what would be exported and withheld, and why; writes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dry_run_lists_what_would_be_exported() {
    let mirror = Mirror::seeded(1).await;
    mirror.sync().await.ok();
    let said = mirror.run(&["export", "--dry-run"]).await.ok().stdout;
    assert!(!mirror.archive_path().exists());
    assert!(said.contains("would be at generation 1"), "{said}");
    let truth = mirror.discord.truth();
    assert!(
        truth
            .channels
            .iter()
            .any(|channel| channel.readable && !channel.public)
    );
    let private = simulator::discord::kind::PRIVATE_THREAD;
    let seen =
        |truth_channel: &&TruthChannel| truth_channel.readable && truth_channel.kind != private;
    for channel in truth.channels.iter().filter(seen) {
        let id = format!("({})", channel.id);
        let line = said.lines().find(|line| line.contains(&id)).unwrap();
        let expected = if channel.public {
            "exported:"
        } else {
            "kept back:"
        };
        assert!(line.starts_with(expected), "{line}");
    }
    mirror.export().await;
    let archive = FolderArchive::new(mirror.archive_path());
    let exported = propsbot_rows::Snapshot::read(&archive).await.unwrap();
    let would = said.lines().filter(|line| line.starts_with("exported:"));
    assert_eq!(would.count(), exported.channels.len());
    let said = mirror.run(&["export", "--dry-run"]).await.ok().stdout;
    assert!(said.contains("would stay at generation 1"), "{said}");

    // A channel that turns private is named before it goes.
    let public = truth
        .channels
        .iter()
        .find(|channel| channel.public && channel.kind == 0);
    let (id, name) = public.map(|channel| (channel.id, &channel.name)).unwrap();
    let hidden = simulator::discord::Overwrite {
        id: mirror.guild().0,
        member: false,
        allow: 0,
        deny: simulator::discord::bit::VIEW_CHANNEL,
    };
    let turned = |channel: &mut simulator::discord::Channel| channel.overwrites.push(hidden);
    assert!(mirror.discord.update_channel(id, turned));
    mirror.sync().await;
    let said = mirror.run(&["export", "--dry-run"]).await.ok().stdout;
    let line = format!("would be withdrawn: #{name} ({id}): not everyone in the guild can read it");
    assert!(
        said.lines().any(|text| text == line),
        "no {line:?} in {said}"
    );
    let still = verify(&archive, &SCHEMA, Depth::Whole).await.unwrap();
    assert_eq!(still.manifests[0].generation, 1);
}
