//! How commands end: last output and exit code.

use std::{
    fs::{self, File, Permissions},
    io::{Read as _, Write as _},
    num::NonZero,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use propsbot_store::Store;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use simulator::discord::{Discord, Fault};

use crate::{
    live::{SOON, start},
    mirror::{Mirror, propsbot, spawn},
};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";
const SIZE: (u16, u16) = (24, 200);

/// A process on a terminal, with its output.
struct OnTerminal {
    process: Child,
    keyboard: File,
    screen: Arc<Mutex<vt100::Parser>>,
    reading: thread::JoinHandle<()>,
}

impl OnTerminal {
    fn start(mut command: Command) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new())
            .unwrap()
            .into_string()
            .unwrap();
        let own = File::options().read(true).write(true).open(name).unwrap();
        let (ws_row, ws_col) = SIZE;
        let size = Winsize {
            ws_row,
            ws_col,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&own, size).unwrap();
        command
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(own.try_clone().unwrap())
            .stderr(own);
        let process = spawn(&mut command);
        // Now only the process holds its end of the terminal.
        drop(command);
        let [rows, columns] = [ws_row, ws_col].map(|size| NonZero::new(size).unwrap());
        let screen = Arc::new(Mutex::new(vt100::Parser::new(rows, columns, 0)));
        let shown = Arc::clone(&screen);
        let mut terminal = File::from(terminal);
        let keyboard = terminal.try_clone().unwrap();
        let reading = thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails once the other end is closed.
            while let Ok(read @ 1..) = terminal.read(&mut bytes) {
                shown.lock().unwrap().process(&bytes[..read]);
            }
        });
        Self {
            process,
            keyboard,
            screen,
            reading,
        }
    }

    fn shows(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Ctrl-C: the terminal echoes it and moves the cursor.
    fn interrupt(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
        let mut kill = Command::new("kill");
        kill.args(["-INT", &self.process.id().to_string()]);
        assert!(spawn(&mut kill).wait().unwrap().success());
    }

    /// The exit code, and the final lines on the terminal.
    async fn wait(mut self) -> (Option<i32>, Vec<String>) {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < SOON, "{}", self.shows());
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        self.reading.join().unwrap();
        let screen = self.screen.lock().unwrap();
        let lines = screen.screen().rows(0, SIZE.1);
        let lines = lines.map(|line| line.trim_end().to_owned());
        (
            status.code(),
            lines.filter(|line| !line.is_empty()).collect(),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interrupted_sync_keeps_its_last_line_on_the_terminal() {
    let mirror = Mirror::seeded(8).await;
    mirror
        .discord
        .fail_after(MESSAGES, 2, usize::MAX, Fault::Delay(SOON * 10));
    let mut sync = OnTerminal::start(mirror.command(&["sync"]));
    let begun = Instant::now();
    while !sync.shows().contains("messages  [") {
        assert!(begun.elapsed() < SOON, "{}", sync.shows());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sync.interrupt();
    let (code, screen) = sync.wait().await;
    assert_eq!(code, Some(1), "{screen:#?}");
    let last = screen.last().expect("a last line");
    assert!(
        last.contains("propsbot: stopped before the mirror was complete"),
        "{screen:#?}"
    );
    // The progress stays above: bars that aren't finished are erased on exit.
    let stays = screen.iter().any(|line| line.contains("messages  ["));
    assert!(stays, "{screen:#?}");

    // Completed commands print a last line, too, as does an export.
    mirror.discord.heal();
    for (arguments, says) in [
        (["sync"], ": complete. "),
        (["export"], "is at generation 1"),
    ] {
        let (code, screen) = OnTerminal::start(mirror.command(&arguments)).wait().await;
        assert_eq!(code, Some(0), "{screen:#?}");
        let last = screen.last().expect("a last line");
        assert!(last.contains(says), "{screen:#?}");
    }
}

/// The exit code and stderr of a command with this stdout.
fn printing_to(mirror: &Mirror, stdout: impl Into<Stdio>, arguments: &[&str]) -> (i32, String) {
    let mut command = mirror.command(arguments);
    command
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(Stdio::piped());
    let process = spawn(&mut command);
    // This also closes our end of a pipe.
    drop(command);
    let ended = process.wait_with_output().unwrap();
    let stderr = String::from_utf8(ended.stderr).unwrap();
    (ended.status.code().unwrap(), stderr)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unwritable_stdout_is_an_error() {
    let mirror = Mirror::seeded(9).await;
    mirror.sync().await.ok();
    mirror.export().await;
    for arguments in [
        &["--help"][..],
        &["sync", "--help"],
        &["status"],
        &["status", "--json"],
        &["sync"],
        &["sync", "--json"],
        &["export", "--dry-run"],
        &["verify", "--from", "dir:archive"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (code, stderr) = printing_to(&mirror, full, arguments);
        assert_eq!(code, 1, "{arguments:?}: {stderr}");
        assert!(
            stderr.contains("could not write the result to stdout: No space left"),
            "{stderr}"
        );
        // `head` has read enough.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let (code, stderr) = printing_to(&mirror, writer, arguments);
        assert_eq!((code, &*stderr), (0, ""), "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_unwritable_folders_at_start() {
    // Not even root can write there.
    for name in ["archive", "archive/rows"] {
        let mut mirror = Mirror::seeded(10).await;
        mirror.sync().await.ok();
        let file = mirror.home.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        let why = format!("could not write to ./{name}: Not a directory");
        for (name, value) in [("EXPORT_INTERVAL", "10h"), ("RUST_LOG", "info")] {
            mirror.variables.push((name.to_owned(), value.to_owned()));
        }
        let running = start(&mirror).await;
        let begun = Instant::now();
        while !running
            .stderr()
            .contains("exports are going to fail until this is mended")
        {
            assert!(begun.elapsed() < SOON, "{}", running.stderr());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(running.stderr().contains(&why), "{}", running.stderr());
        running.terminate();
        running.wait().await;
        let ended = mirror.run(&["export", "--dry-run"]).await;
        ended.failed(1, &[&why]);
    }
}

/// A command of an unprivileged user; changes the user only if the tests run as root.
fn unprivileged(mirror: &Mirror, arguments: &[&str]) -> Command {
    const NOBODY: u32 = 65534;
    let command = mirror.command(arguments);
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return command;
    }
    let home = mirror.home.path();
    for path in below(home) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let id = NOBODY.to_string();
    let mut wrapped = Command::new("setpriv");
    wrapped
        .args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(home)
        .env_clear();
    for (name, value) in command.get_envs() {
        wrapped.env(name, value.unwrap_or_default());
    }
    wrapped
}

/// A folder with everything in it.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    let mut next = 0;
    while let Some(path) = found.get(next).cloned() {
        if path.is_dir() {
            let entries = fs::read_dir(path).unwrap();
            found.extend(entries.map(|entry| entry.unwrap().path()));
        }
        next += 1;
    }
    found
}

/// The archive belongs to another user, for example because root exported once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reports_folders_without_write_permission_at_start() {
    for locked in ["archive", "archive/rows", "archive/.lock"] {
        let mut mirror = Mirror::seeded(10).await;
        mirror.sync().await.ok();
        mirror.export().await;
        for (name, value) in [("EXPORT_INTERVAL", "10h"), ("RUST_LOG", "info")] {
            mirror.variables.push((name.to_owned(), value.to_owned()));
        }
        let path = mirror.home.path().join(locked);
        let mode = if path.is_dir() { 0o555 } else { 0o444 };
        let command = unprivileged(&mirror, &["run"]);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let running = crate::mirror::start(command);
        let begun = Instant::now();
        while !running
            .stderr()
            .contains("exports are going to fail until this is mended")
        {
            assert!(begun.elapsed() < SOON, "{}", running.stderr());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let why = format!("could not write to ./{locked}: Permission denied");
        assert!(running.stderr().contains(&why), "{}", running.stderr());
        running.terminate();
        running.wait().await;
        let ended = crate::mirror::start(unprivileged(&mirror, &["export", "--dry-run"]));
        ended.wait().await.failed(1, &[&why]);
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_stores_export_and_forget_nothing() {
    let mirror = Mirror::empty().await;
    drop(Store::open(&mirror.store_path()).unwrap());
    let ended = mirror.run(&["forget", "--user", "12345678901234567"]).await;
    ended.failed(2, &["has no guild", "to delete", "STORE_PATH"]);
    for arguments in [&["export"][..], &["export", "--replace"]] {
        let ended = mirror.run(arguments).await;
        ended.failed(1, &["is empty", "nothing to export", "propsbot sync"]);
    }
    assert!(!mirror.archive_path().join("manifest.json").exists());

    // The bot doesn't export either, by timer or at shutdown.
    mirror.discord.kick_bot();
    let url = mirror.discord.url();
    let token = mirror.discord.token();
    let variables = [
        ("DISCORD_TOKEN", &*token),
        ("DISCORD_API_URL", &*url),
        ("EXPORT_INTERVAL", "1s"),
    ];
    let bot = crate::mirror::start(propsbot(mirror.home.path(), &variables, &["run"]));
    let connected = |discord: &Discord| discord.connected() > 0;
    let is_up = mirror.discord.wait(SOON, connected).await;
    assert!(is_up, "{}", bot.stderr());
    bot.terminate();
    bot.wait().await.ok();
    assert!(!Path::exists(&mirror.archive_path().join("manifest.json")));
}
