//! A CAR file of blocks, with files and folders as IPFS has them.
//!
//! Knows nothing of archives. The formats: <https://ipld.io/specs/transport/car/carv1>,
//! <https://github.com/multiformats/cid>, <https://specs.ipfs.tech/unixfs>. Files and folders are what
//! `ipfs add --cid-version 1 --chunker size-1048576` makes of them.

use std::{
    collections::BTreeMap,
    fmt,
    fs::Permissions,
    io::{self, BufWriter, Seek as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use data_encoding::BASE32_NOPAD;
use tempfile::NamedTempFile;

use crate::Hash;

/// The longest block, in bytes: IPFS exchanges and imports no longer ones without being told to.
const BLOCK: usize = 1 << 20;

/// What a block is. The codes are multicodecs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codec {
    /// Bytes.
    Raw = 0x55,
    /// A folder, or a file in several blocks.
    DagPb = 0x70,
}

/// The name of a block by its content: a CID of version 1, with a SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cid(Codec, Hash);

impl Cid {
    /// How many bytes it has.
    const LENGTH: usize = 36;

    fn bytes(self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        // The version, the codec, SHA-256, and its length.
        bytes[..4].copy_from_slice(&[1, self.0 as u8, 0x12, 32]);
        bytes[4..].copy_from_slice(self.1.as_bytes());
        bytes
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = BASE32_NOPAD.encode(&self.bytes()).to_ascii_lowercase();
        write!(f, "b{digits}")
    }
}

/// A file or folder, and how long all of its blocks are.
#[derive(Clone, Copy, Debug)]
struct Link {
    cid: Cid,
    size: u64,
}

/// A CAR file that is being written. Dropped, it leaves nothing.
pub(super) struct CarWriter {
    out: BufWriter<NamedTempFile>,
    files: BTreeMap<String, Link>,
}

impl CarWriter {
    /// Begins one that will be at this path.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        let file = tempfile::Builder::new()
            .prefix(".propsbot-")
            .suffix(".car")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))?;
        let mut out = BufWriter::new(file);
        // Its roots are known at the end.
        out.write_all(&header([Cid(Codec::Raw, Hash::of(b"")); 2]))?;
        Ok(Self {
            out,
            files: BTreeMap::new(),
        })
    }

    /// How many files it has.
    pub(super) fn files(&self) -> usize {
        self.files.len()
    }

    /// Adds a file, in one block if it fits.
    pub(super) fn file(&mut self, path: String, bytes: &[u8]) -> io::Result<()> {
        let chunks = bytes.chunks(BLOCK);
        let chunks: Vec<Link> = chunks
            .map(|chunk| self.block(Codec::Raw, chunk, &[]))
            .collect::<io::Result<_>>()?;
        let link = match chunks[..] {
            [link] => link,
            _ => self.node(&file_data(bytes.len(), &chunks), &unnamed(&chunks))?,
        };
        self.files.insert(path, link);
        Ok(())
    }

    /// Completes it: adds the folders, and puts it at its path. Its roots are the file `first` and the
    /// folder of all files. Also returns its length.
    pub(super) fn finish(
        mut self,
        first: &str,
        path: &Path,
        replace: bool,
    ) -> io::Result<([Cid; 2], u64)> {
        let files: Vec<(String, Link)> = std::mem::take(&mut self.files).into_iter().collect();
        let root = files.iter().find(|(path, _)| path == first);
        let (_, root) = root.expect("its first root was added");
        let paths: Vec<(&str, Link)> = files.iter().map(|(path, link)| (&**path, *link)).collect();
        let roots = [root.cid, self.folder(&paths)?.cid];
        let bytes = self.out.stream_position()?;
        self.out.rewind()?;
        self.out.write_all(&header(roots))?;
        let file = self.out.into_inner()?;
        file.as_file().sync_all()?;
        if replace {
            file.persist(path)?;
        } else {
            file.persist_noclobber(path)?;
        }
        Ok((roots, bytes))
    }

    /// Adds a folder of these files, sorted by path, and the folders in it.
    fn folder(&mut self, files: &[(&str, Link)]) -> io::Result<Link> {
        let folder = |path: &str| path.split_once('/').map(|(folder, _)| folder.len());
        let mut links = Vec::new();
        for within in files.chunk_by(|(one, _), (next, _)| {
            folder(one).is_some_and(|length| next.get(..=length) == Some(&one[..=length]))
        }) {
            let (path, link) = within[0];
            let Some(length) = folder(path) else {
                links.push((path, link));
                continue;
            };
            let within = within.iter();
            let within: Vec<_> = within
                .map(|(path, link)| (&path[length + 1..], *link))
                .collect();
            links.push((&path[..length], self.folder(&within)?));
        }
        links.sort_unstable_by_key(|(name, _)| *name);
        self.node(&FOLDER_DATA, &links)
    }

    /// Adds a block that links others, and says what of (`data`).
    fn node(&mut self, data: &[u8], links: &[(&str, Link)]) -> io::Result<Link> {
        let mut bytes = Vec::new();
        for (name, link) in links {
            let mut encoded = Vec::new();
            field(&mut encoded, 1, &link.cid.bytes());
            field(&mut encoded, 2, name.as_bytes());
            number(&mut encoded, 3, link.size);
            field(&mut bytes, 2, &encoded);
        }
        field(&mut bytes, 1, data);
        self.block(Codec::DagPb, &bytes, links)
    }

    fn block(&mut self, codec: Codec, bytes: &[u8], links: &[(&str, Link)]) -> io::Result<Link> {
        if bytes.len() > BLOCK {
            return Err(io::Error::other(format!(
                "a folder of the archive has more files ({}) than a block of IPFS can list",
                links.len()
            )));
        }
        let cid = Cid(codec, Hash::of(bytes));
        let mut length = Vec::new();
        varint(&mut length, (Cid::LENGTH + bytes.len()) as u64);
        self.out.write_all(&length)?;
        self.out.write_all(&cid.bytes())?;
        self.out.write_all(bytes)?;
        let linked: u64 = links.iter().map(|(_, link)| link.size).sum();
        let size = bytes.len() as u64 + linked;
        Ok(Link { cid, size })
    }
}

