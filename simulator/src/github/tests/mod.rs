//! Tests of the simulated GitHub from outside, with its own small HTTP client and `git`.

mod client;
mod faults;
mod git;
mod graphql;
mod limits;
mod permissions;
mod rest;
mod source;
mod source_discussions;
mod source_faults;
mod source_rest;

use super::*;

/// No rate limits, one commit.
fn filled() -> Options {
    Options {
        files: vec![
            ("README.md".to_owned(), b"# archive\n".to_vec()),
            ("data/one.bin".to_owned(), vec![0, 159, 146, 150]),
        ],
        limits: Limits::none(),
        ..Options::default()
    }
}

/// No rate limits, no commit.
fn empty() -> Options {
    Options {
        files: Vec::new(),
        ..filled()
    }
}

async fn start(options: Options) -> Github {
    Github::start(options).await.expect("a GitHub")
}

fn head(github: &Github) -> String {
    github.head().expect("git").expect("a commit")
}
