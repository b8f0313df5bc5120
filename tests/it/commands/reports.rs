//! `/leaderboard` and `/history`: contents and visibility.

use resvg::tiny_skia::Pixmap;
use serde_json::{Value, json};
use simulator::discord::{Answer, Discord, InteractionId, Options, Overwrite, bit, kind};

use super::{SOON, Server, says};

/// The final response; a slow one starts with "on its way".
fn body(answer: &Answer) -> &Value {
    answer.edits.last().unwrap_or(&answer.data)
}

/// The ids of a response's buttons.
fn buttons(answer: &Answer) -> Vec<String> {
    let rows = body(answer)["components"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let parts = rows
        .iter()
        .filter_map(|row| row["components"].as_array().cloned());
    let ids = parts
        .flatten()
        .map(|part| part["custom_id"].as_str().unwrap().to_owned());
    ids.collect()
}

/// The text of the page that a button shows.
fn page(turned: &Answer) -> &str {
    body(turned)["content"].as_str().unwrap()
}

/// Asserts that the response has one readable picture, with a description.
#[track_caller]
fn pictured(answer: &Answer, words: &str) {
    let [(name, bytes)] = answer.files.as_slice() else {
        panic!("{} files", answer.files.len())
    };
    assert_eq!(name, "leaderboard.png");
    assert!(Pixmap::decode_png(bytes).unwrap().width() > 1_000);
    let attachments = body(answer)["attachments"].as_array().unwrap();
    assert_eq!(attachments.len(), 1, "{attachments:?}");
    let description = attachments[0]["description"].as_str().unwrap();
    assert!(description.contains(words), "{description}");
}

impl Server {
    async fn press(&self, user: u64, on: &Answer, button: &str) -> Answer {
        let message = on.message_id.unwrap();
        let run = self
            .discord()
            .click(user, self.general, message, button, &[]);
        self.pressed(run).await
    }

    /// The response to a button, once it has content rather than a deferral.
    async fn pressed(&self, run: InteractionId) -> Answer {
        let says = |discord: &Discord| {
            let answer = discord.answer_so_far(run);
            answer.is_some_and(|answer| body(&answer)["content"].is_string())
        };
        let said = self.discord().wait(SOON, says).await;
        assert!(
            said,
            "{:?}\n{}",
            self.discord().answer_so_far(run),
            self.log()
        );
        self.discord().answer_so_far(run).unwrap()
    }
}

/// 200 members: one received 3 props, one 2, the rest 1. Also returns their ids.
async fn crowd() -> (Server, Vec<u64>) {
    let mut members = Vec::new();
    let server = Server::with(Options::default(), |discord| {
        let props = discord.create_channel(kind::TEXT, "props", vec![]);
        members = (0..200)
            .map(|number| discord.join(&format!("member{number}")))
            .collect();
        let giver = discord.people()[0];
        for (at, member) in members.iter().enumerate() {
            let times = 3_usize.saturating_sub(at).max(1);
            for _ in 0..times {
                discord.post(giver, props, &format!("thanks <@{member}>"));
            }
        }
    })
    .await;
    (server, members)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaderboard_has_a_picture_and_pages_after_restart() {
    let (mut server, _) = crowd().await;
    let (ana, ben) = (server.ana, server.ben);
    let first = server.ask(ana, "leaderboard", json!({})).await;
    assert!(!first.ephemeral, "{first:?}");
    for words in [
        "Props received · last 30 days",
        "page 1 of 20",
        "1\\. **\u{2068}member0\u{2069}**: 3\n2\\. **\u{2068}member1\u{2069}**: 2\n3\\. **\u{2068}member2\u{2069}**: 1\n3\\. ",
    ] {
        assert!(first.content.contains(words), "{}", first.content);
    }
    pictured(&first, "1. member0 3, 2. member1 2");
    let [lower] = <[String; 1]>::try_from(buttons(&first)).unwrap();

    // The member who asked turns the page for everyone.
    let second = server.press(ana, &first, &lower).await;
    assert!(matches!(second.kind, 6 | 7), "{second:?}");
    assert!(page(&second).contains("page 2 of 20"), "{second:?}");
    pictured(&second, "3. member10 1");
    assert_eq!(buttons(&second).len(), 2);

    // Pressed twice at once, both get a response.
    let discord = server.discord();
    let (message, general) = (first.message_id.unwrap(), server.general);
    let twice = [0, 1].map(|_| discord.click(ana, general, message, &lower, &[]));
    for run in twice {
        assert!(page(&server.pressed(run).await).contains("page 2 of 20"));
    }

    // Other members get their own copy.
    let own = server.press(ben, &first, &lower).await;
    says(&own, &["page 2 of 20"]);
    pictured(&own, "3. member10 1");
    assert!(
        buttons(&own)
            .iter()
            .all(|button| button.ends_with(&format!(":{ben}")))
    );

    server.stop().await;
    server.run().await;
    let third = buttons(&second).pop().unwrap();
    let third = server.press(ana, &first, &third).await;
    assert!(page(&third).contains("page 3 of 20"), "{third:?}");
    // A page that no longer exists, another version's button, and one without a user.
    let far = format!("leaderboard:month:received:9999:{ana}");
    assert!(page(&server.press(ana, &first, &far).await).contains("page 20 of 20"));
    for odd in [
        "leaderboard",
        "leaderboard:decade:received:1:5",
        "leaderboard:month:received:-1:5",
        "x",
    ] {
        says(
            &server.press(ana, &first, odd).await,
            &["run the command again"],
        );
    }
    let given = server
        .ask(ben, "leaderboard", json!({"period": 3, "of": 1}))
        .await;
    assert!(
        given.content.contains("Props given · all time"),
        "{given:?}"
    );
    assert!(buttons(&given).is_empty(), "{given:?}");
    pictured(&given, "203");
    server.check_manners();
}

/// Pictures take time; Discord waits 3 s for each response and counts later ones as violations.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn serves_many_page_turns_in_time() {
    let (server, members) = crowd().await;
    let (ana, general) = (server.ana, server.general);
    let first = server.ask(ana, "leaderboard", json!({})).await;
    let message = first.message_id.unwrap();
    let lower = buttons(&first).pop().unwrap();
    let press = |user: u64| server.discord().click(user, general, message, &lower, &[]);
    let others: Vec<_> = members
        .iter()
        .take(6)
        .map(|member| press(*member))
        .collect();
    let own: Vec<_> = (0..3).map(|_| press(ana)).collect();
    // Meanwhile a ranked member receives props; an unranked one would add a page.
    let given = server.give(ana, &members[..1], "the wait").await;
    assert!(!given.ephemeral, "{given:?}");
    for run in others.into_iter().chain(own) {
        let answer = server.pressed(run).await;
        assert!(page(&answer).contains("page 2 of 20"), "{answer:?}");
        assert_eq!(answer.files.len(), 1);
    }
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unnamed_members_have_no_rank_or_history() {
    let (server, members) = crowd().await;
    let (ana, shy) = (server.ana, members[0]);
    for (what, left) in [(1, 199), (2, 199)] {
        server
            .ask(shy, "privacy opt-out", json!({"what": what}))
            .await;
        let board = server.ask(ana, "leaderboard", json!({})).await;
        for hidden in ["member0", "member-", "someone", &shy.to_string()] {
            assert!(
                !board.content.contains(&format!("{hidden}\u{2069}")),
                "{}",
                board.content
            );
        }
        assert!(
            board
                .content
                .contains("1\\. **\u{2068}member1\u{2069}**: 2\n"),
            "{}",
            board.content
        );
        assert!(
            board
                .content
                .contains(&format!("of {}", usize::div_ceil(left, 10)))
        );
        let of_shy = json!({"member": shy});
        says(
            &server.ask(ana, "history", of_shy.clone()).await,
            &["none that I can show you"],
        );
        // They see their own props.
        says(&server.ask(shy, "history", of_shy).await, &["member0"]);
        let all = server.ask(ana, "history", json!({})).await;
        assert!(!all.content.contains("member0\u{2069}"), "{}", all.content);
    }
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_props_are_shown_only_to_their_readers() {
    let mut server = Server::with(Options::default(), |discord| {
        let people = discord.members();
        let ben = people.iter().find(|(_, name)| name == "ben").unwrap().0;
        let view = bit::VIEW_CHANNEL;
        let overwrites = vec![
            Overwrite::role(discord.guild_id(), 0, view),
            Overwrite::member(discord.bot_id(), view, 0),
            Overwrite::member(ben, view, 0),
        ];
        discord.create_channel(kind::TEXT, "board-room", overwrites);
    })
    .await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let (general, room) = (
        server.general,
        server.discord().channel("board-room").unwrap(),
    );
    let wish = json!({"to": format!("<@{cho}>"), "for": "the secret"});
    let given = server.ask_in(room, ben, "props", wish).await;
    assert!(!given.ephemeral, "{given:?}");
    let guild = server.discord().guild_id();
    let link = format!(
        "https://discord.com/channels/{guild}/{room}/{}",
        given.message_id.unwrap()
    );

    server
        .ask_until(ben, general, "history", json!({}), "the secret")
        .await;
    let why = json!({"message": link});
    server
        .ask_until(ben, general, "why", why.clone(), "isn't exported")
        .await;
    says(
        &server.ask(ana, "history", json!({})).await,
        &["none that I can show you"],
    );
    says(
        &server.ask(cho, "history", json!({"member": cho})).await,
        &["none that"],
    );
    says(
        &server.ask(ana, "why", why).await,
        &["I can't find that message"],
    );
    // The public leaderboard omits it in other channels.
    says(
        &server.ask(ben, "leaderboard", json!({})).await,
        &["none yet"],
    );
    let there = server.ask_in(room, ben, "leaderboard", json!({})).await;
    assert!(there.content.contains("cho\u{2069}**: 1"), "{there:?}");
    // So does the autocomplete list.
    for (user, many) in [(ben, 1), (cho, 0)] {
        let run =
            server
                .discord()
                .autocomplete(user, general, "why", json!({"message": ""}), "message");
        let choices = server.discord().answer(run).await.unwrap().data["choices"].clone();
        assert_eq!(choices.as_array().map_or(0, Vec::len), many, "{choices}");
    }
    server.check_manners();
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_pages_lose_and_repeat_nothing() {
    let server = Server::with(Options::default(), |discord| {
        let props = discord.create_channel(kind::TEXT, "props", vec![]);
        let named = |name: &str| {
            let members = discord.members();
            members.iter().find(|(_, member)| member == name).unwrap().0
        };
        let (ana, ben) = (named("ana"), named("ben"));
        for at in 0..12 {
            discord.post(ana, props, &format!("<@{ben}> for number {at}."));
            discord.post(ben, props, "no thanks");
        }
        discord.post(ben, props, &format!("<@{ana}> for **all**"));
    })
    .await;
    let (ana, ben) = (server.ana, server.ben);
    let seen = |text: &str| {
        let all = (0..12).filter(|at| text.contains(&format!("number {at}.")));
        all.collect::<Vec<_>>()
    };
    let received = json!({"member": ben, "only": 0});
    let first = server.ask(ana, "history", received).await;
    says(
        &first,
        &["Props received by", "ben", "@\u{200b}ben for number 11"],
    );
    assert_eq!(seen(&first.content), [7, 8, 9, 10, 11]);
    let older = buttons(&first).pop().unwrap();
    let second = server.press(ana, &first, &older).await;
    assert_eq!(seen(page(&second)), [2, 3, 4, 5, 6]);
    let older = buttons(&second).pop().unwrap();
    let third = server.press(ana, &first, &older).await;
    assert_eq!(seen(page(&third)), [0, 1]);
    let [newer] = <[String; 1]>::try_from(buttons(&third)).unwrap();
    let back = server.press(ana, &first, &newer).await;
    assert_eq!(seen(page(&back)), [2, 3, 4, 5, 6]);

    let own = server.ask(ben, "history", json!({"only": 1})).await;
    says(&own, &["Props given by", "for \\*\\*all\\*\\*"]);
    says(
        &server.ask(server.cho, "history", json!({"only": 0})).await,
        &["none that"],
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_reports_say_so() {
    let server = Server::start().await;
    says(
        &server.ask(server.ana, "leaderboard", json!({})).await,
        &["Be the first with `/props`"],
    );
    says(
        &server.ask(server.ana, "history", json!({})).await,
        &["none that I can show you"],
    );
    let help = server.ask(server.ana, "help", json!({})).await;
    says(&help, &["`/leaderboard`", "`/history`", "`/why`"]);
    server.check_manners();
}
