//! The configuration: the only place that reads environment variables.
//!
//! `.env.example` describes every variable; a test keeps the two in sync.

mod environment;
mod github;
mod secrets;
mod values;

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use propsbot_backends::{
    Access, ArchiveSpec, BucketAccess, GitAccess, GithubAccess, History, SiteSpec, TablesSpec,
};
use propsbot_discord::Token;
use propsbot_jobs::mirrored::Selection;
use propsbot_model::UserId;
use propsbot_network::{Network, exposed_host};

use values::{
    cache, ids, interval, log_format, mebibytes, origin, secret, selection, server, socket_address,
    yes,
};

pub use environment::Environment;
pub use github::GithubConfig;

/// The variables read here, besides those of object stores and of the network. ([`crate::app::log`]
/// parses `RUST_LOG`.)
const VARIABLES: [&str; 34] = [
    "DISCORD_TOKEN",
    "DISCORD_API_URL",
    "DISCORD_GUILDS",
    "OPERATORS",
    "STORE_PATH",
    "ARCHIVE",
    "CACHE_PATH",
    "GITHUB_TOKEN",
    "GITHUB_API_URL",
    "GITHUB_ALLOW_PUBLIC",
    "GITHUB_HISTORY",
    "GITHUB_ARCHIVE",
    "GITHUB_REPOSITORIES",
    "GITHUB_SOURCE_TOKEN",
    "GITHUB_SOURCE_API_URL",
    "GITHUB_EXPORT_PRIVATE",
    "GITHUB_EXCLUDE_USERS",
    "GITHUB_WEBHOOK_ADDRESS",
    "GITHUB_WEBHOOK_SECRET",
    "GIT_TOKEN",
    "GIT_ALLOW_PUBLIC",
    "GIT_HISTORY",
    "EXPORT_INTERVAL",
    "EXPORT_SOURCECRED",
    "SOURCECRED_WEIGHTS",
    "EXPORT_TABLES",
    "SITE",
    "SOURCECRED_INSTANCE",
    "CRED_MEMORY",
    "HEALTH_ADDRESS",
    "METRICS_GUILDS",
    "RUST_LOG",
    "LOG_FORMAT",
    "NO_COLOR",
];

/// How much memory computing cred may take if `CRED_MEMORY` is unset.
const CRED_MEMORY_MIB: u64 = 2_048;

fn all_variables() -> impl Iterator<Item = &'static str> {
    VARIABLES
        .into_iter()
        .chain(BucketAccess::VARIABLES)
        .chain(Network::VARIABLES)
        .chain(secrets::files())
}

/// Everything that the environment configures.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to reach Discord; `None` if the command doesn't.
    pub discord: Option<DiscordConfig>,
    /// `GITHUB_REPOSITORIES` and what belongs to it: what is mirrored of GitHub, in place of Discord.
    pub github: Option<GithubConfig>,
    /// `DISCORD_GUILDS`: who decides which guilds are mirrored.
    pub guilds: Selection,
    /// `OPERATORS`: users who can do what affects all guilds, besides the first guild's admins unless
    /// `DISCORD_GUILDS` is `all`.
    pub operators: Vec<UserId>,
    /// `STORE_PATH`: the store's folder; `./data` if unset.
    pub store_path: PathBuf,
    /// `ARCHIVE`: where exports go; `dir:./archive` if unset.
    pub archive: ArchiveSpec,
    /// `GITHUB_ARCHIVE`: where mirrored repositories are, for `/link`; `None` for `ARCHIVE`.
    github_archive: Option<ArchiveSpec>,
    /// `GITHUB_…`, `GIT_…`, `AWS_…`, `GOOGLE_…`, `AZURE_…`, `CACHE_PATH`: how to reach remote archives.
    pub access: Access,
    /// `HTTPS_PROXY`, `SSL_CERT_FILE`, …: how connections are made.
    pub network: Network,
    /// `EXPORT_INTERVAL`: the time between two exports; one hour if unset.
    pub export_interval: Duration,
    /// `EXPORT_SOURCECRED`: whether to export SourceCred's files beside the archive, and with what weights.
    pub sourcecred: Option<SourceCredConfig>,
    /// `EXPORT_TABLES`: where tables of what was exported go; `None` for nowhere.
    pub tables: Option<TablesSpec>,
    /// `SITE`: where the site of what was exported goes; `None` for nowhere.
    pub site: Option<SiteSpec>,
    /// `SOURCECRED_INSTANCE`, `CRED_MEMORY`: how a running bot computes cred.
    pub cred: CredConfig,
    /// `HEALTH_ADDRESS`, `METRICS_GUILDS`: how health and metrics are told.
    pub health: HealthConfig,
    /// How and what to log.
    pub log: LogConfig,
}

