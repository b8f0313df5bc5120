//! `/link`: an account that a comment in a mirrored repository proves, and what `ledger apply` makes of it.

use std::{collections::BTreeMap, fs, process::Command, time::Instant};

use propsbot_archive::Millis;
use propsbot_rows::LinkRow;
use propsbot_sourcecred::cred::Ledger;
use serde_json::json;
use simulator::{
    discord::Answer,
    github::world::{Action, Seed},
};

use super::{SOON, Server, says};
use crate::{
    mirror::{Ended, content_below, start},
    repositories::Source,
};

const ISSUE: &str = "octo-org/alpha#1";

fn comment(by: &str, body: &str) -> Action {
    Action::Comment {
        on: ISSUE.into(),
        by: Some(by.to_owned()),
        body: body.to_owned(),
        at: None,
    }
}

/// A server whose bot knows the archive of a mirror of GitHub.
struct Both {
    source: Source,
    server: Server,
}

impl Both {
    async fn start() -> Self {
        let source = Source::seeded(&Seed::default()).await;
        let mut both = Self {
            source,
            server: Server::start().await,
        };
        both.mirror().await;
        let archive = both.source.home.path().join("archive");
        let archive = format!("dir:{}", archive.display());
        both.server
            .restart_with(&[("GITHUB_ARCHIVE", &archive)])
            .await;
        both
    }

    /// Mirrors what was commented.
    async fn mirror(&self) {
        self.source.run(&["sync"]).await.ok();
        self.source.export().await;
    }

    /// Asks for a code; returns the answer and the text of the comment.
    async fn code(&self, user: u64, login: &str) -> (Answer, String) {
        let asked = self
            .server
            .ask(user, "link github", json!({"login": login}))
            .await;
        says(&asked, &["`octo-org/alpha`", "Check now"]);
        let text = asked.content.split("```").nth(1).unwrap().trim().to_owned();
        (asked, text)
    }

    async fn press(&self, user: u64, asked: &Answer) -> String {
        let discord = self.server.discord();
        let message = asked.message_id.unwrap();
        let pressed = discord.click(user, self.server.general, message, "link-check", &[]);
        discord.answer(pressed).await.unwrap().content
    }

    /// Presses the button until the answer has these words. A look is shared by all presses within a few seconds.
    async fn press_until(&self, user: u64, asked: &Answer, words: &str) {
        let begun = std::time::Instant::now();
        loop {
            let said = self.press(user, asked).await;
            if said.contains(words) {
                return;
            }
            assert!(begun.elapsed() < SOON, "{said}\n{}", self.server.log());
        }
    }

    /// Proves that a login is the user's.
    async fn link(&self, user: u64, login: &str) {
        let (asked, text) = self.code(user, login).await;
        self.source.act(comment(login, &text));
        self.mirror().await;
        let words = format!("linked with **{login}**");
        self.press_until(user, &asked, &words).await;
    }

    /// Who has how much cred, as `/leaderboard` ranks them. The options are All time, and Cred.
    async fn creds(&self, user: u64) -> (Answer, BTreeMap<String, f64>) {
        let options = json!({"period": 3, "of": 2});
        let board = self.server.ask(user, "leaderboard", options).await;
        let ranked = board.content.lines().filter_map(|line| {
            let (name, cred) = line
                .split_once("\\. **\u{2068}")?
                .1
                .split_once("\u{2069}**: ")?;
            let digits = |char: &char| char.is_ascii_digit() || *char == '.';
            let cred: String = cred.chars().filter(digits).collect();
            Some((name.to_owned(), cred.parse().unwrap()))
        });
        let ranked = ranked.collect();
        (board, ranked)
    }

    /// The same once somebody is among them.
    async fn creds_with(&self, user: u64, name: &str) -> (Answer, BTreeMap<String, f64>) {
        let begun = Instant::now();
        loop {
            let (board, creds) = self.creds(user).await;
            if creds.contains_key(name) {
                return (board, creds);
            }
            assert!(begun.elapsed() < SOON, "{board:?}\n{}", self.server.log());
        }
    }

