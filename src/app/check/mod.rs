//! `propsbot check`: what the configuration, the platform, the archive and this machine need, line by line.
//!
//! `archive` and `store` check one thing each; the provider checks its platform. `report` writes what a
//! bug report may have.

mod archive;
mod report;
mod store;

use std::{path::PathBuf, time::Duration};

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use tokio::{task::spawn_blocking, time::timeout};

use super::{Error, log, plugins::beside, print_line, providers::Provider};
use crate::config::{Config, Environment, Mistakes, Needs};
use propsbot_archive::{printable, printable_json};
use propsbot_jobs::clock::Clock;
use propsbot_mirror::{Finding, Outcome};

/// How long a check may take. Those of a provider have limits of their own, below this one.
const PATIENCE: Duration = Duration::from_mins(1);

/// What to do with the findings.
#[derive(Args, Clone, Debug)]
pub struct CheckOrder {
    /// Write JSON, for programs
    #[arg(long)]
    json: bool,
    /// Also write a report for a bug report: no secrets, no names, nothing that members wrote
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// The findings as JSON. `docs/operate.md` describes it.
#[derive(Serialize)]
struct Checked<'a> {
    /// The version of this format.
    version: u32,
    /// The version of the program.
    propsbot: &'a str,
    outcome: Outcome,
    findings: &'a [Finding],
}

/// Checks everything, and prints a line for each finding.
///
/// # Errors
/// [`Error::Wrong`] if the configuration can't be read, and so nothing else could be checked;
/// [`Error::Failed`] if anything else is wrong.
pub async fn check(
    environment: Result<Environment, Mistakes>,
    order: &CheckOrder,
) -> Result<(), Error> {
    if let Some(file) = order.report.as_ref().filter(|file| file.exists()) {
        return Err(Error::Wrong(anyhow!(
            "{} exists already: name another file for the report (--report)",
            file.display()
        )));
    }
    let configured = match &environment {
        Ok(environment) => configured(environment),
        Err(mistakes) => Err(mistakes.clone()),
    };
    let is_configured = configured.is_ok();
    let findings = match &configured {
        Ok(config) => check_all(config).await,
        Err(Mistakes(mistakes)) => {
            let wrong = mistakes.iter().map(|(variable, mistake)| {
                let found = Finding::wrong("configuration", *variable);
                Finding {
                    error: Some(mistake.clone()),
                    ..found
                }
            });
            wrong.collect()
        }
    };
    let outcome = findings.iter().map(|finding| finding.outcome).max();
    let outcome = outcome.unwrap_or(Outcome::Ok);
    if order.json {
        let checked = Checked {
            version: 1,
            propsbot: env!("CARGO_PKG_VERSION"),
            outcome,
            findings: &findings,
        };
        print_line(&printable_json(&serde_json::to_string_pretty(&checked)?))?;
    } else {
        let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
        print_line(&printable(&lines.join("\n")))?;
    }
    if let Some(file) = &order.report {
        let environment = environment.unwrap_or_default();
        report::write(file, &environment, &findings, Clock::now())?;
    }
    match outcome {
        Outcome::Wrong if !is_configured => Err(Error::Wrong(anyhow!(
            "the configuration is wrong, so nothing else was checked; see .env.example"
        ))),
        Outcome::Wrong => {
            let wrong = findings.iter().filter(|found| found.outcome == outcome);
            let count = wrong.count();
            Err(Error::Failed(anyhow!(
                "{count} of the checks found something wrong"
            )))
        }
        _ => Ok(()),
    }
}

fn configured(environment: &Environment) -> Result<Config, Mistakes> {
    let config = environment.config(Needs::Discord)?;
    log(&config.log)?;
    environment.log_unknown(Needs::Discord);
    Ok(config)
}

async fn check_all(config: &Config) -> Vec<Finding> {
    let provider = Provider::of(config);
    let platform = provider.check();
    let store = config.store_path.clone();
    let store = async {
        let checked = spawn_blocking(move || store::check(&store)).await;
        checked.unwrap_or_else(|error| {
            vec![Finding::wrong("store", "the check ended early; report this").error(&error)]
        })
    };
    let archive = archive::check(config, provider.schema());
    let of_github = async { archive::of_github(config).await.into_iter().collect() };
    let (platform, archive, of_github, store) = tokio::join!(
        in_time(provider.schema().provider, platform),
        in_time("archive", archive),
        in_time("github-archive", of_github),
        in_time("store", store)
    );
    let configuration = Finding::ok("configuration", "all variables are valid");
    let exposed = config
        .exposed_secrets()
        .into_iter()
        .map(|(variable, host)| {
            let text =
                format!("the secret that goes to the server in {variable} is sent unencrypted");
            let found = Finding::warning("encryption", text).names(host);
            found.remedy("others can read it: use https")
        });
    let mut findings = vec![configuration];
    findings.extend(exposed);
    findings.extend(platform);
    findings.extend(archive);
    findings.extend(of_github);
    findings.extend(sourcecred(config));
    findings.extend(store);
    findings
}

/// The findings of a check, or that it took too long.
async fn in_time(
    check: &'static str,
    checking: impl Future<Output = Vec<Finding>>,
) -> Vec<Finding> {
    timeout(PATIENCE, checking).await.unwrap_or_else(|_| {
        let text = format!("not done within {} s", PATIENCE.as_secs());
        let remedy = "check the connection and the disk; RUST_LOG=debug shows what it waits for";
        vec![Finding::wrong(check, text).remedy(remedy)]
    })
}

/// The weights of the files for `SourceCred`, if those are exported.
fn sourcecred(config: &Config) -> Option<Finding> {
    const SOURCECRED: &str = "sourcecred";
    config.sourcecred.as_ref()?;
    match beside(config) {
        Ok(_) => {
            let text = "the weights are valid; SourceCred's files go beside the archive";
            Some(Finding::ok(SOURCECRED, text))
        }
        Err(error) => {
            let found = Finding::wrong(SOURCECRED, "SourceCred's files can't be made");
            Some(Finding {
                error: Some(error.to_string()),
                ..found
            })
        }
    }
}
