//! Archives to show as sites: `site_archives WORLD FOLDER`. For the tests in browsers, and for figures.
//!
//! WORLD is `hostile` (names and reasons of every kind, and hidden members), `hidden` (everyone is), `empty`, `two`
//! (several servers), `links` (members who asked something of a ledger), or `NAME:THANKS:MEMBERS:YEARS`, with
//! `:ALL` behind it the first THANKS of so many.

use std::{env, path::Path, sync::Arc};

use anyhow::Context as _;
use propsbot_archive::{Covered, ExportPart, ExportRequest, ExportSpace, Id, export};
use propsbot_backends::FolderArchive;
use propsbot_model::{
    AuthorKind, ChannelId, ChannelKind, Evidence, GuildId, Mention, MessageId, MessageKind, Millis,
    Tier, UserId,
};
use propsbot_rows::{
    ChannelRow, GuildRow, LinkRow, MemberRow, MessageRow, ReactionRow, SCHEMA, Snapshot,
};

const DAY: i64 = 86_400_000;
/// 2026-03-15.
const NOW: Millis = Millis(1_773_576_000_000);
const GUILD: GuildId = GuildId(480_000_000_000_000_000);
const PROPS: ChannelId = ChannelId(400_000_000_000_000_201);

/// Names that Discord allows, or that an older row may have.
const NAMES: [&str; 14] = [
    "Amara",
    "<script>alert(1)</script>",
    "مُحَمَّد العربي",
    "שלום עליכם",
    "WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
    "👩🏽‍💻 Zoë 🇩🇪 ❤️",
    "漢字かな",
    "Z̴̢̛͓̗̆̀a̶̛̦͐̇l̷̨̛̗͊g̸̡̛̳̈́o̴̢̾",
    "\" onmouseover=\"alert(2)",
    "&amp; ]]> --> {{ name }} ${name}",
    "\u{202e}desrever",
    "\u{2800}\u{200b}",
    "🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉",
    "</title></svg><img src=x onerror=alert(3)>",
];

const KIND: [&str; 8] = [
    "reviewing my pull request so quickly",
    "the workshop on how to write an archive that stands alone",
    "staying up late to find the bug in the importer",
    "شكرا جزيلا على المساعدة في الترجمة",
    "welcoming everyone who is new here, week after week, and answering the same questions as if for the first time",
    "the new logo ✨",
    "ありがとうございます、説明がとても分かりやすかったです",
    "fixing the docs",
];

const HOSTILE: [&str; 2] = [
    "</script><script>alert(4)</script>",
    "javascript:alert(5) <img src=x onerror=alert(6)>\nand a second line",
];

pub(crate) fn member_id(number: u64) -> UserId {
    UserId(300_000_000_000_000_000 + number * 7_919_113)
}

fn member(guild: GuildId, number: u64, name: &str) -> MemberRow {
    MemberRow {
        user_id: member_id(number),
        username: format!("user{number}"),
        nick: Some(name.to_owned()),
        member: number % 9 != 8,
        ..MemberRow::nameless(guild)
    }
}

/// As the redactor leaves them.
fn hidden(guild: GuildId, number: u64, tier: Tier) -> MemberRow {
    let username = if tier == Tier::Everything {
        String::new()
    } else {
        format!("member-{number:05x}")
    };
    MemberRow {
        user_id: member_id(number),
        username,
        privacy: Some(tier),
        ..MemberRow::nameless(guild)
    }
}

fn nobody(guild: GuildId) -> MemberRow {
    MemberRow {
        user_id: UserId::nobody(1),
        privacy: Some(Tier::Everything),
        member: true,
        ..MemberRow::nameless(guild)
    }
}

fn channel(guild: GuildId, id: ChannelId, name: &str) -> ChannelRow {
    ChannelRow {
        id,
        guild_id: guild,
        kind: ChannelKind::TEXT,
        name: name.to_owned(),
        parent_id: None,
        position: 0,
        nsfw: false,
        props_channel: id == PROPS,
        overwrites: Vec::new(),
        owner_id: None,
        archived: None,
        archive_timestamp: None,
        deleted_at: None,
    }
}

fn thanks(
    guild: GuildId,
    at: Millis,
    number: u64,
    giver: UserId,
    receivers: &[UserId],
    reason: &str,
) -> MessageRow {
    let mentions = receivers.iter().map(|user| Mention {
        user_id: *user,
        count: 1,
    });
    let named: Vec<String> = receivers.iter().map(|user| format!("<@{user}>")).collect();
    let content = if reason.is_empty() {
        String::new()
    } else {
        format!("{} {reason}", named.join(" "))
    };
    MessageRow {
        guild_id: guild,
        channel_id: PROPS,
        id: MessageId(MessageId::at(at).0 + number % 4_096),
        deleted_at: None,
        author_id: Some(giver),
        author_kind: Some(AuthorKind::User),
        kind: Some(MessageKind::DEFAULT),
        content: Some(content),
        mentions: mentions.collect(),
        reply_to: None,
        command: None,
        by_webhook: None,
        edited_at: None,
        earlier_mentions: Vec::new(),
    }
}

