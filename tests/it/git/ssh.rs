//! Archives that git reaches over ssh: a program stands in for it, and runs on this machine what the host would run.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use super::{Host, mirror, set};
use crate::mirror::{Mirror, start};

/// Notes its arguments and environment, and does as the host would, unless it has something to say.
const SSH: &str = r#"#!/bin/sh
case " $* " in *" -G "*) exit 0 ;; esac
{ printf '%s\n' "$@"; env; } >>"$NOTES"
if [ -n "$SAYS" ]; then printf '%b' "$SAYS" >&2; exit 255; fi
for command; do :; done
exec sh -c "$command"
"#;

/// A mirror whose `ssh` is this program, under that name in a folder of its own.
async fn with_ssh(name: &str) -> Mirror {
    let mut mirror = mirror().await;
    let home = mirror.home.path().to_owned();
    let folder = home.join("ssh");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join(name), SSH).unwrap();
    fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    set(&mut mirror, "PATH", &path);
    set(&mut mirror, "NOTES", home.join("notes").to_str().unwrap());
    set(&mut mirror, "HOME", home.to_str().unwrap());
    mirror
}

fn notes(mirror: &Mirror) -> String {
    fs::read_to_string(mirror.home.path().join("notes")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn supports_archives_over_ssh() {
    let host = Host::start(None).await;
    let mut mirror = with_ssh("ssh").await;
    set(&mut mirror, "SSH_AUTH_SOCK", "/run/agent");
    set(&mut mirror, "HTTPS_PROXY", "http://127.0.0.1:9");
    let archive = format!(
        "git:ssh://git@git.example.org:2222{}",
        host.path().display()
    );
    mirror.run(&["export", "--to", &archive]).await.ok();
    assert_eq!(host.commits("trunk"), 1);
    mirror.run(&["verify", "--from", &archive]).await.ok();
    let told = notes(&mirror);
    let home = format!("HOME={}", mirror.home.path().display());
    for line in [
        "BatchMode=yes",
        "ConnectTimeout=20",
        "git@git.example.org",
        "2222",
        "SSH_AUTH_SOCK=/run/agent",
        "SSH_ASKPASS_REQUIRE=never",
        "GIT_TERMINAL_PROMPT=0",
        "https_proxy=http://127.0.0.1:9",
        &home,
    ] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    // Nobody asked the host over http.
    assert_eq!(host.requests(), 0);
}

/// The operator's own command, with options of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_the_operators_own_ssh() {
    let host = Host::start(None).await;
    let mut mirror = with_ssh("tunnel").await;
    let archive = format!("git:git@git.example.org:{}", host.path().display());
    let config = "[core]\nsshCommand = tunnel -i configured\n";
    let path = mirror.home.path().join("gitconfig");
    fs::write(&path, config).unwrap();
    set(&mut mirror, "GIT_CONFIG_GLOBAL", path.to_str().unwrap());
    mirror.run(&["export", "--to", &archive]).await.ok();
    let told = notes(&mirror);
    assert!(told.starts_with("-i\nconfigured\n"), "{told}");
    set(&mut mirror, "GIT_SSH_COMMAND", "tunnel -i named");
    mirror.run(&["verify", "--from", &archive]).await.ok();
    let later = notes(&mirror);
    assert!(later[told.len()..].starts_with("-i\nnamed\n"), "{later}");
}

/// The operator's own program, which git calls if no command is named.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_the_program_that_git_ssh_names() {
    let host = Host::start(None).await;
    let mut mirror = with_ssh("tunnel").await;
    let archive = format!("git:git@git.example.org:{}", host.path().display());
    set(&mut mirror, "GIT_SSH", "tunnel");
    mirror.run(&["export", "--to", &archive]).await.ok();
    let told = notes(&mirror);
    assert!(
        told.lines().any(|line| line == "git@git.example.org"),
        "{told}"
    );
    assert!(!told.contains("BatchMode"), "{told}");
}

/// Nobody answers what ssh would ask: it fails, and the error says what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ssh_would_ask_is_an_error() {
    let mut mirror = with_ssh("ssh").await;
    for (says, wanted) in [
        (
            r"Host key verification failed.\r\n",
            ["ssh doesn't know the host's key", "known_hosts"],
        ),
        (
            r"git@git.example.org: Permission denied (publickey).\r\n",
            [
                "the host refused the login",
                "give the host this user's key",
            ],
        ),
    ] {
        set(&mut mirror, "SAYS", says);
        let archive = "git:git@git.example.org:team/archive.git";
        let refused = mirror.run(&["export", "--to", archive]).await;
        refused.failed(1, &[archive, wanted[0], wanted[1]]);
    }
}

/// Asks at the terminal as ssh does: without one, it says what ssh says then.
const ASKS: &str = r#"#!/bin/sh
case " $* " in *" -G "*) exit 0 ;; esac
if { read -r answer </dev/tty; } 2>/dev/null; then exit 0; fi
echo "Host key verification failed." >&2
exit 255
"#;

/// Runs a command at a new terminal, where nobody answers, and ends with its code.
const TERMINAL: &str = "\
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        told = os.read(terminal, 4096)
    except OSError:
        break
    if not told:
        break
    os.write(1, told)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// A command of the operator's own doesn't wait for answers at the terminal that propsbot was started from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_at_the_terminal() {
    let mut mirror = with_ssh("asks").await;
    fs::write(mirror.home.path().join("ssh/asks"), ASKS).unwrap();
    let archive = "git:git@git.example.org:team/archive.git";
    for name in ["GIT_SSH_COMMAND", "GIT_SSH"] {
        mirror
            .variables
            .retain(|(known, _)| !known.starts_with("GIT_SSH"));
        set(&mut mirror, name, "asks");
        let propsbot = mirror.command(&["export", "--to", archive]);
        let mut command = Command::new("python3");
        let home = propsbot.get_current_dir().unwrap();
        command.current_dir(home).env_clear();
        command.args(["-c", TERMINAL]).arg(propsbot.get_program());
        command.args(propsbot.get_args());
        let variables = propsbot.get_envs();
        command.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        let ended = start(command).wait().await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = "ssh doesn't know the host's key";
        assert!(ended.stdout.contains(told), "{ended:?}");
    }
}
