//! How the bot reaches its servers: proxies, custom certificates, and responses that are too large
//! or endless.

mod fixtures;
mod limits;

use std::{collections::BTreeMap, path::Path, time::Duration};

use propsbot_network::Network;
use simulator::{
    discord::{Discord, Fault},
    github,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    archive::{git::host::Host, object_store::ObjectStore},
    live::{SOON, settled},
    mirror::{Ended, Mirror, Running, propsbot, start},
};
use fixtures::{Authority, Proxy};

const MESSAGES: &str = "GET /channels/{channel_id}/messages";

/// Runs a command with these variables and the token.
async fn run(mirror: &Mirror, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let token = mirror.discord.token();
    let variables = [&[("DISCORD_TOKEN", &*token)], variables].concat();
    start(propsbot(mirror.home.path(), &variables, arguments))
        .wait()
        .await
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// These hosts have no DNS entry and this authority is unknown to the platform, yet Discord, GitHub
/// and an object store are reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_the_proxy_and_custom_authority() {
    let mirror = Mirror::seeded(5).await;
    let github = github::Github::start(github::Options::default())
        .await
        .unwrap();
    let bucket = ObjectStore::start().await;
    let authority = Authority::new();
    let proxy = Proxy::http(&[
        (
            "discord.test:443",
            authority.front("discord.test", &mirror.discord.url()).await,
        ),
        (
            "github.test:443",
            authority.front("github.test", &github.url()).await,
        ),
        (
            "s3.test:8443",
            authority.front("s3.test", bucket.variables()[2].1).await,
        ),
    ])
    .await;
    let through = format!("http://user:secret@{}", proxy.address);
    let roots = authority.file(mirror.home.path());
    let (token, cache) = (github.token(), mirror.home.path().join("cache"));
    let mut variables = vec![
        ("DISCORD_API_URL", "https://discord.test"),
        // In lower case, as curl accepts them, too.
        ("https_proxy", &*through),
        ("SSL_CERT_FILE", text(&roots)),
        ("GITHUB_TOKEN", &*token),
        ("GITHUB_API_URL", "https://github.test"),
        ("CACHE_PATH", text(&cache)),
    ];
    variables.extend(bucket.variables());
    variables.push(("AWS_ENDPOINT_URL", "https://s3.test:8443"));
    run(&mirror, &variables, &["sync"]).await.ok();
    mirror.check_store();
    let on_github = format!("github:{}/{}", github.owner(), github.repo());
    for archive in [&*on_github, "s3://props/a"] {
        run(&mirror, &variables, &["export", "--to", archive])
            .await
            .ok();
        run(&mirror, &variables, &["verify", "--from", archive])
            .await
            .ok();
    }
    assert_eq!(
        proxy.asked(),
        ["discord.test:443", "github.test:443", "s3.test:8443"]
    );

    // Without the authority or the proxy's password, the error says what is wrong and where.
    variables.retain(|(name, _)| *name != "SSL_CERT_FILE");
    let sync = run(&mirror, &variables, &["sync"]).await;
    sync.failed(
        1,
        &["discord.test through the proxy 127.0.0.1:", "UnknownIssuer"],
    );
    let without = format!("http://{}", proxy.address);
    variables[1].1 = &without;
    let sync = run(&mirror, &variables, &["sync"]).await;
    sync.failed(1, &["discord.test through the proxy 127.0.0.1:"]);
}

