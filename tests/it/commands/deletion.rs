//! `/privacy delete`: nothing that remains can be linked to the member, in the store, its files'
//! bytes, the archive and the graph.

use std::{collections::BTreeSet, fs, time::Instant};

use propsbot_graph::{Weights, props_documents};
use propsbot_model::{
    Author, AuthorKind, Channel, ChannelId, ChannelKind, Evidence, Fact, Guild, GuildId, Mention,
    Message, MessageId, MessageKind, Millis, Observation, Presence, Privacy, Role, RoleId, Stamp,
    Tier, Unread, User, UserId, permissions,
};
use propsbot_sourcecred::Document;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::json;
use simulator::discord::{Options, Overwrite, Seed, kind};

use super::{
    Server, says,
    traces::{Gone, other_forms, times},
};
use crate::mirror::{Mirror, content_below};

#[expect(clippy::too_many_lines, reason = "one member, and all that names them")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_no_trace_of_a_deleted_member() {
    let mut server = Server::start().await;
    let (ben, cho, general) = (server.ben, server.cho, server.general);
    let discord = server.discord();
    let zoe = discord.join("zephyrine");
    discord.rename(zoe, "zephyrine", Some("Zephyrine Quill"));
    let others = discord.post(ben, general, "before");
    let first = discord.post(zoe, general, "zoe's secret");
    let guild = discord.guild_id();
    let about_her = [
        discord.reply(ben, general, first, "ben agrees"),
        discord.post(
            ben,
            general,
            &format!("see https://discord.com/channels/{guild}/{general}/{first} <@{zoe}>"),
        ),
        discord.post(
            cho,
            general,
            &format!("`{zoe}` \\<@{zoe}> https://discord.com/users/{zoe}"),
        ),
    ];
    discord.react(ben, general, first, "👍", false);
    discord.react(zoe, general, others, "🎉", false);
    discord.react(cho, general, others, "🎉", false);
    let thread = discord.create_thread(general, zoe, "zoe's title");
    discord.post(ben, thread, "ben in her thread");
    let called = discord.create_thread(general, ben, &format!("kudos for {zoe}"));
    discord.post(ben, called, "well done");
    assert!(!server.give(zoe, &[ben], "zoe's reason").await.ephemeral);
    assert!(!server.give(ben, &[zoe], "ben's reason").await.ephemeral);
    let discord = server.discord();
    let opened = discord.message_command(ben, general, "Give props", first);
    let form = discord.answer(opened).await.unwrap().data["custom_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let thanked = discord.submit(ben, general, &form, &[("reason", "ben's work")]);
    assert!(discord.answer(thanked).await.is_some());
    let discord = server.discord();
    // Threads in which nobody else wrote; their ids are those of her messages. One stays in Discord.
    let ideas = discord.create_channel(kind::FORUM, "ideas", vec![]);
    let [listed, removed] = ["zoe's first idea", "zoe's second idea"]
        .map(|title| discord.create_post(ideas, zoe, title, "zoe's idea"));
    let second = discord.post(zoe, general, "zoe's second secret");
    let opened_on = discord.create_thread_on(general, second, ben, "more of it");
    // Channels whose last message is hers, or all of them.
    let [quiet, alone] =
        ["quiet", "alone"].map(|name| discord.create_channel(kind::TEXT, name, vec![]));
    discord.post(ben, quiet, "ben in a quiet place");
    for channel in [quiet, alone] {
        discord.post(zoe, channel, "zoe's words there");
    }
    // The channel's last message, where coverage ends.
    let last = discord.post(zoe, general, "zoe's last words");
    server.stop().await;
    server.mirror.sync().await.ok();
    server.mirror.export().await;
    let archived = content_below(&server.mirror.archive_path());
    for thread in [listed, removed, opened_on] {
        assert!(times(&archived, thread.to_string().as_bytes()) > 0);
    }
    server.discord().delete_channel(removed);
    server.mirror.sync().await.ok();
    let texts = ["zoe's", "zephyrine", "Zephyrine"];
    let gone = Gone::of(&server.mirror, zoe, &texts);
    assert!(gone.messages.len() >= 4 && gone.messages.contains(&last));
    let before = content_below(&server.mirror.store_path());
    assert!(times(&before, b"zoe's") > 0);

    server.run().await;
    let asked = server.ask(zoe, "privacy delete", json!({})).await;
    let pressed = server.discord().click(
        zoe,
        general,
        asked.message_id.unwrap(),
        "privacy-delete",
        &[],
    );
    let answer = server.discord().answer(pressed).await.unwrap();
    says(&answer, &["Deleted:"]);
    // Later events leave no trace either.
    let discord = server.discord();
    discord.react(ben, general, first, "🔥", false);
    discord.react(zoe, general, others, "🔥", false);
    discord.edit(general, about_her[0], "ben still agrees");
    discord.delete(general, last);
    discord.post(ben, general, "after");
    server.ask(ben, "help", json!({})).await;
    server.stop().await;
    // After the next start its files are clean, too, and nothing is missing.
    for when in ["at the next start", "once more"] {
        server.mirror.sync().await.ok();
        gone.check_store(&server.mirror, when);
    }
    server.mirror.export().await;
    gone.check_archive(&server.mirror).await;
    let archived = content_below(&server.mirror.archive_path());
    for thread in [listed, removed, opened_on] {
        assert_eq!(times(&archived, thread.to_string().as_bytes()), 0);
    }
    let stored = content_below(&server.mirror.store_path());
    for form in other_forms(removed)
        .into_iter()
        .chain([removed.to_be_bytes().to_vec()])
    {
        assert_eq!(times(&stored, &form), 0);
    }
    // What somebody writes in such a thread later is somebody's, and goes out.
    server.discord().post(ben, listed, "ben likes the idea");
    server.mirror.sync().await.ok();
    server.mirror.export().await;
    assert!(format!("{:?}", server.mirror.archived().await).contains("ben likes the idea"));
    let rows = crate::mirror::whole(&server.mirror.store(), server.mirror.guild());
    let text = format!("{rows:?}");
    for kept in ["ben still agrees", "ben in her thread", "ben's reason"] {
        assert!(text.contains(kept), "{kept}");
    }
    let reply = rows
        .messages
        .iter()
        .find(|message| message.id.0 == about_her[0]);
    assert_eq!(reply.unwrap().reply_to, None);
    let reactors: BTreeSet<UserId> = rows
        .reactions
        .iter()
        .map(|reaction| reaction.user_id)
        .collect();
    assert_eq!(reactors, [UserId(cho)].into());
    // Her own props went with their message; those she received belong to others.
    assert_eq!(rows.props.len(), 2);
    for props in &rows.props {
        assert!(props.receiver_ids[0].is_anonymous());
        assert_eq!(props.about_message_id, None);
    }
    server.check_manners();
}

