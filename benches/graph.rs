//! `cargo bench --bench graph [-- [--keep DIR] MESSAGES …]`: the cost of the graph of so many
//! messages (default 20,000, 200,000 and 1,000,000) in CPU time and peak memory of a separate
//! process. Only prints figures. With `--keep`, the archive stays in DIR for
//! `tests/contract/sourcecred/speed.js`, which measures the real SourceCred.

use std::{
    collections::BTreeMap,
    env, fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, bail};
use propsbot::{
    app::{self, CredOrder, GraphOrder, PluginChoice, PluginName, PluginOrder},
    config::{Config, Needs},
};
use propsbot_archive::{
    EncodedRow, ExportPart, ExportRequest, ExportSpace, Id, Scope, Source, SourceError, export,
};
use propsbot_backends::FolderArchive;
use propsbot_model::{
    AuthorKind, ChannelId, ChannelKind, Evidence, GuildId, Mention, MessageId, MessageKind, Millis,
    UserId,
};
use propsbot_rows::{ChannelRow, GuildRow, MemberRow, MessageRow, ReactionRow, SCHEMA, ids};

const GUILD: GuildId = GuildId(1_000_000);
const CHANNELS: u64 = 10;
const MEMBERS: u64 = 500;
/// 2022-01-01, and four years from then, in milliseconds.
const BEGIN: i64 = 1_640_995_200_000;
const YEARS: i64 = 4 * 365 * 86_400_000;
const EMOJIS: [&str; 2] = ["👍", "🎉"];
/// Members who react with each emoji.
const REACTORS: u64 = 3;

/// The first argument of a child process.
const DRAW: &str = "--draw";

/// The discord plugin's config, next to the archive.
const CONFIG: &str = "config.json";

/// The same for one of the channels.
const OF_ONE: &str = "of-one.json";

/// A community that is computed on the fly. All channels are props channels; one message in ten
/// thanks someone and has reactions with two emoji by three members each.
struct Community {
    /// Messages per channel.
    messages: u64,
}

impl Community {
    fn messages(
        &self,
        channel_id: ChannelId,
        ids: RangeInclusive<u64>,
    ) -> impl Iterator<Item = (u64, MessageRow)> {
        let step = YEARS / i64::try_from(self.messages).expect("few enough");
        let id = move |n: u64| {
            MessageId::at(Millis(BEGIN + i64::try_from(n).expect("few enough") * step)).0
                + channel_id.0
        };
        let (first, last) = (*ids.start(), *ids.end());
        (0..self.messages)
            .skip_while(move |n| id(*n) < first)
            .take_while(move |n| id(*n) <= last)
            .map(move |n| {
                let thanks = n % 10 == 0;
                let mention = Mention {
                    user_id: member(n + 1),
                    count: 1,
                };
                let row = MessageRow {
                    guild_id: GUILD,
                    channel_id,
                    id: MessageId(id(n)),
                    deleted_at: None,
                    author_id: Some(member(n)),
                    author_kind: Some(AuthorKind::User),
                    kind: Some(MessageKind::DEFAULT),
                    content: Some(format!("{n} thanks for it, and for all the rest of it too")),
                    mentions: if thanks { vec![mention] } else { Vec::new() },
                    reply_to: None,
                    command: None,
                    by_webhook: None,
                    edited_at: None,
                    earlier_mentions: Vec::new(),
                };
                (n, row)
            })
    }
}

fn member(n: u64) -> UserId {
    UserId(480_300_000_000_000_000 + n % MEMBERS)
}

fn reactions(n: u64, on: &MessageRow) -> impl Iterator<Item = ReactionRow> {
    let who = (0..REACTORS).map(move |k| member(n + 2 + k));
    EMOJIS.into_iter().flat_map(move |emoji| {
        who.clone().map(move |user_id| ReactionRow {
            guild_id: on.guild_id,
            channel_id: on.channel_id,
            message_id: on.id,
            user_id,
            emoji_id: None,
            emoji: Some(emoji.to_owned()),
            burst: false,
            added_at: Some(on.id.created_at()),
            added_by: Some(Evidence::Gateway),
            removed_at: None,
            removed_by: None,
        })
    })
}

