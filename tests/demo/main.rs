//! `cargo demo`: everything from a community's thanks to the graph that SourceCred reads, in half a
//! minute, without an account or a network. Only Discord is simulated.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use anyhow::{Context as _, anyhow, ensure};
use comfy_table::{ContentArrangement, Table, presets};
use propsbot::{
    app::{self, GraphOrder, PluginOrder},
    config::{Config, LogConfig, LogFormat, Needs},
};
use propsbot_archive::Depth;
use propsbot_graph::{LeaderboardEntry, standings};
use propsbot_rows::Snapshot;
use serde_json::json;
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let folder = Path::new(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(folder).context("could not clear ./demo of the last time")?;
    }
    fs::create_dir_all(folder).context("could not make ./demo")?;

    say("1. A Discord server with a year of history opens on this machine.");
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
    say(&format!(
        "   {} members, at {}\n",
        discord.people().len(),
        discord.url()
    ));
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
    stop.cancel();
    running.await.context("the bot panicked")?.map_err(failed)?;
    let violations = discord.violations();
    ensure!(
        violations.is_empty(),
        "the bot broke Discord's rules: {violations:?}"
    );
    discord.stop().await;

    say("\n4. On its way out the bot exported to the archive. `propsbot verify` checks it:");
    for line in app::verify(&config, &config.archive, Depth::Whole)
        .await
        .map_err(failed)?
    {
        say(&format!("   {line}"));
    }

    say(
        "   (Fewer messages than were fetched: the archive has only what everyone in the server may read.",
    );
    say(
        "   The props counted here are those given with /props; those in plain messages are among the messages.)",
    );

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

    let snapshot = Snapshot::read(
        propsbot_backends::open(&config.archive, &config.access, &config.network)?.as_ref(),
    )
    .await?;
    say("\nWho received the most props, and what for:\n");
    say(&ranking(&standings(&snapshot)));
    say(&farewell());
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
    let path = |name: &str| folder.join(name).display().to_string();
    let variables: BTreeMap<String, String> = [
        ("DISCORD_TOKEN", discord.token()),
        ("DISCORD_API_URL", discord.url()),
        ("STORE_PATH", path("data")),
        ("ARCHIVE", format!("dir:{}", path("archive"))),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    Ok(Config::read(&variables, Needs::Discord)?)
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

fn ranking(standings: &[LeaderboardEntry]) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(["", "member", "props", "reactions", "for example"]);
    for (place, it) in standings.iter().take(8).enumerate() {
        // The longest of the shortest reasons for the best-received member.
        let example = it
            .thanks
            .iter()
            .take(5)
            .max_by_key(|thank| thank.reason.len());
        table.add_row([
            (place + 1).to_string(),
            it.name.clone(),
            it.received.to_string(),
            it.reactions.to_string(),
            example
                .map(|example| format!("{} (from {})", short(&example.reason), example.giver_name))
                .unwrap_or_default(),
        ]);
    }
    table.to_string()
}

fn short(reason: &str) -> String {
    let line = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(56) {
        Some((cut, _)) => format!("{}…", &line[..cut]),
        None => line,
    }
}

fn farewell() -> String {
    format!(
        "
Everything lies in ./{FOLDER}:
   data      the bot's store
   archive   what it exports: FORMAT.md in it says how to read it
   graph     graph.json, declaration.json and identityProposals.json for SourceCred

What to try next:
   cargo build --bins --examples                    the program, built with the demo's dependencies
   target/debug/propsbot verify --from dir:{FOLDER}/archive
   STORE_PATH={FOLDER}/data target/debug/propsbot status
   cargo run -p simulator -- discord --lively 5     a Discord to run the bot against by hand
   docs/operate.md                                  the same with your own community"
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