/// If an earlier version removed less, the next start removes the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completes_deletions_by_earlier_versions_at_start() {
    let mirror = Mirror::empty().await;
    let discord = &mirror.discord;
    let [ben, zoe] = ["ben", "zoe"].map(|name| discord.join(name));
    let general = discord.create_channel(kind::TEXT, "general", vec![]);
    let title = format!("kudos for {zoe}");
    let called = discord.create_thread(general, ben, &title);
    discord.post(ben, called, "well done");
    mirror.sync().await.ok();
    {
        let store = mirror.store();
        let at = Stamp(store.newest().unwrap().0 + 1);
        let wish = Privacy {
            tier: Tier::Everything,
            since: at.millis(),
            forgotten: Some(at.millis()),
            ..Privacy::unchosen(mirror.guild(), UserId(zoe))
        };
        let by = Evidence::Gateway;
        let fact = Fact::Privacy(wish);
        store.merge(&[vec![Observation { at, by, fact }]]).unwrap();
    }
    let has_title = || times(&content_below(&mirror.store_path()), title.as_bytes()) > 0;
    let version = |rules: u8| {
        let db = mirror.raw_store();
        db.insert([0, 16], &[rules]).unwrap();
        db.flush().unwrap();
    };
    // As this version would have left it: there is nothing to be done.
    version(2);
    mirror.sync().await.ok();
    assert!(has_title());
    version(1);
    mirror.sync().await.ok();
    assert!(!has_title());
    // Only once.
    assert!(!mirror.store().owes_rewrite().unwrap());
}

