//! `HEALTH_ADDRESS`: health turns red with each fault, and green again; requests are bounded.

use std::{
    fs,
    io::Write as _,
    net::TcpListener,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use simulator::discord::{Discord, Manners, Options, Seed, kind};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::sleep,
};

use crate::{
    live::{SOON, settled, start as listening, stop},
    mirror::{Mirror, Running, spawn, start},
};

/// How often a page is looked at while it's expected to change.
const GLANCE: Duration = Duration::from_millis(50);

/// A small community, and a bot that exports every second and tells its health.
async fn watched(heartbeat: Duration) -> Mirror {
    let mut mirror = Mirror::new(Options {
        seed: Seed {
            messages: 60,
            members: 10,
            days: 5,
            ..Seed::default()
        },
        heartbeat,
        ..Options::default()
    })
    .await;
    mirror.manage_threads();
    for (name, value) in [("EXPORT_INTERVAL", "1s"), ("HEALTH_ADDRESS", "127.0.0.1:0")] {
        mirror.variables.push((name.to_owned(), value.to_owned()));
    }
    mirror
}

/// The address at which a running bot tells its health.
pub(crate) async fn address(running: &Running) -> String {
    let begun = Instant::now();
    loop {
        let log = running.stderr();
        let served = log.split_once("health and metrics are served address=");
        if let Some(address) = served.and_then(|(_, rest)| rest.split_whitespace().next()) {
            return address.to_owned();
        }
        assert!(begun.elapsed() < SOON, "{log}");
        sleep(GLANCE).await;
    }
}

