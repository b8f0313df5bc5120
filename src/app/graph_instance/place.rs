//! Where another instance's files are: in a folder, or at the address of its `output/`.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use flate2::read::ZlibDecoder;
use propsbot_network::{Network, body::BodyLimit, cause, exposed_host};
use reqwest::{Client, StatusCode, Url, redirect::Policy};

/// How long a file may take to come, from the request to its last byte.
const PATIENCE: Duration = Duration::from_mins(2);

/// The longest file that is fetched, in bytes.
const FETCHED: usize = 64 << 20;

/// The longest it may be uncompressed.
const LONGEST: u64 = 256 << 20;

/// How often a server may name another address in a row.
const REDIRECTS: usize = 5;

pub(super) enum Place {
    Folder(PathBuf),
    Web { output: Url, client: Client },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Web { output, .. } => output.fmt(f),
        }
    }
}

impl Place {
    /// The place at this address of a folder `output`.
    ///
    /// # Errors
    /// Texts that are no such address.
    pub(super) fn web(url: &str, network: &Network) -> anyhow::Result<Self> {
        let wrong = "url has to be the https:// address of the instance's output folder";
        let mut output = Url::parse(url).context(wrong)?;
        if !output.path().ends_with('/') {
            output.set_path(&format!("{}/", output.path()));
        }
        let is_plain = output.username().is_empty()
            && output.password().is_none()
            && output.query().is_none()
            && output.fragment().is_none();
        if !is_plain || !matches!(output.scheme(), "https" | "http") {
            bail!("{wrong}, without a name, password, or anything after ? or #");
        }
        if let Some(host) = exposed_host(output.as_str()) {
            bail!("{wrong}: http:// would let others change what {host} sends");
        }
        let redirects = Policy::custom(|attempt| {
            if attempt.url().scheme() != "https" {
                attempt.error("it leads away from https://")
            } else if attempt.previous().len() > REDIRECTS {
                attempt.error("it leads on and on")
            } else {
                attempt.follow()
            }
        });
        let client = network.client().timeout(PATIENCE).redirect(redirects);
        let client = client.build().context("could not make an HTTP client")?;
        Ok(Self::Web { output, client })
    }

    /// A file of the instance, such as `output/credGrainView`, uncompressed if it has no suffix; `None` if it
    /// isn't there.
    pub(super) async fn read(&self, file: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let (output, client) = match self {
            Self::Folder(folder) => return local(&folder.join(file)),
            Self::Web { output, client } => (output, client),
        };
        let relative = match file.strip_prefix("output/") {
            Some(inside) => inside.to_owned(),
            None => format!("../{file}"),
        };
        let url = output.join(&relative).context("it has no such address")?;
        let tried = || format!("could not fetch {url}");
        let told = |error: &reqwest::Error| anyhow::Error::msg(cause(error));
        let answer = client.get(url.clone()).send().await;
        let answer = answer.map_err(|error| told(&error)).with_context(tried)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            status => bail!("{}: the server answered {status}", tried()),
        }
        let body = BodyLimit::new(FETCHED, FETCHED).read(answer).await;
        let bytes = body.with_context(tried)?.bytes;
        let read = uncompressed(&*bytes, is_compressed(Path::new(file)));
        read.with_context(tried).map(Some)
    }
}

fn local(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let tried = || format!("could not read {}", path.display());
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let file = file.with_context(tried)?;
            let read = uncompressed(file, is_compressed(path));
            read.with_context(tried).map(Some)
        }
    }
}

/// Whether `SourceCred` compresses a file of this name.
fn is_compressed(path: &Path) -> bool {
    path.extension().is_none()
}

fn uncompressed(from: impl Read, is_compressed: bool) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = LONGEST + 1;
    let length = if is_compressed {
        ZlibDecoder::new(from).take(most).read_to_end(&mut bytes)?
    } else {
        from.take(most).read_to_end(&mut bytes)?
    };
    if length as u64 > LONGEST {
        bail!("it is longer than {} MiB uncompressed", LONGEST >> 20);
    }
    Ok(bytes)
}
