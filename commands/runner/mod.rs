//! Runs the commands: every interaction from the gateway gets an answer.
//!
//! Dispatches interactions to commands, answers those that can't be run, and registers the commands with
//! Discord.

mod autocomplete;
mod context;
mod mended;
mod registration;

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use backon::{ExponentialBuilder, Retryable};
use futures::{FutureExt as _, future::BoxFuture};
use poise::{FrameworkContext, FrameworkOptions, builtins::create_application_commands};
use serde_json::{Value, json, value::RawValue};
use serenity::{
    client::{Context, FullEvent},
    gateway::ShardManager,
    http::{Http, HttpError},
    model::{
        application::{CommandInteraction, Interaction},
        id::{ApplicationId, InteractionId},
    },
};
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    mended::{Kind, Mended, Ticket, mend, posted},
    registration::register,
};
use super::{Error, all, link, on_error, on_event, recap, refusal, wording};
use propsbot_discord::{Forwarder, InteractionHandler, Rest, Token, json};
use propsbot_model::UserId;
use propsbot_service::Service;

/// How long running commands may take to finish when the bot stops.
const LAST_COMMANDS: Duration = Duration::from_millis(500);

/// How many bytes of interactions are handled at once. Discord's have a few KB, with a long message about
/// 100 KB.
const ROOM: usize = 16 << 20;

/// How much of [`ROOM`] an interaction takes besides its own bytes, so that about a thousand are handled
/// at once.
const EACH: usize = 16 << 10;

/// How many interactions are refused with an apology at once.
const TURNED_AWAY: usize = 100;

/// The flag of an ephemeral message.
const EPHEMERAL: u64 = 1 << 6;

/// Answers interactions with our commands.
pub struct Runner {
    commands: Arc<Commands>,
    running: TaskTracker,
    /// Cancels the running tasks.
    stop: CancellationToken,
    /// Lets the tasks end that post recaps and look for comments.
    ending: CancellationToken,
    /// The bytes that are left for interactions.
    room: Arc<Semaphore>,
    /// How many more interactions can be refused.
    turned_away: Arc<Semaphore>,
    is_registered: AtomicBool,
    rest: Rest,
}

/// Everything needed to run a command.
struct Commands {
    options: FrameworkOptions<Service, Error>,
    context: Context,
    shards: Arc<ShardManager>,
    http: Arc<Http>,
    service: Service,
    /// Connects `http` to Discord.
    _forwarder: Forwarder,
}

impl Runner {
    /// Prepares the commands.
    ///
    /// # Errors
    /// The system provides no loopback socket, see `context`.
    pub async fn new(
        token: &Token,
        rest: Rest,
        service: Service,
    ) -> Result<Self, Box<serenity::Error>> {
        let forwarder = Forwarder::start(rest.clone(), posted)
            .await
            .map_err(serenity::Error::from)?;
        let http = Arc::new(forwarder.http(token));
        if let Some(bot) = token.bot().filter(|bot| bot.0 != 0) {
            http.set_application_id(ApplicationId::new(bot.0));
        }
        let (context, shards) = context::context(Arc::clone(&http)).await?;
        let mut options = FrameworkOptions {
            commands: all(),
            on_error: |error| Box::pin(on_error(error)),
            ..FrameworkOptions::default()
        };
        poise::framework::set_qualified_names(&mut options.commands);
        Ok(Self {
            commands: Arc::new(Commands {
                options,
                context,
                shards,
                http,
                service,
                _forwarder: forwarder,
            }),
            running: TaskTracker::new(),
            stop: CancellationToken::new(),
            ending: CancellationToken::new(),
            room: Arc::new(Semaphore::new(ROOM)),
            turned_away: Arc::new(Semaphore::new(TURNED_AWAY)),
            is_registered: AtomicBool::new(false),
            rest,
        })
    }

    /// Runs a task until it ends or the bot stops.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.running.spawn(async move {
            stop.run_until_cancelled(task).await;
        });
    }

    /// Refuses an interaction that there is no room for.
    fn turn_away(&self, event: &RawValue) {
        tracing::warn!("too many commands at once: refusing some");
        let Ok(place) = Arc::clone(&self.turned_away).try_acquire_owned() else {
            return;
        };
        let Some(ticket) = Ticket::read(event) else {
            return;
        };
        let commands = Arc::clone(&self.commands);
        self.spawn(async move {
            let _place = place;
            commands.post(&ticket, wording::too_busy()).await;
        });
    }
}

impl InteractionHandler for Runner {
    /// Registers the commands, and begins to post recaps and to look for comments, once.
    fn begin(&self, application: Option<UserId>) {
        let Some(application) = application.filter(|id| id.0 != 0) else {
            return;
        };
        self.commands
            .http
            .set_application_id(ApplicationId::new(application.0));
        if self.is_registered.swap(true, Ordering::Relaxed) {
            return;
        }
        let known = create_application_commands(&self.commands.options.commands);
        let service = self.commands.service.clone();
        let (http, ending) = (Arc::clone(&self.commands.http), self.ending.clone());
        self.spawn(link::look_regularly(service.clone(), ending.clone()));
        self.spawn(recap::post_regularly(http, service.clone(), ending));
        self.spawn(register(self.rest.clone(), service, application, known));
    }

