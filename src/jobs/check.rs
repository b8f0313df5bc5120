//! What can be wrong on Discord's side, as findings: the same for `propsbot check` and `/setup`.
//!
//! Pure: what Discord said comes in as values.

use propsbot_discord::Application;
use propsbot_mirror::{Finding, Id, Outcome};
use propsbot_model::{
    Channel, GuildId, RoleId, Settings, UserId, counted,
    permissions::{self, Permissions},
};

/// Where the privileged intents are switched on.
pub(crate) const SWITCH_ON: &str =
    "in the developer portal (your application, \"Bot\", \"Privileged Gateway Intents\")";

/// The largest difference between our clock and Discord's that is no fault, in milliseconds.
const CLOCK_TOLERANCE: i64 = 10_000;

/// The check of the bot's permissions, channel by channel.
pub const PERMISSIONS: &str = "permissions";

/// Channels of a guild that are listed singly.
const SINGLY: usize = 20;

/// What the application lacks; `None` if Discord doesn't say.
pub fn of_application(application: Option<Application>) -> Vec<Finding> {
    const INTENTS: &str = "intents";
    let Some(application) = application else {
        let text = "Discord doesn't say which privileged intents are on";
        return vec![Finding::unknown(INTENTS, text)];
    };
    let mut findings = Vec::new();
    if !application.message_content {
        let text = "the Message Content intent is switched off: Discord hides the text of messages \
                    from the bot";
        findings.push(Finding::wrong(INTENTS, text));
    }
    if !application.members {
        let text = "the Server Members intent is switched off: Discord doesn't list members";
        findings.push(Finding::wrong(INTENTS, text));
    }
    let switch_on = |finding: Finding| finding.remedy(format!("switch it on {SWITCH_ON}"));
    findings = findings.into_iter().map(switch_on).collect();
    if findings.is_empty() {
        findings.push(Finding::ok(
            INTENTS,
            "Message Content and Server Members are on",
        ));
    }
    findings.push(if application.is_public {
        let text = "anyone can add this bot to their server; it mirrors only guilds that \
                    DISCORD_GUILDS lets it";
        let remedy = "if you don't want that, switch off \"Public Bot\" in the developer portal (your \
                      application, \"Bot\")";
        Finding::warning("public-bot", text).remedy(remedy)
    } else {
        Finding::ok("public-bot", "only you can add the bot to servers")
    });
    findings
}

/// How far our clock is from Discord's, which is `ahead` by so many milliseconds; `None` if unknown.
pub fn of_clock(ahead: Option<i64>) -> Finding {
    const CLOCK: &str = "clock";
    match ahead {
        None => Finding::unknown(CLOCK, "Discord's answers have no plausible date"),
        Some(ahead) if ahead.abs() <= CLOCK_TOLERANCE => {
            Finding::ok(CLOCK, "this machine's clock agrees with Discord's")
        }
        Some(ahead) => {
            let seconds = ahead.unsigned_abs() / 1000;
            let way = if ahead > 0 { "behind" } else { "ahead of" };
            let text = format!("this machine's clock is {seconds} s {way} Discord's");
            let remedy = "set the clock, best by NTP: exports carry its time, and object stores \
                          refuse requests by a wrong one";
            Finding::wrong(CLOCK, text).remedy(remedy)
        }
    }
}

/// The bot in a guild.
pub struct BotMember<'a> {
    /// The guild.
    pub guild: GuildId,
    /// The bot's user.
    pub bot: UserId,
    /// The bot's roles there.
    pub roles: &'a [RoleId],
    /// The guild's settings, which say where the bot posts.
    pub settings: &'a Settings,
}

/// The permissions that the bot lacks, channel by channel. Threads follow their channel.
///
/// A channel that the bot can't use is a fault if everyone else can read it, or if props are given
/// there; otherwise it may be meant so.
pub fn of_channels<'a>(
    member: &BotMember<'_>,
    permissions: &Permissions<'_>,
    channels: impl IntoIterator<Item = &'a Channel>,
) -> Vec<Finding> {
    let space = || Id::new(member.guild);
    let (mut all, mut readable, mut singly) = (0, 0, Vec::new());
    for channel in channels {
        if channel.is_thread() || !(channel.kind.has_messages() || channel.kind.has_threads()) {
            continue;
        }
        all += 1;
        let bits = permissions.of_member(member.bot, member.roles, channel);
        if permissions.member_reads(member.bot, member.roles, channel) {
            readable += 1;
        }
        let missing = lacking(bits, &needed(channel, member.settings));
        if missing.is_empty() {
            continue;
        }
        let is_meant =
            !permissions.everyone_reads(channel) && !member.settings.is_props_channel(channel);
        let (outcome, remedy) = if is_meant {
            let remedy = "if the bot is to stay out of this private channel, all is well; else give it \
                          these permissions (Edit Channel, Permissions)";
            (Outcome::Warning, remedy)
        } else {
            (
                Outcome::Wrong,
                "give the bot these permissions (Edit Channel, Permissions)",
            )
        };
        let found = Finding::new(
            PERMISSIONS,
            outcome,
            format!("missing {}", missing.join(", ")),
        );
        let names = format!("#{} ({})", channel.name, channel.id);
        let found = found.names(names).remedy(remedy);
        singly.push(found.of(space(), Some(Id::new(channel.id))));
    }
    // Faults come first; the sort keeps the channels' order.
    singly.sort_by_key(|finding| std::cmp::Reverse(finding.outcome));
    let more = singly.split_off(SINGLY.min(singly.len()));
    if let Some(worst) = more.iter().map(|finding| finding.outcome).max() {
        let text = format!(
            "missing permissions in {}",
            counted(more.len(), "more channel")
        );
        singly.push(Finding::new(PERMISSIONS, worst, text).of(space(), None));
    }
    let text = format!("{readable} of {} can be read", counted(all, "channel"));
    let whole = if all > 0 && readable == 0 {
        Finding::wrong(PERMISSIONS, text)
            .remedy("let the bot's role view channels and read their history")
    } else {
        Finding::ok(PERMISSIONS, text)
    };
    let mut findings = vec![whole.of(space(), None)];
    findings.extend(singly);
    findings
}

/// The permissions that the bot needs in a channel: to read it, and to post and react where props
/// are given.
fn needed(channel: &Channel, settings: &Settings) -> Vec<(u64, &'static str)> {
    let mut needed = vec![
        (permissions::VIEW_CHANNEL, "View Channel"),
        (permissions::READ_MESSAGE_HISTORY, "Read Message History"),
    ];
    if channel.kind.is_voice() {
        needed.push((permissions::CONNECT, "Connect"));
    }
    if settings.is_props_channel(channel) {
        if settings.props_channels.is_some() {
            needed.push((permissions::SEND_MESSAGES, "Send Messages"));
        }
        if settings.acknowledge.is_some() {
            needed.push((permissions::ADD_REACTIONS, "Add Reactions"));
        }
    }
    needed
}

/// The names of those permissions that the bits lack.
pub fn lacking(bits: u64, needed: &[(u64, &'static str)]) -> Vec<&'static str> {
    let absent = needed.iter().filter(|(bit, _)| bits & bit == 0);
    absent.map(|(_, name)| *name).collect()
}