/// A number that looks random, and is the same each time.
fn mixed(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn guild(id: GuildId, name: &str) -> Snapshot {
    Snapshot {
        guilds: vec![GuildRow {
            id,
            name: name.to_owned(),
            owner_id: member_id(0),
            props_channels: Some(vec![PROPS]),
            left_at: None,
            keep_deleted_props: None,
            excluded_channels: vec![ChannelId(7), ChannelId(8)],
            included_channels: Vec::new(),
            limits: Vec::new(),
            props_bots: Vec::new(),
            age_restricted: None,
            reaction_thanks: Vec::new(),
            meeting_events: None,
        }],
        channels: vec![
            channel(id, PROPS, "props"),
            channel(id, ChannelId(500_000_000_000_000_202), "<b>general</b>"),
            channel(id, ChannelId(900_000_000_000_000_203), "قناة"),
        ],
        ..Snapshot::default()
    }
}

/// Everybody thanks everybody, with every reason; two members are hidden.
fn hostile(id: GuildId) -> Snapshot {
    let mut of = guild(id, "Friends & <em>Family</em>");
    let shown = NAMES.len() as u64;
    of.members = NAMES
        .iter()
        .zip(0..)
        .map(|(name, number)| member(id, number, name))
        .collect();
    of.members.push(hidden(id, shown, Tier::Identity));
    of.members.push(hidden(id, shown + 1, Tier::Everything));
    of.members.push(nobody(id));
    let mut number = 0;
    for giver in 0..shown {
        for receiver in 0..shown {
            number += 1;
            if !mixed(number).is_multiple_of(3) && giver != receiver {
                continue;
            }
            let at = Millis(NOW.0 - i64::try_from(mixed(number) % 700).unwrap_or_default() * DAY);
            let reasons = [&KIND[..], &HOSTILE].concat();
            let reason = reasons[usize::try_from(number).unwrap_or_default() % reasons.len()];
            let more = [member_id(receiver), member_id((receiver + 3) % shown)];
            let receivers = &more[..if number % 5 == 0 { 2 } else { 1 }];
            let row = thanks(id, at, number, member_id(giver), receivers, reason);
            of.reactions
                .extend((0..number % 3).map(|reactor| ReactionRow {
                    guild_id: id,
                    channel_id: row.channel_id,
                    message_id: row.id,
                    user_id: member_id(reactor),
                    emoji_id: None,
                    emoji: Some("👍".to_owned()),
                    burst: false,
                    added_at: Some(row.id.created_at()),
                    added_by: Some(Evidence::Gateway),
                    removed_at: None,
                    removed_by: None,
                }));
            of.messages.push(row);
        }
    }
    let at = |days: i64| Millis(NOW.0 - days * DAY);
    of.messages.extend([
        thanks(
            id,
            at(3),
            1,
            member_id(0),
            &[member_id(shown)],
            "the secret santa",
        ),
        thanks(id, at(2), 2, member_id(shown), &[member_id(0)], ""),
        thanks(id, at(1), 3, UserId::nobody(1), &[member_id(1)], ""),
        thanks(
            id,
            at(1),
            4,
            member_id(2),
            &[UserId::nobody(1), member_id(0)],
            "moving the server",
        ),
    ]);
    of
}

fn all_hidden(id: GuildId) -> Snapshot {
    let mut of = guild(id, "The Quiet Ones");
    of.members = (0..5)
        .map(|number| hidden(id, number, Tier::Identity))
        .collect();
    let given = (0..30).map(|number| {
        let at = Millis(NOW.0 - i64::try_from(number).unwrap_or_default() * 11 * DAY);
        thanks(
            id,
            at,
            number,
            member_id(number % 5),
            &[member_id((number + 1) % 5)],
            "",
        )
    });
    of.messages = given.collect();
    of
}

/// What six members asked of a ledger; the last but one proved what the first one proved later.
fn linked(id: GuildId) -> Snapshot {
    let mut of = guild(id, "The Linked Ones");
    of.members = (0..6).map(|number| member(id, number, NAMES[0])).collect();
    of.messages = vec![thanks(
        id,
        NOW,
        1,
        member_id(0),
        &[member_id(1)],
        "the link",
    )];
    let asked = [
        (Some("amara-gh"), Some(true)),
        (Some("bram"), None),
        (None, Some(true)),
        (None, None),
        (Some("amara-gh"), None),
        (None, Some(false)),
    ];
    let links = (0..).zip(asked).map(|(number, (login, grain))| {
        // Who asks for nothing undid a link.
        let undone_at = (login.is_none() && grain.is_none()).then_some(NOW);
        let at = Millis(NOW.0 - i64::try_from(number).unwrap_or_default() * DAY);
        LinkRow {
            guild_id: id,
            user_id: member_id(number),
            github_id: login.map(|login: &str| format!("U_{login}")),
            github_login: login.map(str::to_owned),
            linked_at: login.map(|_| at).or(undone_at),
            undone_at,
            grain,
            grain_at: grain.map(|_| at),
        }
    });
    of.links = links.collect();
    of
}

/// Some members thank and are thanked far more than others, mostly within groups, and more from year to year.
fn large(id: GuildId, (thanked, of_all): (u64, u64), members: u64, years: i64) -> Snapshot {
    let mut of = guild(id, "The Large Community");
    let people = [
        "Amara", "Bram", "Chiyo", "Dinesh", "Elif", "Farid", "Greta", "Hugo", "Ines", "Jonas",
        "Kofi", "Lena", "Mateo", "Noor", "Olga", "Priya", "Quentin", "Rosa", "Sami", "Tara",
    ];
    let name = |number: u64| {
        let person = people[usize::try_from(number).unwrap_or_default() % people.len()];
        match number / 20 {
            0 => person.to_owned(),
            more => format!("{person} {more}"),
        }
    };
    of.members = (0..members)
        .map(|number| member(id, number, &name(number)))
        .collect();
    for number in 0..thanked {
        let skewed = |seed: u64| {
            let share = mixed(seed) % 1_000;
            share * share / 1_000 * members / 1_000
        };
        let giver = skewed(number * 3 + 1);
        let near = (giver / 40 * 40 + mixed(number * 3 + 2) % 40) % members;
        let receiver = if number % 4 > 0 {
            near
        } else {
            skewed(number * 3 + 3)
        };
        if giver == receiver {
            continue;
        }
        let hours = years * 365 * 24;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "it is a share of the time"
        )]
        let hour = ((number as f64 / of_all as f64).sqrt() * hours as f64) as i64;
        let at = Millis(
            NOW.0
                + (hour - hours) * 3_600_000
                + i64::try_from(number % 3_600).unwrap_or_default() * 1_000,
        );
        let reason = KIND[usize::try_from(mixed(number) % 8).unwrap_or_default()];
        of.messages.push(thanks(
            id,
            at,
            number,
            member_id(giver),
            &[member_id(receiver)],
            reason,
        ));
    }
    of
}

