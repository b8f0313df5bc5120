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

/// The longest view of cred, and the longest graph, uncompressed.
pub(super) const LONGEST: u64 = 256 << 20;

/// How much all files of an instance may have together, uncompressed or as they are fetched.
const TOGETHER: u64 = 512 << 20;

/// How often a server may name another address in a row.
const REDIRECTS: usize = 5;

pub(super) struct Place {
    at: At,
    /// How much may still be read, in bytes.
    left: u64,
}

enum At {
    Folder(PathBuf),
    Web { output: Url, client: Client },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            At::Folder(folder) => folder.display().fmt(f),
            At::Web { output, .. } => output.fmt(f),
        }
    }
}

impl Place {
    /// The instance in this folder.
    pub(super) fn folder(folder: PathBuf) -> Self {
        Self::new(At::Folder(folder))
    }

    fn new(at: At) -> Self {
        Self { at, left: TOGETHER }
    }

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
        Ok(Self::new(At::Web { output, client }))
    }

    /// A file of the instance, such as `output/credGrainView`, uncompressed if it has no suffix; `None` if it
    /// isn't there.
    ///
    /// # Errors
    /// Files that can't be read, have more than this number of bytes, or more than is left for all files.
    pub(super) async fn read(
        &mut self,
        file: &str,
        longest: u64,
    ) -> anyhow::Result<Option<Vec<u8>>> {
        let longest = longest.min(self.left);
        let (bytes, read) = match &self.at {
            At::Folder(folder) => (local(&folder.join(file), longest)?, 0),
            At::Web { output, client } => fetched(output, client, file, longest).await?,
        };
        let length = bytes.as_ref().map_or(0, Vec::len) as u64;
        self.left = self.left.saturating_sub(length.max(read));
        Ok(bytes)
    }
}

/// A file at this address, if it is there, and how many bytes were fetched for it.
async fn fetched(
    output: &Url,
    client: &Client,
    file: &str,
    longest: u64,
) -> anyhow::Result<(Option<Vec<u8>>, u64)> {
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
        StatusCode::NOT_FOUND => return Ok((None, 0)),
        status => bail!("{}: the server answered {status}", tried()),
    }
    let most = usize::try_from(longest).map_or(FETCHED, |longest| longest.min(FETCHED));
    let body = BodyLimit::new(most, most).read(answer).await;
    let bytes = body.with_context(tried)?.bytes;
    let read = uncompressed(&*bytes, is_compressed(Path::new(file)), longest);
    let read = read.with_context(tried)?;
    Ok((Some(read), bytes.len() as u64))
}

fn local(path: &Path, longest: u64) -> anyhow::Result<Option<Vec<u8>>> {
    let tried = || format!("could not read {}", path.display());
    match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        file => {
            let file = file.with_context(tried)?;
            let read = uncompressed(file, is_compressed(path), longest);
            read.with_context(tried).map(Some)
        }
    }
}

/// Whether `SourceCred` compresses a file of this name.
fn is_compressed(path: &Path) -> bool {
    path.extension().is_none()
}

fn uncompressed(from: impl Read, is_compressed: bool, longest: u64) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = longest + 1;
    let length = if is_compressed {
        ZlibDecoder::new(from).take(most).read_to_end(&mut bytes)?
    } else {
        from.take(most).read_to_end(&mut bytes)?
    };
    if length as u64 > longest {
        bail!(
            "it has more than {longest} bytes uncompressed, which is its limit, or what is left of {} MiB for all \
             files of an instance",
            TOGETHER >> 20
        );
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn a_file_and_all_files_have_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json"), "12345").unwrap();
        let mut place = Place::folder(folder.path().to_owned());
        assert!(place.read("none.json", 5).await.unwrap().is_none());
        assert_eq!(place.read("a.json", 5).await.unwrap().unwrap(), b"12345");
        assert_eq!(place.left, TOGETHER - 5);
        place.read("a.json", 4).await.unwrap_err();
        place.left = 9;
        place.read("a.json", 5).await.unwrap();
        let refused = place.read("a.json", 5).await.unwrap_err();
        let says = format!("{refused:#}");
        assert!(says.contains("more than 4 bytes uncompressed"), "{says}");
    }
}
