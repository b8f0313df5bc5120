//! `cargo demo`: everything from a community's thanks to everyone's cred, in half a minute, without an account or a
//! network. Only Discord is simulated.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, anyhow, ensure};
use clap::Parser;
use propsbot::{
    app::{self, CredOrder, GraphOrder, KeepOrder, PluginOrder, SiteOrder},
    config::{Config, LogConfig, LogFormat, Needs},
};
use propsbot_archive::Depth;
use serde_json::{Value, json};
use simulator::discord::{Discord, Limits, Options, Rate, Seed};
use tokio_util::sync::CancellationToken;

/// Folder of the demo's files.
const FOLDER: &str = "demo";

/// How busy the community is.
const ACTIONS_PER_SECOND: f64 = 15.0;

/// Props given with `/props` during the demo, by the members' positions.
const THANKS: [(usize, &[usize], &str); 4] = [
    (1, &[4], "staying up to fix the build before the release"),
    (2, &[5, 6], "the patient answers in help-desk all week"),
    (7, &[4], "writing down how the archive works"),
    (3, &[8], "welcoming everyone who joined this month"),
];

/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the bot asks this program for in a process of its own: to compute cred.
#[derive(Parser)]
enum Request {
    KeepCred(KeepOrder),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = Path::new(FOLDER);
    if std::env::args().any(|argument| argument == "keep-cred") {
        let Request::KeepCred(order) = Request::parse();
        let config = Config::read(&places(folder), Needs::Local)?;
        app::keep_cred(&config, order).await.map_err(failed)?;
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder).context("could not clear ./demo of the last time")?;
    }
    fs::create_dir_all(folder).context("could not make ./demo")?;

    say("1. A Discord server with a year of history starts on this machine.\n");
    let mut discord = Discord::start(Options {
        seed: Seed {
            messages: 1500,
            channels: 12,
            members: 40,
            ..Seed::default()
        },
        limits: quick_limits(),
        ..Options::default()
    })
    .await?;
    let config = configure(folder, &discord)?;
    app::log(&LogConfig {
        filter: "propsbot=warn".to_owned(),
        format: LogFormat::Text,
        colour: true,
    })
    .context("could not start the log")?;

    say("2. `propsbot sync`: the bot fetches all history that it may read.");
    for line in app::sync(&config, None, false, false, &CancellationToken::new())
        .await
        .map_err(failed)?
    {
        say(&format!("   {line}"));
    }

    say("\n3. `propsbot run`: it goes online, and the community goes on living.");
    let stop = CancellationToken::new();
    let mut running = tokio::spawn({
        let (config, stop) = (config.clone(), stop.clone());
        async move { app::run(&config, stop).await }
    });
    let ready = |discord: &Discord| !discord.commands().is_empty() && discord.connected() > 0;
    tokio::select! {
        online = discord.wait(PATIENCE, ready) => ensure!(online, "the bot did not come online"),
        ended = &mut running => ended.context("the bot panicked")?.map_err(failed)?,
    }
    discord.live(ACTIONS_PER_SECOND);
    give_props(&discord).await?;
    discord.live(0.0);
    let picture = folder.join("leaderboard.png");
    save_leaderboard(&discord, &picture).await?;
    stop.cancel();
    running.await.context("the bot panicked")?.map_err(failed)?;
    let violations = discord.violations();
    ensure!(
        violations.is_empty(),
        "the bot broke Discord's rules: {violations:?}"
    );
    let members: BTreeMap<String, String> = discord
        .members()
        .into_iter()
        .map(|(id, name)| (id.to_string(), name))
        .collect();
    discord.stop().await;

    say("\n4. On its way out the bot exported to the archive. `propsbot verify` checks it:");
    for line in app::verify(&config, &config.archive, Depth::Whole)
        .await
        .map_err(failed)?
    {
        say(&format!("   {line}"));
    }

    say("   (These are fewer messages than the bot fetched: only what everyone in the");
    say("   server may read is exported. `props` are those given with /props; thanks in");
    say("   plain messages are among the messages.)");

    say("\n5. `propsbot graph`: from the archive alone, the graph that SourceCred reads.");
    let graph = folder.join("graph");
    let plugin = PluginOrder::default();
    let order = GraphOrder {
        space: None,
        plugin: &plugin,
        out: Some(&graph),
        diff: None,
        json: false,
    };
    for line in app::graph(&config, &config.archive, order)
        .await
        .map_err(failed)?
    {
        say(&format!("   {line}"));
    }

    show_cred(&config, folder, &members).await?;
    say(&farewell());
    Ok(())
}

/// Computes cred, and makes the site, from the archive alone.
async fn show_cred(
    config: &Config,
    folder: &Path,
    members: &BTreeMap<String, String>,
) -> anyhow::Result<()> {
    say("\n6. `propsbot cred`: who earned most, and what for.\n");
    let order = CredOrder {
        from: Some(config.archive.clone()),
        out: Some(folder.join("cred")),
        json: true,
        ..CredOrder::default()
    };
    let report = app::cred(config, order).await.map_err(failed)?.concat();
    say(earned(&serde_json::from_str(&report)?, members)?.trim_end());
    // What a change of weights moves: the last command below.
    let weights = json!({ "reaction": 10 });
    fs::write(folder.join("weights.json"), weights.to_string())?;

    say("\n7. `propsbot site`: web pages of it, for which you need no server.");
    let site = SiteOrder {
        out: folder.join("site").display().to_string().parse()?,
        space: None,
        cred: Some(folder.join("cred/credGrainView")),
        instance: None,
        open: std::env::args().any(|argument| argument == "--open"),
    };
    for line in app::site(config, &config.archive, &site)
        .await
        .map_err(failed)?
    {
        say(&format!("   {line}"));
    }
    Ok(())
}