/// How and what to log, always to stderr.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// `RUST_LOG`: what is logged; `info` if unset.
    pub filter: String,
    /// `LOG_FORMAT`: text if unset.
    pub format: LogFormat,
    /// Whether a terminal gets colours: unless `NO_COLOR` is set. Source: <https://no-color.org>.
    pub colour: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// A line to read.
    Text,
    /// A JSON object a line, for programs.
    Json,
}

/// How health and metrics are told.
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthConfig {
    /// `HEALTH_ADDRESS`: where to listen; `None` if nowhere.
    pub address: Option<SocketAddr>,
    /// `METRICS_GUILDS`: whether metrics name guilds by their ids.
    pub by_guild: bool,
}

/// How to make SourceCred's files beside the archive.
#[derive(Clone, Debug)]
pub struct SourceCredConfig {
    /// `SOURCECRED_WEIGHTS`: a file with weights; `None` for the defaults.
    pub weights: Option<PathBuf>,
}

/// How a running bot computes cred.
#[derive(Clone, Debug)]
pub struct CredConfig {
    /// `SOURCECRED_INSTANCE`: the instance with ledger, weights and other graphs; `None` for the archive alone.
    pub instance: Option<PathBuf>,
    /// `CRED_MEMORY`: how many MiB it may take; 0 if it isn't to be computed.
    pub memory: u64,
}

/// How to reach Discord.
#[derive(Clone, Debug)]
pub struct DiscordConfig {
    /// `DISCORD_TOKEN`: the bot's token.
    pub token: Token,
    /// `DISCORD_API_URL`: the origin of a Discord-compatible server, without a path; `None` for Discord.
    pub api_url: Option<String>,
}

/// Whether a command talks to the platform that is mirrored, and so needs its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Only the store and the archive.
    Local,
    /// Discord, or GitHub if `GITHUB_REPOSITORIES` is set.
    Discord,
}

/// All mistakes in the configuration, each with its variable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(pub Vec<(&'static str, String)>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is wrong; change these environment variables, or .env (see .env.example):")?;
        for (variable, mistake) in &self.0 {
            write!(f, "\n  {variable}: {mistake}")?;
        }
        Ok(())
    }
}

impl Config {
    /// `SOURCECRED_WEIGHTS`: the file with the weights of the graph.
    pub fn weights(&self) -> Option<&PathBuf> {
        self.sourcecred.as_ref()?.weights.as_ref()
    }

    /// `GITHUB_ARCHIVE`, if it is set.
    pub fn own_github_archive(&self) -> Option<&ArchiveSpec> {
        self.github_archive.as_ref()
    }

    /// The archive with the repositories where members prove who they are.
    pub fn github_archive(&self) -> &ArchiveSpec {
        self.github_archive_or(&self.archive)
    }

    /// The same for a command that was told which archive to use instead of `ARCHIVE`.
    pub fn github_archive_or<'a>(&'a self, archive: &'a ArchiveSpec) -> &'a ArchiveSpec {
        self.github_archive.as_ref().unwrap_or(archive)
    }

    /// The variables whose servers receive a secret over an unencrypted connection, with their hosts.
    pub fn exposed_secrets(&self) -> Vec<(&'static str, String)> {
        let discord = self.discord.as_ref();
        let discord = discord.and_then(|discord| discord.api_url.as_deref());
        let source = self
            .github
            .as_ref()
            .and_then(|github| github.login.as_ref());
        let source = source.and_then(|login| login.api_url.as_deref());
        let github = &self.access.github;
        let github = github.api_url.as_deref().filter(|_| github.token.is_some());
        let bucket = |name| self.access.buckets.0.get(name).map(String::as_str);
        let git = match &self.archive {
            ArchiveSpec::Git(place) => place.url_with_secret(self.access.git.token.is_some()),
            _ => None,
        };
        let servers = [
            ("DISCORD_API_URL", discord),
            ("GITHUB_API_URL", github),
            ("GITHUB_SOURCE_API_URL", source),
            ("ARCHIVE", git),
            ("AWS_ENDPOINT_URL", bucket("AWS_ENDPOINT_URL")),
            ("AZURE_STORAGE_ENDPOINT", bucket("AZURE_STORAGE_ENDPOINT")),
        ];
        let exposed = servers
            .into_iter()
            .filter_map(|(name, url)| Some((name, exposed_host(url?)?)));
        exposed.collect()
    }

