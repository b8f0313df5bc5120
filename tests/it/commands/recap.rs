//! The recap: what it tells, where it is posted, and that it is posted once.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use propsbot_model::{
    Evidence, Fact, GuildId, Language, Millis, Observation, QuotaPeriod, SettingsChange,
};
use serde_json::{Value, json};
use simulator::discord::{Discord, Fault, Options, Overwrite, Request, TruthMessage, bit, kind};

use super::{SOON, Server, says};

const POST: &str = "POST /channels/{channel_id}/messages";
const DAY_MS: i64 = 86_400_000;
/// The choice of the command's option.
const WEEKLY: u64 = 1;

/// Noon of the day so many days before this week.
fn days_before_this_week(days: i64) -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now = Millis(i64::try_from(now.as_millis()).unwrap());
    QuotaPeriod::Week.start(now).0 - days * DAY_MS + DAY_MS / 2
}

fn named(discord: &Discord, name: &str) -> u64 {
    let members = discord.members();
    members.iter().find(|(_, member)| member == name).unwrap().0
}

/// Thanks from one member to another in a channel, so many days before this week.
fn thank(discord: &Discord, days: i64, channel: u64, (from, to): (&str, &str)) {
    let (from, to) = (named(discord, from), named(discord, to));
    let at = days_before_this_week(days);
    discord.post_past(at, from, channel, &format!("thanks <@{to}>"));
}

/// A channel that was there before all thanks.
fn old_channel(discord: &Discord, name: &str, overwrites: Vec<Overwrite>) -> u64 {
    discord.create_past_channel(days_before_this_week(30), kind::TEXT, name, overwrites)
}

/// A server with a props channel, and thanks in it last week.
async fn thankful() -> Server {
    Server::with(Options::default(), |discord| {
        let props = old_channel(discord, "props", vec![]);
        thank(discord, 2, props, ("ana", "ben"));
        old_channel(discord, "recaps", vec![]);
    })
    .await
}

fn weekly(channel: u64) -> Value {
    json!({"recap": WEEKLY, "recap_channel": channel})
}

impl Server {
    fn recaps(&self) -> u64 {
        self.discord().channel("recaps").unwrap()
    }

    async fn recap_weekly(&self, channel: u64) {
        let set = self.admin("settings set", weekly(channel)).await;
        says(&set, &[&format!("**Recap**: weekly, in <#{channel}>")]);
    }

    /// Waits for the bot's first message in a channel.
    async fn posted_in(&self, channel: u64) -> TruthMessage {
        let is_there = |discord: &Discord| !posts(discord, channel).is_empty();
        let came = self.discord().wait(SOON, is_there).await;
        assert!(came, "{}", self.log());
        posts(self.discord(), channel).remove(0)
    }

