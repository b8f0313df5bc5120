//! Checks the store's folder and its disk. A store that is in use is left alone.

use std::{fs, io, io::Write as _, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use propsbot_mirror::{Finding, StoreError, footprint, inspect, nearest};

const STORE: &str = "store";

/// How long the store's rows may be counted. Another process can't open the store meanwhile.
const COUNTING: Duration = Duration::from_secs(3);

/// How many times its size the store takes at most, while it is rewritten.
const TIMES: u64 = 3;

/// The least that has to be free, in bytes, for a store that has little yet.
const LEAST: u64 = 100 << 20;

/// From this size on, a store is worth compacting, in bytes.
const WORTH: u64 = 64 << 20;

/// Checks the store in this folder.
pub(super) fn check(path: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let folder = nearest(path);
    if let Err(error) = try_to_write(folder) {
        let found = Finding::wrong(STORE, "its folder (STORE_PATH) can't be written to");
        findings.push(found.names(folder.display()).error(&error));
        return findings;
    }
    let footprint = footprint(path);
    match &footprint {
        Err(error) => {
            findings.push(Finding::wrong("disk", "the store's size is unknown").error(error));
        }
        Ok(footprint) => {
            let needed = footprint.bytes.saturating_mul(TIMES).max(LEAST);
            let text = format!(
                "{} free; {TIMES} times the store, and at least {}, takes {}",
                megabytes(footprint.free),
                megabytes(LEAST),
                megabytes(needed)
            );
            findings.push(if footprint.free < needed {
                let remedy = "free disk space, or set STORE_PATH to a larger disk";
                Finding::wrong("disk", text).remedy(remedy)
            } else {
                Finding::ok("disk", text)
            });
        }
    }
    if !path.exists() {
        let text = "there is none yet; the first run makes it";
        findings.push(Finding::ok(STORE, text).names(path.display()));
        return findings;
    }
    findings.extend(others_can_read(path));
    let bytes = footprint
        .map(|footprint| footprint.bytes)
        .unwrap_or_default();
    findings.push(match inspect(path, COUNTING) {
        Ok(Some(logical)) => size(bytes, logical),
        Ok(None) => {
            let text = format!("{}; it has more rows than were counted", megabytes(bytes));
            Finding::ok(STORE, text)
        }
        Err(StoreError::InUse { .. }) => Finding::ok(
            STORE,
            format!("{}; a running bot uses it", megabytes(bytes)),
        ),
        Err(error) => Finding::wrong(STORE, "it can't be opened").error(&error),
    });
    findings
}

/// How much of the store is content.
fn size(bytes: u64, logical: u64) -> Finding {
    let text = format!(
        "{} on disk for {} of rows",
        megabytes(bytes),
        megabytes(logical)
    );
    if bytes > WORTH && bytes > logical.saturating_mul(TIMES) {
        let remedy = "stop the bot and run `propsbot compact` to make it smaller";
        Finding::warning(STORE, text).remedy(remedy)
    } else {
        Finding::ok(STORE, text)
    }
}

/// Writes a file without a name, and so none that stays.
fn try_to_write(folder: &Path) -> io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(&[0; 4096])?;
    file.sync_all()
}

/// The store has what members wrote, in private channels too.
fn others_can_read(path: &Path) -> Option<Finding> {
    let mode = fs::metadata(path).ok()?.permissions().mode();
    let text = "other users of this machine can read its folder";
    let found = Finding::warning(STORE, text).names(path.display());
    (mode & 0o055 != 0).then(|| found.remedy("take that away: `chmod 700` for the folder"))
}

fn megabytes(bytes: u64) -> String {
    format!("{} MB", bytes.div_ceil(1_000_000))
}
