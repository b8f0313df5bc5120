//! The scrub: finds unheard changes in history older than the look-back.

use std::{collections::BTreeMap, time::Duration};

use propsbot_model::{Evidence, Fact, Millis, Observation, Settings, Stamp, Walk};
use serde_json::json;
use simulator::discord::{Options, Seed, TruthMessage};

use crate::{
    live::{SOON, settled, start, stop},
    mirror::{Mirror, Running},
};

const MESSAGES: &str = "/channels/{channel_id}/messages";
const DAY_MS: i64 = 86_400_000;

/// A community with all history in the store, and these settings.
async fn synced(messages: usize, choose: impl FnOnce(&mut Settings)) -> Mirror {
    let options = Options {
        seed: Seed {
            seed: 51,
            messages,
            days: 400,
            ..Seed::default()
        },
        ..Options::default()
    };
    let mut mirror = Mirror::new(options).await;
    mirror.manage_threads();
    for (name, value) in [("EXPORT_INTERVAL", "1s"), ("RUST_LOG", "info")] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    mirror.sync().await.ok();
    let store = mirror.store();
    let mut settings = store.settings(mirror.guild()).unwrap();
    choose(&mut settings);
    let chosen = Observation {
        at: Stamp(store.newest().unwrap().0 + 1),
        by: Evidence::Gateway,
        fact: Fact::Settings(settings),
    };
    // The rest before the first round has passed.
    let rested = Observation {
        fact: Fact::Scrubbed(mirror.guild(), Walk::none(Millis(0))),
        ..chosen.clone()
    };
    store.merge(&[vec![chosen, rested]]).unwrap();
    drop(store);
    mirror
}

/// Messages in public channels. Those with this many reactions are older than any look-back.
fn old(mirror: &Mirror, is_like: impl Fn(&TruthMessage) -> bool) -> Vec<TruthMessage> {
    let truth = mirror.discord.truth();
    let last = truth
        .messages
        .iter()
        .map(|message| message.at)
        .max()
        .unwrap();
    let public = |id: u64| {
        let channel = truth
            .channels
            .iter()
            .find(|channel| channel.id == id)
            .unwrap();
        channel.public && channel.readable && !channel.archived
    };
    let mut old = truth.messages.clone();
    old.retain(|old| old.at < last - 30 * DAY_MS && public(old.channel) && is_like(old));
    old
}

