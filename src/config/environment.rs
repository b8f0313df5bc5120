//! Reads the process's variables and those of `.env`.
//!
//! `.env` may be in the working directory or any folder above it. Paths in it are relative to its own
//! folder, and so are default paths if there is one.

use std::{
    cell::Cell,
    collections::BTreeMap,
    env, fs, io,
    path::{Path, PathBuf},
};

use tracing::{info, warn};

use super::{Config, Mistakes, Needs, all_variables, secrets};
use crate::text_file::read_text;
use propsbot_network::Network;

/// Variables that hold a path, with their defaults.
const PATHS: [(&str, Option<&str>); 6] = [
    ("STORE_PATH", Some("./data")),
    ("CACHE_PATH", None),
    ("SOURCECRED_WEIGHTS", None),
    ("GOOGLE_SERVICE_ACCOUNT", None),
    ("SSL_CERT_FILE", None),
    ("SSL_CERT_DIR", None),
];

/// Variables whose values have no secret, name or place: anyone may see them.
const PUBLIC: [&str; 8] = [
    "EXPORT_INTERVAL",
    "EXPORT_SOURCECRED",
    "GITHUB_ALLOW_PUBLIC",
    "GITHUB_HISTORY",
    "GIT_ALLOW_PUBLIC",
    "GIT_HISTORY",
    "LOG_FORMAT",
    "RUST_LOG",
];

/// Shorter values occur in any text.
const SHORTEST_SECRET: usize = 4;

/// The variable for the archive, with its default. A path follows `dir:` and may follow `git:`.
const ARCHIVE: (&str, &str) = ("ARCHIVE", "dir:./archive");

/// The variable for tables: a path, unless it is a URL.
const TABLES: &str = "EXPORT_TABLES";

/// The variable for the site: a path, unless it is a URL. A path may follow `git:`, too.
const SITE: &str = "SITE";

/// The variables; the process's values win over those of `.env`.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    /// The folder of systemd's credentials.
    credentials: Option<PathBuf>,
    /// Names in `.env` that propsbot doesn't read.
    unknown: Vec<Unknown>,
}

/// A name in `.env` that propsbot doesn't read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unknown {
    name: String,
    line: usize,
    /// The variable it may be a typo of.
    nearest: Option<&'static str>,
}

impl Environment {
    /// Reads the process's variables and `.env`.
    ///
    /// # Errors
    /// A `.env` that exists and can't be read.
    pub fn read() -> Result<Self, Mistakes> {
        let mistake = |mistake| Mistakes(vec![mistake]);
        let here = env::current_dir().map_err(|error| {
            mistake((".env", format!("the working directory is unknown: {error}")))
        })?;
        let file = find(&here).map_err(|error| mistake((".env", error)))?;
        let mut read = match &file {
            Some(path) => Self::of_file(path).map_err(|error| mistake((".env", error)))?,
            None => Self::default(),
        };
        let own: BTreeMap<String, String> = all_variables()
            .filter_map(|name| {
                let small = || set(&name.to_lowercase()).filter(|_| is_of_network(name));
                Some((name.to_owned(), set(name).or_else(small)?))
            })
            .collect();
        if let Some(folder) = file.as_deref().and_then(Path::parent)
            && folder != here
        {
            let folders = Folders {
                file: folder,
                here: &here,
            };
            folders
                .resolve(&mut read.variables, &own)
                .map_err(mistake)?;
        }
        read.variables.extend(own);
        read.credentials = set("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        Ok(read)
    }

    /// Reads a `.env` file.
    fn of_file(path: &Path) -> Result<Self, String> {
        let text = read_text(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::of_text(&text).map_err(|error| format!("{}, {error}", path.display()))
    }

    fn of_text(text: &str) -> Result<Self, String> {
        let line = Cell::new(0);
        let mut read = Self::default();
        for entry in dotenvy::from_read_iter(Lines::of(text, &line)) {
            let (name, value) = entry.map_err(|error| broken(&error, line.get()))?;
            let name = canonical(name);
            if all_variables().all(|known| known != name) {
                let (line, nearest) = (line.get(), nearest(&name));
                read.unknown.push(Unknown {
                    name,
                    line,
                    nearest,
                });
            } else {
                read.variables.insert(name, value);
            }
        }
        for unknown in &mut read.unknown {
            // If both are set, the other one is meant for another program.
            unknown.nearest = unknown
                .nearest
                .filter(|name| !read.variables.contains_key(*name));
        }
        Ok(read)
    }

    /// Reads secrets from files, and parses the variables.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn config(&self, needs: Needs) -> Result<Config, Mistakes> {
        let mut variables = self.variables.clone();
        let unread = secrets::read(&mut variables, self.credentials.as_deref(), needs);
        let read = Config::read(&variables, needs);
        let read = match read {
            Ok(_) if !unread.is_empty() => Err(Mistakes(Vec::new())),
            read => read,
        };
        read.map_err(|Mistakes(mut mistakes)| {
            // A secret that couldn't be read is not missing.
            mistakes.retain(|(variable, _)| unread.iter().all(|(known, _)| known != variable));
            mistakes.splice(0..0, unread);
            for (variable, mistake) in &mut mistakes {
                let meant = |unknown: &&Unknown| unknown.nearest == Some(variable);
                if let Some(Unknown { name, line, .. }) = self.unknown.iter().find(meant) {
                    let meant =
                        format!(". Line {line} of .env has {name}: did you mean {variable}?");
                    mistake.push_str(&meant);
                }
            }
            Mistakes(mistakes)
        })
    }

    /// The variables that are set, each with its value if that can be shown to anyone.
    pub fn settings(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.variables.iter().map(|(name, value)| {
            let is_public = PUBLIC.contains(&name.as_str());
            (name.as_str(), is_public.then_some(value.as_str()))
        })
    }

    /// `text` with the variables' names in place of their values, except for those that can be shown.
    /// Secrets from files and credentials are variables' values, too.
    pub fn redacted(&self, text: &str) -> String {
        let mut variables = self.variables.clone();
        // Whoever needs a secret that can't be read tells why.
        let _ = secrets::read(&mut variables, self.credentials.as_deref(), Needs::Discord);
        let is_hidden = |(name, value): &(&String, &String)| {
            !PUBLIC.contains(&name.as_str()) && value.trim().len() >= SHORTEST_SECRET
        };
        let mut hidden: Vec<_> = variables.iter().filter(is_hidden).collect();
        // A value may contain another one.
        hidden.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        hidden
            .into_iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(value.trim(), &format!("${name}"))
            })
    }

    /// Logs the names in `.env` that propsbot doesn't read.
    pub fn log_unknown(&self, needs: Needs) {
        let mut others = Vec::new();
        for Unknown {
            name,
            line,
            nearest,
        } in &self.unknown
        {
            match nearest {
                Some(known) => {
                    warn!(
                        "line {line} of .env: {name} is not a variable of propsbot; did you mean {known}?"
                    );
                }
                None => others.push(name.as_str()),
            }
        }
        // They may belong to other programs, so once a start is enough.
        if needs == Needs::Discord && !others.is_empty() {
            info!(
                ".env has variables that propsbot does not read: {}",
                others.join(", ")
            );
        }
    }
}

