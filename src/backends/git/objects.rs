//! Reads objects of the local copy.

use std::{
    io::{self, BufRead as _, BufReader, Read as _},
    process::ChildStdout,
};

use super::{GitError, program::Git};

/// An object that was asked for.
pub(super) enum Found {
    Bytes(Vec<u8>),
    /// It isn't in this repository.
    Missing,
    TooLong,
}

impl Git {
    /// Passes these objects on in order, each of at most `longest` bytes, until `each` says `false`.
    /// Returns whether it never did.
    pub(super) fn objects(
        &self,
        oids: &[String],
        longest: u64,
        mut each: impl FnMut(usize, Found) -> Result<bool, GitError>,
    ) -> Result<bool, GitError> {
        if oids.is_empty() {
            return Ok(true);
        }
        let input = self.input((oids.join("\n") + "\n").as_bytes())?;
        let read = |stdout: &mut BufReader<ChildStdout>| {
            for number in 0..oids.len() {
                let found = next_object(stdout, longest)?;
                if !each(number, found)? {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        let (all, ended) = self.run(&["cat-file", "--batch"], Some(input), read)?;
        if all && !ended.is_success {
            return Err(GitError::of(&ended.told));
        }
        Ok(all)
    }
}

/// Reads an object as `cat-file --batch` prints it.
fn next_object(stdout: &mut BufReader<ChildStdout>, longest: u64) -> Result<Found, GitError> {
    let failed = |error: io::Error| GitError::Local("read git's output", error.to_string());
    let mut line = String::new();
    stdout
        .by_ref()
        .take(200)
        .read_line(&mut line)
        .map_err(failed)?;
    let mut words = line.trim_end().split(' ');
    let (_, kind, size) = (words.next(), words.next(), words.next());
    if kind == Some("missing") {
        return Ok(Found::Missing);
    }
    let size: Option<u64> = size.and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| GitError::Refused("cat-file ended early".to_owned()))?;
    if size > longest {
        skip(stdout, size + 1).map_err(failed)?;
        return Ok(Found::TooLong);
    }
    let mut bytes = Vec::new();
    stdout.take(size).read_to_end(&mut bytes).map_err(failed)?;
    skip(stdout, 1).map_err(failed)?;
    Ok(Found::Bytes(bytes))
}

fn skip(stdout: &mut BufReader<ChildStdout>, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut stdout.take(bytes), &mut io::sink())?;
    if skipped < bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}
