//! The commands that work on the store, and the one place that carries them out.

use std::{fmt, time::Duration};

use anyhow::anyhow;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    app::{
        Error, archive, console::Console, forget::forget, providers::Provider, status::status, sync,
    },
    config::{Config, Needs},
};
use propsbot_archive::Id;
use propsbot_backends::ArchiveSpec;
use propsbot_mirror::{ExportTarget, ExportTurn, ForgetRequest};

/// A command that works on the store: in this process, or in the one that has it open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreCommand {
    /// Show how complete the mirror is, or only check that it is, and not older than `max_age`.
    Status {
        json: bool,
        max_age: Option<Duration>,
    },
    /// Export changes, by default to `ARCHIVE`.
    Export {
        to: Option<Destination>,
        replace: bool,
        repair: bool,
    },
    /// Show what an export would write.
    DryRun { to: Option<Destination> },
    /// Delete a user's data, or all data of a guild. One of the two is `Some`.
    Forget { user: Option<Id>, guild: Option<Id> },
    /// Re-read all history.
    Recheck { guild: Option<Id>, json: bool },
}

impl StoreCommand {
    /// Its name, for the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Status { .. } => "status",
            Self::Export { .. } => "export",
            Self::DryRun { .. } => "export --dry-run",
            Self::Forget { .. } => "forget",
            Self::Recheck { .. } => "sync --recheck",
        }
    }

    /// What it needs if no other process carries it out.
    pub fn needs(&self) -> Needs {
        match self {
            Self::Recheck { .. } => Needs::Discord,
            _ => Needs::Local,
        }
    }

    /// Whether it ends early, and in order, once it is told to stop. What only reads can just be killed.
    pub fn stops(&self) -> bool {
        matches!(self, Self::Export { .. } | Self::Recheck { .. })
    }

    /// Whether it has to go on without the client that asked for it.
    pub(super) fn writes(&self) -> bool {
        !matches!(self, Self::Status { .. } | Self::DryRun { .. })
    }

    /// The archive that it names.
    pub(super) fn destination(&self) -> Option<&Destination> {
        match self {
            Self::Export { to, .. } | Self::DryRun { to } => to.as_ref(),
            _ => None,
        }
    }

    /// Whether it exports to `ARCHIVE`.
    pub(super) fn exports_to_own(&self) -> bool {
        matches!(
            self,
            Self::Export { to: None, .. } | Self::DryRun { to: None }
        )
    }
}

/// An archive that a command names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// As it was named.
    name: String,
    /// Where it is, wherever the process works. A login isn't serialized.
    #[serde(rename = "place", with = "place")]
    spec: ArchiveSpec,
}

impl Destination {
    pub fn new(spec: ArchiveSpec) -> Self {
        Self {
            name: spec.to_string(),
            spec,
        }
    }

    pub(in super::super) fn spec(&self) -> &ArchiveSpec {
        &self.spec
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

mod place {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::ArchiveSpec;

    pub(super) fn serialize<S: Serializer>(spec: &ArchiveSpec, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&spec.absolute())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ArchiveSpec, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A store, and how this process uses it.
pub(in super::super) struct Session {
    pub(in super::super) config: Config,
    pub(in super::super) provider: Provider,
    /// `None` if the process only carries out one command.
    pub(in super::super) running: Option<Running>,
}

/// What the commands of a running process share with it.
#[derive(Default)]
pub(in super::super) struct Running {
    pub(in super::super) turn: ExportTurn,
    /// The target of the regular exports to `ARCHIVE`.
    pub(in super::super) target: Option<ExportTarget>,
}

impl Session {
    pub(in super::super) fn new(config: &Config, running: Option<Running>) -> Self {
        Self {
            config: config.clone(),
            provider: Provider::of(config),
            running,
        }
    }

    /// Carries out a command, and returns lines for stdout.
    pub(in super::super) async fn execute(
        &self,
        command: &StoreCommand,
        console: &Console,
        stop: &CancellationToken,
    ) -> Result<Vec<String>, Error> {
        match command {
            StoreCommand::Status { json, max_age } => {
                status(&*self.provider, *json, *max_age).await
            }
            StoreCommand::Export {
                to,
                replace,
                repair,
            } => {
                let order = archive::ExportOrder {
                    replace: *replace,
                    repair: *repair,
                };
                archive::export(self, to.as_ref(), order, console, stop).await
            }
            StoreCommand::DryRun { to } => archive::dry_run(self, to.as_ref()).await,
            StoreCommand::Forget { user, guild } => {
                let request = match (user.clone(), guild.clone()) {
                    (Some(user), space) => ForgetRequest::User { user, space },
                    (None, Some(space)) => ForgetRequest::Space(space),
                    (None, None) => {
                        let neither = anyhow!("neither a user nor a guild is named");
                        return Err(Error::Wrong(neither));
                    }
                };
                forget(self, &request, console, stop).await
            }
            StoreCommand::Recheck { guild, json } => {
                sync::recheck(self, guild.clone(), *json, console, stop).await
            }
        }
    }
}

/// Opens the store, and carries out a command.
///
/// # Errors
/// Those of the command. [`Error::is_store_in_use`] if another process has the store open.
pub async fn carry_out(
    config: &Config,
    command: &StoreCommand,
    stop: &CancellationToken,
) -> Result<Vec<String>, Error> {
    let session = Session::new(config, None);
    session.execute(command, &Console::Own, stop).await
}