/// Wherever a deletion is killed, the next start completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resumes_killed_deletions_at_start() {
    const KILLS: u64 = 8;
    let mirror = Mirror::new(Options {
        seed: Seed {
            seed: 21,
            messages: 1_200,
            reactions: 0.3,
            days: 60,
            ..Seed::default()
        },
        ..Options::default()
    })
    .await;
    mirror.sync().await.ok();
    let begun = Instant::now();
    let nobody = (480_300_000_000_000_000 + 1u64).to_string();
    mirror.run(&["forget", "--user", &nobody]).await.ok();
    let whole = begun.elapsed();
    let people = mirror.discord.people();
    let mut random = StdRng::seed_from_u64(21);
    let mut asked = Vec::new();
    for user in people
        .iter()
        .copied()
        .filter(|person| *person != mirror.discord.owner_id())
        .take(4)
    {
        for _ in 0..KILLS / 4 {
            let running = mirror.start(&["forget", "--user", &user.to_string()]);
            tokio::time::sleep(whole.mul_f64(random.random_range(0.2..1.1))).await;
            running.kill().await;
        }
        let store = mirror.store();
        if store
            .privacy_of(mirror.guild(), UserId(user))
            .unwrap()
            .is_gone()
        {
            asked.push(user);
        }
        drop(store);
    }
    assert!(!asked.is_empty());
    mirror.sync().await.ok();
    for user in asked {
        Gone::of(&mirror, user, &[]).check_store(&mirror, "after a kill");
    }
    mirror.export().await;
}

/// Texts from before opting in again stay blank, even when read again; thread titles count as text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opting_in_again_does_not_restore_text() {
    let mut server = Server::with(Options::default(), |discord| {
        discord.create_channel(kind::TEXT, "props", vec![]);
    })
    .await;
    let (ana, ben, general) = (server.ana, server.ben, server.general);
    server.discord().post(ana, general, "ana's old words");
    assert!(!server.give(ana, &[ben], "ana's old reason").await.ephemeral);
    server.discord().create_thread(general, ana, "ana's title");
    let out = json!({"what": 0});
    says(&server.ask(ana, "privacy opt-out", out).await, &["blanked"]);
    server.stop().await;
    server.mirror.sync().await.ok();
    let all = |server: &Server| {
        let rows = crate::mirror::whole(&server.mirror.store(), server.mirror.guild());
        format!("{rows:?}")
    };
    for secret in ["ana's old", "ana's title"] {
        assert!(!all(&server).contains(secret), "{secret}");
        let bytes = content_below(&server.mirror.store_path());
        assert_eq!(times(&bytes, secret.as_bytes()), 0, "{secret}");
    }
    server.run().await;
    says(
        &server.ask(ana, "privacy opt-in", json!({})).await,
        &["from now on", "stays that way"],
    );
    server.discord().post(ana, general, "ana's new words");
    server.ask(ben, "help", json!({})).await;
    server.stop().await;
    server.mirror.sync().await.ok();
    server.mirror.export().await;
    for text in [
        all(&server),
        format!("{:?}", server.mirror.archived().await),
    ] {
        assert!(text.contains("ana's new words"));
        assert!(!text.contains("ana's old") && !text.contains("ana's title"));
    }
    // So do they in a restored store.
    let archive = format!("dir:{}", server.mirror.archive_path().display());
    fs::remove_dir_all(server.mirror.store_path()).unwrap();
    server
        .mirror
        .run(&["restore", "--from", &archive])
        .await
        .ok();
    server.mirror.sync().await.ok();
    let text = all(&server);
    assert!(text.contains("ana's new words"));
    assert!(!text.contains("ana's old") && !text.contains("ana's title"));
}

/// `/privacy export` contains all stored data of the member, and nothing they can't see.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn personal_data_hides_what_others_hide() {
    let mut server = Server::start().await;
    let (ana, ben, cho, general) = (server.ana, server.ben, server.cho, server.general);
    let thread = server.discord().create_thread(general, ana, "ana's title");
    assert!(!server.give(ben, &[ana], "ben's reason").await.ephemeral);
    assert!(!server.give(cho, &[ana], "cho's reason").await.ephemeral);
    let hide = json!({"what": 1});
    says(
        &server.ask(cho, "privacy opt-out", hide).await,
        &["pseudonym"],
    );
    let secret = server.discord().create_channel(kind::TEXT, "staff", vec![]);
    let run = server.discord().slash(
        ben,
        secret,
        "props",
        json!({"to": format!("<@{ana}>"), "for": "a staff secret"}),
    );
    assert!(!server.discord().answer(run).await.unwrap().ephemeral);
    let guild = server.discord().guild_id();
    server.discord().update_channel(secret, |channel| {
        channel.overwrites = vec![Overwrite::role(guild, 0, 1 << 10)];
    });
    let begun = Instant::now();
    // Until the bot knows that the channel is private.
    let sent = loop {
        let answer = server.ask(ana, "privacy export", json!({})).await;
        says(&answer, &["what I keep about you", "as an admin"]);
        let (name, bytes) = &answer.files[0];
        assert_eq!(name, "my-data.json");
        let sent = String::from_utf8(bytes.clone()).unwrap();
        if !sent.contains("a staff secret") {
            break sent;
        }
        assert!(begun.elapsed() < super::SOON, "{sent}");
    };
    server.stop().await;
    for shown in ["ben's reason", &thread.to_string(), "admin_actions"] {
        assert!(sent.contains(shown), "{shown} in {sent}");
    }
    for hidden in ["a staff secret", &cho.to_string(), &secret.to_string()] {
        assert!(!sent.contains(hidden), "{hidden} in {sent}");
    }
}