impl Source for Community {
    fn scan(
        &self,
        scope: &Scope,
        table: &'static str,
        times: RangeInclusive<Millis>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let ids = ids(&times);
        let of = scope.part.as_ref().map(|part| part.as_str().parse());
        match (table, of.transpose()?) {
            (propsbot_rows::GUILDS, None) if ids.contains(&GUILD.0) => {
                each(EncodedRow::new(&GuildRow {
                    id: GUILD,
                    name: "The Community".to_owned(),
                    owner_id: member(0),
                    age_restricted: None,
                    reaction_thanks: Vec::new(),
                    meeting_events: None,
                    props_channels: None,
                    left_at: None,
                    keep_deleted_props: None,
                    excluded_channels: Vec::new(),
                    included_channels: Vec::new(),
                    limits: Vec::new(),
                    props_bots: Vec::new(),
                }))
            }
            (propsbot_rows::CHANNELS, None) => (1..=CHANNELS)
                .filter(|id| ids.contains(id))
                .try_for_each(|id| each(EncodedRow::new(&channel(ChannelId(id))))),
            (propsbot_rows::MEMBERS, None) => (0..MEMBERS)
                .map(member)
                .filter(|id| ids.contains(&id.0))
                .try_for_each(|id| each(EncodedRow::new(&member_row(id)))),
            (propsbot_rows::MESSAGES, Some(channel)) => self
                .messages(channel, ids)
                .try_for_each(|(_, row)| each(EncodedRow::new(&row))),
            (propsbot_rows::REACTIONS, Some(channel)) => self
                .messages(channel, ids)
                .filter(|(n, _)| n % 10 == 0)
                .try_for_each(|(n, on)| {
                    reactions(n, &on).try_for_each(|row| each(EncodedRow::new(&row)))
                }),
            _ => Ok(()),
        }
    }
}

fn channel(id: ChannelId) -> ChannelRow {
    ChannelRow {
        id,
        guild_id: GUILD,
        kind: ChannelKind::TEXT,
        name: format!("props-{id}"),
        parent_id: None,
        position: 0,
        nsfw: false,
        props_channel: true,
        overwrites: Vec::new(),
        owner_id: None,
        archived: None,
        archive_timestamp: None,
        deleted_at: None,
    }
}

fn member_row(user_id: UserId) -> MemberRow {
    MemberRow {
        guild_id: GUILD,
        user_id,
        username: format!("member_{user_id}"),
        global_name: None,
        discriminator: None,
        bot: false,
        system: None,
        member: true,
        nick: None,
        roles: Vec::new(),
        joined_at: None,
        left_at: None,
        privacy: None,
        forgotten_at: None,
        texts_since: None,
        role_history: None,
    }
}

