//! The configuration: the only place that reads environment variables.
//!
//! `.env.example` describes every variable; a test keeps the two in sync.

mod environment;
mod secrets;

use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use propsbot_backends::{
    Access, ArchiveSpec, BucketAccess, GitAccess, GithubAccess, History, SiteSpec, TablesSpec,
};
use propsbot_discord::{OFFICIAL_ORIGIN, Token};
use propsbot_jobs::mirrored::Selection;
use propsbot_model::{GuildId, UserId};
use propsbot_network::{Network, exposed_host};

pub use environment::Environment;

/// The variables read here, besides those of object stores and of the network. ([`crate::app::log`]
/// parses `RUST_LOG`.)
const VARIABLES: [&str; 24] = [
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
    "GIT_TOKEN",
    "GIT_ALLOW_PUBLIC",
    "GIT_HISTORY",
    "EXPORT_INTERVAL",
    "EXPORT_SOURCECRED",
    "SOURCECRED_WEIGHTS",
    "EXPORT_TABLES",
    "SITE",
    "HEALTH_ADDRESS",
    "METRICS_GUILDS",
    "RUST_LOG",
    "LOG_FORMAT",
    "NO_COLOR",
];

fn all_variables() -> impl Iterator<Item = &'static str> {
    VARIABLES
        .into_iter()
        .chain(BucketAccess::VARIABLES)
        .chain(Network::VARIABLES)
        .chain(secrets::files())
}

/// The shortest time between two exports.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

/// Everything that the environment configures.
#[derive(Clone, Debug)]
pub struct Config {
    /// How to reach Discord; `None` if the command doesn't.
    pub discord: Option<DiscordConfig>,
    /// `DISCORD_GUILDS`: who decides which guilds are mirrored.
    pub guilds: Selection,
    /// `OPERATORS`: users who can do what affects all guilds, besides the first guild's admins unless
    /// `DISCORD_GUILDS` is `all`.
    pub operators: Vec<UserId>,
    /// `STORE_PATH`: the store's folder; `./data` if unset.
    pub store_path: PathBuf,
    /// `ARCHIVE`: where exports go; `dir:./archive` if unset.
    pub archive: ArchiveSpec,
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

/// How to reach Discord.
#[derive(Clone, Debug)]
pub struct DiscordConfig {
    /// `DISCORD_TOKEN`: the bot's token.
    pub token: Token,
    /// `DISCORD_API_URL`: the origin of a Discord-compatible server, without a path; `None` for Discord.
    pub api_url: Option<String>,
}

/// Whether a command talks to Discord, and so needs its variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Only the store and the archive.
    Local,
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
    /// The variables whose servers receive a secret over an unencrypted connection, with their hosts.
    pub fn exposed_secrets(&self) -> Vec<(&'static str, String)> {
        let discord = self.discord.as_ref();
        let discord = discord.and_then(|discord| discord.api_url.as_deref());
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

        let token = match value("DISCORD_TOKEN") {
            _ if needs == Needs::Local => None,
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
            git: GitAccess {
                token: noted(&value, &mut mistakes, "GIT_TOKEN", secret),
                allow_public: noted(&value, &mut mistakes, "GIT_ALLOW_PUBLIC", yes)
                    .unwrap_or_default(),
                history: noted(&value, &mut mistakes, "GIT_HISTORY", str::parse::<History>)
                    .unwrap_or_default(),
            },
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

        let health = health(&value, &mut mistakes);

        match (archive, export_interval) {
            (Some(archive), Some(export_interval)) if mistakes.is_empty() => Ok(Self {
                discord: token.map(|token| DiscordConfig { token, api_url }),
                guilds: guilds.unwrap_or_default(),
                operators: operators
                    .unwrap_or_default()
                    .into_iter()
                    .map(UserId)
                    .collect(),
                store_path: value("STORE_PATH").unwrap_or("./data").into(),
                archive,
                access,
                network,
                export_interval,
                sourcecred: with_sourcecred
                    .unwrap_or_default()
                    .then_some(SourceCredConfig { weights }),
                tables,
                site,
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

fn origin(text: &str) -> Result<String, String> {
    let fail = |why: &str| {
        format!("{text:?} {why}; use an origin such as {OFFICIAL_ORIGIN} or http://127.0.0.1:3005")
    };
    let url: reqwest::Url = text.parse().map_err(|_| fail("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(fail("is not an http or https URL"));
    }
    if url.path() != "/" || url.query().is_some() {
        return Err(fail("has a path (/api/v10 is added for you)"));
    }
    Ok(url.origin().ascii_serialization())
}

/// Checks that a token can be sent in a header.
fn secret(text: &str) -> Result<String, &'static str> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("is not a token: it contains spaces or other characters that tokens never have")
    }
}

/// Parses ids separated by commas or spaces, in order and without duplicates.
fn ids(text: &str, of: &str) -> Result<Vec<u64>, String> {
    let words = text.split(|letter: char| letter == ',' || letter.is_whitespace());
    let mut ids = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        match word.parse::<u64>() {
            Ok(id) if id > 0 && word.bytes().all(|digit| digit.is_ascii_digit()) => {
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            _ => {
                return Err(format!(
                    "{word:?} is not a {of} id such as 1234567890123456789. To find one, turn on Developer \
                     Mode in Discord (Advanced), right-click the {of}, then \"Copy ID\""
                ));
            }
        }
    }
    Ok(ids)
}

/// Parses `all`, or ids of guilds.
fn selection(text: &str) -> Result<Selection, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Selection::Admins);
    }
    let guilds: Vec<GuildId> = ids(text, "guild")?.into_iter().map(GuildId).collect();
    Ok(if guilds.is_empty() {
        Selection::First
    } else {
        Selection::Named(guilds)
    })
}

fn yes(text: &str) -> Result<bool, String> {
    match text {
        "yes" | "true" => Ok(true),
        "no" | "false" => Ok(false),
        _ => Err(format!("{text:?} is neither yes nor no")),
    }
}

fn log_format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        _ => Err(format!("{text:?} is neither text nor json")),
    }
}