    /// Parses the variables. An empty one counts as unset.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(variables: &BTreeMap<String, String>, needs: Needs) -> Result<Self, Mistakes> {
        let value = |name: &str| {
            variables
                .get(name)
                .map(|value| value.trim())
                .filter(|value| !value.is_empty())
        };
        let mut mistakes = Vec::new();

        let github = github::read(&value, needs, &mut mistakes);
        let token = match value("DISCORD_TOKEN") {
            // With a mistake in it, too, it's GitHub that was meant.
            _ if needs == Needs::Local || value("GITHUB_REPOSITORIES").is_some() => None,
            None => {
                let help = "is not set: copy the token from the developer portal (your \
                            application, \"Bot\", \"Reset Token\"), or name a file with it in \
                            DISCORD_TOKEN_FILE";
                mistakes.push(("DISCORD_TOKEN", help.to_owned()));
                None
            }
            Some(text) => note(&mut mistakes, "DISCORD_TOKEN", Token::new(text)),
        };
        let api_url = value("DISCORD_API_URL")
            .and_then(|text| note(&mut mistakes, "DISCORD_API_URL", origin(text)));
        let guilds = value("DISCORD_GUILDS")
            .and_then(|text| note(&mut mistakes, "DISCORD_GUILDS", selection(text)));
        let operators =
            value("OPERATORS").and_then(|text| note(&mut mistakes, "OPERATORS", ids(text, "user")));
        let archive = value("ARCHIVE").unwrap_or("dir:./archive");
        let archive = note(&mut mistakes, "ARCHIVE", archive.parse::<ArchiveSpec>());
        let github_archive = noted(&value, &mut mistakes, "GITHUB_ARCHIVE", str::parse);
        let owned = |name| value(name).map(str::to_owned);
        let access = Access {
            cache: cache(value("CACHE_PATH")),
            github: GithubAccess {
                token: noted(&value, &mut mistakes, "GITHUB_TOKEN", secret),
                api_url: owned("GITHUB_API_URL")
                    .and_then(|url| note(&mut mistakes, "GITHUB_API_URL", server(url))),
                allow_public: noted(&value, &mut mistakes, "GITHUB_ALLOW_PUBLIC", yes)
                    .unwrap_or_default(),
                history: noted(
                    &value,
                    &mut mistakes,
                    "GITHUB_HISTORY",
                    str::parse::<History>,
                )
                .unwrap_or_default(),
            },
            git: git(&value, &mut mistakes),
            buckets: buckets(&value, &mut mistakes),
        };
        let tables = tables(value("EXPORT_TABLES"), archive.as_ref(), &mut mistakes);
        let site = site(value("SITE"), archive.as_ref(), &mut mistakes);
        // Commands that only read may read another archive, or a public one.
        if needs == Needs::Discord {
            let archive = archive.as_ref();
            missing(archive, tables.as_ref(), &access, &mut mistakes);
        }
        let network = network(&value, &mut mistakes);
        let export_interval = value("EXPORT_INTERVAL").unwrap_or("1h");
        let export_interval = note(&mut mistakes, "EXPORT_INTERVAL", interval(export_interval));

        let log_format = noted(&value, &mut mistakes, "LOG_FORMAT", log_format);

        let with_sourcecred = value("EXPORT_SOURCECRED")
            .and_then(|text| note(&mut mistakes, "EXPORT_SOURCECRED", yes(text)));
        let weights = value("SOURCECRED_WEIGHTS").map(PathBuf::from);
        if weights.is_some() && with_sourcecred != Some(true) {
            let help = "needs EXPORT_SOURCECRED=yes";
            mistakes.push(("SOURCECRED_WEIGHTS", help.to_owned()));
        }

        let cred = cred(&value, &mut mistakes);
        let health = health(&value, &mut mistakes);

        match (archive, export_interval) {
            (Some(archive), Some(export_interval)) if mistakes.is_empty() => Ok(Self {
                discord: token.map(|token| DiscordConfig { token, api_url }),
                github,
                guilds: guilds.unwrap_or_default(),
                operators: operators
                    .unwrap_or_default()
                    .into_iter()
                    .map(UserId)
                    .collect(),
                store_path: value("STORE_PATH").unwrap_or("./data").into(),
                archive,
                github_archive,
                access,
                network,
                export_interval,
                sourcecred: with_sourcecred
                    .unwrap_or_default()
                    .then_some(SourceCredConfig { weights }),
                tables,
                site,
                cred,
                health,
                log: LogConfig {
                    filter: value("RUST_LOG").unwrap_or("propsbot=info,warn").to_owned(),
                    format: log_format.unwrap_or(LogFormat::Text),
                    colour: value("NO_COLOR").is_none(),
                },
            }),
            _ => Err(Mistakes(mistakes)),
        }
    }
}

