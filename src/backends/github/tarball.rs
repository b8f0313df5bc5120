//! Downloads a whole commit as a tarball, in one request.

use std::{collections::BTreeMap, io::Read as _};

use flate2::read::GzDecoder;
use futures::{StreamExt as _, stream::BoxStream};
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::{GithubArchive, GithubError, LARGEST};
use propsbot_archive::{ArchiveError, Hash, Object};

/// How many unpacked objects may be queued.
const QUEUE: usize = 8;

type Objects = BoxStream<'static, Result<Object, ArchiveError>>;

impl GithubArchive {
    /// All objects of the last seen commit; `None` if there is no commit, or if reading the objects
    /// one by one costs less than downloading the whole repository.
    pub(super) async fn tarball(&self) -> Result<Option<Objects>, GithubError> {
        let seen = self.seen().head.clone();
        let commit = match seen {
            Some(seen) => seen,
            None => match self.look().await?.head {
                Some(head) => head.commit,
                None => return Ok(None),
            },
        };
        let listing = self.list(&commit).await?;
        if !listing.is_worth_a_download() {
            return Ok(None);
        }
        let route = self.route(&format!("/tarball/{commit}"));
        let bytes = SyncIoBridge::new(StreamReader::new(self.client.download(&route).await?));
        let (prefix, place) = (self.path(""), self.place.to_string());
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        // Ends with the tarball, or when the receiver is dropped.
        tokio::task::spawn_blocking(move || {
            let send = |object| sender.blocking_send(object).is_ok();
            if let Err(source) = unpack(bytes, &prefix, listing.own, &send) {
                send(Err(ArchiveError::Remote {
                    action: "download",
                    place,
                    source: source.into(),
                }));
            }
        });
        let objects = futures::stream::poll_fn(move |context| receiver.poll_recv(context));
        Ok(Some(objects.boxed()))
    }
}

fn unpack(
    bytes: impl std::io::Read,
    prefix: &str,
    mut listed: BTreeMap<String, u64>,
    send: &dyn Fn(Result<Object, ArchiveError>) -> bool,
) -> std::io::Result<()> {
    let mut tarball = tar::Archive::new(GzDecoder::new(bytes));
    for entry in tarball.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().into_owned();
        // The tarball has one top-level folder, named after the repository and the commit.
        let path = path.split_once('/').map_or("", |(_, path)| path);
        let Some(path) = path.strip_prefix(prefix).map(str::to_owned) else {
            continue;
        };
        let size = entry.size();
        // Anything else isn't ours or comes twice. What has another length is read by itself.
        let is_listed = listed.remove(&path) == Some(size) && size <= LARGEST;
        if !is_listed || Hash::in_path(&path).is_none() {
            continue;
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        if !send(Ok(Object { path, bytes })) {
            break;
        }
    }
    Ok(())
}