    async fn standing(&self, user: u64) -> String {
        let answer = self.server.ask(user, "link status", json!({})).await;
        says(&answer, &[]);
        answer.content
    }

    /// The links in the archive after an export.
    async fn archived(&mut self) -> Vec<LinkRow> {
        self.server.stop().await;
        self.server.mirror.export().await;
        self.server.mirror.archived().await.links
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_of_the_login_proves_it() {
    let mut both = Both::start().await;
    let (ana, ben) = (both.server.ana, both.server.ben);
    let (asked, text) = both.code(ana, "@Amara").await;
    // Somebody else's, a quotation, an edited one, and another code's.
    let (bens, other) = both.code(ben, "amara").await;
    assert_ne!(text, other);
    both.source.act(comment("bram", &text));
    both.source
        .act(comment("amara", &format!("> {text}\n\nWhat is this?")));
    let edited = both.source.act(comment("amara", "Hello"));
    both.source.act(Action::Edit {
        on: edited.into(),
        body: Some(text.clone()),
        title: None,
    });
    both.mirror().await;
    let said = both.press(ana, &asked).await;
    assert!(
        said.contains("haven't found the comment of **Amara**"),
        "{said}"
    );

    both.source.act(comment("amara", &format!("\n{text}\n")));
    both.mirror().await;
    both.press_until(ana, &asked, "linked with **amara**").await;
    assert!(both.standing(ana).await.contains("linked with **amara**"));
    let said = both.press(ben, &bens).await;
    assert!(said.contains("aren't linked"), "{said}");
    // Used once: the same comment proves nothing more.
    says(
        &both.server.ask(ana, "link undo", json!({})).await,
        &["no longer linked with **amara**"],
    );
    let said = both.press(ana, &asked).await;
    assert!(said.contains("aren't linked"), "{said}");

    // Whoever proves it later has it.
    both.link(ana, "amara").await;
    both.source.act(comment("amara", &other));
    both.mirror().await;
    both.press_until(ben, &bens, "linked with **amara**").await;
    assert!(both.standing(ana).await.contains("aren't linked"));
    both.server.check_manners();
    let links = both.archived().await;
    // Of a link that was undone, the archive doesn't say with whom.
    let shown: Vec<_> = links
        .iter()
        .map(|link| {
            let (id, login) = (&link.github_id, &link.github_login);
            (
                link.user_id.0,
                id.is_some(),
                login.as_deref(),
                link.undone_at.is_some(),
            )
        })
        .collect();
    let bens = (ben, true, Some("amara"), false);
    assert_eq!(shown, [(ana, false, None, true), bens]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_members_asked_survives_the_store_and_reaches_the_ledger() {
    let mut both = Both::start().await;
    let ana = both.server.ana;
    both.link(ana, "amara").await;
    let asked = both
        .server
        .ask(ana, "link grain", json!({"receive": true}))
        .await;
    says(&asked, &["ask to receive Grain"]);
    let links = both.archived().await;
    assert_eq!(links.len(), 1);
    assert!(links[0].linked_at > Some(Millis(0)) && links[0].grain == Some(true));

    let mirror = &both.server.mirror;
    let home = mirror.home.path();
    fs::remove_dir_all(mirror.store_path()).unwrap();
    mirror.run(&["restore", "--from", "dir:archive"]).await.ok();
    let exported = mirror.run(&["export"]).await.ok();
    assert!(exported.stdout.contains("nothing changed"), "{exported:?}");

    let instance = home.join("instance");
    fs::create_dir_all(&instance).unwrap();
    let apply = ["ledger", "apply", "--instance", "instance"];
    let wrong = mirror.run(&apply).await;
    assert!(
        wrong.stderr.contains("not a SourceCred instance"),
        "{wrong:?}"
    );
    fs::write(
        instance.join("sourcecred.json"),
        r#"{"bundledPlugins": []}"#,
    )
    .unwrap();
    let refused = mirror.run(&apply).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("github/[@amara]"), "{refused:?}");
    assert!(!instance.join("data").exists());
    // In a terminal, the answer decides.
    for (answer, words) in [("n", "nothing was written"), ("y", "added 4 events")] {
        assert!(!instance.join("data").exists());
        let asked = in_terminal(&mirror.command(&apply), answer).await.ok();
        for words in ["receives Grain from now on", "Add 4 events to ", words] {
            assert!(asked.stdout.contains(words), "{asked:?}");
        }
    }
    let apply = [&apply[..], &["--yes"]].concat();
    let path = instance.join("data/ledger.json");
    let text = fs::read_to_string(&path).unwrap();
    let ledger = Ledger::parse(&text).unwrap();
    let accounts: Vec<_> = ledger.accounts().collect();
    assert_eq!(accounts.len(), 1);
    assert_eq!(
        (accounts[0].identity.aliases.len(), accounts[0].active),
        (2, true)
    );
    let again = mirror.run(&apply).await.ok();
    assert!(again.stdout.contains("nothing to add"), "{again:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
}

/// Runs a command in a terminal of its own, in which this is typed.
async fn in_terminal(command: &Command, answer: &str) -> Ended {
    const TERMINAL: &str = r#"
import os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[2], sys.argv[2:])
os.write(terminal, sys.argv[1].encode() + b"\n")
try:
    while shown := os.read(terminal, 4096):
        os.write(1, shown)
except OSError:
    pass  # The end.
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    let mut python = Command::new("python3");
    let path = std::env::var_os("PATH").unwrap();
    let variables = command.get_envs();
    python
        .args(["-c", TERMINAL, answer])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap())
        .env_clear()
        .env("PATH", path)
        .envs(variables.filter_map(|(name, value)| Some((name, value?))));
    start(python).wait().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_goes_with_the_name_and_with_the_member() {
    let mut both = Both::start().await;
    let (ana, ben) = (both.server.ana, both.server.ben);
    both.link(ana, "amara").await;
    both.link(ben, "bram").await;
    // Who hides their name has no link, and gets none.
    let hide = json!({"what": 1});
    both.server.ask(ana, "privacy opt-out", hide).await;
    let asked = both
        .server
        .ask(ana, "link github", json!({"login": "amara"}))
        .await;
    says(&asked, &["You hide your name"]);
    let links = both.archived().await;
    assert_eq!(
        links.iter().map(|link| link.user_id.0).collect::<Vec<_>>(),
        [ben]
    );
    // It is kept until they want to be named again.
    both.server.run().await;
    both.server.ask(ana, "privacy opt-in", json!({})).await;
    assert!(both.standing(ana).await.contains("linked with **amara**"));

    let asked = both.server.ask(ben, "privacy delete", json!({})).await;
    let discord = both.server.discord();
    let message = asked.message_id.unwrap();
    let pressed = discord.click(ben, both.server.general, message, "privacy-delete", &[]);
    says(&discord.answer(pressed).await.unwrap(), &["Deleted:"]);
    assert!(both.standing(ben).await.contains("aren't linked"));
    let links = both.archived().await;
    assert_eq!(
        links.iter().map(|link| link.user_id.0).collect::<Vec<_>>(),
        [ana]
    );
    // At the next start, it goes from the store's files, too.
    both.server.mirror.sync().await.ok();
    let stored = content_below(&both.server.mirror.store_path());
    assert!(!String::from_utf8_lossy(&stored).contains("bram"));
}

/// What a member did on GitHub brings cred once it is proved whose it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leaderboard_ranks_by_the_cred_of_both_platforms() {
    let mut both = Both::start().await;
    let (ana, ben, cho) = (both.server.ana, both.server.ben, both.server.cho);
    both.server.give(cho, &[ben], "the cocoa").await;
    let (board, before) = both.creds_with(cho, "ben").await;
    assert!(board.content.contains("and of GitHub's <t:"), "{board:?}");
    assert!(
        !before.contains_key("ana") && !before.contains_key("amara"),
        "{before:?}"
    );

    both.link(ana, "amara").await;
    let (board, linked) = both.creds_with(cho, "ana").await;
    assert!(board.content.contains("**Cred · all time**"), "{board:?}");
    // She was neither thanked nor thanked anybody, so all of hers is from GitHub.
    assert!(linked["ana"] > linked["ben"], "{linked:?}");
    let own = both.server.ask(ana, "cred", json!({})).await;
    says(&own, &["rank **1** of ", "and of GitHub's <t:"]);

    // At once, whatever is kept.
    let hide = json!({"what": 1});
    both.server.ask(ana, "privacy opt-out", hide).await;
    let (_, hidden) = both.creds(cho).await;
    assert!(
        !hidden.contains_key("ana") && hidden.contains_key("ben"),
        "{hidden:?}"
    );
    let week = json!({"period": 0, "of": 2});
    let week = both.server.ask(cho, "leaderboard", week).await;
    for words in ["**Cred · last 7 days**", "counted by week"] {
        assert!(week.content.contains(words), "{week:?}");
    }
    both.server.check_manners();

    both.server.restart_with(&[("CRED_MEMORY", "0")]).await;
    let none = both.server.ask(cho, "leaderboard", json!({"of": 2})).await;
    assert!(
        none.content.contains("switched cred off"),
        "{none:?}\n{}",
        both.server.log()
    );
    assert!(none.ephemeral, "{none:?}");
}

/// The bot itself exports nothing meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_follows_exports_of_githubs_process() {
    let mut both = Both::start().await;
    let (ana, ben, cho) = (both.server.ana, both.server.ben, both.server.cho);
    both.server.give(cho, &[ben], "the cocoa").await;
    both.link(ana, "amara").await;
    both.creds_with(cho, "ana").await;
    let once = [("EXPORT_INTERVAL", "1d")];
    both.server.restart_with(&once).await;
    let (_, before) = both.creds_with(cho, "ana").await;
    let pull = both.source.act(Action::Pull {
        repository: "octo-org/alpha".into(),
        by: Some("amara".to_owned()),
        title: "Seen while the bot rests".to_owned(),
        body: String::new(),
        at: None,
    });
    both.source.act(Action::Merge {
        on: pull.into(),
        by: Some("amara".to_owned()),
        message: None,
    });
    both.mirror().await;
    let begun = Instant::now();
    loop {
        let (board, creds) = both.creds(cho).await;
        if creds.get("ana") > before.get("ana") {
            break;
        }
        assert!(begun.elapsed() < SOON, "{board:?}\n{}", both.server.log());
    }
}

/// However a proof and its undoing fall together, the member isn't linked afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undoing_wins_over_a_proof_at_the_same_moment() {
    let both = Both::start().await;
    let (ana, ben, cho) = (both.server.ana, both.server.ben, both.server.cho);
    for (user, login) in [(ana, "amara"), (ben, "bram"), (cho, "chiyo")] {
        let (asked, text) = both.code(user, login).await;
        both.source.act(comment(login, &text));
        both.mirror().await;
        let undo = both.server.ask(user, "link undo", json!({}));
        let (_, undone) = tokio::join!(both.press(user, &asked), undo);
        says(&undone, &[]);
        // Another look would find the comment.
        let said = both.press(user, &asked).await;
        assert!(said.contains("aren't linked"), "{said}");
    }
    both.server.check_manners();
}

/// Whoever is left out of the mirror of GitHub gets nothing more in the ledger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ledger_gets_no_login_of_those_who_are_left_out() {
    let mut both = Both::start().await;
    let (ana, ben) = (both.server.ana, both.server.ben);
    both.link(ana, "amara").await;
    both.link(ben, "bram").await;
    assert_eq!(both.archived().await.len(), 2);
    both.source.run(&["forget", "--github", "amara"]).await.ok();
    both.source.export().await;
    let mirror = &both.server.mirror;
    let instance = mirror.home.path().join("instance");
    fs::create_dir_all(&instance).unwrap();
    let config = r#"{"bundledPlugins": []}"#;
    fs::write(instance.join("sourcecred.json"), config).unwrap();
    let apply = ["ledger", "apply", "--instance", "instance", "--yes"];
    let applied = mirror.run(&apply).await.ok();
    assert!(
        applied.stdout.contains("left out of the mirror"),
        "{applied:?}"
    );
    let ledger = fs::read_to_string(instance.join("data/ledger.json")).unwrap();
    assert!(
        ledger.contains("bram") && !ledger.contains("amara"),
        "{ledger}"
    );
}