    fn receive(&self, event: Box<RawValue>) {
        let bytes = u32::try_from(event.get().len() + EACH).unwrap_or(u32::MAX);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(bytes) else {
            return self.turn_away(&event);
        };
        let commands = Arc::clone(&self.commands);
        self.spawn(async move {
            let _room = room;
            let Ok(event) = json::read::<Value>(event.get().as_bytes()) else {
                return;
            };
            commands.answer(&event).await;
        });
    }

    fn finish(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            self.running.close();
            self.ending.cancel();
            if timeout(LAST_COMMANDS, self.running.wait()).await.is_err() {
                // They hold things such as the store's writer, which have to be released.
                self.stop.cancel();
                self.running.wait().await;
            }
        })
    }
}

enum Answered {
    Yes,
    No,
}

impl Commands {
    async fn answer(&self, event: &Value) {
        let application = self.http.application_id().map_or(1, ApplicationId::get);
        let (ticket, interaction) = match mend(event, application) {
            Mended::Readable {
                ticket,
                interaction,
            } => (ticket, serde_json::from_value::<Interaction>(interaction)),
            Mended::Odd(ticket) => return self.apologize(&ticket).await,
            Mended::Unanswerable => {
                tracing::warn!("Discord sent an interaction without what it takes to answer it");
                return;
            }
        };
        let Ok(interaction) = interaction else {
            // The error may quote a member's text.
            tracing::error!("an interaction was not mended; report this");
            return self.apologize(&ticket).await;
        };
        match refusal(&self.service, &interaction).await {
            Ok(None) => {}
            Ok(Some(text)) => return self.post(&ticket, text).await,
            Err(error) => {
                tracing::error!("a command was not run: {error}");
                return self.apologize(&ticket).await;
            }
        }
        // A bug in poise or here may panic; the member still gets an answer.
        let run = AssertUnwindSafe(Box::pin(self.run(interaction))).catch_unwind();
        match run.await {
            Ok(Answered::Yes) => {}
            Ok(Answered::No) => self.apologize(&ticket).await,
            Err(_) => {
                tracing::error!("a command panicked; report this");
                self.apologize(&ticket).await;
            }
        }
    }

    async fn run(&self, interaction: Interaction) -> Answered {
        let bot = self.http.application_id().map_or(1, ApplicationId::get);
        let framework = FrameworkContext {
            bot_id: bot.into(),
            serenity_context: &self.context,
            options: &self.options,
            user_data: &self.service,
            shard_manager: &self.shards,
        };
        match interaction {
            Interaction::Command(command) => run_command(framework, &command).await,
            Interaction::Autocomplete(typing) => {
                autocomplete::choices(framework, &typing).await;
                Answered::Yes
            }
            interaction => {
                let event = FullEvent::InteractionCreate { interaction };
                on_event(framework, &event).await;
                Answered::Yes
            }
        }
    }

    /// Answers an interaction that can't be run.
    async fn apologize(&self, ticket: &Ticket) {
        if matches!(ticket.kind, Kind::Any) {
            tracing::warn!("an interaction could not be read; the member was told so");
        }
        let text = wording::unreadable_interaction();
        self.post(ticket, text).await;
    }

    /// Answers with an ephemeral text, if this kind of answer has text.
    async fn post(&self, ticket: &Ticket, text: String) {
        let answer = match ticket.kind {
            Kind::Ping => json!({"type": 1}),
            Kind::Autocomplete => json!({"type": 8, "data": {"choices": []}}),
            Kind::Any => json!({"type": 4, "data": {
                "content": text, "flags": EPHEMERAL, "allowed_mentions": {"parse": []},
            }}),
        };
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(300))
            .with_max_times(3);
        let id = InteractionId::new(ticket.id);
        let post = || {
            self.http
                .create_interaction_response(id, &ticket.token, &answer, Vec::new())
        };
        let posted = post
            .retry(waits)
            .when(|error| match error {
                serenity::Error::Http(HttpError::UnsuccessfulRequest(answer)) => {
                    answer.status_code.as_u16() == 429 || answer.status_code.is_server_error()
                }
                _ => false,
            })
            .await;
        if posted.is_err() {
            // The error would contain the URL, and the token in it.
            tracing::debug!("an interaction could not be answered");
        }
    }
}

/// Runs a command. (A command with subcommands gives no answer if none of them is named.)
async fn run_command(
    framework: FrameworkContext<'_, Service, Error>,
    command: &CommandInteraction,
) -> Answered {
    let (answered, mut tree) = (AtomicBool::new(false), Vec::new());
    let nothing: Mutex<Box<dyn Any + Send + Sync>> = Mutex::new(Box::new(()));
    let options = command.data.options();
    let run =
        poise::dispatch_interaction(framework, command, &answered, &nothing, &options, &mut tree);
    match Box::pin(run).await {
        Ok(()) if answered.load(Ordering::Relaxed) => Answered::Yes,
        Ok(()) => Answered::No,
        Err(error) => {
            error.handle(framework.options).await;
            Answered::Yes
        }
    }
}
