//! `cargo bench --bench site`: what the site of 100,000 thanks of 2,000 members in ten years takes, and one more thanks.
//! Fails if a site is larger than it may be, or if one more thanks writes more than the pages it is on.

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use anyhow::{Context as _, anyhow, ensure};
use propsbot::{
    app::{self, SiteOrder},
    config::{Config, Needs},
};

#[expect(dead_code, reason = "it is a program, too")]
#[path = "../tests/contract/site_archives.rs"]
mod site_archives;

/// The largest first page, and the largest site, in bytes.
const INDEX: u64 = 200_000;
const WHOLE: u64 = 30_000_000;
/// The most files that one more thanks writes.
const FILES: usize = 11;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let home = tempfile::tempdir()?;
    let (archive, site) = (home.path().join("archive"), home.path().join("site"));
    for thanks in [99_999, 100_000] {
        let world = format!("large:{thanks}:2000:10:100000");
        site_archives::write(&world, &archive).await?;
        let begun = Instant::now();
        let told = write(&archive, &site).await?;
        let took = begun.elapsed().as_secs_f64();
        let (files, bytes) = size(&site)?;
        let index = fs::metadata(site.join("index.html"))?.len();
        say(&format!(
            "{thanks} thanks: {took:.2} s; {files} files, {bytes} bytes, index.html {index} bytes; {told}"
        ));
        ensure!(index <= INDEX && bytes <= WHOLE, "the site is too large");
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

async fn write(archive: &Path, site: &Path) -> anyhow::Result<String> {
    let config = Config::read(&BTreeMap::new(), Needs::Local)?;
    let order = SiteOrder {
        out: site.display().to_string().parse()?,
        space: None,
        cred: None,
        instance: None,
        open: false,
    };
    let from = format!("dir:{}", archive.display()).parse()?;
    let told = app::site(&config, &from, &order).await;
    Ok(told.map_err(|error| anyhow!("{error}"))?.swap_remove(0))
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
