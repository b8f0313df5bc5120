//! `cargo demo`: everything from a community's thanks to everyone's cred, in half a minute, without an account or a
//! network. Only Discord is simulated.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, anyhow, ensure};
use clap::Parser;
use propsbot::{
    app::{self, CredOrder, GraphOrder, KeepOrder, PluginOrder, SiteOrder, StoreCommand},
    config::{Config, LogConfig, LogFormat, Needs},
};
use propsbot_archive::Depth;
use propsbot_rows::SCHEMA;
use serde_json::{Value, json};
use simulator::discord::{Answer, Discord, Limits, Options, Rate, Seed};
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

/// How long lines are at most. Some of their characters may take two columns.
const COLUMNS: usize = 78;

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
    say("1. A Discord server with a year of history starts on this machine.");
    let config = configure(folder, &discord)?;
    app::log(&LogConfig {
        filter: "propsbot=warn".to_owned(),
        format: LogFormat::Text,
        colour: true,
    })
    .context("could not start the log")?;

    say("\n2. `propsbot sync`: the bot fetches all history that it may read.");
    let synced = app::sync(&config, None, false, false, &CancellationToken::new()).await;
    let synced = synced.map_err(failed)?.concat();
    let messages = known_messages(&config).await?;
    let unread = synced
        .split_once("no permission to read ")
        .map_or("nothing", |(_, names)| names);
    say(&wrapped(
        &format!(
            "It fetched {messages} messages, and who reacted to them. (It has no permission to \
             read {unread}.)"
        ),
        3,
    ));

    say("\n3. `propsbot run`: it goes online, and members thank each other.");
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
    let names = names(&discord);
    discord.live(ACTIONS_PER_SECOND);
    let thanks = give_props(&discord, &names).await?;
    discord.live(0.0);
    save_picture(&discord, discord.people()[0], "leaderboard", folder).await?;

    say("\n4. An admin runs /archive now: the bot writes what everyone may read into an");
    say("   archive, and computes cred from it, as SourceCred does. Cred flows from each");
    say("   thanks to those who were thanked, and on through those who thank.");
    export(&discord).await?;
    let report = compute_cred(&config, folder).await?;
    let best = show_earned(&report, &names, &thanks)?;

    say("\n5. /why, which every member can run on thanks: why did these bring");
    say(&format!(
        "   {} so much? (Reactions to thanks count, too.)",
        best.name
    ));
    show_why(&discord, &names, &best).await?;
    save_picture(&discord, best.id, "cred", folder).await?;
    stop.cancel();
    running.await.context("the bot panicked")?.map_err(failed)?;
    let violations = discord.violations();
    ensure!(
        violations.is_empty(),
        "the bot broke Discord's rules: {violations:?}"
    );
    discord.stop().await;

    make_files(&config, folder).await?;
    say(&farewell(&best));
    Ok(())
}

/// Checks the archive, and makes everything else from it alone.
async fn make_files(config: &Config, folder: &Path) -> anyhow::Result<()> {
    say("\n6. `propsbot verify`: the bot is gone; is everything in the archive?");
    verify(config).await?;

    say("\n7. `propsbot graph`: from the archive alone, the files that SourceCred reads.");
    let graph = folder.join("graph");
    let plugin = PluginOrder::default();
    let order = GraphOrder {
        space: None,
        plugin: &plugin,
        out: Some(&graph),
        diff: None,
        json: false,
    };
    let written = app::graph(config, &config.archive, order).await;
    for line in written.map_err(failed)? {
        if let Some(file) = line.strip_prefix("wrote ") {
            say(&format!("   {file}"));
        }
    }

    say("\n8. `propsbot site`: web pages of it, for which you need no server.");
    let site = SiteOrder {
        out: folder.join("site").display().to_string().parse()?,
        space: None,
        cred: Some(folder.join("cred/credGrainView")),
        instance: None,
        open: std::env::args().any(|argument| argument == "--open"),
    };
    let made = app::site(config, &config.archive, &site).await;
    made.map_err(failed)?;
    say(&format!("   open {FOLDER}/site/index.html in a browser"));
    Ok(())
}

/// Members' names as others see them, by id.
fn names(discord: &Discord) -> BTreeMap<String, String> {
    let members = discord.truth().members.into_iter();
    let named = members.map(|member| {
        let shown = member.nick.or(member.global_name);
        (member.id.to_string(), shown.unwrap_or(member.username))
    });
    named.collect()
}