/// Discord's limits, raised so that the demo takes half a minute.
fn quick_limits() -> Limits {
    let a_second = |requests| Some(Rate::new(requests, Duration::from_secs(1)));
    Limits {
        messages: a_second(50),
        reactions: a_second(100),
        ..Limits::none()
    }
}

fn configure(folder: &Path, discord: &Discord) -> anyhow::Result<Config> {
    let mut variables = places(folder);
    variables.extend([
        ("DISCORD_TOKEN".to_owned(), discord.token()),
        ("DISCORD_API_URL".to_owned(), discord.url()),
    ]);
    Ok(Config::read(&variables, Needs::Discord)?)
}

/// Where store and archive are.
fn places(folder: &Path) -> BTreeMap<String, String> {
    let path = |name: &str| folder.join(name).display().to_string();
    [
        ("STORE_PATH", path("data")),
        ("ARCHIVE", format!("dir:{}", path("archive"))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Members give props with the command; prints the bot's answers.
async fn give_props(discord: &Discord) -> anyhow::Result<()> {
    let channel = discord
        .channel("props")
        .context("the server has a channel named props")?;
    let members = discord.members();
    let people: Vec<_> = discord
        .people()
        .iter()
        .filter_map(|id| members.iter().find(|(member, _)| member == id))
        .collect();
    for (giver, receivers, reason) in THANKS {
        let to: Vec<String> = receivers
            .iter()
            .map(|receiver| format!("<@{}>", people[*receiver].0))
            .collect();
        let options = json!({ "to": to.join(" "), "for": reason });
        let run = discord.slash(people[giver].0, channel, "props", options);
        let answer = discord
            .answer(run)
            .await
            .context("the bot did not answer /props")?;
        let mut said = answer.content.clone();
        for (id, name) in &members {
            said = said.replace(&format!("<@{id}>"), &format!("@{name}"));
        }
        say(&format!(
            "   {} ran /props:\n      {}",
            people[giver].1,
            said.replace('\n', "\n      ")
        ));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    Ok(())
}

/// A member asks for the leaderboard; saves the picture that the bot answers with.
async fn save_leaderboard(discord: &Discord, to: &Path) -> anyhow::Result<()> {
    let channel = discord
        .channel("props")
        .context("there is such a channel")?;
    let asking = discord.slash(discord.people()[0], channel, "leaderboard", json!({}));
    let answer = discord.answer(asking).await;
    let answer = answer.context("the bot did not answer /leaderboard")?;
    let (_, picture) = answer
        .files
        .first()
        .context("it answered without a picture")?;
    fs::write(to, picture)?;
    say(&format!(
        "   /leaderboard: its picture is in {}",
        to.display()
    ));
    Ok(())
}

/// Who earned most, and the thanks that brought most of it. Members by their names in the server.
fn earned(report: &Value, members: &BTreeMap<String, String>) -> anyhow::Result<String> {
    let people = report["participants"]
        .as_array()
        .context("there are participants")?;
    let person = |person: &Value| {
        let alias = person["aliases"][0]
            .as_array()
            .and_then(|parts| parts.last()?.as_str());
        let name = alias.and_then(|id| members.get(id)).cloned();
        let name = name.or_else(|| person["name"].as_str().map(str::to_owned));
        let top = person["top"][0]["description"].as_str().unwrap_or_default();
        let cred = person["cred"].as_f64().unwrap_or_default();
        let share = person["share"].as_f64().unwrap_or_default() * 100.0;
        format!(
            "   {} earned {cred:.1} cred, {share:.1} % of all. This brought most of it:\n      {}\n",
            name.unwrap_or_default(),
            short(top),
        )
    };
    Ok(people.iter().take(5).map(person).collect())
}

fn short(reason: &str) -> String {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(72) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

fn farewell() -> String {
    format!(
        "
Everything is in ./{FOLDER}:
   data              the bot's store
   archive           what it exports: FORMAT.md in it says how to read it
   graph             the files that SourceCred reads
   cred              everyone's cred, as SourceCred writes it
   site              pages to look at: open index.html, or run `cargo demo --open`
   leaderboard.png   what members see

What to try next. First build the program, from what the demo is built of:
   cargo build --bins --examples
Why somebody has their cred, thank by thank:
   target/debug/propsbot cred --from dir:{FOLDER}/archive --why amara
What moves if a reaction counts ten times as much:
   target/debug/propsbot cred --from dir:{FOLDER}/archive \\
      --weights {FOLDER}/weights.json --diff {FOLDER}/cred
How complete the mirror is:
   STORE_PATH={FOLDER}/data target/debug/propsbot status
The same with your own community: docs/operate.md"
    )
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn failed(error: app::Error) -> anyhow::Error {
    anyhow!("{error}")
}

#[expect(clippy::print_stdout, reason = "the demo is there to be read")]
fn say(text: &str) {
    println!("{text}");
}
