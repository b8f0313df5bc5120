//! What a plugin over one channel's month reads: few files, however large the archive is.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use propsbot_archive::{ExportRequest, export};
use propsbot_backends::FolderArchive;
use propsbot_model::{ChannelId, Evidence, InteractionId, MessageId, Millis, RoleId, UserId};
use propsbot_rows::{ChannelRow, MemberRow, PropsRow, ReactionRow, RoleRow, Snapshot};
use serde_json::Value;

use super::{files, program};
use crate::{
    archive::community::{self, PROPS},
    mirror::Mirror,
};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// 2015-06-01: about when the first members signed up.
const FIRST_MEMBER: i64 = 1_433_116_800_000;
/// 2025-11-01 and 2025-12-01.
const NOVEMBER: i64 = 1_761_955_200_000;
const DECEMBER: i64 = 1_764_547_200_000;
/// 2026-01-01. In its first hour, the most files are open: December's 31st by hour, its other days, and this hour.
/// From the next hour on, the 31st is one file.
const JANUARY: i64 = 1_767_225_600_000;

const MEMBERS: i64 = 700;

fn id(time: i64) -> u64 {
    MessageId::at(Millis(time)).0
}

/// A guild of some years: members who signed up in all of them, 40 channels, and messages in every hour of a month and
/// so many hours of the next one.
fn rows(hours: i64) -> Snapshot {
    let mut rows = community::rows();
    let member = |number: i64| MemberRow {
        user_id: UserId(id(
            FIRST_MEMBER + number * ((JANUARY - FIRST_MEMBER) / MEMBERS)
        )),
        username: format!("member.number.{number}"),
        global_name: Some(format!("Member {number}")),
        nick: (number % 4 == 0).then(|| format!("the {number}th")),
        roles: (0..number % 4)
            .map(|role| RoleId(id(FIRST_MEMBER + role * 300 * DAY)))
            .collect(),
        ..rows.members[0].clone()
    };
    rows.members = (0..MEMBERS).map(member).collect();
    let channel = |number: i64| ChannelRow {
        id: ChannelId(id(FIRST_MEMBER + number * 90 * DAY)),
        name: format!("channel-{number}"),
        ..rows.channels[0].clone()
    };
    let more: Vec<ChannelRow> = (0..36).map(channel).collect();
    rows.channels.extend(more);
    rows.channels.sort_by_key(|channel| channel.id);
    let role = |number: i64| RoleRow {
        id: RoleId(id(FIRST_MEMBER + number * 300 * DAY)),
        ..rows.roles[0].clone()
    };
    let more: Vec<RoleRow> = (0..12).map(role).collect();
    rows.roles.extend(more);

    let text = "thank you for all the work on this, it helps a lot";
    let of_november = (0..300).map(|number| NOVEMBER + number * 2 * HOUR);
    let of_channel = of_november.map(|time| community::message(PROPS, MessageId(id(time)), text));
    let hours = (JANUARY - DECEMBER) / HOUR + hours;
    let of_all = (0..hours).map(|hour| {
        let channel = &rows.channels[usize::try_from(hour % 40).unwrap()];
        let id = MessageId(id(DECEMBER + hour * HOUR + HOUR / 2));
        community::message(channel.id, id, text)
    });
    let mut messages: Vec<_> = of_channel.chain(of_all).collect();
    messages.sort_by_key(|message| (message.channel_id, message.id));
    rows.messages = messages;
    rows.reactions = vec![ReactionRow {
        message_id: MessageId(id(NOVEMBER)),
        added_at: Some(Millis(NOVEMBER + HOUR)),
        added_by: Some(Evidence::Gateway),
        ..rows.reactions[0].clone()
    }];
    rows.props = vec![PropsRow {
        id: InteractionId(id(NOVEMBER)),
        message_id: Some(MessageId(id(NOVEMBER))),
        ..rows.props[0].clone()
    }];
    rows
}

