//! Between the bot and its servers: TLS with our own certificates, and proxies.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
use tokio::{
    io::{
        AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional,
    },
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// A certificate authority that no platform trusts.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// Writes its certificate to a file in this folder.
    pub(crate) fn file(&self, folder: &Path) -> PathBuf {
        let path = folder.join("authority.pem");
        std::fs::write(&path, &self.pem).unwrap();
        path
    }

    /// Serves TLS as this host, and forwards to the server at `url`. Returns the address.
    pub(crate) async fn front(&self, host: &str, url: &str) -> SocketAddr {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(key.serialize_der().into()),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let behind = url.rsplit('/').next().unwrap().to_owned();
        let (listener, address) = listen().await;
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, behind) = (acceptor.clone(), behind.clone());
                tokio::spawn(async move {
                    let mut inside = acceptor.accept(stream).await.ok()?;
                    let mut server = TcpStream::connect(behind).await.ok()?;
                    copy_bidirectional(&mut inside, &mut server).await.ok()
                });
            }
        });
        address
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A proxy that knows hosts without a DNS entry.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

/// How a proxy asks whoever shows a password only then.
const ASKS_FOR_LOGIN: &str = "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\n\
    Content-Length: 0\r\nConnection: close";

type Routes = BTreeMap<String, SocketAddr>;

impl Proxy {
    /// An HTTP proxy that requires `user:secret` for CONNECT.
    pub(crate) async fn http(routes: &[(&str, SocketAddr)]) -> Self {
        Self::start(
            routes,
            |stream: TcpStream, routes: Arc<Routes>, asked: Arc<Mutex<Vec<String>>>| async move {
                let mut stream = BufReader::new(stream);
                let mut lines = Vec::new();
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).await.ok()?;
                    if line.trim().is_empty() {
                        break;
                    }
                    lines.push(line.trim().to_owned());
                }
                let target = lines[0].split(' ').nth(1)?.to_owned();
                let authorized = lines.iter().any(|line| {
                    line.eq_ignore_ascii_case("proxy-authorization: basic dXNlcjpzZWNyZXQ=")
                });
                let found = routes.get(&target).copied();
                asked.lock().unwrap().push(target);
                let (answer, found) = match found {
                    _ if !authorized => (ASKS_FOR_LOGIN, None),
                    None => ("502 Bad Gateway", None),
                    found => ("200 OK", found),
                };
                let answer = format!("HTTP/1.1 {answer}\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.ok()?;
                let mut server = TcpStream::connect(found?).await.ok()?;
                copy_bidirectional(&mut stream, &mut server).await.ok()
            },
        )
        .await
    }

    /// A SOCKS5 proxy that resolves names itself. Source: RFC 1928.
    pub(crate) async fn socks5(routes: &[(&str, SocketAddr)]) -> Self {
        Self::start(routes, |mut stream: TcpStream, routes: Arc<Routes>, asked: Arc<Mutex<Vec<String>>>| async move {
            let methods = {
                let _version = stream.read_u8().await.ok()?;
                stream.read_u8().await.ok()?
            };
            stream.read_exact(&mut vec![0; methods.into()]).await.ok()?;
            stream.write_all(&[5, 0]).await.ok()?;
            let mut head = [0; 5];
            stream.read_exact(&mut head).await.ok()?;
            assert_eq!(head[..4], [5, 1, 0, 3], "a name is asked for");
            let mut host = vec![0; head[4].into()];
            stream.read_exact(&mut host).await.ok()?;
            let port = stream.read_u16().await.ok()?;
            let target = format!("{}:{port}", String::from_utf8(host).unwrap());
            let found = routes.get(&target).copied();
            asked.lock().unwrap().push(target);
            let mut server = TcpStream::connect(found?).await.ok()?;
            stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.ok()?;
            copy_bidirectional(&mut stream, &mut server).await.ok()
        })
        .await
    }

    async fn start<F, Served>(routes: &[(&str, SocketAddr)], serve: F) -> Self
    where
        F: Fn(TcpStream, Arc<Routes>, Arc<Mutex<Vec<String>>>) -> Served + Send + 'static,
        Served: Future<Output = Option<(u64, u64)>> + Send + 'static,
    {
        let routes = routes
            .iter()
            .map(|(host, address)| ((*host).to_owned(), *address));
        let routes: Arc<Routes> = Arc::new(routes.collect());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (listener, address) = listen().await;
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&routes), Arc::clone(&noted)));
            }
        });
        Self { address, asked }
    }

    /// The requested hosts, without duplicates.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}