/// The `.env` in this folder or the nearest one above it.
fn find(folder: &Path) -> Result<Option<PathBuf>, String> {
    for folder in folder.ancestors() {
        let path = folder.join(".env");
        match fs::metadata(&path) {
            Ok(file) if file.is_file() => return Ok(Some(path)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("{}: {error}", path.display())),
        }
    }
    Ok(None)
}

/// Why an entry that ends at line `last` can't be read. Never quotes it: it may contain the token.
fn broken(error: &dotenvy::Error, last: usize) -> String {
    match error {
        dotenvy::Error::LineParse(text, at) => {
            let first = last - text.trim_end_matches('\n').matches('\n').count();
            format!(
                "line {first} cannot be read, at character {}: put 'single quotes' around a value with \
                 spaces, quotes or #",
                at + 1
            )
        }
        _ => format!("line {last} cannot be read"),
    }
}

/// A variable of the process; `None` if it's empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the only place that reads the environment"
)]
fn set(name: &str) -> Option<String> {
    let value = env::var(name).ok();
    value.filter(|value| !value.trim().is_empty())
}

/// The name in capitals, for network variables: those may be in lower case.
fn canonical(name: String) -> String {
    let upper = name.to_uppercase();
    if is_of_network(&upper) { upper } else { name }
}

fn is_of_network(name: &str) -> bool {
    Network::VARIABLES.contains(&name)
}

/// The variable that a name may be a typo of.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_uppercase();
    let distances = all_variables().map(|known| (strsim::damerau_levenshtein(&name, known), known));
    let (distance, known) = distances.min()?;
    (distance <= known.len() / 4).then_some(known)
}

/// A `.env` in a folder above the working directory.
struct Folders<'a> {
    file: &'a Path,
    here: &'a Path,
}

