//! Giving props in all ways, with good and hostile input.

use propsbot_model::{UserId, read_answer};
use serde_json::json;
use simulator::discord::{Answer, Fault, Overwrite, bit, kind};

use super::{SOON, Server, says};

const POST: &str = "POST /channels/{channel_id}/messages";

/// The id of a response's form.
fn form(answer: &Answer) -> String {
    assert_eq!(answer.kind, 9, "{answer:?}");
    answer.data["custom_id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_in_the_props_channel_and_links_it() {
    let mut server = Server::start().await;
    let thanks = server.choose_props_channel(vec![]).await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let answer = server.give(ana, &[ben, cho, ben], "the *review*").await;
    let guild = server.discord().guild_id();
    says(
        &answer,
        &[&format!("https://discord.com/channels/{guild}/{thanks}/")],
    );
    let posted = answer.content.rsplit('/').next().unwrap().parse().unwrap();
    let message = server.discord().message(thanks, posted).unwrap();
    assert_eq!(
        (&*message.mentions, message.mention_everyone),
        (&[ben, cho][..], false)
    );
    let said = read_answer(&message.content).unwrap();
    assert_eq!(
        (said.giver, said.reason.as_str()),
        (UserId(ana), "the *review*")
    );

    // Run in the props channel, it responds there.
    let here = server
        .ask_in(
            thanks,
            ana,
            "props",
            json!({"to": format!("<@{ben}>"), "for": "x"}),
        )
        .await;
    assert!(!here.ephemeral, "{here:?}");

    let rows = server.recorded().await;
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[0].message_id.map(|message_id| message_id.0),
        Some(posted)
    );
    assert_eq!(
        rows[1].message_id.map(|message_id| message_id.0),
        here.message_id
    );
    assert!(
        rows.iter()
            .all(|row| row.channel_id.0 == thanks && row.giver_id.0 == ana)
    );
    server.check_manners();

    // The store is lost; Discord has everything.
    std::fs::remove_dir_all(server.mirror.store_path()).unwrap();
    server.mirror.sync().await.ok();
    let again = server.recorded().await;
    let known = |rows: &[propsbot_rows::PropsRow]| {
        let parts = rows.iter().map(|row| {
            (
                row.id,
                row.message_id,
                row.giver_id,
                row.receiver_ids.clone(),
                row.reason.clone(),
            )
        });
        parts.collect::<Vec<_>>()
    };
    assert_eq!(known(&again), known(&rows));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_missing_permissions_and_gives_nothing() {
    let mut server = Server::start().await;
    let everyone = server.discord().guild_id();
    let silent = Overwrite::role(everyone, 0, bit::SEND_MESSAGES);
    let thanks = server.choose_props_channel(vec![silent]).await;
    let (ana, ben) = (server.ana, server.ben);
    let answer = server.give(ana, &[ben], "the review").await;
    says(
        &answer,
        &[
            "**Send Messages**",
            &format!("<#{thanks}>"),
            "You typed:",
            "for:the review",
        ],
    );
    assert_eq!(server.discord().count(POST), 0, "it was not even tried");

    // What only Discord knows: it refuses, and the props are withdrawn.
    server
        .discord()
        .update_channel(thanks, |discord| discord.overwrites.clear());
    let refusal = r#"{"code":50013,"message":"Missing Permissions"}"#.to_owned();
    let begun = std::time::Instant::now();
    loop {
        server
            .discord()
            .fail(POST, 1, Fault::Answer(403, refusal.clone()));
        let answer = server.give(ana, &[ben], "the review").await;
        says(&answer, &["You typed:", &format!("<#{thanks}>")]);
        if answer.content.contains("permission to post there") {
            break;
        }
        assert!(begun.elapsed() < SOON, "{answer:?}");
    }
    server.discord().heal();
    server.discord().delete_channel(thanks);
    let answer = server.give(ana, &[ben], "the review").await;
    says(&answer, &["no longer exists", "/setup"]);
    let rows = server.recorded().await;
    assert!(
        rows.iter()
            .all(|row| row.withdrawn_at.is_some() && row.message_id.is_none()),
        "{rows:?}"
    );
    server.check_manners();
}

/// The bot can write where the giver can't, but doesn't speak for them there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_in_the_first_channel_the_giver_can_write_in() {
    let (mut staff, mut open, mut role) = (0, 0, 0);
    let server = Server::with(simulator::discord::Options::default(), |discord| {
        role = discord.create_role("staff", 0);
        let hidden = Overwrite::role(discord.guild_id(), 0, bit::VIEW_CHANNEL);
        let shown = Overwrite::role(role, bit::VIEW_CHANNEL, 0);
        let bot = Overwrite::member(discord.bot_id(), bit::VIEW_CHANNEL, 0);
        staff = discord.create_channel(kind::TEXT, "staff", vec![hidden, shown, bot]);
        open = discord.create_channel(kind::TEXT, "open", vec![]);
        let cho = *discord.people().last().unwrap();
        discord.update_member(cho, |member| member.roles.push(role));
    })
    .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let wish = json!({"props_channels": format!("<#{staff}> <#{open}>")});
    says(&server.admin("settings set", wish).await, &["Done"]);
    let place = |channel: u64| format!("<#{channel}>");
    says(
        &server.give(ana, &[ben], "the review").await,
        &[&place(open)],
    );
    says(
        &server.give(cho, &[ben], "the review").await,
        &[&place(staff)],
    );

    let everyone = server.discord().guild_id();
    let silent = Overwrite::role(everyone, 0, bit::SEND_MESSAGES);
    let bot = Overwrite::member(server.discord().bot_id(), bit::SEND_MESSAGES, 0);
    server
        .discord()
        .update_channel(open, |channel| channel.overwrites = vec![silent, bot]);
    let to_ben = json!({"to": format!("<@{ben}>"), "for": "the review"});
    let refused = server
        .ask_until(
            ana,
            server.general,
            "props",
            to_ben.clone(),
            "you don't have the permission",
        )
        .await;
    says(
        &refused,
        &["**Send Messages**", &place(open), "Nothing was sent"],
    );
    // Nor in its own answer, where a command can be run but nothing written.
    let there = server.ask_in(open, ana, "props", to_ben.clone()).await;
    says(
        &there,
        &["**Send Messages**", &place(open), "Nothing was sent"],
    );
    assert!(there.ephemeral, "{there:?}");
    let staffs = server.ask_in(open, cho, "props", to_ben).await;
    says(&staffs, &[&place(staff)]);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_responses_post_nothing_twice() {
    let mut server = Server::start().await;
    let thanks = server.choose_props_channel(vec![]).await;
    server.discord().fail(POST, 1, Fault::Lost);
    let answer = server.give(server.ana, &[server.ben], "the review").await;
    says(&answer, &["https://discord.com/channels/"]);
    let truth = server.discord().truth();
    let of_channel = truth
        .messages
        .iter()
        .filter(|message| message.channel == thanks)
        .count();
    assert_eq!(of_channel, 1);
    assert_eq!(server.recorded().await.len(), 1);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn context_menus_ask_for_a_reason() {
    let mut server = Server::start().await;
    let (ana, ben, cho, general) = (server.ana, server.ben, server.cho, server.general);
    let discord = server.discord();
    let work = discord.post(ben, general, "I have mended the build");

    let run = discord.user_command(ana, general, "Give props", cho);
    let to_cho = form(&discord.answer(run).await.unwrap());
    let run = discord.message_command(ana, general, "Give props", work);
    let for_work = form(&discord.answer(run).await.unwrap());

    // Submitted twice at once: one record, one message.
    let fields = [("reason", "for `everything`\n@everyone")];
    let twice = [0, 1].map(|_| discord.submit(ana, general, &to_cho, &fields));
    let mut answers = Vec::new();
    for run in twice {
        answers.push(discord.answer(run).await.unwrap());
    }
    answers.sort_by_key(|answer| answer.ephemeral);
    assert!(!answers[0].ephemeral, "{answers:?}");
    says(&answers[1], &["once is enough"]);

    // For a message, with a link.
    let run = discord.submit(ana, general, &for_work, &[("reason", "the build")]);
    let answer = discord.answer(run).await.unwrap();
    assert!(!answer.ephemeral, "{answer:?}");
    let said = read_answer(&answer.content).unwrap();
    assert_eq!(said.receivers, [UserId(ben)]);
    assert_eq!(
        said.about.map(|(channel, id)| (channel.0, id.0)),
        Some((general, work))
    );

    // A form opened 14 minutes ago, perhaps before a restart.
    let old = for_work.split(':').nth(1).unwrap().parse::<u64>().unwrap() - ((14 * 60_000) << 22);
    let late = format!("props:{old}:{ben}:{work}");
    let run = discord.submit(ana, general, &late, &[("reason", "late")]);
    assert!(!discord.answer(run).await.unwrap().ephemeral);
    // One opened over an hour ago or in the future: a made-up id.
    let opened = for_work.split(':').nth(1).unwrap().parse::<u64>().unwrap();
    for wrong in [
        opened - ((61 * 60_000) << 22),
        opened + ((60_000) << 22),
        1,
        u64::MAX,
    ] {
        let form = format!("props:{wrong}:{ben}:{work}");
        let run = discord.submit(ana, general, &form, &[("reason", "made up")]);
        let answer = discord.answer(run).await.unwrap();
        says(&answer, &["more than an hour", "made up"]);
    }
    // Another application's form.
    let run = discord.submit(ana, general, "props:x", &[("reason", "late")]);
    says(&discord.answer(run).await.unwrap(), &["has changed"]);

    // Yourself, bots, webhooks: rejected before the form opens.
    let own = discord.post(ana, general, "mine");
    let run = discord.message_command(ana, general, "Give props", own);
    says(&discord.answer(run).await.unwrap(), &["to yourself"]);
    let robot = discord.join_bot("robot");
    let begun = std::time::Instant::now();
    loop {
        // Until the bot knows the other bot.
        let run = discord.user_command(ana, general, "Give props", robot);
        let answer = discord.answer(run).await.unwrap();
        if answer.content.contains("is a bot") {
            break;
        }
        assert!(begun.elapsed() < SOON, "{answer:?}");
    }
    let rows = server.recorded().await;
    let about: Vec<_> = rows
        .iter()
        .map(|row| {
            row.about_message_id
                .map(|about_message_id| about_message_id.0)
        })
        .collect();
    assert_eq!(about, [Some(work), None, Some(work)]);
    assert!(rows.iter().all(|row| row.message_id.is_some()), "{rows:?}");
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_input_gets_a_friendly_answer() {
    let mut server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let gone = server.discord().join("gone");
    server.discord().leave(gone);
    let many: Vec<String> = (0..100)
        .map(|id| format!("<@{}>", 900_000_000_000_000_000_u64 + id))
        .collect();
    let bomb = "*_~`|>#[]()<@&1>@everyone\n".repeat(19);
    let to_ben = format!("<@{ben}>");
    for (to, reason, words) in [
        (many.join(""), "all of you", "at most 20"),
        ("@here".to_owned(), "x", "not to roles or to everyone"),
        ("<@&1>".to_owned(), "x", "not to roles or to everyone"),
        (format!("<@{gone}>"), "x", "isn't a member"),
        (format!("<@{ana}>"), "x", "to yourself"),
        ("ben".to_owned(), "x", "who “ben” is"),
        (String::new(), "x", "Say who"),
        (to_ben.clone(), " \n ", "The reason is empty"),
    ] {
        let answer = server
            .ask(ana, "props", json!({"to": to, "for": reason}))
            .await;
        says(&answer, &[words, "You typed:"]);
        assert!(answer.content.chars().count() <= 2_000);
    }
    let answer = server
        .ask(ana, "props", json!({"to": to_ben, "for": bomb}))
        .await;
    assert!(!answer.ephemeral, "{answer:?}");
    let message = server
        .discord()
        .message(server.general, answer.message_id.unwrap())
        .unwrap();
    assert_eq!(
        (&*message.mentions, message.mention_everyone),
        (&[ben][..], false)
    );
    assert_eq!(read_answer(&message.content).unwrap().reason, bomb.trim());
    // Right-to-left, emoji, and the maximum length.
    let long = "🙏\u{202e}".repeat(250);
    let answer = server
        .ask(ana, "props", json!({"to": to_ben, "for": long}))
        .await;
    assert_eq!(read_answer(&answer.content).unwrap().reason, long);
    assert_eq!(server.recorded().await.len(), 2);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enforces_quota_cooldown_and_roles_and_says_until_when() {
    let mut others = [0; 3];
    let mut server = Server::with(simulator::discord::Options::default(), |discord| {
        others = ["dan", "eve", "fay"].map(|name| discord.join(name));
    })
    .await;
    let [dan, eve, fay] = others;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let limits = json!({"quota": 3, "quota_period": 0, "cooldown_minutes": 60});
    says(
        &server.admin("settings set", limits).await,
        &["thank 3 members a day", "60 minutes"],
    );
    let answer = server.give(ana, &[ben], "one").await;
    assert!(!answer.ephemeral, "{answer:?}");
    says(
        &server.give(ana, &[ben], "again").await,
        &[&format!("<@{ben}>"), "again <t:"],
    );
    // Cooldowns apply per giver.
    assert!(!server.give(cho, &[ben], "one").await.ephemeral);
    let answer = server.give(ana, &[cho, dan], "two more").await;
    assert!(!answer.ephemeral, "{answer:?}");
    says(
        &server.give(ana, &[eve], "a fourth").await,
        &["thank 3 members a day", "again <t:", "You typed"],
    );

    // Twice at the same moment is one too many.
    says(
        &server
            .admin("settings set", json!({"quota": 1, "cooldown_minutes": 0}))
            .await,
        &["thank 1 member a day"],
    );
    let wish = |to: u64| json!({"to": format!("<@{to}>"), "for": "at once"});
    let runs = [ana, dan].map(|to| {
        server
            .discord()
            .slash(fay, server.general, "props", wish(to))
    });
    let mut refused = 0;
    for run in runs {
        refused += usize::from(server.discord().answer(run).await.unwrap().ephemeral);
    }
    assert_eq!(refused, 1);

    let role = server.discord().create_role("thankers", 0);
    let only = json!({"giver_roles": format!("<@&{role}>"), "quota": 0});
    let begun = std::time::Instant::now();
    while !server
        .admin("settings set", only.clone())
        .await
        .content
        .starts_with("Done")
    {
        assert!(begun.elapsed() < SOON, "{}", server.log());
    }
    says(
        &server.give(ana, &[eve], "x").await,
        &[&format!("<@&{role}>")],
    );
    server
        .discord()
        .update_member(ana, |discord| discord.roles.push(role));
    assert!(!server.give(ana, &[eve], "x").await.ephemeral);
    assert_eq!(server.recorded().await.len(), 5);
    server.check_manners();
}