/// The same for what the git program connects to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_uses_the_proxy_and_custom_authority() {
    let mirror = Mirror::seeded(5).await;
    mirror.sync().await.ok();
    let host = Host::start(Some("hidden-token")).await;
    let server = host.url().strip_suffix("/archive.git").unwrap();
    let authority = Authority::new();
    let front = authority.front("git.test", server).await;
    let proxy = Proxy::http(&[("git.test:443", front)]).await;
    let through = format!("http://user:secret@{}", proxy.address);
    let roots = authority.file(mirror.home.path());
    let (path, cache) = (
        std::env::var("PATH").unwrap(),
        mirror.home.path().join("cache"),
    );
    let mut variables = vec![
        ("SSL_CERT_FILE", text(&roots)),
        ("HTTPS_PROXY", &*through),
        ("GIT_TOKEN", "hidden-token"),
        ("PATH", &*path),
        ("CACHE_PATH", text(&cache)),
    ];
    let to = ["export", "--to", "git:https://git.test/archive.git"];
    run(&mirror, &variables, &to).await.ok();
    assert_eq!(host.commits("trunk"), 1);
    assert_eq!(proxy.asked(), ["git.test:443"]);

    variables.remove(0);
    let export = run(&mirror, &variables, &to).await;
    export.failed(
        1,
        &["doesn't trust the server's certificate", "SSL_CERT_FILE"],
    );
    assert!(!export.stderr.contains("secret"), "{export:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_proxy_hosts_are_reached_directly() {
    let mirror = Mirror::empty().await;
    let url = mirror.discord.url();
    let nowhere = ("HTTP_PROXY", "127.0.0.1:1");
    let variables = [("DISCORD_API_URL", &*url), nowhere];
    let sync = run(&mirror, &variables, &["sync"]).await;
    sync.failed(1, &["through the proxy 127.0.0.1:1", "refused"]);
    let direct = [variables[0], nowhere, ("NO_PROXY", "127.0.0.0/8")];
    run(&mirror, &direct, &["sync"]).await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn network_mistakes_name_their_variable() {
    let mirror = Mirror::empty().await;
    let variables = [
        ("HTTPS_PROXY", "gopher://user:secret@proxy.test"),
        ("SSL_CERT_FILE", "missing.pem"),
    ];
    let status = run(&mirror, &variables, &["status"]).await;
    status.failed(
        2,
        &[
            "HTTPS_PROXY: isn't a proxy URL",
            "SSL_CERT_FILE: missing.pem",
        ],
    );
    assert!(!status.stderr.contains("secret"), "{status:?}");
}

/// As for the gateway: TLS through an HTTP proxy, and through a SOCKS5 proxy.
#[tokio::test]
async fn raw_connections_use_the_proxy() {
    let discord = Discord::start(simulator::discord::Options::default())
        .await
        .unwrap();
    let authority = Authority::new();
    let front = authority.front("discord.test", &discord.url()).await;
    let routes = [("discord.test:443", front)];
    let (http, socks) = (Proxy::http(&routes).await, Proxy::socks5(&routes).await);
    let home = tempfile::tempdir().unwrap();
    let roots = authority.file(home.path());
    for (proxy, url) in [
        (&http, format!("http://user:secret@{}", http.address)),
        (&socks, format!("socks5h://{}", socks.address)),
    ] {
        let variables = BTreeMap::from([
            ("ALL_PROXY", url),
            ("SSL_CERT_FILE", text(&roots).to_owned()),
        ]);
        let network = Network::new(&variables).unwrap();
        let mut connection = network.connect("discord.test", 443, true).await.unwrap();
        let request =
            b"GET /api/v10/gateway HTTP/1.1\r\nhost: discord.test\r\nconnection: close\r\n\r\n";
        connection.write_all(request).await.unwrap();
        let mut answer = String::new();
        // The server closes without a TLS shutdown.
        let _ = connection.read_to_string(&mut answer).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
        assert_eq!(proxy.asked(), ["discord.test:443"]);

        let nowhere = network
            .connect("other.test", 443, true)
            .await
            .err()
            .unwrap();
        let told = nowhere.to_string();
        assert!(
            told.contains("other.test:443 through the proxy 127.0.0.1:"),
            "{told}"
        );
    }
    let nobody = Network::default().connect("127.0.0.1", 1, false).await;
    let told = nobody.err().unwrap().to_string();
    assert!(
        told.contains("127.0.0.1:1: ") && told.contains("refused"),
        "{told}"
    );
}

/// The gateway uses the proxy, too: posts arrive, and an interrupted session resumes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateway_uses_the_proxy() {
    let mirror = Mirror::seeded(5).await;
    let discord = &mirror.discord;
    let authority = Authority::new();
    let front = authority.front("discord.test", &discord.url()).await;
    let proxy = Proxy::http(&[("discord.test:443", front)]).await;
    discord.mutate("GET /gateway/bot", "/url", r#""wss://discord.test/""#);
    discord.resume_at("wss://discord.test/");
    let through = format!("http://user:secret@{}", proxy.address);
    let (roots, token) = (authority.file(mirror.home.path()), discord.token());
    let variables = [
        ("DISCORD_TOKEN", &*token),
        ("DISCORD_API_URL", "https://discord.test"),
        ("HTTPS_PROXY", &*through),
        ("SSL_CERT_FILE", text(&roots)),
        ("EXPORT_INTERVAL", "1s"),
    ];
    let running = start(propsbot(mirror.home.path(), &variables, &["run"]));
    let general = discord.channel("general").unwrap();
    for said in ["before the cut", "after the cut"] {
        let connected = |discord: &Discord| discord.connected() > 0;
        assert!(discord.wait(SOON, connected).await, "{}", running.stderr());
        discord.post(discord.owner_id(), general, said);
        settled(&mirror, &running).await;
        discord.cut_gateway();
    }
    running.terminate();
    running.wait_for(Duration::from_secs(10)).await.ok();
    assert_eq!(proxy.asked(), ["discord.test:443"]);
}

/// The process's peak memory, in MiB; `None` after its end.
fn peak(process: &Running) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes >> 10)
}

