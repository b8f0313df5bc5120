//! Checks that the archive can be read and written, by a probe that leaves nothing.

use crate::{app::plugins::side_files, config::Config};
use propsbot_archive::{
    ArchiveReader, DataArchive, Millis, Probe, ReadError, Schema, one_line, spaces_of,
};
use propsbot_backends::{ArchiveSpec, Claims};
use propsbot_github::rows::Repository;
use propsbot_jobs::clock::Clock;
use propsbot_mirror::Finding;
use propsbot_model::counted;

const ARCHIVE: &str = "archive";
const GITHUB_ARCHIVE: &str = "github-archive";

/// The longest declaration that is read, in bytes.
const DECLARATION: u64 = 1 << 20;

/// How long before its end a token is worth a warning, in milliseconds.
const SOON: i64 = 14 * DAY;
const DAY: i64 = 86_400_000;

/// After how many days without a change to repositories a person should look, since there may be none.
const QUIET: i64 = 7;

/// Reads the archive, and tries to write to it.
pub(super) async fn check(config: &Config, schema: &Schema) -> Vec<Finding> {
    let (spec, access, network) = (&config.archive, &config.access, &config.network);
    let opened = propsbot_backends::open_to_write(spec, access, network, Claims::default());
    let archive = match opened {
        Ok(archive) => archive,
        Err(error) => {
            let found = Finding::wrong(ARCHIVE, "it can't be used");
            return vec![found.names(spec).error(&error)];
        }
    };
    let mut findings = vec![read(archive.as_ref(), schema).await.names(spec)];
    match archive.probe().await {
        Ok(probe) => findings.extend(written(probe, Clock::now())),
        Err(error) => {
            findings.push(Finding::wrong(ARCHIVE, "it can't be written to").error(&error));
        }
    }
    if config.sourcecred.is_some() {
        findings.extend(beside(archive.as_ref(), schema).await);
    }
    findings
}

/// Reads `GITHUB_ARCHIVE`, which another process writes; `None` if it isn't set.
pub(super) async fn of_github(config: &Config) -> Option<Finding> {
    let spec = config.own_github_archive()?;
    let found = match repositories(config, spec).await {
        Ok(found) => found,
        Err(ReadError::Empty) => {
            let text = "nothing was exported there yet";
            Finding::warning(GITHUB_ARCHIVE, text).remedy(
                "check its repository, branch and folder (GITHUB_ARCHIVE); the process that mirrors GitHub fills it",
            )
        }
        Err(ReadError::OtherProvider { .. }) => {
            let text = "it has no repositories of GitHub";
            Finding::wrong(GITHUB_ARCHIVE, text)
                .remedy("name the archive of the process that mirrors GitHub in GITHUB_ARCHIVE")
        }
        Err(error) => Finding::wrong(GITHUB_ARCHIVE, "it can't be read").error(&error),
    };
    // Which repositories are in it is for a person to compare.
    let names = found.names.as_ref().map(|names| format!(": {names}"));
    let names = format!("{spec}{}", names.unwrap_or_default());
    Some(found.names(names))
}

/// Which repositories an archive has that everyone can read, and how old the newest export is.
async fn repositories(config: &Config, spec: &ArchiveSpec) -> Result<Finding, ReadError> {
    let archive = propsbot_backends::open_to_read(spec, &config.access, &config.network)?;
    let reader = ArchiveReader::open(archive.as_ref(), &propsbot_github::SCHEMA).await?;
    let rows = reader.rows::<Repository>().await?;
    let public = rows.iter().filter(|row| row.is_public());
    let names: Vec<String> = public
        .map(|row| one_line(&format!("{}/{}", row.owner, row.name)))
        .collect();
    let newest = reader
        .manifests()
        .iter()
        .map(|space| space.created_at)
        .max();
    let newest = newest.unwrap_or_default();
    let days = Clock::now().0.saturating_sub(newest.0).max(0) / DAY;
    let repositories = match names.len() {
        1 => "1 public repository".to_owned(),
        count => format!("{count} public repositories"),
    };
    let text = format!(
        "it can be read: {repositories}, the newest export is {} old",
        counted(days, "day")
    );
    if names.is_empty() {
        let text = "it has no public repository, so `/link` doesn't work";
        return Ok(Finding::warning(GITHUB_ARCHIVE, text));
    }
    let found = if days < QUIET {
        Finding::ok(GITHUB_ARCHIVE, text)
    } else {
        let remedy = "if something changed in these repositories since, the process that mirrors them doesn't run";
        Finding::warning(GITHUB_ARCHIVE, text).remedy(remedy)
    };
    Ok(found.names(names.join(", ")))
}

async fn read(archive: &dyn DataArchive, schema: &Schema) -> Finding {
    match spaces_of(archive).await {
        Ok(mut spaces) => {
            spaces.remove(schema.provider);
            let others: Vec<String> = spaces.into_keys().collect();
            let text = match &*others {
                [] => "it can be read".to_owned(),
                others => format!(
                    "it can be read, and also has spaces of {}",
                    others.join(" and ")
                ),
            };
            Finding::ok(ARCHIVE, text)
        }
        Err(ReadError::Empty) => {
            Finding::ok(ARCHIVE, "it can be read; nothing was exported there yet")
        }
        Err(error) => Finding::wrong(ARCHIVE, "it can't be read").error(&error),
    }
}

/// What a probe found, at this time.
fn written(probe: Probe, now: Millis) -> Vec<Finding> {
    let mut findings = vec![Finding::ok(ARCHIVE, "it can be written to")];
    findings.extend(probe.is_public.map(|is_public| {
        if is_public {
            let text = "others than invited people can read it, as the configuration allows";
            Finding::warning("public-archive", text)
        } else {
            Finding::ok("public-archive", "only invited people can read it")
        }
    }));
    findings.extend(probe.expires.map(|expires| {
        const TOKEN: &str = "archive-token";
        let left = expires.0.saturating_sub(now.0);
        let text = format!("it expires in {}", counted(left.max(0) / DAY, "day"));
        if left > SOON {
            Finding::ok(TOKEN, text)
        } else {
            let remedy = "make a new token before that, and set it in place of this one";
            Finding::warning(TOKEN, text).remedy(remedy)
        }
    }));
    findings
}

/// Whether the archive has SourceCred's files, once it has anything.
async fn beside(archive: &dyn DataArchive, schema: &Schema) -> Option<Finding> {
    const FILES: &str = "sourcecred";
    // The graph is large, and written together with this one.
    let [_, declaration, _] = side_files(schema);
    let declaration = archive.read(declaration, DECLARATION).await;
    let spaces = spaces_of(archive).await;
    let has_exported = spaces.is_ok_and(|spaces| spaces.contains_key(schema.provider));
    match declaration {
        Ok(None) if !has_exported => None,
        Ok(None) => {
            let text = "the archive doesn't have SourceCred's files yet";
            let remedy = "the next export writes them: `propsbot export`, or `/archive now`";
            Some(Finding::warning(FILES, text).remedy(remedy))
        }
        Ok(Some(_)) => Some(Finding::ok(FILES, "the archive has SourceCred's files")),
        Err(error) => {
            let text = "SourceCred's files can't be read";
            Some(Finding::wrong(FILES, text).error(&error))
        }
    }
}
