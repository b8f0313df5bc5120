//! A report for bug reports: the system, which variables are set, and the findings, without secrets, names
//! or anything that members wrote.

use std::{
    collections::BTreeMap,
    env::consts,
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use jiff::Timestamp;

use crate::{app::Error, app::error::Tried as _, config::Environment};
use propsbot_archive::{Millis, one_line, printable};
use propsbot_mirror::Finding;

/// Writes the report as a new file.
pub(super) fn write(
    file: &Path,
    environment: &Environment,
    findings: &[Finding],
    now: Millis,
) -> Result<(), Error> {
    let text = printable(&report(environment, findings, now));
    let written = File::create_new(file).and_then(|mut file| file.write_all(text.as_bytes()));
    written.tried(|| format!("could not write the report {}", file.display()))
}

fn report(environment: &Environment, findings: &[Finding], now: Millis) -> String {
    let time = Timestamp::from_millisecond(now.0).map(|time| time.to_string());
    let mut text = format!(
        "propsbot {} check report, format 1\nmade: {}\nsystem: {} {}",
        env!("CARGO_PKG_VERSION"),
        time.unwrap_or_default(),
        consts::OS,
        consts::ARCH,
    );
    if let Ok(kernel) = fs::read_to_string("/proc/sys/kernel/osrelease") {
        let _ = write!(text, " {}", kernel.trim());
    }
    text.push_str("\n\nvariables:\n");
    for (name, value) in environment.settings() {
        let _ = writeln!(text, "  {name}={}", value.unwrap_or("(set)"));
    }
    text.push_str("\nfindings:\n");
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    let mut lines = Vec::new();
    for found in findings {
        let error = found.error.as_ref();
        let error = error.map(|error| format!(": {}", one_line(&environment.redacted(error))));
        let line = format!(
            "  {} {}: {}{}",
            found.outcome.sign(),
            found.check,
            found.text,
            error.unwrap_or_default()
        );
        let count = counted.entry(line.clone()).or_default();
        if *count == 0 {
            lines.push(line);
        }
        *count += 1;
    }
    for line in lines {
        let count = counted[&line];
        let times = if count > 1 {
            format!(" ({count} times)")
        } else {
            String::new()
        };
        let _ = writeln!(text, "{line}{times}");
    }
    text
}