/// The head of a CAR file, always of the same length: `{roots, version: 1}` in DAG-CBOR.
fn header(roots: [Cid; 2]) -> Vec<u8> {
    let mut cbor = b"\xa2\x65roots\x82".to_vec();
    for root in roots {
        // A CID is a tagged byte string that begins with a zero.
        cbor.extend_from_slice(b"\xd8\x2a\x58\x25\x00");
        cbor.extend_from_slice(&root.bytes());
    }
    cbor.extend_from_slice(b"\x67version\x01");
    let mut bytes = Vec::new();
    varint(&mut bytes, cbor.len() as u64);
    bytes.extend(cbor);
    bytes
}

/// What is said of a folder: that it is one.
const FOLDER_DATA: [u8; 2] = [8, 1];

/// What is said of a file in several blocks: how long it and they are.
fn file_data(length: usize, chunks: &[Link]) -> Vec<u8> {
    let mut data = vec![8, 2];
    number(&mut data, 3, length as u64);
    for chunk in chunks {
        number(&mut data, 4, chunk.size);
    }
    data
}

fn unnamed(chunks: &[Link]) -> Vec<(&str, Link)> {
    chunks.iter().map(|chunk| ("", *chunk)).collect()
}

/// A field of bytes in Protocol Buffers.
fn field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A field with a number in Protocol Buffers.
fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

/// An unsigned LEB128, as CAR and Protocol Buffers have it.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `ipfs add --cid-version 1` names them.
    #[test]
    fn names_blocks_as_ipfs_does() {
        let raw = Cid(Codec::Raw, Hash::of(b"hello world"));
        let named = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e";
        assert_eq!(raw.to_string(), named);

        let place = tempfile::tempdir().unwrap();
        let mut car = CarWriter::create(&place.path().join("out")).unwrap();
        let empty = car.folder(&[]).unwrap().cid.to_string();
        let named = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354";
        assert_eq!(empty, named);
    }

    #[test]
    fn a_folder_that_fits_no_block_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("out");
        let mut car = CarWriter::create(&path).unwrap();
        for number in 0..16_000 {
            car.file(format!("spaces/{number:020}.json"), b"{}")
                .unwrap();
        }
        car.file("first".to_owned(), b"{}").unwrap();
        let refused = car.finish("first", &path, false).unwrap_err().to_string();
        assert!(refused.contains("more files (16000)"), "{refused}");
        assert_eq!(place.path().read_dir().unwrap().count(), 0);
    }
}
