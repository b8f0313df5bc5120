//! `/setup`, `/archive` and the registration of commands.

use std::{collections::BTreeSet, time::Duration};

use tokio::{sync::Semaphore, time::timeout};

use super::{
    Admin, Refusal, Service, ServiceError,
    reports::{
        EventsPreview, MeetingsPreview, REPORTS, ThanksPreview, events_preview, meetings_preview,
        previews,
    },
};
use propsbot_archive::{ExportProgress, Verification};
use propsbot_jobs::check::{BotMember, of_application, of_channels, of_clock};
use propsbot_mirror::{ExportBoard, ExportOutcome, ExportReport, Finding, Outcome};
use propsbot_model::{
    Channel, ChannelId, Fact, GuildId, Registered, Settings, UserId, Withheld,
    permissions::Permissions,
};

/// How long Discord may be asked for the application: without an answer, the rest is shown.
const ASKING: Duration = Duration::from_secs(5);

/// What `/setup` shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Setup {
    pub settings: Settings,
    /// Where exports go.
    pub destination: Destination,
    /// Exported channels (not threads or categories), by position.
    pub exported: Vec<ChannelId>,
    /// Channels that aren't exported.
    pub withheld: Vec<ChannelId>,
    /// Channels that aren't exported because they're age-restricted.
    pub age_restricted: Vec<ChannelId>,
    /// What reactions would have given if they had been thanks; empty if they are.
    pub preview: Vec<ThanksPreview>,
    /// What the meetings plugin would have counted.
    pub meetings: Option<MeetingsPreview>,
    /// What scheduled events give it; `None` if there are none, or Discord doesn't say.
    pub events: Option<EventsPreview>,
    /// What is wrong with the bot's application and permissions, as `propsbot check` says it.
    pub findings: Vec<Finding>,
}

/// Where exports go; details only for operators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The bot runs without an archive.
    Nowhere,
    Archive(String),
    /// To an archive that only operators may know.
    Operators,
}

/// What `/archive status` shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArchiveStatus {
    pub destination: String,
    /// The running export, and when the next one is due.
    pub board: ExportBoard,
    /// The results of the last exports.
    pub report: ExportReport,
}

/// Limits checks of the archive to one at a time: each reads all of it.
static CHECKS: Semaphore = Semaphore::const_new(1);

impl Service {
    /// The bot's setup in a guild, and what is wrong with it.
    pub async fn setup(&self, guild: GuildId, admin: UserId) -> Result<Setup, ServiceError> {
        let destination = match &self.parts.exports {
            None => Destination::Nowhere,
            Some(exports) if self.parts.guilds.operates(guild, admin) => {
                Destination::Archive(exports.archive().to_owned())
            }
            Some(_) => Destination::Operators,
        };
        let asked = timeout(ASKING, self.parts.discord.application()).await;
        let mut findings = of_application(asked.ok().and_then(Result::ok).flatten());
        if !self.parts.guilds.operates(guild, admin) {
            // Only operators can change the rest.
            findings.retain(|found| found.outcome == Outcome::Wrong);
        }
        findings.push(of_clock(self.parts.discord.rest().ahead()));
        let mut setup = self.setup_of(guild, destination).await?;
        setup.findings.splice(0..0, findings);
        let previews = self.ask_in_turn(&REPORTS, move |store| {
            Ok((previews(store, guild)?, meetings_preview(store, guild)?))
        });
        (setup.preview, setup.meetings) = previews.await?;
        setup.events = if setup.settings.meeting_events {
            let preview =
                self.ask_in_turn(&REPORTS, move |store| Ok(events_preview(store, guild)?));
            Some(preview.await?)
        } else {
            self.announced(guild).await
        };
        setup
            .findings
            .retain(|found| found.outcome.wants_attention());
        Ok(setup)
    }

    /// What events are announced on Discord; `None` if there are none, or it doesn't say.
    async fn announced(&self, guild: GuildId) -> Option<EventsPreview> {
        let asked = timeout(ASKING, self.parts.discord.events(guild)).await;
        let announced = asked.ok()?.ok()?.items;
        let hosts = announced.iter().filter_map(|(_, fact)| match fact {
            Fact::Event(_, _, _, details) => details.creator_id,
            _ => None,
        });
        let hosts: BTreeSet<UserId> = hosts.collect();
        (!announced.is_empty()).then_some(EventsPreview::Announced {
            events: announced.len(),
            hosts: hosts.len(),
        })
    }