async fn said(running: &Running, words: &str) {
    let begun = std::time::Instant::now();
    while !running.stderr().contains(words) {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scrub_finds_unheard_changes() {
    let mirror = synced(600, |settings| {
        (settings.scrub_share, settings.scrub_rest_hours) = (1000, 0);
    })
    .await;
    let discord = &mirror.discord;
    let running = start(&mirror).await;
    settled(&mirror, &running).await;
    // One round without changes.
    said(&running, "scrubbed all history").await;
    let plain = old(&mirror, |message| {
        message.reactions.is_empty() && message.webhook.is_none()
    });
    let reacted = old(&mirror, |message| {
        let first = message.reactions.first();
        first.is_some_and(|first| first.emoji_id.is_none() && first.users.len() > 1)
    });
    let [edited, deleted, ..] = &*plain else {
        panic!("{plain:?}")
    };
    let [more, fewer, none, swapped, ..] = &*reacted else {
        panic!("{reacted:?}")
    };
    let general = discord.channel("general").unwrap();
    let ana = discord.people()[0];
    discord.drop_events(true);
    assert!(discord.edit(edited.channel, edited.id, "said otherwise"));
    assert!(discord.delete(deleted.channel, deleted.id));
    assert!(discord.react(ana, more.channel, more.id, "🦉", false));
    let reaction = &fewer.reactions[0];
    let emoji = reaction.emoji_name.as_deref().unwrap();
    let user = reaction.users[0];
    assert!(discord.unreact(user, fewer.channel, fewer.id, emoji, reaction.burst));
    assert!(discord.clear_reactions(none.channel, none.id));
    // Counts don't reveal this.
    let reaction = &swapped.reactions[0];
    let (emoji, burst) = (reaction.emoji_name.as_deref().unwrap(), reaction.burst);
    let mut people = discord.people().into_iter();
    let other = people.find(|id| !reaction.users.contains(id)).unwrap();
    let (channel, id) = (swapped.channel, swapped.id);
    assert!(discord.unreact(reaction.users[0], channel, id, emoji, burst));
    assert!(discord.react(other, channel, id, emoji, burst));
    let thread = discord.create_thread(general, ana, "unheard of");
    discord.post(ana, thread, "in it");
    assert!(discord.archive_thread(thread));
    discord.post(ana, general, "unheard");
    discord.drop_events(false);
    // From here on, the previous message seems to be covered.
    discord.post(ana, general, "heard");
    settled(&mirror, &running).await;
    stop(&mirror, running).await;

    let scrub = &mirror.status().await["scrub"];
    let mut drift = scrub["drift"].clone();
    // Not counted if the scrub came by before it seemed covered.
    let found = drift.as_object_mut().unwrap().remove("found");
    assert!(found.unwrap().as_u64().unwrap() <= 1, "{scrub:#}");
    let reactions = 3 + none.reactions.len();
    let expected = json!({"edited": 1, "deleted": 1, "reactions": reactions, "threads": 1});
    assert_eq!(drift, expected, "{scrub:#}");
    assert!(scrub["round"].as_u64().unwrap() > 1, "{scrub:#}");
    // Each page takes at least a second: Discord's pace. So do reactor lists, a slice of which each
    // round reads again.
    let [pages, shown, found] = ["pages_estimated", "shown_within", "found_within"]
        .map(|name| scrub[name].as_u64().unwrap());
    assert!(pages < shown && shown <= 2 * pages, "{scrub:#}");
    assert!(found > shown && found % shown == 0, "{scrub:#}");
    assert_eq!(discord.violations(), Vec::<String>::new());
    let text = mirror.run(&["status"]).await.ok().stdout;
    assert!(text.contains("1 edit, 1 deletion"), "{text}");
}

/// Pages before the newest, with how often each was requested.
fn pages(mirror: &Mirror) -> BTreeMap<String, usize> {
    let mut pages = BTreeMap::new();
    let asked = mirror.discord.requests().into_iter();
    for page in asked.filter(|asked| asked.route == MESSAGES && asked.path.contains("before=")) {
        *pages.entry(page.path).or_default() += 1;
    }
    pages
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_scrub_resumes() {
    let mirror = synced(4000, |settings| settings.scrub_share = 1000).await;
    // Unheard edits, on every page of history.
    let mut edited = 0;
    for message in old(&mirror, |message| message.webhook.is_none())
        .iter()
        .step_by(20)
    {
        let (channel, id) = (message.channel, message.id);
        assert!(mirror.discord.edit(channel, id, "said otherwise"));
        edited += 1;
    }
    let before = pages(&mirror);
    let mut kills = 0;
    let ended = loop {
        let count = |b_tree_map: &BTreeMap<String, usize>| b_tree_map.values().sum::<usize>();
        let begun = count(&pages(&mirror));
        let running = start(&mirror).await;
        if kills == 2 {
            said(&running, "scrubbed all history").await;
            break running;
        }
        let asked = |_: &_| count(&pages(&mirror)) >= begun + 8;
        assert!(
            mirror.discord.wait(SOON, asked).await,
            "{}",
            running.stderr()
        );
        running.kill().await;
        kills += 1;
    };
    stop(&mirror, ended).await;
    // Everything was read.
    mirror.check_store();
    // Only pages in flight at a kill were read twice.
    let mut again = 0;
    for (page, count) in pages(&mirror) {
        let scrubbed = count - before.get(&page).copied().unwrap_or_default();
        again += scrubbed.saturating_sub(1);
    }
    // Before a full page is known, a short one may not be the last; that takes one more request,
    // made twice.
    let starts = kills + 1;
    assert!(again <= kills + starts, "{again} pages were read twice");
    let scrub = &mirror.status().await["scrub"];
    assert_eq!(scrub["round"], 1, "{scrub:#}");
    let [done, estimated] =
        ["pages_done", "pages_estimated"].map(|name| scrub[name].as_u64().unwrap());
    let starts = starts as u64;
    // All archived threads together are estimated to take one list more than the channels' own
    // lists.
    assert!(
        (estimated - 1..=estimated + starts).contains(&done),
        "{scrub:#}"
    );
    assert_eq!(scrub["found_within"], 6 * 3600, "{scrub:#}");
    // The next round has to wait, so no requests are made.
    let found = json!({"edited": edited, "deleted": 0, "found": 0, "reactions": 0, "threads": 0});
    assert_eq!(scrub["drift"], found);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn look_back_days_are_configurable() {
    let mirror = synced(600, |settings| settings.look_back_days = 365).await;
    let old = old(&mirror, |message| message.webhook.is_none());
    let message = old.last().unwrap();
    mirror
        .discord
        .edit(message.channel, message.id, "said otherwise");
    mirror.sync().await.ok();
    mirror.check_store();
    assert_eq!(mirror.status().await["scrub"]["drift"]["edited"], 1);
}
