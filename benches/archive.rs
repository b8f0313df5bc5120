//! `cargo bench --bench archive [-- MESSAGES …]`: what an export of so many messages costs (100,000 and
//! 1,000,000 if nothing is said), what one message more, and how fast the archive is verified and
//! read back. It prints figures, and judges nothing.

use std::{
    collections::BTreeMap,
    fs,
    ops::RangeInclusive,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use propsbot::{
    archive::{
        Depth, EncodedRow, ExportChannel, ExportGuild, ExportRequest, FolderArchive, Scope, Source,
        SourceError, Table, dry_run, export,
        rows::{ChannelRow, GuildRow, MessageRow, ReactionRow},
        verify,
    },
    jobs::restore::restore,
    model::{
        self, AuthorKind, ChannelId, ChannelKind, Evidence, GuildId, MessageId, MessageKind,
        Millis, Partition, UserId,
    },
    store::Store,
};

const GUILD: GuildId = GuildId(1_000_000);
const CHANNELS: u64 = 14;
/// 2022-01-01, and the four years after it.
const BEGIN: i64 = 1_640_995_200_000;
const YEARS: i64 = 4 * 365 * 86_400_000;

/// A community that is computed, not kept: what is measured is the archive.
struct Community {
    /// In each channel.
    messages: u64,
    more: bool,
}

impl Community {
    fn id(&self, n: u64) -> MessageId {
        let step = YEARS / i64::try_from(self.messages).expect("few enough");
        MessageId::at(Millis(BEGIN + i64::try_from(n).expect("few enough") * step))
    }

    /// The numbers of the messages with these ids.
    fn numbers(&self, ids: &RangeInclusive<u64>) -> impl Iterator<Item = u64> + use<'_> {
        let ids = ids.clone();
        let last = self.messages - u64::from(!self.more);
        (0..last)
            .skip_while({
                let first = *ids.start();
                move |n| self.id(*n).0 < first
            })
            .take_while(move |n| self.id(*n).0 <= *ids.end())
    }

    fn message(&self, channel_id: ChannelId, n: u64) -> MessageRow {
        let words = usize::try_from(n * 7 % 23).expect("few") + 3;
        MessageRow {
            guild_id: GUILD,
            channel_id,
            id: self.id(n),
            deleted_at: None,
            author_id: Some(UserId(2_000_000 + n % 500)),
            author_kind: Some(AuthorKind::User),
            kind: Some(MessageKind::DEFAULT),
            content: Some(format!("{n} {}", "thanks for it ".repeat(words))),
            mentions: Vec::new(),
            reply_to: None,
            command: None,
            edited_at: None,
            by_webhook: None,
        }
    }

    fn reaction(&self, channel_id: ChannelId, n: u64) -> ReactionRow {
        ReactionRow {
            guild_id: GUILD,
            channel_id,
            message_id: self.id(n),
            user_id: UserId(2_000_000 + n % 500),
            emoji_id: None,
            emoji: Some("🎉".to_owned()),
            burst: false,
            added_at: Some(self.id(n).created_at()),
            added_by: Some(Evidence::Gateway),
            removed_at: None,
            removed_by: None,
        }
    }
}

impl Source for Community {
    fn scan(
        &self,
        scope: Scope,
        table: Table,
        ids: RangeInclusive<u64>,
        each: &mut dyn FnMut(EncodedRow) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        match (table, scope.channel_id) {
            (Table::Guilds, None) if ids.contains(&GUILD.0) => each(EncodedRow::new(&GuildRow {
                id: GUILD,
                name: "The Community".to_owned(),
                owner_id: UserId(2_000_000),
                props_channels: None,
                left_at: None,
                keep_deleted_props: None,
                excluded_channels: Vec::new(),
                included_channels: Vec::new(),
            })),
            (Table::Channels, None) => {
                (1..=CHANNELS)
                    .filter(|id| ids.contains(id))
                    .try_for_each(|id| {
                        each(EncodedRow::new(&ChannelRow {
                            id: ChannelId(id),
                            guild_id: GUILD,
                            kind: ChannelKind::TEXT,
                            name: format!("channel-{id}"),
                            parent_id: None,
                            position: 0,
                            nsfw: false,
                            props_channel: false,
                            overwrites: Vec::new(),
                            owner_id: None,
                            archived: None,
                            archive_timestamp: None,
                            deleted_at: None,
                        }))
                    })
            }
            (Table::Messages, Some(channel)) => self
                .numbers(&ids)
                .try_for_each(|n| each(EncodedRow::new(&self.message(channel, n)))),
            (Table::Reactions, Some(channel)) => self
                .numbers(&ids)
                .filter(|n| n % 10 == 0)
                .try_for_each(|n| each(EncodedRow::new(&self.reaction(channel, n)))),
            _ => Ok(()),
        }
    }
}

