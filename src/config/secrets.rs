//! Secrets from files: those that `…_FILE` variables name, and systemd's credentials.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::Needs;

/// A secret that a variable, a file or a credential can hold.
struct Secret {
    variable: &'static str,
    /// The variable that names a file with the secret.
    file: &'static str,
    /// The name of the file in systemd's folder of credentials. Source:
    /// <https://systemd.io/CREDENTIALS>.
    credential: &'static str,
}

const SECRETS: [Secret; 9] = [
    Secret {
        variable: "DISCORD_TOKEN",
        file: "DISCORD_TOKEN_FILE",
        credential: "discord-token",
    },
    Secret {
        variable: "GITHUB_TOKEN",
        file: "GITHUB_TOKEN_FILE",
        credential: "github-token",
    },
    Secret {
        variable: "GITHUB_SOURCE_TOKEN",
        file: "GITHUB_SOURCE_TOKEN_FILE",
        credential: "github-source-token",
    },
    Secret {
        variable: "GITHUB_WEBHOOK_SECRET",
        file: "GITHUB_WEBHOOK_SECRET_FILE",
        credential: "github-webhook-secret",
    },
    Secret {
        variable: "GIT_TOKEN",
        file: "GIT_TOKEN_FILE",
        credential: "git-token",
    },
    Secret {
        variable: "AWS_SECRET_ACCESS_KEY",
        file: "AWS_SECRET_ACCESS_KEY_FILE",
        credential: "aws-secret-access-key",
    },
    Secret {
        variable: "AWS_SESSION_TOKEN",
        file: "AWS_SESSION_TOKEN_FILE",
        credential: "aws-session-token",
    },
    Secret {
        variable: "AZURE_STORAGE_ACCOUNT_KEY",
        file: "AZURE_STORAGE_ACCOUNT_KEY_FILE",
        credential: "azure-storage-account-key",
    },
    Secret {
        variable: "AZURE_STORAGE_SAS_TOKEN",
        file: "AZURE_STORAGE_SAS_TOKEN_FILE",
        credential: "azure-storage-sas-token",
    },
];

/// The secrets that only commands which talk to a platform need.
const OF_PLATFORMS: [&str; 3] = [
    "DISCORD_TOKEN",
    "GITHUB_SOURCE_TOKEN",
    "GITHUB_WEBHOOK_SECRET",
];

/// Returns the variables that name a file with a secret.
pub(super) fn files() -> impl Iterator<Item = &'static str> {
    SECRETS.into_iter().map(|secret| secret.file)
}

/// The largest file that is read as a secret, in bytes.
const LARGEST: u64 = 16 << 10;

/// Puts secrets from files into their variables, as far as the command needs them.
///
/// `credentials` is systemd's folder of credentials, if the service manager gave one. Returns the
/// mistakes, each with its variable; no mistake quotes a file's content.
pub(super) fn read(
    variables: &mut BTreeMap<String, String>,
    credentials: Option<&Path>,
    needs: Needs,
) -> Vec<(&'static str, String)> {
    let mut mistakes = Vec::new();
    for Secret {
        variable,
        file,
        credential,
    } in SECRETS
    {
        if OF_PLATFORMS.contains(&variable) && needs == Needs::Local {
            continue;
        }
        let set = |name: &str| {
            let value = variables.get(name).map(|value| value.trim());
            value.filter(|value| !value.is_empty())
        };
        let named = set(file).map(|path| (file.to_owned(), PathBuf::from(path)));
        let given = credentials
            .map(|folder| folder.join(credential))
            .filter(|path| path.exists())
            .map(|path| (format!("the credential {credential}"), path));
        let own = set(variable).map(|_| variable.to_owned());
        let sources: Vec<String> = own
            .into_iter()
            .chain(
                [&named, &given]
                    .into_iter()
                    .flatten()
                    .map(|(name, _)| name.clone()),
            )
            .collect();
        if sources.len() > 1 {
            let mistake = format!(
                "is set several times, by {}: keep one",
                sources.join(" and ")
            );
            mistakes.push((variable, mistake));
        } else if let Some((name, path)) = named.or(given) {
            match content(&path) {
                Ok(value) => {
                    variables.insert(variable.to_owned(), value);
                }
                Err(error) => {
                    let mistake = format!("{name} is {}: {error}", path.display());
                    mistakes.push((variable, mistake));
                }
            }
        }
    }
    mistakes
}

/// Reads a secret without the line break that editors and `echo` append.
fn content(path: &Path) -> io::Result<String> {
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut text = String::new();
    let length = File::open(path)?
        .take(LARGEST + 1)
        .read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length > LARGEST) {
        return Err(invalid("the file is too large for a secret"));
    }
    match text.trim() {
        "" => Err(invalid("the file is empty")),
        secret => Ok(secret.to_owned()),
    }
}
