//! The environment and configuration in which git runs.
//!
//! The operator's configuration applies to how a host is reached: ssh, proxies, credential helpers. What
//! is written depends on none of it: there are no hooks, no filters and no working tree. Secrets go to
//! git in its environment, never in its arguments.

use std::process::Command;

use super::place::GitPlace;

/// Variables of a surrounding repository or session, which are not passed on.
const DROPPED: [&str; 24] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_AUTHOR_DATE",
    "GIT_COMMITTER_DATE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CURL_VERBOSE",
    "GIT_DEFAULT_HASH",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL_FROM_USER",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_TRACE",
    "GIT_TRACE_CURL",
    "GIT_TRACE_PACKET",
    "GIT_WORK_TREE",
];

/// The environment, besides the configuration: no questions, no other transports, English output, and
/// no objects fetched one by one unasked.
const FIXED: [(&str, &str); 10] = [
    ("GCM_INTERACTIVE", "never"),
    ("GIT_ALLOW_PROTOCOL", "file:http:https:ssh"),
    ("GIT_ASKPASS", ""),
    ("GIT_LITERAL_PATHSPECS", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("LC_ALL", "C"),
    ("SSH_ASKPASS_REQUIRE", "never"),
];

/// Configuration that outweighs the operator's.
const CONFIG: [(&str, &str); 13] = [
    ("core.fsync", "none"),
    ("core.hooksPath", "/dev/null"),
    ("core.ignoreCase", "false"),
    ("credential.interactive", "false"),
    ("fetch.writeCommitGraph", "false"),
    ("gc.auto", "0"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
    ("init.defaultBranch", "main"),
    ("maintenance.auto", "false"),
    ("push.followTags", "false"),
    ("push.gpgSign", "false"),
    ("push.pushOption", ""),
];

/// What ssh is told unless the operator configures another command: no questions, no endless waits.
pub(super) const SSH: &str =
    "ssh -o BatchMode=yes -o ConnectTimeout=20 -o ServerAliveInterval=15 -o ServerAliveCountMax=4";

/// The name of the remote, which no configuration of an operator has.
pub(super) const REMOTE: &str = "propsbot-archive";

/// Hands out a login. Its values are in the environment, which only git and its children see.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                      \"$PROPSBOT_GIT_USER\" \"$PROPSBOT_GIT_PASSWORD\"; }; f";

/// What every call of git gets in its environment.
#[derive(Clone)]
pub(super) struct Environment {
    config: Vec<(String, String)>,
    variables: Vec<(&'static str, String)>,
}

impl Environment {
    /// The environment for the archive at this place.
    pub(super) fn new(
        place: &GitPlace,
        token: Option<&str>,
        network: Vec<(&'static str, String)>,
    ) -> Self {
        let fixed = FIXED
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let config = CONFIG
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut made = Self {
            config: config.collect(),
            variables: fixed.chain(network).collect(),
        };
        made.set(&format!("remote.{REMOTE}.url"), &place.remote());
        if place.is_local() {
            // The repository's own configuration has neither by default. These make what is pushed
            // survive a power cut, and let single files be read.
            let receive = "git -c core.fsync=all receive-pack";
            let upload = "git -c uploadpack.allowFilter=true -c uploadpack.allowAnySHA1InWant=true upload-pack";
            made.set(&format!("remote.{REMOTE}.receivepack"), receive);
            made.set(&format!("remote.{REMOTE}.uploadpack"), upload);
        }
        if let Some(origin) = place.origin() {
            let login = place.login();
            let password = login.password.as_deref().or(token);
            if let Some(password) = password {
                // Hosts that take tokens as passwords ignore the user's name.
                let user = login.user.as_deref().unwrap_or("git");
                let helper = format!("credential.{origin}.helper");
                made.set(&helper, "");
                made.set(&helper, HELPER);
                made.variables.push(("PROPSBOT_GIT_USER", user.to_owned()));
                made.variables
                    .push(("PROPSBOT_GIT_PASSWORD", password.to_owned()));
            } else if let Some(user) = &login.user {
                made.set(&format!("credential.{origin}.username"), user);
            }
        }
        made
    }

    /// Adds a value, which outweighs earlier ones.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        self.config.push((key.to_owned(), value.to_owned()));
    }

    /// The same with another value of a variable.
    pub(super) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.variables.push((name, value.to_owned()));
        other
    }

    /// The same without any login.
    pub(super) fn anonymous(&self, origin: &str) -> Self {
        let mut anonymous = self.clone();
        anonymous.set("credential.helper", "");
        anonymous.set(&format!("credential.{origin}.helper"), "");
        anonymous
    }

    /// Sets it for a command.
    pub(super) fn apply(&self, command: &mut Command) {
        for name in DROPPED {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.env("GIT_CONFIG_COUNT", self.config.len().to_string());
        for (number, (key, value)) in self.config.iter().enumerate() {
            command.env(format!("GIT_CONFIG_KEY_{number}"), key);
            command.env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The token goes only to its own server, and only over http and https.
    #[test]
    fn a_login_is_for_one_server() {
        let environment = |place: &str| {
            let place = GitPlace::parse(place).unwrap();
            Environment::new(&place, Some("hidden"), Vec::new())
        };
        let has = |made: &Environment| made.variables.iter().any(|(_, value)| value == "hidden");
        let keys = |made: &Environment| {
            let keys = made.config.iter().map(|(key, _)| key.clone());
            keys.filter(|key| key.starts_with("credential.http"))
                .collect::<Vec<_>>()
        };
        let own = environment("https://example.org:8443/a.git");
        assert!(has(&own));
        assert_eq!(
            keys(&own),
            ["credential.https://example.org:8443.helper"; 2]
        );
        assert!(
            own.config
                .iter()
                .all(|(_, value)| !value.contains("hidden"))
        );
        for place in [
            "ssh://example.org/a.git",
            "git@example.org:a.git",
            "/srv/a.git",
        ] {
            let other = environment(place);
            assert!(!has(&other) && keys(&other).is_empty(), "{place}");
        }
        // A password in the URL is meant more than the general token.
        assert!(!has(&environment("https://me:other@example.org/a.git")));
    }
}