/// Exports the guild when so many hours of the year are nearly over.
async fn export_after(mirror: &Mirror, hours: i64) {
    let rows = rows(hours);
    let request = ExportRequest {
        now: Millis(JANUARY + hours * HOUR - HOUR / 60),
        ..community::request(&rows)
    };
    fs::remove_dir_all(mirror.archive_path()).ok();
    let archive = FolderArchive::new(mirror.archive_path());
    export(&archive, Arc::new(rows), request).await.unwrap();
}

/// The files of rows that were written in December, or since.
async fn open(mirror: &Mirror) -> BTreeMap<String, u64> {
    let current = ["--part", &PROPS.to_string(), "--since", "2025-12-01"];
    let mut files = explained(mirror, "messages", &current).await;
    files.retain(|path, _| path.starts_with("rows/"));
    files
}

/// The files that a query reads, and how long they are.
async fn explained(mirror: &Mirror, table: &str, more: &[&str]) -> BTreeMap<String, u64> {
    let query = [
        "query",
        "--from",
        "dir:archive",
        "--table",
        table,
        "--explain",
    ];
    let ended = mirror.run(&[&query[..], more].concat()).await.ok();
    let files = ended.stdout.lines().map(|line| {
        let file: Value = serde_json::from_str(line).unwrap();
        let path = file["path"].as_str().unwrap().to_owned();
        (path, file["bytes"].as_u64().unwrap())
    });
    files.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_of_one_channel_takes_few_files() {
    let mirror = Mirror::empty().await;
    export_after(&mirror, 6).await;
    assert_eq!(open(&mirror).await.len(), 37, "31 days and 6 hours");
    export_after(&mirror, 1).await;
    let open = open(&mirror).await;
    let bytes: u64 = open.values().sum();
    assert_eq!(open.len(), 55, "30 days and 25 hours");
    assert!(bytes <= 2_500_000, "{bytes}");

    let part = PROPS.to_string();
    let november = [
        "--part",
        &part,
        "--since",
        "2025-11-01",
        "--until",
        "2025-12-01",
    ];
    let mut closed = BTreeMap::new();
    for table in ["members", "channels", "roles"] {
        closed.extend(explained(&mirror, table, &[]).await);
    }
    for table in ["messages", "reactions", "props"] {
        closed.extend(explained(&mirror, table, &november).await);
    }
    let bytes: u64 = closed.values().sum();
    assert!(closed.len() <= 12 && bytes <= 2_000_000, "{closed:#?}");

    // A plugin reads no other files: they may be gone.
    let range = format!(r#""parts":["{part}"],"since":{NOVEMBER},"until":{DECEMBER}"#);
    let needs: Vec<String> = ["messages", "reactions", "props"]
        .map(|table| format!(r#"{{"table":"{table}",{range}}}"#))
        .into_iter()
        .chain(["channels", "roles"].map(|table| format!(r#"{{"table":"{table}"}}"#)))
        .collect();
    let script = format!(
        "#!/bin/sh\nread -r hello\necho '{{\"needs\":[{}]}}'\nwhile read -r line; do case \"$line\" in\n\
         '{{\"end\":true}}') break ;;\n*'\"table\":\"messages\"'*) messages=$((messages + 1)) ;;\nesac; done\n\
         echo '{{\"node\":{{\"address\":[\"external\",\"november\",\"ALL\",\"1\"],\"description\":\"all\",\
         \"timestamp\":1}}}}'\necho \"{{\\\"warning\\\":\\\"$messages messages\\\"}}\"\necho '{{\"end\":true}}'\n",
        needs.join(",")
    );
    program(&mirror, "november", &script);
    let kept: BTreeSet<&String> = closed.keys().collect();
    for path in files(&mirror.archive_path()).into_keys() {
        if !kept.contains(&path) {
            fs::remove_file(Path::new(&mirror.archive_path()).join(path)).unwrap();
        }
    }
    let graph = super::graph(&["--plugin-exec", "./november"]);
    let ended = mirror.run(&graph).await.ok();
    assert!(ended.stdout.contains("300 messages"), "{ended:?}");
}
