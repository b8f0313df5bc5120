//! Where an archive in a git repository is, and how that is written.

use std::{fmt, net::IpAddr, path::Path};

use percent_encoding::percent_decode_str;
use rustix::fs::Access;

use super::GitError;
use crate::spec::{GithubPlace, is_name, is_path};

/// An archive's place in a git repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitPlace {
    /// The repository's URL or path. An http or https URL has no user or password in it.
    url: String,
    /// Who logs in over http or https.
    login: Login,
    /// The branch; `None` for the repository's default branch.
    pub branch: Option<String>,
    /// The folder in the repository, without leading or trailing `/`; empty for none.
    pub prefix: String,
}

/// A user and a password from a URL. Never shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").finish_non_exhaustive()
    }
}

impl GitPlace {
    /// Parses `URL[@BRANCH][:FOLDER]`. The first `@` or `:` in the path of the URL ends it; in a URL
    /// they can be written as `%40` and `%3A`.
    ///
    /// `None` if a part is missing or invalid, or if git wouldn't reach it over a file system, http,
    /// https or ssh.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text.contains(char::is_control) {
            return None;
        }
        let (before, rest, login) = authority(text)?;
        let (path, suffix) = rest.split_at(rest.find(['@', ':']).unwrap_or(rest.len()));
        let (branch, prefix) = match suffix.strip_prefix('@') {
            Some(suffix) => {
                let (branch, prefix) = suffix.split_once(':').unwrap_or((suffix, ""));
                (Some(branch), prefix)
            }
            None => (None, suffix.strip_prefix(':').unwrap_or_default()),
        };
        let path = path.trim_end_matches('/');
        let prefix = prefix.trim_matches('/');
        // What git allows of such names: https://git-scm.com/docs/git-check-ref-format.
        let is_part = |name: &str| {
            let ends = name.rsplit_once('.').map(|(_, end)| end);
            !name.starts_with('.') && !matches!(ends, Some("" | "lock"))
        };
        let is_branch = |branch: &str| {
            let is_plain = is_path(branch) && !branch.starts_with('-') && !branch.contains("..");
            is_plain && branch.split('/').all(is_part)
        };
        let is_folder = |folder: &str| {
            let is_of_git = |name: &str| name.eq_ignore_ascii_case(".git");
            is_path(folder) && !folder.split('/').any(is_of_git)
        };
        let is_local = before.is_empty() || before == "file://";
        let is_of_url = |byte: u8| byte.is_ascii_graphic() && !b"?#\\".contains(&byte);
        let good = !path.is_empty()
            && !path.starts_with('-')
            && (is_local || path.bytes().all(is_of_url))
            && branch.is_none_or(is_branch)
            && (prefix.is_empty() || is_folder(prefix));
        good.then(|| Self {
            url: format!("{before}{path}"),
            login,
            branch: branch.map(str::to_owned),
            prefix: prefix.to_owned(),
        })
    }

    /// The URL or path for git, without a password. A relative path is made absolute.
    pub(super) fn remote(&self) -> String {
        if self.url.contains("://") || !self.is_local() {
            return self.url.clone();
        }
        let path = std::path::absolute(Path::new(&self.url));
        path.map_or_else(|_| self.url.clone(), |path| path.display().to_string())
    }

    /// The same place for a process in another working directory, without a login.
    pub(crate) fn absolute(&self) -> Self {
        Self {
            url: self.remote(),
            login: Login::default(),
            ..self.clone()
        }
    }

    pub(super) fn login(&self) -> &Login {
        &self.login
    }

    /// Whether both are the same branch, as far as their names tell.
    pub(crate) fn is_same_branch(&self, other: &Self) -> bool {
        self.name() == other.name() && self.branch == other.branch
    }

    /// Whether this is that branch of a repository at GitHub, as far as their names tell.
    pub(crate) fn is_at_github(&self, other: &GithubPlace) -> bool {
        let name = format!("{}/{}", other.owner, other.repo).to_ascii_lowercase();
        let own = self.name();
        let host = own.strip_suffix(&name);
        let is_host = |host: &str| host.ends_with(['/', ':']) && !host.ends_with("//");
        host.is_some_and(is_host) && self.branch == other.branch
    }

    /// What names the repository, however it is written.
    fn name(&self) -> String {
        let remote = self.remote();
        let remote = remote.trim_end_matches('/');
        let name = remote.strip_suffix(".git").unwrap_or(remote);
        name.to_ascii_lowercase()
    }

    /// Whether the repository is in a file system of this machine.
    pub(super) fn is_local(&self) -> bool {
        self.url.starts_with(['/', '.']) || self.url.starts_with("file://")
    }

    /// Whether git reaches it over ssh.
    pub(super) fn is_ssh(&self) -> bool {
        !self.is_local() && self.origin().is_none()
    }

    /// The scheme, host and port of an http or https URL.
    pub(super) fn origin(&self) -> Option<&str> {
        let (scheme, rest) = self.url.split_once("://")?;
        let end = rest.find('/').unwrap_or(rest.len());
        matches!(scheme, "http" | "https").then(|| &self.url[..scheme.len() + 3 + end])
    }

    /// Fails if the repository is on this machine and its objects can't be written: a push that is only
    /// tried wouldn't notice.
    pub(super) fn check_writable(&self) -> Result<(), GitError> {
        if !self.is_local() {
            return Ok(());
        }
        let remote = self.remote();
        let root = Path::new(remote.strip_prefix("file://").unwrap_or(&remote));
        let all = ["objects", ".git/objects"].map(|folder| root.join(folder));
        let Some(objects) = all.iter().find(|folder| folder.is_dir()) else {
            return Ok(());
        };
        rustix::fs::access(objects, Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| GitError::NoRights(format!("{}: {error}", objects.display())))
    }

    /// Whether only this machine or a private network can reach an http or https URL.
    pub(super) fn is_near(&self) -> bool {
        let host = self
            .origin()
            .and_then(|origin| origin.parse::<http::Uri>().ok());
        let host = host.as_ref().and_then(http::Uri::host).unwrap_or_default();
        match host.trim_matches(['[', ']']).parse() {
            Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
            Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
            Err(_) => host == "localhost" || host.ends_with(".localhost"),
        }
    }

    /// The URL if a password or token is sent to it.
    pub fn url_with_secret(&self, has_token: bool) -> Option<&str> {
        let has_secret = has_token || self.login.password.is_some();
        self.origin().filter(|_| has_secret)
    }
}