/// A GiB of spaces for each of several pages: none is read to its end, and the error names the
/// sender.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejects_gzip_bombs_in_little_memory() {
    let mirror = Mirror::seeded(6).await;
    mirror
        .discord
        .fail_after(MESSAGES, 1, 10_000, Fault::GzipBomb(1024));
    let mut process = mirror.start(&["sync"]);
    let mut most = 0;
    while !process.has_ended() {
        most = peak(&process).unwrap_or_default().max(most);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ended = process.wait().await;
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:#?}");
    assert!((1..300).contains(&most), "{most} MiB");
    let failures = mirror.failures().await;
    let host = mirror.discord.url().replace("http://", "");
    assert!(
        failures
            .values()
            .any(|why| why.contains("larger than 32 MiB") && why.contains(&host)),
        "{failures:?}"
    );
    mirror.discord.heal();
    mirror.sync().await.ok();
    mirror.check_store();
}

/// A page at a byte per second doesn't delay shutdown.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trickling_responses_do_not_delay_shutdown() {
    for command in ["sync", "run"] {
        let mirror = Mirror::seeded(7).await;
        let slow = Fault::Trickle(Duration::from_secs(1));
        mirror.discord.fail_after(MESSAGES, 0, 1_000, slow);
        let process = mirror.start(&[command]);
        let asked = |discord: &Discord| discord.count(MESSAGES) > 0;
        assert!(
            mirror.discord.wait(SOON, asked).await,
            "{}",
            process.stderr()
        );
        process.terminate();
        process.wait_for(Duration::from_secs(10)).await;
    }
}

/// GitHub, or a server in its place, sends more than any file contains.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_github_responses() {
    let mirror = Mirror::empty().await;
    let github = github::Github::start(github::Options::default())
        .await
        .unwrap();
    github.fail(github::Kind::Repository, 9, github::Fault::Huge(40));
    let (token, url) = (github.token(), github.url());
    let variables = [("GITHUB_TOKEN", &*token), ("GITHUB_API_URL", &*url)];
    let archive = format!("github:{}/{}", github.owner(), github.repo());
    let verify = run(&mirror, &variables, &["verify", "--from", &archive]).await;
    let host = url.replace("http://", "");
    verify.failed(1, &["larger than 32 MiB", &host]);
}

/// The same for an object store.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bounds_object_sizes() {
    let mirror = Mirror::empty().await;
    let bucket = ObjectStore::start().await;
    bucket.lay("a/manifest.json", 200 << 20);
    let cache = mirror.home.path().join("cache");
    let mut variables = vec![("CACHE_PATH", text(&cache))];
    variables.extend(bucket.variables());
    let verify = run(&mirror, &variables, &["verify", "--from", "s3://props/a"]).await;
    verify.failed(1, &["manifest.json", "longer than 4194304 bytes"]);
}
