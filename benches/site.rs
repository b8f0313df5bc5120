//! `cargo bench --bench site`: what the site of 100,000 thanks of 2,000 members in ten years takes, all of whom have cred
//! in each week, and one more thanks. Fails if a site is larger than it may be, if it takes longer, or if one more thanks
//! writes more than the pages it is on.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use anyhow::{Context as _, anyhow, ensure};
use propsbot::{
    app::{self, SiteOrder},
    config::{Config, Needs},
};
use serde_json::json;

#[expect(dead_code, reason = "it is a program, too")]
#[path = "../tests/contract/site_archives.rs"]
mod site_archives;

/// The largest first page, and the largest site, in bytes.
const INDEX: u64 = 200_000;
const WHOLE: u64 = 30_000_000;
/// The most files that one more thanks writes.
const FILES: usize = 11;
/// How long the whole site may take, and one more thanks, in seconds.
const LONGEST: [f64; 2] = [10.0, 1.0];

const MEMBERS: u64 = 2_000;
const YEARS: u64 = 10;
const WEEK_MS: u64 = 7 * 86_400_000;
/// 2026-03-15, when the archives end.
const END_MS: u64 = 1_773_576_000_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let [archive, site, cred] = ["archive", "site", "cred"].map(|name| home.path().join(name));
    fs::write(&cred, cred_of_all())?;
    for (thanks, longest) in [99_999, 100_000].into_iter().zip(LONGEST) {
        let world = format!("large:{thanks}:{MEMBERS}:{YEARS}:100000");
        site_archives::write(&world, &archive).await?;
        let begun = Instant::now();
        let told = write(&archive, &site, &cred).await?;
        let took = begun.elapsed().as_secs_f64();
        let (files, bytes) = size(&site)?;
        let index = fs::metadata(site.join("index.html"))?.len();
        say(&format!(
            "{thanks} thanks: {took:.2} s; {files} files, {bytes} bytes, index.html {index} bytes; {told}"
        ));
        ensure!(index <= INDEX && bytes <= WHOLE, "the site is too large");
        ensure!(took <= longest, "that may take {longest} s");
        if thanks == 100_000 {
            let written = told
                .split_once("up to date: ")
                .and_then(|(_, told)| told.split_once(' '));
            let written: usize = written.context("how many files were written")?.0.parse()?;
            ensure!(written <= FILES, "one more thanks wrote {written} files");
        }
    }
    Ok(())
}

async fn write(archive: &Path, site: &Path, cred: &Path) -> anyhow::Result<String> {
    let config = Config::read(&BTreeMap::new(), Needs::Local)?;
    let order = SiteOrder {
        out: site.display().to_string().parse()?,
        space: None,
        cred: Some(cred.to_owned()),
        instance: None,
        open: false,
    };
    let from = format!("dir:{}", archive.display()).parse()?;
    let told = app::site(&config, &from, &order).await;
    Ok(told.map_err(|error| anyhow!("{error}"))?.swap_remove(0))
}

/// A `credGrainView` in which every member has cred in every week.
fn cred_of_all() -> String {
    let weeks = YEARS * 52;
    let intervals = (0..weeks).map(|week| {
        let start = END_MS - (weeks - week) * WEEK_MS;
        json!({"startTimeMs": start, "endTimeMs": start + WEEK_MS})
    });
    let participants = (0..MEMBERS).map(|number| {
        let id = site_archives::member_id(number);
        let address = format!("N\0sourcecred\0discord\0MEMBER\0user\0{id}\0");
        let cred = (0..weeks)
            .map(|week| (1 + (number * 7_919 + week * 104_729) % 997) / (1 + number / 10));
        let cred: Vec<u64> = cred.map(|cred| cred.max(1)).collect();
        json!({"identity": {"aliases": [{"address": address}]}, "credPerInterval": cred})
    });
    let (intervals, participants): (Vec<_>, Vec<_>) = (intervals.collect(), participants.collect());
    json!({"intervals": intervals, "participants": participants}).to_string()
}

/// How many files are below a folder, and how long they are together.
fn size(folder: &Path) -> anyhow::Result<(usize, u64)> {
    let (mut files, mut bytes) = (0, 0);
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (more, longer) = if entry.path().is_dir() {
            size(&entry.path())?
        } else {
            (1, entry.metadata()?.len())
        };
        (files, bytes) = (files + more, bytes + longer);
    }
    Ok((files, bytes))
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn say(line: &str) {
    println!("{line}");
}