fn request() -> ExportRequest {
    ExportRequest {
        now: Millis(1_800_000_000_000),
        guilds: vec![ExportGuild {
            id: GUILD,
            name: "The Community".to_owned(),
            synced: BTreeMap::new(),
            channels: (1..=CHANNELS)
                .map(|id| ExportChannel {
                    id: ChannelId(id),
                    name: format!("channel-{id}"),
                    covered: Vec::new(),
                })
                .collect(),
        }],
        ..ExportRequest::default()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let given = std::env::args().skip(1).filter(|it| it != "--bench");
    let mut sizes: Vec<u64> = given
        .map(|it| it.parse().with_context(|| format!("{it} is no number")))
        .collect::<Result<_, _>>()?;
    if sizes.is_empty() {
        sizes = vec![100_000, 1_000_000];
    }
    for messages in sizes {
        measure(messages).await?;
    }
    Ok(())
}

async fn measure(messages: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let archive = FolderArchive::new(folder.path().join("archive"));
    let community = |more| {
        let messages = (messages / CHANNELS).max(2);
        Arc::new(Community { messages, more })
    };
    say(&format!("{messages} messages in {CHANNELS} channels"));

    let begun = Instant::now();
    let planned = dry_run(&archive, community(false), request()).await?;
    tell("planned", begun.elapsed(), planned.bytes);

    let begun = Instant::now();
    let first = export(&archive, community(false), request()).await?;
    tell("exported", begun.elapsed(), first.bytes);
    say(&format!(
        "  {} blobs, {} indexes",
        first.blobs, first.indexes
    ));

    // A message more in the first channel.
    let last = community(true);
    let day = last.id(last.messages - 1).created_at().0 / 86_400_000;
    let mut change = request();
    change.since = first.manifest;
    change.dirty = vec![Partition {
        guild_id: GUILD,
        table: model::Table::Messages,
        channel_day: Some((ChannelId(1), day)),
    }];
    let begun = Instant::now();
    let more = export(&archive, community(true), change).await?;
    let files = more.blobs + more.indexes + 1;
    say(&format!(
        "  one message more: {:.1?}, {files} files, {} bytes",
        begun.elapsed(),
        more.bytes
    ));

    let begun = Instant::now();
    let found = verify(&archive, Depth::Whole).await?;
    anyhow::ensure!(found.is_valid(), "{:?}", found.faults);
    tell("verified", begun.elapsed(), found.bytes);

    let begun = Instant::now();
    let store = Store::open_to_restore(&folder.path().join("store"))?;
    let restored = restore(&Arc::new(store), &archive, &|_, _| {}).await?;
    tell("restored", begun.elapsed(), found.bytes);
    anyhow::ensure!(
        restored.rows == found.rows.values().sum::<u64>(),
        "rows are missing"
    );
    say(&format!(
        "  most memory so far: {} MiB",
        most_memory()? >> 10
    ));
    Ok(())
}

/// The most memory that this process ever had, in KiB.
fn most_memory() -> anyhow::Result<u64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
    let number = line.and_then(|it| it.trim().strip_suffix(" kB"));
    Ok(number.context("no VmHWM")?.trim().parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn tell(what: &str, took: Duration, bytes: u64) {
    let megabytes = bytes as f64 / 1e6;
    let speed = megabytes / took.as_secs_f64();
    say(&format!(
        "  {what}: {took:.1?}, {megabytes:.1} MB, {speed:.0} MB/s"
    ));
}

#[expect(clippy::print_stdout, reason = "a benchmark is there to be read")]
fn say(line: &str) {
    println!("{line}");
}