/// Has the bot export everything, and waits until it has computed cred from that.
async fn export(discord: &Discord) -> anyhow::Result<()> {
    let owner = discord.owner_id();
    let begun = Instant::now();
    loop {
        let exported = ask(discord, owner, "archive now", json!({})).await?;
        if exported.content.contains("stays at") {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "{}", exported.content);
    }
    loop {
        let cred = ask(discord, discord.people()[0], "cred", json!({}))
            .await?
            .content;
        if !cred.contains("any cred yet") && !cred.contains("right now") {
            return Ok(());
        }
        ensure!(begun.elapsed() < PATIENCE, "{cred}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Computes cred from the archive alone, and writes it as SourceCred does.
async fn compute_cred(config: &Config, folder: &Path) -> anyhow::Result<Value> {
    let order = CredOrder {
        from: Some(config.archive.clone()),
        out: Some(folder.join("cred")),
        json: true,
        contributions: true,
        ..CredOrder::default()
    };
    // What a change of weights moves: the last command below.
    let weights = json!({ "reaction": 10 });
    fs::write(folder.join("weights.json"), weights.to_string())?;
    let report = app::cred(config, order).await.map_err(failed)?.concat();
    Ok(serde_json::from_str(&report)?)
}

/// How many messages the bot knows, deleted ones included, by `propsbot status --json`.
async fn known_messages(config: &Config) -> anyhow::Result<u64> {
    let order = StoreCommand::Status {
        json: true,
        max_age: None,
    };
    let status = app::carry_out(config, &order, &CancellationToken::new()).await;
    let status: Value = serde_json::from_str(&status.map_err(failed)?.concat())?;
    let guild = status.get(0).context("the status has the server")?;
    let count = |what: &str| guild["totals"][what].as_u64().unwrap_or_default();
    Ok(count("messages") + count("deleted"))
}

/// Checks every file of the archive, and says how its messages follow from those that the bot has.
async fn verify(config: &Config) -> anyhow::Result<()> {
    let archive =
        propsbot_backends::open_to_read(&config.archive, &config.access, &config.network)?;
    let checked = propsbot_archive::verify(archive.as_ref(), &SCHEMA, Depth::Whole).await?;
    ensure!(checked.is_valid(), "{:?}", checked.faults);
    let rows = checked
        .manifests
        .iter()
        .filter_map(|space| space.rows.get("messages"));
    let archived: u64 = rows.sum();
    let all = known_messages(config).await?;
    say(&wrapped(
        &format!(
            "No faults. By now the bot knows {all} messages. {archived} of them are in the archive. The other {} are \
             in channels that not everyone may read, so they stay with the bot.",
            all - archived
        ),
        3,
    ));
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

/// Thanks that were given during the demo.
struct Seen {
    message: String,
    giver: String,
    receivers: Vec<String>,
}

/// The member with most cred, and the message that brought most of it.
struct Best {
    id: u64,
    name: String,
    /// What their account at SourceCred is called.
    account: String,
    link: String,
}

/// Members give props with the command; prints the bot's answers.
async fn give_props(
    discord: &Discord,
    names: &BTreeMap<String, String>,
) -> anyhow::Result<Vec<Seen>> {
    let people = discord.people();
    let name = |id: &u64| names.get(&id.to_string()).cloned().unwrap_or_default();
    let mut seen = Vec::new();
    for (giver, receivers, reason) in THANKS {
        let to = receivers.iter().map(|receiver| people[*receiver]);
        let to: Vec<u64> = to.collect();
        let mentions: Vec<String> = to.iter().map(|id| format!("<@{id}>")).collect();
        let options = json!({ "to": mentions.join(" "), "for": reason });
        let answer = ask(discord, people[giver], "props", options).await?;
        let giver = name(&people[giver]);
        say(&format!("   {giver} runs /props:"));
        for line in plain(&answer.content, names).lines() {
            say(&wrapped(line, 6));
        }
        seen.push(Seen {
            message: answer
                .message_id
                .context("the bot posts props")?
                .to_string(),
            giver,
            receivers: to.iter().map(name).collect(),
        });
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    Ok(seen)
}

/// The bot's answer to a member's command.
async fn ask(
    discord: &Discord,
    member: u64,
    command: &str,
    options: Value,
) -> anyhow::Result<Answer> {
    let channel = discord.channel("props");
    let channel = channel.context("the server has a channel named props")?;
    let run = discord.slash(member, channel, command, options);
    let answer = discord.answer(run).await;
    answer.with_context(|| format!("the bot did not answer /{command}"))
}

/// Saves the picture that the bot answers a member's command with.
async fn save_picture(
    discord: &Discord,
    member: u64,
    command: &str,
    folder: &Path,
) -> anyhow::Result<()> {
    let answer = ask(discord, member, command, json!({})).await?;
    let (name, picture) = answer
        .files
        .first()
        .context("it answered without a picture")?;
    let to = folder.join(name);
    fs::write(&to, picture)?;
    say(&format!(
        "   /{command}: its picture is in {}",
        to.display()
    ));
    Ok(())
}

/// Who earned most, and the thanks that brought most of it; then what the thanks brought that were just given.
fn show_earned(
    report: &Value,
    names: &BTreeMap<String, String>,
    seen: &[Seen],
) -> anyhow::Result<Best> {
    let people = report["participants"].as_array();
    let people = people.context("there are participants")?;
    let id = |person: &Value| {
        let address = person["aliases"][0].as_array()?;
        Some(address.last()?.as_str()?.to_owned())
    };
    let name = |person: &Value| {
        let known = id(person).and_then(|id| names.get(&id).cloned());
        known.unwrap_or_else(|| person["name"].as_str().unwrap_or_default().to_owned())
    };
    say("");
    let mut were_thanked = false;
    for person in people.iter().take(5) {
        let name = name(person);
        let number = |field: &str| person[field].as_f64().unwrap_or_default();
        let is_thanked = seen.iter().any(|seen| seen.receivers.contains(&name));
        were_thanked |= is_thanked;
        say(&format!(
            "   {}{name} earned {:.1} cred, {:.1} % of all. Most of it came with:",
            if is_thanked { "* " } else { "" },
            number("cred"),
            number("share") * 100.0,
        ));
        say(&short(
            person["top"][0]["description"].as_str().unwrap_or_default(),
        ));
    }
    if were_thanked {
        say("   (* was thanked just now, in step 3.)");
    }

    say("\n   What you saw in step 3 has already brought:");
    let contributions = report["contributions"].as_array();
    for Seen {
        message,
        giver,
        receivers,
    } in seen
    {
        let found = contributions.into_iter().flatten().find(|contribution| {
            let address = contribution["address"].as_array();
            address.and_then(|parts| parts.last()?.as_str()) == Some(message)
                && contribution["address"][2] == "PROPS"
        });
        let cred = found.and_then(|found| found["cred"].as_f64());
        say(&format!(
            "   {:>6.2} cred   {giver} thanked {}",
            cred.unwrap_or_default(),
            receivers.join(" and ")
        ));
    }

    let best = people.first().context("somebody has cred")?;
    Ok(Best {
        id: id(best)
            .and_then(|id| id.parse().ok())
            .context("they are a member")?,
        name: name(best),
        account: best["name"].as_str().unwrap_or_default().to_owned(),
        link: best["top"][0]["link"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    })
}

/// The bot explains the thanks that brought the leader most.
async fn show_why(
    discord: &Discord,
    names: &BTreeMap<String, String>,
    best: &Best,
) -> anyhow::Result<()> {
    let options = json!({ "message": best.link });
    let why = ask(discord, best.id, "why", options).await?;
    let text = plain(&why.content, names);
    // How cred flows from there is for those who set weights.
    let mut is_shown = true;
    for line in text.lines() {
        match line {
            line if line.starts_with("Edges") => is_shown = false,
            line if line.starts_with("Cred") => is_shown = true,
            _ => {}
        }
        if is_shown {
            say(&wrapped(line, 3));
        }
    }
    Ok(())
}

/// A bot's message as plain text, with names in place of mentions.
fn plain(message: &str, names: &BTreeMap<String, String>) -> String {
    let mut text = message
        .replace("**", "")
        .replace(['\u{2068}', '\u{2069}', '\u{200b}', '\\'], "");
    for (id, name) in names {
        text = text.replace(&format!("<@{id}>"), &format!("@{name}"));
    }
    let moment = |text: &str| {
        let (before, rest) = text.split_once(" <t:")?;
        let (_, after) = rest.split_once(":R>")?;
        Some(format!("{before} of just now{after}"))
    };
    moment(&text).unwrap_or(text)
}

/// The text in lines of at most so many characters, all of them indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if length(line) + 1 + length(word) <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("{}{word}", " ".repeat(indent))),
        }
    }
    lines.join("\n")
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// The beginning of a description, on one line.
fn short(description: &str) -> String {
    let words: Vec<&str> = description.split_whitespace().collect();
    let line = wrapped(&words.join(" "), 6);
    match line.split_once('\n') {
        Some((first, _)) if length(first) < COLUMNS => format!("{first}…"),
        Some((first, _)) => first.to_owned(),
        None => line,
    }
}

fn farewell(Best { name, account, .. }: &Best) -> String {
    format!(
        "
Everything is in ./{FOLDER}:
   data              the bot's store
   archive           what it exports: FORMAT.md in it says how to read it
   graph             the files that SourceCred reads
   cred              everyone's cred, as SourceCred writes it
   site              pages to look at, which `cargo demo --open` opens
   leaderboard.png, cred.png: the pictures that members see

What to try next. First build the program, from what the demo is built of:
   cargo build --bins --examples
Why {name} has so much cred, thanks by thanks:
   target/debug/propsbot cred --from dir:{FOLDER}/archive --why {account}
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
