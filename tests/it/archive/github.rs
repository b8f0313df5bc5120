//! Archives on GitHub: a simulated one on loopback, over a real git repository.

use propsbot::archive::{GithubAccess, GithubArchive, GithubPlace};
use simulator::github::{Github, Options};

use super::contract::keeps_the_contract;

/// How the archive reaches this GitHub.
fn access(github: &Github) -> GithubAccess {
    GithubAccess {
        token: Some(github.token()),
        api_url: Some(github.url()),
        ..GithubAccess::default()
    }
}

fn place(github: &Github, prefix: &str) -> GithubPlace {
    GithubPlace {
        owner: github.owner(),
        repo: github.repo(),
        branch: None,
        prefix: prefix.to_owned(),
    }
}

fn archive_in(github: &Github, prefix: &str) -> GithubArchive {
    GithubArchive::new(place(github, prefix), &access(github)).unwrap()
}

#[tokio::test]
async fn github_keeps_the_contract() {
    let github = Github::start(Options::default()).await.unwrap();
    let mut made = 0;
    keeps_the_contract(&mut || {
        made += 1;
        Box::new(archive_in(&github, &format!("archive-{made}")))
    })
    .await;
    assert_eq!(github.violations(), Vec::<String>::new());
}