/// The folder for cached copies of remote archives; `None` on a platform without a cache folder.
fn cache(named: Option<&str>) -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let platform = || {
        let folders = etcetera::choose_base_strategy().ok()?;
        Some(folders.cache_dir().join("propsbot"))
    };
    named.map(PathBuf::from).or_else(platform)
}

fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not an IP address with a port, such as 127.0.0.1:9090 or [::1]:9090")
    })
}

fn server(text: String) -> Result<String, String> {
    let url: Result<reqwest::Url, _> = text.parse();
    match url {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(text),
        _ => Err(format!(
            "{text:?} is not an http or https URL such as https://example.org"
        )),
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text)
        .map_err(|error| format!("{text:?} is not a duration such as 30m or 1h: {error}"))?;
    if interval < SHORTEST_INTERVAL {
        return Err(format!("{text:?} is too short; use at least 1s"));
    }
    Ok(interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)], needs: Needs) -> Result<Config, Mistakes> {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Config::read(&owned.collect(), needs)
    }

    #[test]
    fn local_commands_need_no_variables() {
        let config = read(&[], Needs::Local).unwrap();
        assert_eq!(config.store_path, PathBuf::from("./data"));
        assert_eq!(config.export_interval, Duration::from_hours(1));
    }

    #[test]
    fn reports_all_mistakes_at_once() {
        let variables = [
            ("DISCORD_API_URL", "ftp://example.org"),
            ("ARCHIVE", "nowhere"),
            ("EXPORT_INTERVAL", "soon"),
            ("HEALTH_ADDRESS", "localhost:9090"),
        ];
        let Mistakes(mistakes) = read(&variables, Needs::Discord).unwrap_err();
        let names: Vec<_> = mistakes.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            [
                "DISCORD_TOKEN",
                "DISCORD_API_URL",
                "ARCHIVE",
                "EXPORT_INTERVAL",
                "HEALTH_ADDRESS"
            ]
        );
    }

    #[test]
    fn object_stores_need_keys() {
        let token = ("DISCORD_TOKEN", "MTAwMDAwMDAwMDAwMDAwMDAw.secret.secret");
        let bucket = ("ARCHIVE", "s3://props/archive");
        let Mistakes(mistakes) = read(&[token, bucket], Needs::Discord).unwrap_err();
        let names: Vec<_> = mistakes.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"]);
        let keys = [
            token,
            bucket,
            ("AWS_ACCESS_KEY_ID", "id"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
        ];
        assert!(read(&keys, Needs::Discord).is_ok());
        let server = [
            keys[0],
            keys[1],
            keys[2],
            keys[3],
            ("AWS_ENDPOINT_URL", "minio:9000"),
        ];
        // Commands that only read may read another archive.
        assert!(read(&[bucket], Needs::Local).is_ok());
        let Mistakes(mistakes) = read(&server, Needs::Discord).unwrap_err();
        assert_eq!(mistakes[0].0, "AWS_ENDPOINT_URL");
    }

    #[test]
    fn origins_have_no_path() {
        assert_eq!(
            origin("http://127.0.0.1:3005/"),
            Ok("http://127.0.0.1:3005".to_owned())
        );
        assert!(origin("http://127.0.0.1:3005/api/v10").is_err());
        assert!(origin("127.0.0.1:3005").is_err());
    }

    #[test]
    fn reads_ids_separated_by_commas_or_spaces() {
        assert_eq!(ids("2, 1\n3,,2", "guild"), Ok(vec![2, 1, 3]));
        for wrong in ["0", "+1", "1;2", "<@1>", "99999999999999999999"] {
            assert!(ids(wrong, "user").is_err(), "{wrong}");
        }
    }

    #[test]
    fn env_example_names_exactly_the_known_variables() {
        let example = include_str!("../.env.example");
        let mut named: Vec<&str> = example
            .lines()
            .filter_map(|line| {
                line.strip_prefix('#')
                    .unwrap_or(line)
                    .trim()
                    .split_once('=')
            })
            .map(|(name, _)| name)
            .filter(|name| {
                name.bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
            })
            .collect();
        named.sort_unstable();
        let mut read: Vec<&str> = all_variables().collect();
        read.sort_unstable();
        assert_eq!(named, read);
    }
}
