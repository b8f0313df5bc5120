//! Commands, forms, buttons and lists as members and admins use them: the built bot with a Discord
//! on loopback.

mod abuse;
mod acknowledging;
mod admins;
mod analytics;
mod answers;
mod bots;
mod cred;
mod crowd;

mod deletion;
mod events;
mod exclusion;
mod giving;
mod link;
mod long_work;
mod meetings;
mod month;
mod privacy;
mod reaction_thanks;
mod recap;
mod refused;
mod reports;
mod site;
mod tables;
mod taking_back;
mod traces;
mod why;

use std::time::{Duration, Instant};

use propsbot_rows::PropsRow;
use serde_json::{Value, json};
use simulator::discord::{Answer, Discord, Options, Overwrite, World, kind};

use crate::mirror::{Mirror, Running};

/// Limit for things that take a moment.
const SOON: Duration = Duration::from_mins(1);

/// A small server with the running bot.
pub(crate) struct Server {
    mirror: Mirror,
    running: Option<Running>,
    pub(crate) ana: u64,
    pub(crate) ben: u64,
    pub(crate) cho: u64,
    pub(crate) general: u64,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(Options::default(), |_| ()).await
    }

    /// A server prepared before the bot starts.
    pub(crate) async fn with(options: Options, prepare: impl FnOnce(&Discord)) -> Self {
        let mut mirror = Mirror::new(Options {
            world: World::Empty,
            ..options
        })
        .await;
        let every_second = ("EXPORT_INTERVAL".to_owned(), "1s".to_owned());
        mirror.variables.push(every_second);
        let [ana, ben, cho] = ["ana", "ben", "cho"].map(|name| mirror.discord.join(name));
        let general = mirror.discord.create_channel(kind::TEXT, "general", vec![]);
        prepare(&mirror.discord);
        let mut server = Self {
            mirror,
            running: None,
            ana,
            ben,
            cho,
            general,
        };
        server.run().await;
        server
    }

    pub(crate) fn discord(&self) -> &Discord {
        &self.mirror.discord
    }

    /// Starts the bot and waits until it is connected and complete.
    async fn run(&mut self) {
        self.running = Some(self.mirror.start(&["run"]));
        let registered =
            |discord: &Discord| discord.commands().len() >= 11 && discord.connected() > 0;
        assert!(
            self.discord().wait(SOON, registered).await,
            "{}",
            self.log()
        );
        self.until("it listens", |status| {
            let mut lines = status.lines();
            let complete = lines.find(|line| line.starts_with("Last complete"));
            status.contains(": listening\n")
                && complete.is_some_and(|complete| !complete.contains("never"))
        })
        .await;
    }

    pub(crate) fn log(&self) -> String {
        self.running
            .as_ref()
            .map(Running::stderr)
            .unwrap_or_default()
    }

    /// Stops the bot and makes sure everything up to now is in the store.
    async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.terminate();
            running.wait().await.ok();
            // It may have stopped before receiving its own last message.
            self.mirror.sync().await;
        }
    }

    /// Polls the status until the condition holds.
    async fn until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let begun = Instant::now();
        loop {
            let owner = self.discord().owner_id();
            let answer = self.ask(owner, "sync-status", json!({})).await;
            if holds(&answer.content) {
                return;
            }
            assert!(
                begun.elapsed() < SOON,
                "{what}: {}\n{}",
                answer.content,
                self.log()
            );
        }
    }

    /// The response to a member's command in #general.
    pub(crate) async fn ask(&self, user: u64, command: &str, options: Value) -> Answer {
        self.ask_in(self.general, user, command, options).await
    }

    pub(crate) async fn ask_in(
        &self,
        channel: u64,
        user: u64,
        command: &str,
        options: Value,
    ) -> Answer {
        let run = self.discord().slash(user, channel, command, options);
        let answer = self.discord().answer(run).await;
        answer.unwrap_or_else(|| panic!("no answer to /{command}\n{}", self.log()))
    }

    /// The response to the owner's command.
    pub(crate) async fn admin(&self, command: &str, options: Value) -> Answer {
        let answer = self.ask(self.discord().owner_id(), command, options).await;
        assert!(answer.ephemeral, "{answer:?}");
        answer
    }

    /// Repeats a command until the response has these words.
    async fn ask_until(
        &self,
        user: u64,
        channel: u64,
        command: &str,
        options: Value,
        words: &str,
    ) -> Answer {
        let begun = std::time::Instant::now();
        loop {
            let answer = self.ask_in(channel, user, command, options.clone()).await;
            if answer.content.contains(words) {
                return answer;
            }
            assert!(
                begun.elapsed() < SOON,
                "no {words:?} in {}: {answer:?}",
                answer.content
            );
        }
    }

    pub(crate) async fn give(&self, giver: u64, to: &[u64], reason: &str) -> Answer {
        let to: Vec<String> = to.iter().map(|id| format!("<@{id}>")).collect();
        let options = json!({"to": to.join(" "), "for": reason});
        self.ask(giver, "props", options).await
    }

    /// Creates a channel of this name and makes it the props channel.
    pub(crate) async fn choose_props_channel(&self, overwrites: Vec<Overwrite>) -> u64 {
        let channel = self
            .discord()
            .create_channel(kind::TEXT, "thanks", overwrites);
        let wish = json!({"props_channels": format!("<#{channel}>")});
        let begun = Instant::now();
        loop {
            // Until the bot knows the new channel.
            let answer = self.admin("settings set", wish.clone()).await;
            if answer.content.starts_with("Done") {
                return channel;
            }
            assert!(begun.elapsed() < SOON, "{}", answer.content);
        }
    }

    /// Stops the bot and returns the props in its store.
    async fn recorded(&mut self) -> Vec<PropsRow> {
        self.stop().await;
        crate::mirror::whole(&self.mirror.store(), self.mirror.guild()).props
    }

    /// No request violated Discord's rules.
    pub(crate) fn check_manners(&self) {
        assert_eq!(self.discord().violations(), Vec::<String>::new());
    }
}

/// Asserts that the response is ephemeral and contains these words.
#[track_caller]
pub(crate) fn says(answer: &Answer, words: &[&str]) {
    assert!(answer.ephemeral, "{answer:?}");
    for word in words {
        assert!(
            answer.content.contains(word),
            "no {word:?} in {:?}",
            answer.content
        );
    }
}