/// Splits off what precedes the path: `scheme://host`, `user@host:` or nothing.
fn authority(text: &str) -> Option<(String, &str, Login)> {
    let nobody = Login::default();
    if text.starts_with('/') || text.starts_with("./") || text.starts_with("../") {
        return Some((String::new(), text, nobody));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let (place, path) = text.split_once(':')?;
        let (user, host) = match place.split_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, place),
        };
        let good = user.is_none_or(is_host) && is_host(host);
        return good.then(|| (format!("{place}:"), path, nobody));
    };
    let at = rest.find('/')?;
    let (place, path) = rest.split_at(at);
    let (user, host) = match place.rsplit_once('@') {
        Some((user, host)) => (Some(user), host),
        None => (None, place),
    };
    let is_server = is_host_and_port(host) && path.len() > 1;
    match scheme {
        "file" if place.is_empty() => Some((format!("{scheme}://"), path, nobody)),
        "ssh" if is_server && user.is_none_or(is_host) => {
            Some((format!("{scheme}://{place}"), path, nobody))
        }
        "http" | "https" if is_server => {
            let decoded = |text: &str| {
                let text = percent_decode_str(text).decode_utf8().ok()?;
                (!text.contains(char::is_control)).then(|| text.into_owned())
            };
            let (user, password) = match user.map(|user| user.split_once(':').unwrap_or((user, "")))
            {
                Some((user, password)) => (Some(decoded(user)?), Some(decoded(password)?)),
                None => (None, None),
            };
            let login = Login {
                user: user.filter(|user| !user.is_empty()),
                password: password.filter(|password| !password.is_empty()),
            };
            Some((format!("{scheme}://{host}"), path, login))
        }
        _ => None,
    }
}