/// A guild with one channel, where one member thanks another.
fn guild(id: u64, thanks: (UserId, UserId)) -> Vec<Fact> {
    let (guild_id, channel_id) = (GuildId(id), ChannelId(id + 1));
    let user = |id: UserId| User {
        id,
        username: format!("name-of-{id}"),
        global_name: None,
        discriminator: None,
        bot: false,
        system: false,
        unread: Unread::default(),
    };
    let presence = Presence {
        nick: None,
        roles: vec![],
        joined_at: None,
        unread: Unread::default(),
    };
    vec![
        Fact::Guild(Guild {
            id: guild_id,
            name: format!("guild {id}"),
            owner_id: UserId(9),
            unread: Unread::default(),
        }),
        Fact::Role(Role {
            id: RoleId(id),
            guild_id,
            name: "@everyone".to_owned(),
            position: 0,
            permissions: permissions::READING,
            managed: false,
            unread: Unread::default(),
        }),
        Fact::Channel(Channel {
            id: channel_id,
            guild_id,
            kind: ChannelKind::TEXT,
            name: format!("props of {}", thanks.1),
            parent_id: None,
            position: 0,
            nsfw: false,
            overwrites: vec![],
            thread: None,
            unread: Unread::default(),
        }),
        Fact::Member(guild_id, user(thanks.0), presence.clone()),
        Fact::Member(guild_id, user(thanks.1), presence),
        Fact::Message(Message {
            id: MessageId(id + 2),
            channel_id,
            guild_id,
            author: Author {
                id: thanks.0,
                kind: AuthorKind::User,
            },
            kind: MessageKind::DEFAULT,
            content: format!("thanks to {}", thanks.1),
            mentions: vec![Mention {
                user_id: thanks.1,
                count: 1,
            }],
            reply_to: None,
            command: None,
            edited_at: None,
            by_webhook: None,
            unread: Unread::default(),
            earlier: Vec::new(),
        }),
    ]
}

/// A member who hides in one guild is unnamed in all guilds of the archive and graph, even if they
/// hide later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strictest_choice_applies_in_all_guilds() {
    const FIRST: u64 = 1_100_000_000_000_000_000;
    const SECOND: u64 = 1_200_000_000_000_000_000;
    let mirror = Mirror::empty().await;
    let (ana, ben) = (
        UserId(480_300_000_000_000_001),
        UserId(480_300_000_000_000_002),
    );
    let merge = |at: i64, facts: Vec<Fact>| {
        let seen = facts.into_iter().map(|fact| Observation {
            at: Stamp(at),
            by: Evidence::Gateway,
            fact,
        });
        mirror.store().merge(&[seen.collect()]).unwrap();
    };
    merge(1, guild(FIRST, (ana, ben)));
    merge(2, guild(SECOND, (ben, ana)));
    mirror.export().await;
    let text = format!("{:?}", mirror.archived().await);
    assert!(text.contains("name-of-480300000000000001"));
    let hides = |tier| {
        Fact::Privacy(Privacy {
            tier,
            since: Millis(5),
            ..Privacy::unchosen(GuildId(FIRST), ana)
        })
    };
    merge(3, vec![hides(Tier::Identity)]);
    mirror.export().await;
    let text = format!("{:?}", mirror.archived().await);
    assert!(!text.contains("name-of-480300000000000001") && text.contains(&ana.to_string()));
    merge(4, vec![hides(Tier::Everything)]);
    mirror.export().await;
    let mut snapshot = mirror.archived().await;
    let documents = props_documents(&snapshot, &Weights::default());
    for document in Document::ALL {
        let bytes = documents.bytes(document);
        assert_eq!(times(&bytes, ana.to_string().as_bytes()), 0, "{document:?}");
    }
    let manifests = content_below(&mirror.archive_path().join("spaces"));
    assert_eq!(times(&manifests, ana.to_string().as_bytes()), 0);
    snapshot.members.retain(|member| member.user_id != ana);
    assert!(!format!("{snapshot:?}").contains(&ana.to_string()));
    assert_eq!(snapshot.messages.len(), 2);
}
