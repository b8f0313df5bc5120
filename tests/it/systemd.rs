//! What systemd is told: that the bot is ready once its store is open, and that it stops.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use simulator::discord::Fault;
use tokio::{net::UnixDatagram, time::timeout};

use crate::{
    live::SOON,
    mirror::{Mirror, Running, propsbot, start},
    upgrade::old_store,
};

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
        command.env("NOTIFY_SOCKET", &self.path);
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
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bot_is_ready_once_its_store_is_open() {
    let mirror = Mirror::empty().await;
    mirror.discord.fail("*", usize::MAX, Fault::Reset);
    old_store(1, &mirror.store_path());
    let manager = Manager::new(mirror.home.path());
    let running = manager.start(mirror.command(&["run"]));
    assert_eq!(manager.next(SOON).await.as_deref(), Some("READY=1"));
    // It was upgraded first. Discord is down, and the bot is ready all the same.
    let log = running.stderr();
    assert!(log.contains("the store has schema"), "{log}");
    running.terminate();
    assert_eq!(manager.next(SOON).await.as_deref(), Some("STOPPING=1"));
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