/// Whether this is a host's or a user's name that no program takes for an option.
fn is_host(text: &str) -> bool {
    is_name(text) && !text.starts_with('-')
}

fn is_host_and_port(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_address = |text: &str| {
        let inner = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    };
    (is_host(host) || is_address(host)) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

impl fmt::Display for GitPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "git:{}", self.url)?;
        if let Some(branch) = &self.branch {
            write!(f, "@{branch}")?;
        }
        if !self.prefix.is_empty() {
            write!(f, ":{}", self.prefix)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, Option<String>, String)> {
        let place = GitPlace::parse(text)?;
        Some((place.url, place.branch, place.prefix))
    }

    #[test]
    fn splits_url_branch_and_folder() {
        for url in [
            "/srv/archive.git",
            "./archive.git",
            "../a b/archive.git",
            "file:///srv/%40team/archive.git",
            "https://example.org/team/archive.git",
            "http://127.0.0.1:8080/archive.git",
            "https://[::1]:8443/archive.git",
            "ssh://git@example.org:2222/team/archive.git",
            "ssh://example.org/~me/archive.git",
            "git@example.org:team/archive.git",
            "host:archive.git",
        ] {
            for (suffix, branch, prefix) in [
                ("", None, ""),
                ("@data/new", Some("data/new"), ""),
                (":in/here", None, "in/here"),
                ("@main:in/here/", Some("main"), "in/here"),
            ] {
                let text = format!("{url}{suffix}");
                let branch = branch.map(str::to_owned);
                let wanted = Some((url.to_owned(), branch, prefix.to_owned()));
                assert_eq!(parts(&text), wanted, "{text}");
                let shown = GitPlace::parse(&text).unwrap().to_string();
                assert_eq!(shown, format!("git:{}", text.trim_end_matches('/')));
            }
        }
    }

    #[test]
    fn refuses_other_transports_options_and_odd_parts() {
        for text in [
            "",
            "archive.git",
            "folder/archive.git",
            "~/archive.git",
            "-oProxyCommand=sh:archive.git",
            "git@-oProxyCommand=sh:archive.git",
            "ssh://-oProxyCommand=sh/archive.git",
            "ssh://-l@example.org/archive.git",
            "ssh://git:secret@example.org/archive.git",
            "host:-upload-pack",
            "ext::sh -c date",
            "fd::3",
            "git://example.org/archive.git",
            "ftp://example.org/archive.git",
            "https://example.org",
            "https://example.org/",
            "https:///archive.git",
            "https://exa mple.org/archive.git",
            "https://example.org:port/archive.git",
            "https://example.org/archive.git?private_token=secret",
            "file://server/archive.git",
            "/srv/a\nb",
            "/srv/archive.git@",
            "/srv/archive.git@-main",
            "/srv/archive.git@a..b",
            "/srv/archive.git@main.lock",
            "/srv/archive.git:../secret",
            "/srv/archive.git:.git/hooks",
        ] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn shows_no_user_and_no_password() {
        let place = GitPlace::parse("https://me:pass%3Aword@example.org/a.git@main").unwrap();
        assert_eq!(place.login.user.as_deref(), Some("me"));
        assert_eq!(place.login.password.as_deref(), Some("pass:word"));
        assert_eq!(place.origin(), Some("https://example.org"));
        for shown in [place.to_string(), format!("{place:?}"), place.remote()] {
            assert!(!shown.contains("word") && !shown.contains("me:"), "{shown}");
        }
    }

    #[test]
    fn tells_near_servers_from_others() {
        for (url, near) in [
            ("http://127.0.0.1:80/a", true),
            ("https://[::1]/a", true),
            ("https://192.168.1.2/a", true),
            ("http://localhost:3000/a", true),
            ("https://example.org/a", false),
            ("https://8.8.8.8/a", false),
        ] {
            assert_eq!(GitPlace::parse(url).unwrap().is_near(), near, "{url}");
        }
    }
}
