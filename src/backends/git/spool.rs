//! The changes of a commit, as commands for `git fast-import`, which makes objects without a working
//! tree, filters or hooks. Objects wait in a file, so that memory doesn't grow with them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, Seek as _, SeekFrom, Write as _},
};

use super::head::Head;

/// The author and committer, whoever runs the program.
const AUTHOR: &str = "propsbot <propsbot@localhost> now";

/// The objects of a write.
pub(super) struct Spool {
    file: File,
    end: u64,
    /// Their paths; the first has the mark 1.
    paths: Vec<String>,
}

impl Spool {
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            end: 0,
            paths: Vec::new(),
        }
    }

    /// Adds an object.
    pub(super) fn put(&mut self, path: String, bytes: &[u8]) -> io::Result<()> {
        self.paths.push(path);
        let (mark, length) = (self.paths.len(), bytes.len());
        let command = format!("blob\nmark :{mark}\ndata {length}\n");
        for bytes in [command.as_bytes(), bytes, b"\n"] {
            self.file.write_all(bytes)?;
            self.end += bytes.len() as u64;
        }
        Ok(())
    }

    /// The objects, and then these commands instead of earlier ones.
    pub(super) fn with(&self, commands: &[u8]) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.set_len(self.end)?;
        file.seek(SeekFrom::Start(self.end))?;
        file.write_all(commands)?;
        file.rewind()?;
        Ok(file)
    }
}

/// Changes besides the objects, by path in the archive.
#[derive(Clone, Default)]
pub(super) struct Changes {
    pub(super) put: BTreeMap<String, Vec<u8>>,
    pub(super) remove: BTreeSet<String>,
}

impl Changes {
    /// The commands for a commit of the head's files, with the spooled objects and these changes.
    pub(super) fn commands(
        &self,
        prefix: &str,
        head: Option<&Head>,
        name: &str,
        message: &str,
        keeps_history: bool,
        spool: Option<&Spool>,
    ) -> Vec<u8> {
        let full = |path: &str| match prefix {
            "" => path.to_owned(),
            prefix => format!("{prefix}/{path}"),
        };
        let length = message.len();
        // A name that is reset has no parent of its own.
        let mut commands = format!(
            "reset {name}\n\ncommit {name}\nauthor {AUTHOR}\ncommitter {AUTHOR}\ndata {length}\n{message}\n"
        )
        .into_bytes();
        let mut add = |line: &[u8]| {
            commands.extend_from_slice(line);
            commands.push(b'\n');
        };
        match head {
            Some(head) if keeps_history => add(format!("from {}", head.commit).as_bytes()),
            // Without a name, it stands for the whole tree.
            Some(head) => add(format!("M 040000 {} ", head.tree).as_bytes()),
            None => {}
        }
        let paths = spool.map_or(&[][..], |spool| &spool.paths);
        for (number, path) in paths.iter().enumerate() {
            add(format!("M 100644 :{} {}", number + 1, full(path)).as_bytes());
        }
        for (path, bytes) in &self.put {
            add(format!("M 100644 inline {}\ndata {}", full(path), bytes.len()).as_bytes());
            add(bytes);
        }
        for path in &self.remove {
            add(format!("D {}", full(path)).as_bytes());
        }
        add(b"\ndone");
        commands
    }
}