    /// Waits until the bot has logged these words.
    async fn logs(&self, words: &str) {
        let begun = Instant::now();
        while !self.log().contains(words) {
            assert!(begun.elapsed() < SOON, "no {words:?} in {}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Stops the bot; the recap in this channel is the only one, and recorded.
    async fn check_posted_once(&mut self, channel: u64) {
        self.stop().await;
        let all = posts(self.discord(), channel);
        assert_eq!(all.len(), 1, "{all:#?}");
        let guild = self.mirror.guild();
        let recorded = self.mirror.store().recap(guild).unwrap().unwrap();
        assert!(recorded.is_done, "{recorded:?}");
        assert_eq!(recorded.message_id.map(|id| id.0), Some(all[0].id));
    }
}

/// The bot's messages in a channel.
fn posts(discord: &Discord, channel: u64) -> Vec<TruthMessage> {
    let bot = discord.bot_id();
    let all = discord.truth().messages.into_iter();
    all.filter(|message| message.channel == channel && message.author == bot)
        .collect()
}

/// The bodies of requests to post messages in a channel.
fn requests(discord: &Discord, channel: u64) -> Vec<Value> {
    let to = format!("/channels/{channel}/messages");
    let is_post = |request: &Request| request.method == "POST" && request.path.ends_with(&to);
    let all = discord.requests().into_iter().filter(is_post);
    all.filter_map(|request| request.body).collect()
}

/// A server where members hide, and where thanks aren't for all to see.
async fn with_secrets() -> Server {
    Server::with(Options::default(), |discord| {
        for name in ["dan", "eve", "fay", "gus", "hal"] {
            discord.join(name);
        }
        let props = old_channel(discord, "props", vec![]);
        let view = bit::VIEW_CHANNEL;
        let staff = vec![
            Overwrite::role(discord.guild_id(), 0, view),
            Overwrite::member(discord.bot_id(), view, 0),
        ];
        // Also where it is posted: more can read along later.
        old_channel(discord, "recaps", staff.clone());
        let private = old_channel(discord, "props-staff", staff);
        let newbies = discord.create_role("newbies", 0);
        let denied = vec![Overwrite::role(newbies, 0, view)];
        let partly = old_channel(discord, "props-old-hands", denied);
        let adult = old_channel(discord, "props-nsfw", vec![]);
        discord.update_channel(adult, |channel| channel.nsfw = true);
        thank(discord, 9, props, ("ana", "ben"));
        thank(discord, 8, private, ("ana", "cho"));
        for channel in [private, partly, adult] {
            thank(discord, 3, channel, ("ana", "dan"));
        }
        for thanked in [
            ("ana", "ben"),
            ("cho", "ben"),
            ("ana", "cho"),
            ("ana", "eve"),
            ("ana", "fay"),
            ("ana", "gus"),
            ("eve", "hal"),
            // The bot is not welcomed.
            ("ana", "propsbot"),
        ] {
            thank(discord, 4, props, thanked);
        }
        // Now, which is another week.
        let (ana, dan) = (named(discord, "ana"), named(discord, "dan"));
        discord.post(ana, props, &format!("thanks <@{dan}>"));
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_what_every_member_can_read_and_names_nobody_who_hides() {
    let mut server = with_secrets().await;
    let (recaps, general) = (server.recaps(), server.general);
    let [eve, fay, gus, hal] =
        ["eve", "fay", "gus", "hal"].map(|name| named(server.discord(), name));
    for (user, tier) in [(eve, 1), (fay, 2)] {
        let out = server.ask(user, "privacy opt-out", json!({"what": tier}));
        assert!(out.await.ephemeral);
    }
    let asked = server.ask(gus, "privacy delete", json!({})).await;
    let button = asked.message_id.unwrap();
    let pressed = server
        .discord()
        .click(gus, general, button, "privacy-delete", &[]);
    says(&server.discord().answer(pressed).await.unwrap(), &[]);

    server.recap_weekly(recaps).await;
    let recap = server.posted_in(recaps).await;
    let text = &recap.content;
    let lines: Vec<&str> = text.lines().collect();
    let [head, sum, rest @ ..] = lines.as_slice() else {
        panic!("{text}");
    };
    assert!(head.starts_with("📣 **Recap of the week** · "), "{text}");
    assert_eq!(*sum, "Props were given 8 times, to 5 members.");
    let (ben, cho, bot) = (server.ben, server.cho, server.discord().bot_id());
    let expected = [
        format!("1\\. <@{ben}>: 2"),
        format!("2\\. <@{bot}>: 1"),
        format!("2\\. <@{cho}>: 1"),
        format!("2\\. <@{hal}>: 1"),
        format!("🎉 Thanked for the first time: <@{cho}>, <@{hal}>"),
        "-# Counts channels that every member can read.".to_owned(),
    ];
    assert_eq!(rest, expected, "{text}");

    // It pings nobody, and has a picture.
    assert!(recap.mentions.is_empty(), "{recap:?}");
    let message = server.discord().message(recaps, recap.id).unwrap();
    assert!(!message.mention_everyone);
    let attached = message.extras.unwrap().attachments;
    assert_eq!(attached[0]["filename"], "recap.png");
    assert!(attached[0]["size"].as_u64() > Some(10_000), "{attached:?}");
    let [body] = <[Value; 1]>::try_from(requests(server.discord(), recaps)).unwrap();
    assert_eq!(body["allowed_mentions"]["parse"], json!([]), "{body}");
    assert_eq!(body["enforce_nonce"], true, "{body}");
    let described = body["attachments"][0]["description"].as_str().unwrap();
    assert!(described.contains("1. ben 2"), "{described}");
    server.logs("posted the recap").await;
    server.check_posted_once(recaps).await;
    server.check_manners();
}

/// The bot is killed after it posted and before it knows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_posted_once_if_the_bot_dies_before_it_knows() {
    let mut server = thankful().await;
    let recaps = server.recaps();
    server
        .discord()
        .fail(POST, 1, Fault::Delay(Duration::from_mins(10)));
    server.recap_weekly(recaps).await;
    server.posted_in(recaps).await;
    server.running.take().unwrap().kill().await;
    let recorded = server.mirror.store().recap(server.mirror.guild());
    assert!(!recorded.unwrap().unwrap().is_done);
    server.discord().heal();
    server.discord().forget_nonces();
    // What others wrote since doesn't matter.
    for _ in 0..120 {
        server.discord().post(server.ana, recaps, "nice");
    }
    server.run().await;
    server.logs("the recap is posted already").await;
    server.check_posted_once(recaps).await;
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_posted_once_if_the_answer_is_lost() {
    let mut server = thankful().await;
    let recaps = server.recaps();
    // Not carried out, and then carried out without an answer.
    server.discord().fail(POST, 1, Fault::Status(500));
    server.discord().fail(POST, 1, Fault::Lost);
    server.recap_weekly(recaps).await;
    // It is tried again at once after the first failure, and minutes after the second.
    server.posted_in(recaps).await;
    server.discord().forget_nonces();
    server.logs("no answer from Discord").await;
    // An admin needs no patience.
    let again = json!({"recap_channel": recaps});
    says(&server.admin("settings set", again).await, &["Done"]);
    server.logs("the recap is posted already").await;
    assert_eq!(server.discord().count(POST), 2);
    server.check_posted_once(recaps).await;
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_admins_why_it_cannot_be_posted_and_tries_no_more() {
    let server = thankful().await;
    let recaps = server.recaps();
    let incomplete = server.admin("settings set", json!({"recap": WEEKLY}));
    says(&incomplete.await, &["needs both", "Nothing was changed"]);
    let forum = server
        .discord()
        .create_channel(kind::FORUM, "posts", vec![]);
    let everyone = server.discord().guild_id();
    let muted = vec![Overwrite::role(everyone, 0, bit::SEND_MESSAGES)];
    let quiet = server.discord().create_channel(kind::TEXT, "quiet", muted);
    for (channel, why) in [
        (forum, "can't have the recap"),
        (quiet, "**Send Messages**"),
    ] {
        let owner = server.discord().owner_id();
        let wish = weekly(channel);
        let answer = server
            .ask_until(owner, server.general, "settings set", wish, why)
            .await;
        says(&answer, &[why, "Nothing was changed"]);
    }

    // Discord refuses: admins see it, and it isn't tried again for a day.
    server.discord().fail(POST, usize::MAX, Fault::Status(403));
    server.recap_weekly(recaps).await;
    let object = format!("posting the recap in channel {recaps}");
    server
        .until("the refusal", |status| {
            status.contains(&object) && status.contains("403")
        })
        .await;
    // The channel is gone.
    server.discord().delete_channel(recaps);
    server
        .until("the reason", |status| {
            status.contains(&object) && status.contains("the channel no longer exists")
        })
        .await;
    assert_eq!(server.discord().count(POST), 1);

    server.discord().heal();
    server.recap_weekly(server.general).await;
    server.posted_in(server.general).await;
    server
        .until("it is well", |status| !status.contains("posting the recap"))
        .await;
    let off = server.admin("settings reset", json!({"setting": "recap"}));
    says(&off.await, &["**Recap**: none"]);
    assert_eq!(server.log().matches("can't post the recap").count(), 2);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_nothing_if_nobody_was_thanked() {
    let mut server = Server::with(Options::default(), |discord| {
        let props = old_channel(discord, "props", vec![]);
        // The bot was down then.
        thank(discord, 9, props, ("ana", "ben"));
        old_channel(discord, "recaps", vec![]);
    })
    .await;
    let recaps = server.recaps();
    server.recap_weekly(recaps).await;
    server
        .logs("nobody was thanked, so there is no recap")
        .await;
    server.stop().await;
    assert!(posts(server.discord(), recaps).is_empty());
    let recorded = server.mirror.store().recap(server.mirror.guild());
    let recorded = recorded.unwrap().unwrap();
    assert!(
        recorded.is_done && recorded.message_id.is_none(),
        "{recorded:?}"
    );
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guild_that_cannot_be_read_holds_up_no_other() {
    let mut server = thankful().await;
    let recaps = server.recaps();
    server.stop().await;
    // The settings of a guild before this one are damaged.
    let odd = GuildId(0x5eed_5eed_5eed_5eed);
    {
        let store = server.mirror.store();
        let change = SettingsChange::Language(Language::German);
        let set = Observation {
            at: store.newest().unwrap(),
            by: Evidence::Rest,
            fact: Fact::SettingsChanged(odd, change),
        };
        store.merge(&[vec![set]]).unwrap();
    }
    {
        let raw = server.mirror.raw_store();
        let mut damaged = 0;
        for tree in raw.tree_names() {
            let tree = raw.open_tree(tree).unwrap();
            for row in &tree {
                let (key, _) = row.unwrap();
                if key.windows(8).any(|part| part == odd.0.to_be_bytes()) {
                    tree.insert(key, b"nothing").unwrap();
                    damaged += 1;
                }
            }
        }
        assert!(damaged > 0);
        raw.flush().unwrap();
    }
    let named = format!("{odd},{}", server.mirror.guild());
    let variables = &mut server.mirror.variables;
    variables.push(("DISCORD_GUILDS".to_owned(), named));
    server.run().await;
    server.recap_weekly(recaps).await;
    server.posted_in(recaps).await;
    let told = server.log().matches("the recap can't be posted").count();
    assert_eq!(told, 1, "{}", server.log());
    server.check_posted_once(recaps).await;
}