/// Sends these bytes, and returns everything that comes back until the connection ends.
async fn exchange(address: &str, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The answer may come before all is sent.
    let _ = stream.write_all(request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

pub(crate) async fn get(address: &str, path: &str, header: &str) -> (u16, String) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: bot\r\nConnection: close\r\n{header}\r\n");
    let answer = exchange(address, request.as_bytes()).await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a whole answer");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (status.expect("a status"), format!("{head}\n\n{body}"))
}

/// Waits until a page has this status and these words.
pub(crate) async fn becomes(
    running: &Running,
    address: &str,
    path: &str,
    status: u16,
    words: &str,
) {
    let begun = Instant::now();
    loop {
        let (now, page) = get(address, path, "").await;
        if now == status && page.contains(words) {
            return;
        }
        assert!(begun.elapsed() < SOON, "{page}\n{}", running.stderr());
        sleep(GLANCE).await;
    }
}

async fn is_green(running: &Running, address: &str) {
    becomes(running, address, "/healthz", 200, "ok").await;
    becomes(running, address, "/readyz", 200, "ok").await;
    becomes(running, address, "/metrics", 200, "\npropsbot_healthy 1\n").await;
}

async fn is_red(running: &Running, address: &str, words: &str) {
    becomes(running, address, "/healthz", 503, words).await;
    becomes(running, address, "/readyz", 503, words).await;
    becomes(running, address, "/metrics", 200, "\npropsbot_healthy 0\n").await;
}

fn post(discord: &Discord, text: &str) {
    let channel = discord.create_channel(kind::TEXT, "health", vec![]);
    discord.post(discord.owner_id(), channel, text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tells_health_and_metrics() {
    let mirror = watched(Duration::from_secs(41)).await;
    let running = listening(&mirror).await;
    let address = address(&running).await;
    is_green(&running, &address).await;
    settled(&mirror, &running).await;
    for metric in [
        "\npropsbot_export_succeeded 1\n",
        "\npropsbot_gateway_connected 1\n",
        "\npropsbot_gateway_events_total{event=\"GUILD_CREATE\"} 1\n",
        "\npropsbot_store_logical_bytes ",
        "\npropsbot_archive_bytes ",
    ] {
        becomes(&running, &address, "/metrics", 200, metric).await;
    }
    let guild = mirror.discord.guild_id().to_string();
    let (_, metrics) = get(&address, "/metrics", "").await;
    assert!(metrics.contains("content-type: text/plain; version=0.0.4; charset=utf-8"));
    assert!(!metrics.contains(&guild), "names a guild: {metrics}");
    let (_, metrics) = get(
        &address,
        "/metrics",
        "Accept: application/openmetrics-text\r\n",
    )
    .await;
    assert!(metrics.contains("content-type: application/openmetrics-text; version=1.0.0"));
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");
    let (status, page) = get(&address, "/", "").await;
    assert_eq!(status, 404, "{page}");
    let posted = exchange(&address, b"POST /healthz HTTP/1.0\r\n\r\n").await;
    assert!(posted.starts_with("HTTP/1.0 405"), "{posted}");
    stop(&mirror, running).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_red_while_the_gateway_is_deaf() {
    let mirror = watched(Duration::from_secs(1)).await;
    let running = listening(&mirror).await;
    let address = address(&running).await;
    is_green(&running, &address).await;
    // No heartbeat is acknowledged, and no new connection is greeted.
    mirror.discord.manners(Manners {
        deaf: true,
        silent: true,
        ..Manners::default()
    });
    is_red(
        &running,
        &address,
        "Nothing has been heard from Discord's gateway for ",
    )
    .await;
    mirror.discord.manners(Manners::default());
    is_green(&running, &address).await;
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
}

/// A disk that doesn't answer: the writer waits for its `fdatasync`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_red_while_the_writer_is_stuck() {
    let mirror = watched(Duration::from_secs(41)).await;
    let home = mirror.home.path();
    let (shim, stuck) = (home.join("stuck_disk.so"), home.join("stuck"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/health/stuck_disk.c");
    let mut compile = Command::new("cc");
    compile
        .args(["-shared", "-fPIC", "-o"])
        .args([&shim, &source]);
    assert!(spawn(&mut compile).wait().unwrap().success());
    let mut command = mirror.command(&["run"]);
    command.env("LD_PRELOAD", &shim).env("STUCK_DISK", &stuck);
    let running = start(command);
    let address = address(&running).await;
    is_green(&running, &address).await;
    fs::write(&stuck, "").unwrap();
    post(&mirror.discord, "while the disk is stuck");
    is_red(&running, &address, "The store's writer has been stuck for ").await;
    fs::remove_file(&stuck).unwrap();
    is_green(&running, &address).await;
    settled(&mirror, &running).await;
    stop(&mirror, running).await;
}

/// A small disk that another program fills: nothing is lost, and the bot goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_is_red_while_the_disk_is_full() {
    let mirror = watched(Duration::from_secs(41)).await;
    let home = mirror.home.path();
    fs::create_dir(mirror.store_path()).unwrap();
    let bot = mirror.command(&["run"]);
    // In a mount namespace of its own, where the store is on a disk of 96 MB.
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c"])
        .arg("mount -t tmpfs -o size=96m none data && exec \"$0\" run")
        .arg(bot.get_program())
        .envs(
            bot.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .current_dir(home);
    let running = start(command);
    let address = address(&running).await;
    is_green(&running, &address).await;
    settled(&mirror, &running).await;
    let disk = format!(
        "/proc/{}/root{}",
        running.id(),
        mirror.store_path().display()
    );
    let filler = Path::new(&disk).join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    let zeros = vec![0; 1 << 16];
    while file.write_all(&zeros).is_ok() {}
    post(&mirror.discord, "while the disk is full");
    is_red(&running, &address, "The store's disk is full (free: ").await;
    let waiting = "nothing is stored until there is room: the disk of the store ";
    let begun = Instant::now();
    while !running.stderr().contains(waiting) {
        assert!(begun.elapsed() < SOON, "{}", running.stderr());
        sleep(GLANCE).await;
    }
    assert!(!mirror.archive_differences().await.is_empty());
    drop(file);
    fs::remove_file(&filler).unwrap();
    is_green(&running, &address).await;
    settled(&mirror, &running).await;
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_may_take_is_bounded() {
    let mirror = watched(Duration::from_secs(41)).await;
    let running = listening(&mirror).await;
    let address = address(&running).await;
    is_green(&running, &address).await;
    // More silent clients than may be connected: each is sent away, so others get their turn.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(TcpStream::connect(&address).await.unwrap());
    }
    becomes(&running, &address, "/healthz", 200, "ok").await;
    drop(silent);
    let long = format!(
        "GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let many = format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x: x\r\n".repeat(100));
    for request in [long, many] {
        let answer = exchange(&address, request.as_bytes()).await;
        assert!(!answer.contains(" 200 "), "{answer}");
    }
    is_green(&running, &address).await;
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_in_use_is_a_clear_error() {
    let mut mirror = Mirror::empty().await;
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let health = ("HEALTH_ADDRESS".to_owned(), address.clone());
    mirror.variables.push(health);
    let says = format!("could not listen at {address} (HEALTH_ADDRESS)");
    mirror.run(&["run"]).await.failed(2, &[&says, "in use"]);
    assert!(!mirror.store_path().exists());
}
