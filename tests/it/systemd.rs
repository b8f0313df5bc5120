//! What systemd is told: ready once the store is open, alive while the loops come around, stopping.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use simulator::discord::{Fault, kind};
use tokio::{net::UnixDatagram, time::timeout};

use crate::{
    live::SOON,
    mirror::{Mirror, Running, propsbot, spawn, start},
    upgrade::old_store,
};

/// How long a bot may take between two signs of life: longer than its idle loops take to come around.
const SILENCE: Duration = Duration::from_secs(15);

/// A service manager's socket.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn new(home: &Path) -> Self {
        let path = home.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        Self { socket, path }
    }

    fn start(&self, mut command: Command) -> Running {
        command
            .env("NOTIFY_SOCKET", &self.path)
            .env("WATCHDOG_USEC", "6000000");
        start(command)
    }

    /// What comes next; `None` after this time.
    async fn next(&self, patience: Duration) -> Option<String> {
        let mut message = [0; 256];
        let length = timeout(patience, self.socket.recv(&mut message))
            .await
            .ok()?
            .unwrap();
        Some(
            String::from_utf8_lossy(&message[..length])
                .trim()
                .to_owned(),
        )
    }

    /// Waits for this message, after any number of signs of life.
    async fn until(&self, message: &str, running: &Running) {
        let begun = Instant::now();
        loop {
            let next = self.next(SOON).await.expect("a message");
            if next == message {
                return;
            }
            assert_eq!(next, "WATCHDOG=1", "{}", running.stderr());
            assert!(begun.elapsed() < SOON, "no {message}: {}", running.stderr());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_is_ready_once_its_store_is_open() {
    let mirror = Mirror::empty().await;
    mirror.discord.fail("*", usize::MAX, Fault::Reset);
    old_store(1, &mirror.store_path());
    let manager = Manager::new(mirror.home.path());
    let running = manager.start(mirror.command(&["run"]));
    assert_eq!(manager.next(SOON).await.as_deref(), Some("READY=1"));
    // It was upgraded first. Discord is down, and the bot is ready all the same, and alive.
    let log = running.stderr();
    assert!(log.contains("the store has schema"), "{log}");
    manager.until("WATCHDOG=1", &running).await;
    running.terminate();
    manager.until("STOPPING=1", &running).await;
    running.wait().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_without_a_store_is_never_ready() {
    let mirror = Mirror::empty().await;
    fs::write(mirror.store_path(), "no folder").unwrap();
    let manager = Manager::new(mirror.home.path());
    let ended = manager.start(mirror.command(&["run"])).wait().await;
    ended.failed(2, &["STORE_PATH"]);
    let left = manager.socket.try_recv(&mut [0; 256]);
    assert!(left.is_err(), "something was told");
}

/// A disk that doesn't answer: the writer waits for its `fdatasync`, and everything else goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stuck_writer_gives_no_sign_of_life() {
    let mirror = Mirror::empty().await;
    let home = mirror.home.path();
    let (shim, stuck) = (home.join("stuck_disk.so"), home.join("stuck"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/health/stuck_disk.c");
    let mut compile = Command::new("cc");
    compile
        .args(["-shared", "-fPIC", "-o"])
        .args([&shim, &source]);
    assert!(spawn(&mut compile).wait().unwrap().success());
    let manager = Manager::new(home);
    let mut command = mirror.command(&["run"]);
    command.env("LD_PRELOAD", &shim).env("STUCK_DISK", &stuck);
    let running = manager.start(command);
    manager.until("READY=1", &running).await;
    let connected = |discord: &simulator::discord::Discord| discord.connected() > 0;
    assert!(
        mirror.discord.wait(SOON, connected).await,
        "{}",
        running.stderr()
    );
    manager.until("WATCHDOG=1", &running).await;
    fs::write(&stuck, "").unwrap();
    let channel = mirror.discord.create_channel(kind::TEXT, "stuck", vec![]);
    mirror.discord.post(
        mirror.discord.owner_id(),
        channel,
        "while the disk is stuck",
    );
    let begun = Instant::now();
    while manager.next(SILENCE).await.is_some() {
        assert!(begun.elapsed() < 2 * SOON, "it still gives signs of life");
    }
    fs::remove_file(&stuck).unwrap();
    manager.until("WATCHDOG=1", &running).await;
    running.terminate();
    manager.until("STOPPING=1", &running).await;
    running.wait().await.ok();
}

/// Commands of people are no service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_commands_tell_nothing() {
    let mirror = Mirror::empty().await;
    let manager = Manager::new(mirror.home.path());
    manager.start(mirror.command(&["sync"])).wait().await.ok();
    let plain = propsbot(mirror.home.path(), &[], &["--version"]);
    manager.start(plain).wait().await.ok();
    assert!(manager.socket.try_recv(&mut [0; 256]).is_err());
}