fn request() -> ExportRequest {
    ExportRequest {
        now: Millis(BEGIN + YEARS),
        spaces: vec![ExportSpace {
            id: Id::new(GUILD),
            name: "The Community".to_owned(),
            synced: [].into(),
            heard_at: None,
            history: None,
            stamps: None,
            parts: (1..=CHANNELS)
                .map(|id| ExportPart {
                    id: Id::new(id),
                    name: format!("props-{id}"),
                    covered: Vec::new(),
                })
                .collect(),
        }],
        ..ExportRequest::new(&SCHEMA)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut given = env::args().skip(1).filter(|arg| arg != "--bench");
    let mut sizes = Vec::new();
    let mut kept = None;
    while let Some(argument) = given.next() {
        match argument.as_str() {
            DRAW => {
                let plugin = given.next().context("--draw takes a plugin")?;
                let folder = given.next().context("--draw takes a folder")?;
                return draw(&plugin, Path::new(&folder)).await;
            }
            "--keep" => {
                let folder = given.next().context("--keep takes a folder")?;
                kept = Some(PathBuf::from(folder));
            }
            number => sizes.push(
                number
                    .parse::<u64>()
                    .with_context(|| format!("{number} is no number"))?,
            ),
        }
    }
    if sizes.is_empty() {
        sizes = vec![20_000, 200_000, 1_000_000];
    }
    if kept.is_some() && sizes.len() > 1 {
        bail!("--keep takes one number of messages");
    }
    say("plugin          messages  reactions  wall s  CPU s  peak MiB  graph.json MiB");
    for messages in sizes {
        let folder = tempfile::tempdir()?;
        measure(kept.as_deref().unwrap_or(folder.path()), messages).await?;
    }
    Ok(())
}

async fn measure(folder: &Path, messages: u64) -> anyhow::Result<()> {
    let archive = FolderArchive::new(folder.join("archive"));
    let community = Community {
        messages: messages / CHANNELS,
    };
    let reactions = messages / 10 * REACTORS * EMOJIS.len() as u64;
    export(&archive, Arc::new(community), request()).await?;
    let config = serde_json::json!([{
        "guildId": GUILD.to_string(),
        "reactionWeightConfig": {"weights": {}, "defaultWeight": 1, "applyAveraging": false},
    }]);
    fs::write(folder.join(CONFIG), config.to_string())?;
    let mut of_one = config;
    of_one[0]["channelWeightConfig"] = serde_json::json!({"defaultWeight": 0, "weights": {"2": 1}});
    fs::write(folder.join(OF_ONE), of_one.to_string())?;
    // Another instance, whose cred is read.
    let order = CredOrder {
        from: Some(format!("dir:{}", folder.join("archive").display()).parse()?),
        out: Some(folder.join("other/output")),
        ..CredOrder::default()
    };
    let nothing = Config::read(&BTreeMap::new(), Needs::Local)?;
    if let Err(error) = app::cred(&nothing, order).await {
        bail!("{error}");
    }
    let instance = serde_json::json!({"name": "other", "folder": "other", "rate": 1});
    fs::write(folder.join("instance.json"), instance.to_string())?;
    let did = serde_json::json!({"didathing_channels": ["1"]});
    fs::write(folder.join("did.json"), did.to_string())?;
    let mut spent = BTreeMap::new();
    for plugin in [
        "props",
        "discord",
        "didathing",
        "discord-of-one",
        "instance",
        "all four",
    ] {
        let begun = Instant::now();
        let ended = Command::new(env::current_exe()?)
            .args([DRAW, plugin])
            .arg(folder)
            .output()?;
        let wall = begun.elapsed().as_secs_f64();
        if !ended.status.success() {
            bail!("{}", String::from_utf8_lossy(&ended.stderr));
        }
        let told = String::from_utf8(ended.stdout)?;
        let (cpu, peak) = told.trim().split_once(' ').context("the child's figures")?;
        let name = if plugin == "all four" {
            "graph/props/graph.json"
        } else {
            "graph/graph.json"
        };
        let size = fs::metadata(folder.join(name))?.len() / (1 << 20);
        spent.insert(plugin, (wall, cpu.parse::<f64>()?));
        say(&format!(
            "{plugin:<14}  {messages:>8}  {reactions:>9}  {wall:>6.2}  {cpu:>5}  {peak:>8}  {size:>14}"
        ));
    }
    // What reading for all of them at once is worth.
    let alone = ["props", "didathing", "discord-of-one", "instance"].map(|plugin| spent[plugin]);
    let dearest = |of: fn(&(f64, f64)) -> f64| alone.iter().map(of).fold(0.0, f64::max);
    let all = spent["all four"];
    say(&format!(
        "all four, compared with the dearest of them alone: {:.2} times the wall time, {:.2} times the CPU time",
        all.0 / dearest(|spent| spent.0),
        all.1 / dearest(|spent| spent.1)
    ));
    Ok(())
}

/// Does what `propsbot graph` does, and prints the cost.
async fn draw(plugin: &str, folder: &Path) -> anyhow::Result<()> {
    let config = Config::read(&BTreeMap::new(), Needs::Local)?;
    let spec = format!("dir:{}", folder.join("archive").display()).parse()?;
    let choice = |name, file: &str| PluginChoice {
        name,
        file: Some(folder.join(file)),
    };
    let props = PluginChoice {
        name: PluginName::Props,
        file: None,
    };
    let did = choice(PluginName::Didathing, "did.json");
    let one = choice(PluginName::Discord, OF_ONE);
    let instance = choice(PluginName::Instance, "instance.json");
    let plugins = match plugin {
        "discord" => vec![choice(PluginName::Discord, CONFIG)],
        "didathing" => vec![did],
        "discord-of-one" => vec![one],
        "instance" => vec![instance],
        "all four" => vec![props, did, one, instance],
        _ => vec![props],
    };
    let plugin = PluginOrder {
        plugins,
        ..PluginOrder::default()
    };
    let order = GraphOrder {
        space: None,
        plugin: &plugin,
        out: Some(&folder.join("graph")),
        diff: None,
        json: false,
    };
    if let Err(error) = app::graph(&config, &spec, order).await {
        bail!("{error}");
    }
    say(&format!("{:.2} {}", cpu_seconds()?, peak_mebibytes()?));
    Ok(())
}

/// User and system time of this process. Linux reports it in hundredths of a second.
fn cpu_seconds() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name, in brackets, may contain spaces; later fields don't.
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Result<Vec<u32>, _> = after
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect();
    Ok(ticks?.into_iter().map(f64::from).sum::<f64>() / 100.0)
}

fn peak_mebibytes() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: u64 = line
        .context("no VmHWM in /proc/self/status")?
        .trim_end_matches("kB")
        .trim()
        .parse()?;
    Ok(kibibytes / 1024)
}

#[expect(clippy::print_stdout, reason = "it is what this program is for")]
fn say(line: &str) {
    println!("{line}");
}