fn space(of: &Snapshot) -> ExportSpace {
    let row = &of.guilds[0];
    let covered = |number: usize, id: ChannelId| match number {
        0 => vec![Covered {
            after: Millis(0),
            to: NOW,
        }],
        1 => vec![Covered {
            after: Millis(id.created_at().0 + 100 * DAY),
            to: Millis(NOW.0 - 400 * DAY),
        }],
        _ => Vec::new(),
    };
    let channels = of.channels.iter().enumerate();
    ExportSpace {
        id: Id::new(row.id),
        name: row.name.clone(),
        synced: [].into(),
        heard_at: Some(NOW),
        history: None,
        stamps: None,
        parts: channels
            .map(|(number, channel)| ExportPart {
                id: Id::new(channel.id),
                name: channel.name.clone(),
                covered: covered(number, channel.id),
            })
            .collect(),
    }
}

fn world(name: &str) -> anyhow::Result<Vec<Snapshot>> {
    Ok(match name {
        "hostile" => vec![hostile(GUILD)],
        "hidden" => vec![all_hidden(GUILD)],
        "links" => vec![linked(GUILD)],
        "empty" => vec![guild(GUILD, "Nobody Yet")],
        "two" => vec![hostile(GUILD), all_hidden(GuildId(GUILD.0 + 1))],
        large_one => {
            let (_, numbers) = large_one.split_once(':').context("no such world")?;
            let numbers: Result<Vec<u64>, _> = numbers.split(':').map(str::parse).collect();
            let (thanked, members, years, of) = match numbers?[..] {
                [thanked, members, years] => (thanked, members, years, thanked),
                [thanked, members, years, of] => (thanked, members, years, of),
                _ => anyhow::bail!("write NAME:THANKS:MEMBERS:YEARS"),
            };
            vec![large(GUILD, (thanked, of), members, i64::try_from(years)?)]
        }
    })
}

/// Writes the archive of a world into a folder.
pub(crate) async fn write(world: &str, folder: &Path) -> anyhow::Result<()> {
    let spaces = self::world(world)?;
    let request = ExportRequest {
        now: NOW,
        spaces: spaces.iter().map(space).collect(),
        ..ExportRequest::new(&SCHEMA)
    };
    let mut all = Snapshot::default();
    for of in spaces {
        all.guilds.extend(of.guilds);
        all.channels.extend(of.channels);
        all.members.extend(of.members);
        all.messages.extend(of.messages);
        all.reactions.extend(of.reactions);
        all.links.extend(of.links);
    }
    export(&FolderArchive::new(folder), Arc::new(all), request).await?;
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [world, folder] = [1, 2].map(|number| env::args().nth(number).unwrap_or_default());
    write(&world, Path::new(&folder)).await
}