impl Folders<'_> {
    /// Makes the file's paths and the default paths absolute.
    ///
    /// # Errors
    /// The store is relative to the working directory, where an earlier version looked for it.
    fn resolve(
        &self,
        of_file: &mut BTreeMap<String, String>,
        own: &BTreeMap<String, String>,
    ) -> Result<(), (&'static str, String)> {
        let secrets = secrets::files().map(|name| (name, None));
        for (name, default) in PATHS.into_iter().chain(secrets) {
            let Some(value) = value(of_file, own, name, default) else {
                continue;
            };
            let path = if name == "SSL_CERT_DIR" {
                let folders = env::split_paths(&value).map(|path| within(self.file, &path));
                env::join_paths(folders)
                    .map_or(value, |joined| joined.to_string_lossy().into_owned())
            } else {
                let path = within(self.file, Path::new(&value));
                let before = within(self.here, Path::new(&value));
                if name == "STORE_PATH" && !path.exists() && before.exists() {
                    let mistake = format!(
                        "{value} is relative to the .env in {}, so it means {}, which does not exist. A store \
                         is at {}: move it, or use its full path",
                        self.file.display(),
                        path.display(),
                        before.display()
                    );
                    return Err((name, mistake));
                }
                path.to_string_lossy().into_owned()
            };
            of_file.insert(name.to_owned(), path);
        }
        let (name, default) = ARCHIVE;
        let archive = value(of_file, own, name, Some(default));
        let (kind, place) = archive
            .as_deref()
            .and_then(|archive| archive.split_once(':'))
            .unwrap_or_default();
        // What else follows `git:` is a URL.
        if kind == "dir" || kind == "git" && place.starts_with('.') {
            let path = within(self.file, Path::new(place));
            of_file.insert(name.to_owned(), format!("{kind}:{}", path.display()));
        }
        let tables = value(of_file, own, TABLES, None);
        if let Some(tables) = tables.filter(|tables| !tables.contains("://")) {
            let path = tables.strip_prefix("dir:").unwrap_or(&tables);
            let path = within(self.file, Path::new(path));
            of_file.insert(TABLES.to_owned(), format!("dir:{}", path.display()));
        }
        let site = value(of_file, own, SITE, None);
        let is_path = |site: &String| !site.contains("://") && !site.starts_with("git:");
        if let Some(site) = site.as_ref().filter(|site| is_path(site)) {
            let path = within(
                self.file,
                Path::new(site.strip_prefix("dir:").unwrap_or(site)),
            );
            of_file.insert(SITE.to_owned(), format!("dir:{}", path.display()));
        } else if let Some(place) =
            site.and_then(|site| Some(site.strip_prefix("git:")?.to_owned()))
            && place.starts_with('.')
        {
            let path = within(self.file, Path::new(&place));
            of_file.insert(SITE.to_owned(), format!("git:{}", path.display()));
        }
        Ok(())
    }
}

/// The file's value of a variable, or the default; `None` if the process sets it.
fn value(
    of_file: &BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
    name: &str,
    default: Option<&str>,
) -> Option<String> {
    if own.contains_key(name) {
        return None;
    }
    let set = of_file.get(name).map(|value| value.trim());
    let set = set.filter(|value| !value.is_empty());
    set.or(default).map(str::to_owned)
}

/// A path relative to a folder, without `.` components.
fn within(folder: &Path, path: &Path) -> PathBuf {
    folder.join(path).components().collect()
}

/// Reads a text line by line and counts them, because dotenvy reports no line numbers.
struct Lines<'a> {
    rest: &'a [u8],
    /// Whether the next byte starts a line.
    begins: bool,
    line: &'a Cell<usize>,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str, line: &'a Cell<usize>) -> Self {
        Self {
            rest: text.as_bytes(),
            begins: true,
            line,
        }
    }
}

impl io::Read for Lines<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let end = self.rest.iter().position(|byte| *byte == b'\n');
        let length = end.map_or(self.rest.len(), |at| at + 1).min(to.len());
        let (line, rest) = self.rest.split_at(length);
        to[..length].copy_from_slice(line);
        if self.begins && length > 0 {
            self.line.set(self.line.get() + 1);
        }
        self.begins = line.ends_with(b"\n");
        self.rest = rest;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_line_that_cannot_be_read() {
        for (text, line) in [
            ("A B\n", 1),
            ("# one\n\nSTORE_PATH=a\r\nDISCORD TOKEN=x\nARCHIVE=b\n", 4),
            ("A=1\nB=\"one\ntwo\n", 2),
            ("A='one\ntwo'\nB=\"one\ntwo\nthree", 3),
            (&format!("A={}\nB B\n", "x".repeat(20_000)), 2),
        ] {
            let error = Environment::of_text(text).unwrap_err();
            assert!(error.starts_with(&format!("line {line} cannot")), "{error}");
        }
    }

    #[test]
    fn redacts_secrets_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "words-of-a-file\n").unwrap();
        let text = format!("DISCORD_TOKEN_FILE={}\n", file.display());
        let environment = Environment::of_text(&text).unwrap();
        let shown = environment.redacted("refused words-of-a-file");
        assert_eq!(shown, "refused $DISCORD_TOKEN");
    }

    #[test]
    fn finds_the_variable_a_typo_means() {
        for (name, known) in [
            ("DISCORD_TOKN", Some("DISCORD_TOKEN")),
            ("discord_token", Some("DISCORD_TOKEN")),
            ("DISCROD_TOKEN", Some("DISCORD_TOKEN")),
            ("ARCHIV", Some("ARCHIVE")),
            ("STOREPATH", Some("STORE_PATH")),
            ("POSTGRES_PASSWORD", None),
            ("PORT", None),
            ("FTP_PROXY", Some("HTTP_PROXY")),
        ] {
            assert_eq!(nearest(name), known, "{name}");
        }
        let both = Environment::of_text("HTTP_PROXY=\nFTP_PROXY=x\n").unwrap();
        assert_eq!(both.unknown[0].nearest, None);
    }
}