    /// The setup, without what only Discord knows.
    async fn setup_of(
        &self,
        guild: GuildId,
        destination: Destination,
    ) -> Result<Setup, ServiceError> {
        let bot = self.parts.bot;
        self.ask(move |store| {
            let settings = store.settings(guild)?;
            let (part, parts, roles) = (
                store.guild(guild)?,
                store.channels(guild)?,
                store.roles(guild)?,
            );
            let member = store.member(guild, bot)?;
            let known = part.as_ref().and_then(|guild| guild.state.now());
            let presence = member.as_ref().and_then(|member| member.presence.now());
            let all = || parts.iter().filter_map(|channel| channel.state.now());
            let roles = roles.iter().filter_map(|role| role.state.now());
            let permissions = known.map(|known| Permissions::new(known, roles, all()));
            let mut channels: Vec<&Channel> = all().collect();
            channels.sort_by_key(|channel| (channel.position, channel.id));
            let findings = match (&permissions, presence) {
                (Some(permissions), Some(presence)) => {
                    let member = BotMember {
                        guild,
                        bot,
                        roles: &presence.roles,
                        settings: &settings,
                    };
                    of_channels(&member, permissions, channels.iter().copied())
                }
                // A guild that isn't known yet lacks no permissions.
                _ => Vec::new(),
            };
            channels.retain(|channel| channel.kind.has_messages() && !channel.is_thread());
            let mut setup = Setup {
                destination,
                exported: Vec::new(),
                withheld: Vec::new(),
                age_restricted: Vec::new(),
                preview: Vec::new(),
                meetings: None,
                events: None,
                findings,
                settings,
            };
            // A guild that isn't known yet has nothing to export.
            for (channel, permissions) in channels.into_iter().zip(permissions.iter().cycle()) {
                let list = match setup.settings.withheld(channel, permissions) {
                    None => &mut setup.exported,
                    Some(Withheld::AgeRestricted) => &mut setup.age_restricted,
                    Some(_) => &mut setup.withheld,
                };
                list.push(channel.id);
            }
            Ok(setup)
        })
        .await
    }

    /// Whether the commands with this digest are the ones registered with Discord.
    pub async fn knows_commands(
        &self,
        application: UserId,
        digest: String,
    ) -> Result<bool, ServiceError> {
        self.ask(move |store| {
            let known = store.registered(application)?;
            Ok(known.is_some_and(|registered| registered.digest == digest))
        })
        .await
    }

    /// Remembers that these commands are registered with Discord.
    pub async fn commands_are_known(
        &self,
        application: UserId,
        digest: String,
    ) -> Result<(), ServiceError> {
        let registered = Registered {
            application,
            digest,
        };
        self.record(vec![Fact::Registered(registered)]).await
    }

    /// The archive's location, the last export, and when the next one is due.
    ///
    /// # Errors
    /// [`Refusal::NoArchive`] without an archive; [`Refusal::NotAnOperator`].
    pub async fn archive_status(&self, admin: Admin) -> Result<ArchiveStatus, ServiceError> {
        self.as_operator(admin.guild_id, admin.user_id)?;
        let report = self.ask(|store| Ok(store.export_report()?)).await?;
        let exports = self.parts.exports.as_ref().ok_or(Refusal::NoArchive)?;
        Ok(ArchiveStatus {
            destination: exports.archive().to_owned(),
            board: exports.look(),
            report,
        })
    }

    /// What the running export has made until now.
    pub fn export_made(&self) -> ExportProgress {
        let exports = self.parts.exports.as_ref();
        exports
            .map(|exports| exports.look().made)
            .unwrap_or_default()
    }

    /// Exports now, after the running export if there is one.
    pub async fn export_now(
        &self,
        admin: Admin,
        what: String,
    ) -> Result<ExportOutcome, ServiceError> {
        self.as_operator(admin.guild_id, admin.user_id)?;
        let exports = self.parts.exports.as_ref().ok_or(Refusal::NoArchive)?;
        self.record(vec![admin.did(what)]).await?;
        Ok(exports.export_now().await?)
    }

    /// Checks every hash, count and reference in the archive, or returns why it couldn't be read.
    pub async fn verify_archive(
        &self,
        admin: Admin,
    ) -> Result<Result<Verification, String>, ServiceError> {
        self.as_operator(admin.guild_id, admin.user_id)?;
        let exports = self.parts.exports.as_ref().ok_or(Refusal::NoArchive)?;
        let _turn = CHECKS.acquire().await;
        Ok(exports.verify().await)
    }
}