/// Parses the place of tables. It and the archive share no files: each removes what it does not know.
fn tables(
    text: Option<&str>,
    archive: Option<&ArchiveSpec>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> Option<TablesSpec> {
    let place: TablesSpec = note(mistakes, "EXPORT_TABLES", text?.parse())?;
    let wrong = match archive.map(|archive| place.overlaps(archive)) {
        None | Some(Ok(false)) => return Some(place),
        Some(Ok(true)) => {
            format!("{place} and ARCHIVE are within one another; choose another place for tables")
        }
        Some(Err(error)) => format!("could not look at {place}: {error}"),
    };
    mistakes.push(("EXPORT_TABLES", wrong));
    None
}

/// Parses the place of the site, which shares no files with the archive either.
fn site(
    text: Option<&str>,
    archive: Option<&ArchiveSpec>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> Option<SiteSpec> {
    let place: SiteSpec = note(mistakes, "SITE", text?.parse())?;
    let wrong = match archive.map(|archive| place.overlaps(archive)) {
        None | Some(Ok(false)) => return Some(place),
        Some(Ok(true)) => {
            format!("{place} and ARCHIVE share files; choose another place for the site")
        }
        Some(Err(error)) => format!("could not look at {place}: {error}"),
    };
    mistakes.push(("SITE", wrong));
    None
}

/// Notes the variables that the archive and the tables need, and that are not set.
fn missing(
    archive: Option<&ArchiveSpec>,
    tables: Option<&TablesSpec>,
    access: &Access,
    mistakes: &mut Vec<(&'static str, String)>,
) {
    let archive = archive.map(|spec| ("ARCHIVE", spec.to_string(), spec.missing(access)));
    let tables = tables.map(|spec| ("EXPORT_TABLES", spec.to_string(), spec.missing(access)));
    for (variable, place, names) in archive.into_iter().chain(tables) {
        for name in names {
            if mistakes.iter().all(|(noted, _)| *noted != name) {
                let help =
                    format!("is not set, but {variable} ({place}) needs it; see .env.example");
                mistakes.push((name, help));
            }
        }
    }
}

/// Parses the variables of archives on git hosts.
fn git<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> GitAccess {
    GitAccess {
        token: noted(value, mistakes, "GIT_TOKEN", secret),
        allow_public: noted(value, mistakes, "GIT_ALLOW_PUBLIC", yes).unwrap_or_default(),
        history: noted(value, mistakes, "GIT_HISTORY", str::parse::<History>).unwrap_or_default(),
    }
}

/// Parses the variables of cred.
fn cred<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> CredConfig {
    let memory = noted(value, mistakes, "CRED_MEMORY", mebibytes);
    CredConfig {
        instance: value("SOURCECRED_INSTANCE").map(PathBuf::from),
        memory: memory.unwrap_or(CRED_MEMORY_MIB),
    }
}

/// Parses the variables of health and metrics.
fn health<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> HealthConfig {
    HealthConfig {
        address: noted(value, mistakes, "HEALTH_ADDRESS", socket_address),
        by_guild: noted(value, mistakes, "METRICS_GUILDS", yes).unwrap_or_default(),
    }
}

/// Parses the variables of the network.
fn network<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> Network {
    let set = Network::VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, value(name)?.to_owned())));
    Network::new(&set.collect()).unwrap_or_else(|found| {
        mistakes.extend(found);
        Network::default()
    })
}

/// Parses the variables of object stores.
fn buckets<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    mistakes: &mut Vec<(&'static str, String)>,
) -> BucketAccess {
    let mut access = BucketAccess::default();
    for name in BucketAccess::VARIABLES {
        let text = value(name).map(str::to_owned);
        let is_server = ["AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT"].contains(&name);
        let text = match text {
            Some(url) if is_server => note(mistakes, name, server(url)),
            text => text,
        };
        access.0.extend(text.map(|value| (name, value)));
    }
    access
}

/// The parsed value of a variable.
fn noted<'a, T, E: fmt::Display>(
    value: &impl Fn(&str) -> Option<&'a str>,
    mistakes: &mut Vec<(&'static str, String)>,
    variable: &'static str,
    parse: impl FnOnce(&'a str) -> Result<T, E>,
) -> Option<T> {
    value(variable).and_then(|text| note(mistakes, variable, parse(text)))
}

fn note<T, E: fmt::Display>(
    mistakes: &mut Vec<(&'static str, String)>,
    variable: &'static str,
    result: Result<T, E>,
) -> Option<T> {
    result
        .map_err(|error| mistakes.push((variable, error.to_string())))
        .ok()
}

#[cfg(test)]
mod tests;
