//! `/cred`, and what `/why` says of cred: computed by a process of its own after exports.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use resvg::tiny_skia::Pixmap;
use serde_json::json;
use simulator::discord::{Answer, Options, Overwrite, bit, event_status, kind};

use super::{SOON, Server, says};
use crate::mirror::holds;

const OPT_OUT: &str = "privacy opt-out";

impl Server {
    /// Repeats `/cred` until the response has these words.
    async fn cred_until(&self, user: u64, of: Option<u64>, words: &str) -> Answer {
        let options = of.map_or(json!({}), |of| json!({"member": of.to_string()}));
        let channel = self.general;
        let answer = self.ask_until(user, channel, "cred", options, words).await;
        assert!(answer.ephemeral, "{answer:?}");
        answer
    }

    /// Starts the bot again with more variables.
    pub(super) async fn restart_with(&mut self, variables: &[(&str, &str)]) {
        self.stop().await;
        let variables = variables.iter();
        let owned = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.mirror.variables.extend(owned);
        self.run().await;
    }
}

/// The cred in all that an answer tells.
#[track_caller]
fn total(answer: &Answer) -> f64 {
    let total = answer
        .content
        .split("**")
        .find_map(|part| part.parse().ok());
    total.unwrap_or_else(|| panic!("no cred in {answer:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_how_much_cred_and_what_for() {
    let server = Server::start().await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    server.give(ana, &[ben], "the cocoa").await;
    let given = server.give(cho, &[ben, ana], "the *coffee*").await;
    let own = server.cred_until(ben, None, "coffee").await;
    let told = [
        "**Cred of** **\u{2068}ben\u{2069}**",
        "rank **1** of 3",
        "the cocoa",
        "As of the export <t:",
    ];
    says(&own, &told);
    assert!(total(&own) > 1.0, "{own:?}");
    let (name, picture) = &own.files[0];
    assert_eq!(name, "cred.png");
    assert_eq!(Pixmap::decode_png(picture).unwrap().width(), 1_120);
    let anas = server.cred_until(ben, Some(ana), "rank **2** of 3").await;
    assert!(total(&anas) < total(&own), "{anas:?}");
    says(
        &anas,
        &["**Cred of** **\u{2068}ana\u{2069}**", "the \\*coffee\\*"],
    );

    // All of it adds up: who was thanked, and who thanked, have what the messages brought.
    let guild = server.discord().guild_id();
    let message = given.message_id.unwrap();
    let link = format!(
        "https://discord.com/channels/{guild}/{}/{message}",
        server.general
    );
    let why = server
        .ask_until(
            cho,
            server.general,
            "why",
            json!({"message": link}),
            "it has brought **",
        )
        .await;
    says(&why, &["mint **1**", "As of the export <t:"]);
    let dan = server.discord().join("dan");
    server
        .cred_until(ana, Some(dan), "no cred to show of")
        .await;
    server.cred_until(dan, None, "You have no cred yet").await;

    // What was taken back goes at once, and its cred with the next export.
    says(&server.ask(cho, "undo", json!({})).await, &["is deleted"]);
    let begun = Instant::now();
    while server
        .cred_until(ben, None, "in all")
        .await
        .content
        .contains("coffee")
    {
        assert!(begun.elapsed() < SOON, "{}", server.log());
    }
    server.check_manners();
}

/// Without an instance, scheduled events count once an admin has them kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_scheduled_events_that_are_switched_on() {
    let server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let discord = server.discord();
    let call = discord.schedule(ana, "Community call", 4_000_000_000_000, None);
    discord.update_event(call, |event| event.status = event_status::ACTIVE);
    server.give(ana, &[ben], "the cocoa").await;
    let before = server.cred_until(ben, None, "the cocoa").await;
    says(&before, &["rank **1** of 2"]);
    let set = json!({"meeting_events": true});
    says(
        &server.admin("settings set", set).await,
        &["kept and exported"],
    );
    let own = server.cred_until(ana, None, "Community call").await;
    says(&own, &["Event: ", "rank **1** of 2"]);
    assert!(total(&own) > total(&before), "{own:?} {before:?}");
    // Only those who hosted it see it among their contributions.
    let told = server.cred_until(ben, Some(ana), "rank **1**").await;
    assert!(!told.content.contains("Community call"), "{told:?}");
    server.check_manners();
}

/// A site is written before the cred of its export is known: it shows what is kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_shows_the_cred_that_is_kept() {
    let mut server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    server.give(ana, &[ben], "the cocoa").await;
    let own = server.cred_until(ben, None, "cocoa").await;
    server.stop().await;
    let site = ("SITE".to_owned(), "dir:./site".to_owned());
    server.mirror.variables.push(site);
    let shown = async |server: &Server| {
        server.mirror.run(&["export"]).await.ok();
        let page = format!("site/member/{ben}.html");
        let page = fs::read_to_string(server.mirror.home.path().join(page)).unwrap();
        let (_, after) = page.split_once(r#"<dd class="cred">"#)?;
        let cred: f64 = after.split('<').next()?.parse().unwrap();
        Some(cred)
    };
    let cred = shown(&server).await.unwrap();
    assert!((cred - total(&own)).abs() < 0.06, "{cred} {own:?}");

    // Without a bot that computes it, nothing takes out of it what members delete, so it is removed.
    let none = ("CRED_MEMORY".to_owned(), "0".to_owned());
    server.mirror.variables.push(none);
    assert_eq!(shown(&server).await, None);
    server.run().await;
    server.stop().await;
    server.mirror.variables.pop();
    assert_eq!(shown(&server).await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shows_others_only_what_they_can_read() {
    let server = Server::start().await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    let discord = server.discord();
    let hidden = Overwrite::role(discord.guild_id(), 0, bit::VIEW_CHANNEL);
    let [ben_too, bot_too] =
        [ben, discord.bot_id()].map(|id| Overwrite::member(id, bit::VIEW_CHANNEL, 0));
    let secret = discord.create_channel(kind::TEXT, "secret", vec![hidden, ben_too, bot_too]);
    let include = json!({"channel": secret.to_string(), "confirm": "secret"});
    let begun = Instant::now();
    while !server
        .admin("settings include", include.clone())
        .await
        .content
        .contains("restricted**: <#")
    {
        assert!(begun.elapsed() < SOON);
    }
    server.give(ana, &[ben], "the cocoa").await;
    let options = json!({"to": format!("<@{ana}>"), "for": "the secret"});
    server.ask_in(secret, ben, "props", options).await;
    server.cred_until(ben, Some(ana), "the secret").await;
    let others = server.cred_until(cho, Some(ana), "in all").await;
    assert!(!others.content.contains("secret"), "{others:?}");
    // Not even members themselves, once they can't read it.
    let own = server.cred_until(ana, None, "in all").await;
    assert!(!own.content.contains("secret"), "{own:?}");
    assert!((total(&own) - total(&others)).abs() < 1e-9);
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaves_out_members_who_hide_their_name() {
    let server = Server::start().await;
    let (ana, ben, cho) = (server.ana, server.ben, server.cho);
    server.give(cho, &[ben], "the coffee").await;
    server.give(ana, &[cho], "the cake").await;
    server.cred_until(ana, Some(cho), "rank **").await;
    server.cred_until(ben, None, "of 3").await;
    says(
        &server.ask(cho, OPT_OUT, json!({"what": 1})).await,
        &["exported"],
    );
    // At once, whatever is kept.
    let of = json!({"member": cho.to_string()});
    let others = server.ask(ana, "cred", of).await;
    says(&others, &["no cred to show of"]);
    assert!(!others.content.contains("in all"), "{others:?}");
    let bens = server.ask(ben, "cred", json!({})).await;
    says(&bens, &["of 2"]);
    assert!(!bens.content.contains("cho"), "{bens:?}");
    // Their account stays, but for them alone.
    let own = server.cred_until(cho, None, "in all").await;
    assert!(!own.content.contains("rank"), "{own:?}");
    let everything = server.ask(cho, OPT_OUT, json!({"what": 2})).await;
    says(&everything, &["Nothing of yours is exported"]);
    server.cred_until(cho, None, "chose not to be shown").await;
    let file = server.mirror.home.path().join("data/cred");
    assert!(!holds(&file, &cho.to_be_bytes()), "the file still has them");
    server.check_manners();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn says_why_there_is_no_cred() {
    let mut server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    server.give(ana, &[ben], "the cocoa").await;
    server.cred_until(ben, None, "the cocoa").await;

    // What is known is still told.
    server.restart_with(&[("CRED_MEMORY", "1")]).await;
    server.give(ana, &[ben], "the cake").await;
    let old = server
        .cred_until(ben, None, "it takes more than the 1 MiB")
        .await;
    says(&old, &["in all", "the cocoa"]);
    assert!(
        server
            .log()
            .contains("could not compute cred: it takes more than 1 MiB (CRED_MEMORY)"),
        "{}",
        server.log()
    );
    assert_eq!(
        server.log().matches("could not compute cred").count(),
        1,
        "{}",
        server.log()
    );

    server
        .restart_with(&[("CRED_MEMORY", "2048"), ("SOURCECRED_INSTANCE", "nowhere")])
        .await;
    let wrong = server
        .cred_until(ben, None, "wrong with its configuration")
        .await;
    says(&wrong, &["in all"]);
    assert!(
        server
            .log()
            .contains("nowhere is not a SourceCred instance"),
        "{}",
        server.log()
    );

    server
        .restart_with(&[("ARCHIVE", "dir:./empty"), ("EXPORT_INTERVAL", "1d")])
        .await;
    server
        .cred_until(ben, None, "haven't computed any cred yet")
        .await;

    server.restart_with(&[("CRED_MEMORY", "0")]).await;
    server.cred_until(ben, None, "has switched cred off").await;
    server.check_manners();
}

/// An instance with this weight of all props.
fn instance(folder: &Path, weight: u32) {
    let config = folder.join("config");
    fs::create_dir_all(&config).unwrap();
    fs::write(
        folder.join("sourcecred.json"),
        r#"{"bundledPlugins":["external/props"]}"#,
    )
    .unwrap();
    let weights = json!([
        {"type": "sourcecred/weights", "version": "0.2.0"},
        {"nodeWeights": {"N\0external\0props\0PROPS\0": weight}, "edgeWeights": {}},
    ]);
    fs::write(config.join("weights.json"), weights.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn follows_an_instance_and_keeps_what_did_not_change() {
    let mut server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let folder = server.mirror.home.path().join("instance");
    server.give(ana, &[ben], "the cocoa").await;
    let alone = total(&server.cred_until(ben, None, "the cocoa").await);

    instance(&folder, 10);
    server
        .restart_with(&[("SOURCECRED_INSTANCE", "./instance")])
        .await;
    let begun = Instant::now();
    loop {
        let cred = total(&server.cred_until(ben, None, "in all").await);
        if (cred - 10.0 * alone).abs() < 0.1 {
            break;
        }
        assert!(
            begun.elapsed() < SOON,
            "{cred} is not ten times {alone}: {}",
            server.log()
        );
    }

    server.restart_with(&[]).await;
    let begun = server.log();
    server.cred_until(ben, None, "the cocoa").await;
    assert!(
        !begun.contains("computed cred") && !server.log().contains("computed cred"),
        "{}",
        server.log()
    );
    server.check_manners();
}

/// Whatever plugin credits it: thanks by reaction, a meeting, and what members say they did.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_what_is_credited_without_props() {
    let mut server = Server::start().await;
    let (ana, ben, cho, general) = (server.ana, server.ben, server.cho, server.general);
    let discord = server.discord();
    let hidden = Overwrite::role(discord.guild_id(), 0, bit::VIEW_CHANNEL);
    let bot = Overwrite::member(discord.bot_id(), bit::VIEW_CHANNEL, 0);
    let [done, meetings, secret] = [
        ("done", vec![]),
        ("meetings", vec![]),
        ("secret", vec![hidden, bot]),
    ]
    .map(|(name, overwrites)| discord.create_channel(kind::TEXT, name, overwrites));
    let thanks = json!({"thanks_emoji": "🙏"});
    says(&server.admin("settings set", thanks).await, &["Done"]);
    let work = server.discord().post(ana, general, "the work");
    assert!(server.discord().react(ben, general, work, "🙏", false));
    let did = server.discord().post(ana, done, "fixed the door");
    assert!(server.discord().react(cho, done, did, "🎉", false));
    let met = server
        .discord()
        .post(cho, meetings, &format!("with <@{ana}> and <@{ben}>"));
    let hidden = server.discord().post(ana, secret, "fixed the lock");
    assert!(server.discord().react(cho, secret, hidden, "🎉", false));
    let by_reaction = format!(
        "**\u{2068}ben\u{2069}** → **\u{2068}ana\u{2069}** https://discord.com/channels/{}/{general}/{work}",
        server.discord().guild_id()
    );
    let thanked = server.cred_until(ana, None, &by_reaction).await;
    assert!(!thanked.content.contains("a message"), "{thanked:?}");

    // The exported graphs of the other plugins.
    let include = json!({"channel": secret.to_string(), "confirm": "secret"});
    says(&server.admin("settings include", include).await, &["Done"]);
    says(
        &server.admin("archive now", json!({})).await,
        &["generation"],
    );
    let home = server.mirror.home.path().to_owned();
    let folder = home.join("instance");
    instance(&folder, 1);
    let names = ["external/props", "external/didathing", "external/meetings"];
    let bundled = json!({"bundledPlugins": names}).to_string();
    fs::write(folder.join("sourcecred.json"), bundled).unwrap();
    let channels = [done, secret].map(|channel| channel.to_string());
    for (name, config) in [
        ("did.json", json!({"didathing_channels": channels})),
        (
            "met.json",
            json!({"meeting_channels": [meetings.to_string()]}),
        ),
    ] {
        fs::write(home.join(name), config.to_string()).unwrap();
    }
    let drawn = [
        "graph",
        "--from",
        "dir:archive",
        "--plugin",
        "props",
        "--plugin",
        "didathing=did.json",
        "--plugin",
        "meetings=met.json",
        "--out",
        "instance/config/plugins/external",
    ];
    server.mirror.run(&drawn).await.ok();
    server
        .restart_with(&[("SOURCECRED_INSTANCE", "./instance")])
        .await;
    let guild = server.discord().guild_id();
    let told = format!("a message: https://discord.com/channels/{guild}/{done}/{did}");
    let own = server.cred_until(ana, None, &told).await;
    let met = format!("a meeting: https://discord.com/channels/{guild}/{meetings}/{met}");
    says(&own, &[&by_reaction, &met]);
    // The largest is in a channel that Ana can't read.
    assert!(!own.content.contains(&secret.to_string()), "{own:?}");

    let reaction = format!("a reaction to https://discord.com/channels/{guild}/{done}/{did}");
    server.cred_until(cho, None, &reaction).await;
    assert!(server.discord().unreact(cho, done, did, "🎉", false));
    let begun = Instant::now();
    while server
        .cred_until(cho, None, "in all")
        .await
        .content
        .contains(&reaction)
    {
        assert!(begun.elapsed() < SOON, "{}", server.log());
    }

    // What has gone isn't told, whatever is kept.
    assert!(server.discord().unreact(ben, general, work, "🙏", false));
    assert!(server.discord().delete(done, did));
    let begun = Instant::now();
    loop {
        let own = server.cred_until(ana, None, &met).await.content;
        if !own.contains(&by_reaction) && !own.contains(&told) {
            break;
        }
        assert!(begun.elapsed() < SOON, "{own}");
    }
    server.check_manners();
}

/// The processes that compute cred below this folder.
#[cfg(target_os = "linux")]
fn computing(home: &Path) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let computing = processes.filter(|process| {
        let path = process.path();
        let arguments = fs::read(path.join("cmdline")).unwrap_or_default();
        let is_it = arguments.windows(9).any(|word| word == b"keep-cred");
        is_it && fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd == home)
    });
    computing.count()
}

/// However long it takes, it holds up neither exports nor the end, and isn't left behind.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn computing_ends_with_the_bot() {
    let mut server = Server::start().await;
    let (ana, ben) = (server.ana, server.ben);
    let home = server.mirror.home.path().canonicalize().unwrap();
    let folder = home.join("instance");
    instance(&folder, 1);
    fs::create_dir(folder.join("data")).unwrap();
    // Nothing is ever written to it, so whoever reads it waits.
    let ledger = folder.join("data/ledger.json");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &ledger,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
    server
        .restart_with(&[("SOURCECRED_INSTANCE", "./instance")])
        .await;
    server.give(ana, &[ben], "the cocoa").await;
    server.cred_until(ben, None, "computing it right now").await;
    assert_eq!(computing(&home), 1);
    let exported = server.admin("archive now", json!({})).await;
    says(&exported, &["generation"]);

    let begun = Instant::now();
    server.stop().await;
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(computing(&home), 0);

    // Even if it's killed.
    server.run().await;
    server.cred_until(ben, None, "computing it right now").await;
    server.running.take().unwrap().kill().await;
    let begun = Instant::now();
    while computing(&home) > 0 {
        assert!(begun.elapsed() < SOON);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What `Server::with` prepares is exported before the first thanks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_thanks_has_no_cred() {
    let server = Server::with(Options::default(), |_| ()).await;
    server
        .cred_until(server.ana, None, "You have no cred yet")
        .await;
    assert!(
        !server.log().contains("could not compute"),
        "{}",
        server.log()
    );
    server.check_manners();
}
