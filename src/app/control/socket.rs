//! Where the socket lies: `control/socket` in the store's folder, which only the store's user can enter.

use std::{
    fs::{self, DirBuilder, Permissions},
    io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use tokio::net::{UnixListener, UnixStream};

const FOLDER: &str = "control";
const SOCKET: &str = "socket";

/// The socket of a store.
pub(super) fn path(store: &Path) -> PathBuf {
    store.join(FOLDER).join(SOCKET)
}

/// Listens on the socket, in place of one that a killed process has left. The caller has the store's lock.
pub(super) fn listen(store: &Path) -> io::Result<UnixListener> {
    let folder = store.join(FOLDER);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o700))?;
    remove(store)?;
    let listener = by_a_short_name(&folder, |socket| UnixListener::bind(socket))?;
    fs::set_permissions(path(store), Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Connects to the socket. `None` if nothing listens there, or this user may not know.
/// Call it within a runtime.
pub(super) fn connect(store: &Path) -> io::Result<Option<UnixStream>> {
    let folder = store.join(FOLDER);
    // Connecting to a Unix socket doesn't wait for the other end, unless very many do at once.
    let connected = by_a_short_name(&folder, |socket| {
        std::os::unix::net::UnixStream::connect(socket)
    });
    let connected = connected.and_then(|stream| {
        stream.set_nonblocking(true)?;
        UnixStream::from_std(stream)
    });
    match connected {
        Ok(stream) => Ok(Some(stream)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::PermissionDenied => Ok(None),
            _ => Err(error),
        },
    }
}

pub(super) fn remove(store: &Path) -> io::Result<()> {
    match fs::remove_file(path(store)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Uses the socket under a name that the system takes: at most 108 bytes on Linux and 104 on macOS.
/// A longer one goes by way of a link in a temporary folder, which is removed again.
fn by_a_short_name<T>(
    folder: &Path,
    mut reach: impl FnMut(&Path) -> io::Result<T>,
) -> io::Result<T> {
    match reach(&folder.join(SOCKET)) {
        // What the standard library says of a name that is too long.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
        reached => return reached,
    }
    let folder = std::path::absolute(folder)?;
    if !folder.exists() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let links = tempfile::tempdir()?;
    let link = links.path().join(FOLDER);
    symlink(folder, &link)?;
    reach(&link.join(SOCKET))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[tokio::test]
    async fn a_left_socket_is_replaced_and_refuses_until_then() {
        let home = tempfile::tempdir().unwrap();
        for store in ["data".to_owned(), "long/".repeat(40)] {
            let store = home.path().join(store);
            assert!(connect(&store).unwrap().is_none());
            let first = listen(&store).unwrap();
            assert!(connect(&store).unwrap().is_some());
            // What `kill -9` leaves.
            drop(first);
            assert!(path(&store).exists());
            assert!(connect(&store).unwrap().is_none());
            let _second = listen(&store).unwrap();
            assert!(connect(&store).unwrap().is_some());
            let mode = fs::metadata(store.join(FOLDER)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o700);
            remove(&store).unwrap();
            assert!(connect(&store).unwrap().is_none());
        }
    }
}
