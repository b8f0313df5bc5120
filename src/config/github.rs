//! The variables of the repositories that are mirrored.

use std::{collections::BTreeSet, net::SocketAddr};

use propsbot_github::{Login, Wanted, Webhook};

use super::{
    Needs, note, noted,
    values::{secret, server, socket_address},
};

/// What is mirrored of GitHub.
#[derive(Clone, Debug, Default)]
pub struct GithubConfig {
    /// `GITHUB_SOURCE_TOKEN`, `GITHUB_SOURCE_API_URL`: how to reach it; `None` if the command doesn't.
    pub login: Option<Login>,
    /// `GITHUB_REPOSITORIES`.
    pub repositories: Wanted,
    /// `GITHUB_EXPORT_PRIVATE`: private repositories that are exported, in lower case.
    pub private: BTreeSet<String>,
    /// `GITHUB_EXCLUDE_USERS`: logins of whom nothing is kept.
    pub excluded: Vec<String>,
    /// `GITHUB_WEBHOOK_ADDRESS`, `GITHUB_WEBHOOK_SECRET`: where deliveries come in.
    pub webhook: Option<Webhook>,
}

/// Variables of what there is only with Discord, and what to do instead.
const OF_DISCORD: [(&str, &str); 3] = [
    ("CRED_MEMORY", CRED),
    ("SOURCECRED_INSTANCE", CRED),
    (
        "SOURCECRED_WEIGHTS",
        "weighs thanks, which GitHub's graph doesn't have: unset it, and weigh that graph in config/weights.json of \
         the SourceCred instance",
    ),
];

const CRED: &str = "is about the cred that a bot tells in Discord, and a mirror of GitHub answers no commands: unset it \
                    here, and set it for the process that mirrors Discord. Its cred counts these repositories, too";

/// Parses the variables; `None` if `GITHUB_REPOSITORIES` isn't set.
pub(super) fn read<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    needs: Needs,
    mistakes: &mut Vec<(&'static str, String)>,
) -> Option<GithubConfig> {
    const REPOSITORIES: &str = "GITHUB_REPOSITORIES";
    const TOKEN: &str = "GITHUB_SOURCE_TOKEN";
    value(REPOSITORIES)?;
    if value("DISCORD_TOKEN").is_some() {
        let help = "and DISCORD_TOKEN are both set, but a process mirrors either GitHub or Discord: unset one of \
                    them, and run a second propsbot with a STORE_PATH of its own for the other; both can have the same ARCHIVE";
        mistakes.push((REPOSITORIES, help.to_owned()));
    }
    for (variable, help) in OF_DISCORD {
        if value(variable).is_some() {
            mistakes.push((variable, help.to_owned()));
        }
    }
    let repositories = noted(value, mistakes, REPOSITORIES, str::parse::<Wanted>);
    let api_url = value("GITHUB_SOURCE_API_URL").map(str::to_owned);
    let api_url = api_url.and_then(|url| note(mistakes, "GITHUB_SOURCE_API_URL", server(url)));
    let token = noted(value, mistakes, TOKEN, personal_token).filter(|_| needs == Needs::Discord);
    if needs == Needs::Discord && value(TOKEN).is_none() {
        let help = "is not set, but GITHUB_REPOSITORIES needs it: make a personal access token that can read these \
                    repositories (GITHUB_TOKEN, the archive's, isn't used for that)";
        mistakes.push((TOKEN, help.to_owned()));
    }
    let address = noted(value, mistakes, "GITHUB_WEBHOOK_ADDRESS", socket_address);
    let webhook = webhook(address, value("GITHUB_WEBHOOK_SECRET"), needs, mistakes);
    let list = |name: &str| {
        let words = value(name).unwrap_or_default().split(',').map(str::trim);
        words.filter(|word| !word.is_empty()).map(str::to_owned)
    };
    Some(GithubConfig {
        login: token.map(|token| Login { token, api_url }),
        repositories: repositories?,
        private: list("GITHUB_EXPORT_PRIVATE")
            .map(|name| name.to_lowercase())
            .collect(),
        excluded: list("GITHUB_EXCLUDE_USERS")
            .map(|login| login.trim_start_matches('@').to_owned())
            .collect(),
        webhook,
    })
}

/// A token that stands for a person. What GitHub Apps have ends within an hour, or makes such tokens.
fn personal_token(text: &str) -> Result<String, &'static str> {
    let of_apps = ["ghs_", "ghr_", "eyJ", "-----BEGIN"];
    if of_apps.iter().any(|start| text.starts_with(start)) {
        return Err(
            "is the token or the key of a GitHub App, which propsbot can't use: make a personal access token \
                    (github_pat_... or ghp_...) that can read these repositories",
        );
    }
    secret(text)
}

fn webhook(
    address: Option<SocketAddr>,
    secret: Option<&str>,
    needs: Needs,
    mistakes: &mut Vec<(&'static str, String)>,
) -> Option<Webhook> {
    let address = address.filter(|_| needs == Needs::Discord)?;
    let Some(secret) = secret else {
        let help = "is not set, but GITHUB_WEBHOOK_ADDRESS needs it: anyone could send deliveries otherwise";
        mistakes.push(("GITHUB_WEBHOOK_SECRET", help.to_owned()));
        return None;
    };
    Some(Webhook {
        address,
        secret: secret.to_owned(),
    })
}
