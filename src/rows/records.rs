//! Converts rows back to records, for a restore.
//!
//! The archive doesn't record when something was learned. All rows get the time of the last event
//! before the export, so that any later observation wins. Times within the rows are kept.

use std::collections::BTreeSet;

use super::{
    ChannelRow, EmojiRow, EventRow, GuildRow, LinkRow, MemberRow, MessageRow, PropsRow,
    ReactionRow, RoleRow,
};
use propsbot_mirror::Record;
use propsbot_model::{
    Author, Channel, Emoji, EmojiKey, EventDetails, GithubLink, GrainWish, Guild, GuildEmoji,
    GuildEntity, Interest, Life, Link, Lww, Member, Message, MessageState, Millis, Occurrence,
    Presence, Privacy, Props, Reaction, ReactionThanks, Role, RoleHistory, ScheduledEvent, Seen,
    Settings, Stamp, Thread, Tier, Tombstoned, Unread, User,
};

/// A row that a restore writes to the store.
pub trait Restored {
    type Record: Record + Send + 'static;

    /// The record, as of `at`; `None` if the row contradicts itself.
    fn record(self, at: Stamp) -> Option<Self::Record>;

    /// Whether the row is restored on its own, rather than implied by other rows.
    fn is_own(&self) -> bool {
        true
    }
}

fn kept<T>(at: Stamp, value: T, gone: Option<Millis>) -> Tombstoned<T> {
    Tombstoned {
        last: Some(Lww { at, value }),
        gone: gone.map(Stamp::from),
    }
}

impl GuildRow {
    /// The admins' settings, or `None` if all are defaults.
    pub fn settings(&self) -> Option<Settings> {
        // The archive has only the settings that its readers need; the others get their defaults.
        let default = Settings::default_for(self.id);
        let limits = self.limits.last();
        let thanks = self.reaction_thanks.last();
        let thanks = thanks.filter(|thanks| thanks.key().is_some());
        let emoji = thanks.and_then(ReactionThanks::key).map(|key| {
            let emoji = Emoji {
                key,
                name: None,
                animated: false,
            };
            emoji.to_string()
        });
        let settings = Settings {
            props_channels: self.props_channels.clone(),
            keep_deleted_props: self.keep_deleted_props.unwrap_or_default(),
            excluded_channels: self.excluded_channels.clone(),
            included_channels: self.included_channels.clone(),
            quota: limits.map_or(default.quota, |limits| limits.quota),
            commands_only: limits.map_or(default.commands_only, |limits| limits.commands_only),
            edit_minutes: limits.map_or(default.edit_minutes, |limits| limits.edit_minutes),
            limits: self.limits.clone(),
            props_bots: self.props_bots.clone(),
            age_restricted: self.age_restricted.unwrap_or_default(),
            thanks_emoji: emoji,
            reaction_thanks: self.reaction_thanks.clone(),
            meeting_events: self.meeting_events.unwrap_or_default(),
            cooldown_minutes: thanks
                .map_or(default.cooldown_minutes, |thanks| thanks.cooldown_minutes),
            giver_roles: thanks.map_or_else(Vec::new, |thanks| thanks.giver_roles.clone()),
            ..default.clone()
        };
        (settings != default).then_some(settings)
    }
}

impl Restored for GuildRow {
    type Record = GuildEntity<Guild>;

    fn record(self, at: Stamp) -> Option<GuildEntity<Guild>> {
        let guild = Guild {
            id: self.id,
            name: self.name,
            owner_id: self.owner_id,
            unread: Unread::default(),
        };
        Some(GuildEntity {
            guild_id: self.id,
            id: self.id.0,
            state: kept(at, guild, self.left_at),
        })
    }
}

impl Restored for ChannelRow {
    type Record = GuildEntity<Channel>;

    fn record(self, at: Stamp) -> Option<GuildEntity<Channel>> {
        let thread = self.archived.map(|archived| Thread {
            owner_id: self.owner_id,
            archived,
            archive_timestamp: self.archive_timestamp,
        });
        let channel = Channel {
            id: self.id,
            guild_id: self.guild_id,
            kind: self.kind,
            name: self.name,
            parent_id: self.parent_id,
            position: self.position,
            nsfw: self.nsfw,
            overwrites: self.overwrites,
            thread,
            unread: Unread::default(),
        };
        Some(GuildEntity {
            guild_id: self.guild_id,
            id: self.id.0,
            state: kept(at, channel, self.deleted_at),
        })
    }
}

impl Restored for RoleRow {
    type Record = GuildEntity<Role>;

    fn record(self, at: Stamp) -> Option<GuildEntity<Role>> {
        let role = Role {
            id: self.id,
            guild_id: self.guild_id,
            name: self.name,
            position: self.position,
            permissions: self.permissions,
            managed: self.managed,
            unread: Unread::default(),
        };
        Some(GuildEntity {
            guild_id: self.guild_id,
            id: self.id.0,
            state: kept(at, role, self.deleted_at),
        })
    }
}

impl Restored for EmojiRow {
    type Record = GuildEntity<GuildEmoji>;

    fn record(self, at: Stamp) -> Option<GuildEntity<GuildEmoji>> {
        let emoji = GuildEmoji {
            id: self.id,
            guild_id: self.guild_id,
            name: self.name,
            animated: self.animated,
            own: self.own,
            unread: Unread::default(),
        };
        Some(GuildEntity {
            guild_id: self.guild_id,
            id: self.id.0,
            state: kept(at, emoji, self.deleted_at),
        })
    }
}

impl MemberRow {
    /// The member's privacy choice, if any.
    pub fn privacy(&self) -> Option<Privacy> {
        let chosen = Privacy {
            tier: self.privacy.unwrap_or_default(),
            forgotten: self.forgotten_at,
            texts_since: self.texts_since,
            ..Privacy::unchosen(self.guild_id, self.user_id)
        };
        let is_somebody = !self.user_id.is_anonymous();
        (is_somebody && chosen != Privacy::unchosen(self.guild_id, self.user_id)).then_some(chosen)
    }
}

impl Restored for MemberRow {
    type Record = Member;

    fn is_own(&self) -> bool {
        let gone = self.privacy().is_some_and(|privacy| privacy.is_gone());
        !self.user_id.is_anonymous() && !gone
    }

    fn record(self, at: Stamp) -> Option<Member> {
        let user = User {
            id: self.user_id,
            username: self.username,
            global_name: self.global_name,
            discriminator: self.discriminator,
            bot: self.bot,
            system: self.system.unwrap_or_default(),
            unread: Unread::default(),
        };
        let nobody = User {
            id: self.user_id,
            username: String::new(),
            global_name: None,
            discriminator: None,
            bot: false,
            system: false,
            unread: Unread::default(),
        };
        let presence = Presence {
            nick: self.nick,
            roles: self.roles,
            joined_at: self.joined_at,
            unread: Unread::default(),
        };
        let nothing = Presence {
            nick: None,
            roles: Vec::new(),
            joined_at: None,
            unread: Unread::default(),
        };
        let was_member = self.member || presence != nothing;
        let mut history = RoleHistory::default();
        for span in self.role_history.iter().flatten() {
            history.see(span.since.into(), span.roles.as_deref());
        }
        // Hidden roles are unknown, not absent.
        if self.member && self.privacy.is_none_or(Tier::shows_names) {
            history.see(at, Some(&presence.roles));
        }
        Some(Member {
            guild_id: self.guild_id,
            user_id: self.user_id,
            user: (user != nobody).then_some(Lww { at, value: user }),
            presence: Tombstoned {
                last: was_member.then_some(Lww {
                    at,
                    value: presence,
                }),
                gone: self.left_at.map(Stamp::from),
            },
            history,
        })
    }
}

impl Restored for MessageRow {
    type Record = MessageState;

    fn record(self, at: Stamp) -> Option<MessageState> {
        // The archive doesn't record how a deletion was learned, so any later sighting wins.
        let unlisted = self.deleted_at.map(|_| at);
        let state = if let Some(deleted_at) = self.deleted_at {
            // A tombstone has no content.
            if self.author_id.is_some() || self.content.is_some() {
                return None;
            }
            Life::Deleted(deleted_at)
        } else {
            let message = Message {
                id: self.id,
                channel_id: self.channel_id,
                guild_id: self.guild_id,
                author: Author {
                    id: self.author_id?,
                    kind: self.author_kind?,
                },
                kind: self.kind?,
                content: self.content?,
                mentions: self.mentions,
                reply_to: self.reply_to,
                command: self.command,
                edited_at: self.edited_at,
                by_webhook: self.by_webhook,
                unread: Unread::default(),
                earlier: self.earlier_mentions,
            };
            Life::Alive(at, Box::new(message))
        };
        Some(MessageState {
            guild_id: self.guild_id,
            channel_id: self.channel_id,
            id: self.id,
            state,
            unlisted,
        })
    }
}

impl Restored for ReactionRow {
    type Record = Reaction;

    fn record(self, at: Stamp) -> Option<Reaction> {
        let emoji = match (self.emoji_id, self.emoji) {
            (Some(id), None) => EmojiKey::Custom(id),
            (None, Some(text)) => EmojiKey::Unicode(text),
            _ => return None,
        };
        let seen = |time: Option<Millis>, by| {
            let at = Stamp::from(time?);
            Some(Seen { at, by: by? })
        };
        let added = seen(self.added_at, self.added_by);
        let removed = seen(self.removed_at, self.removed_by);
        Some(Reaction {
            guild_id: self.guild_id,
            channel_id: self.channel_id,
            message_id: self.message_id,
            user_id: self.user_id,
            emoji,
            burst: self.burst,
            added,
            // It exists unless its removal is known.
            confirmed: added.filter(|_| removed.is_none()).map(|_| at),
            removed,
        })
    }
}

impl EventRow {
    /// Adds what the row says to its event. Rows of an event come by start.
    pub fn add_to(self, event: &mut ScheduledEvent, at: Stamp) {
        let gone = self.deleted_at.map(Stamp::from);
        let details = EventDetails {
            name: self.name,
            status: self.status,
            creator_id: self.creator_id,
            channel_id: self.channel_id,
            end: self.end,
            user_count: self.user_count,
            recurring: self.recurring,
        };
        let seen_at = gone.map_or(at, |gone| gone.min(at));
        let mut seen = Occurrence::seen(self.start, seen_at, details);
        seen.held = self.began_at.map(Stamp::from).or(seen.held);
        event.see(seen);
        if let Some(gone) = gone {
            event.miss(gone);
        }
        for user_id in self.interested_ids {
            event.interest(Interest {
                user_id,
                at,
                is_interested: true,
            });
        }
    }
}

impl Restored for PropsRow {
    type Record = Props;

    fn record(self, _: Stamp) -> Option<Props> {
        let receivers: BTreeSet<_> = self.receiver_ids.iter().collect();
        (receivers.len() == self.receiver_ids.len()).then_some(Props {
            id: self.id,
            guild_id: self.guild_id,
            channel_id: self.channel_id,
            message_id: self.message_id,
            giver: self.giver_id,
            receivers: self.receiver_ids,
            reason: self.reason,
            origin: self.origin,
            withdrawn: self.withdrawn_at,
            about: self.about_channel_id.zip(self.about_message_id),
        })
    }
}

impl Restored for LinkRow {
    type Record = Link;

    fn is_own(&self) -> bool {
        !self.user_id.is_anonymous()
    }

    fn record(self, _: Stamp) -> Option<Link> {
        let said = (
            self.linked_at,
            self.undone_at,
            self.github_id,
            self.github_login,
        );
        let github = match said {
            (Some(since), None, Some(id), Some(login)) => Some(GithubLink {
                since,
                undone: None,
                id,
                login,
            }),
            (Some(since), undone @ Some(_), None, None) => Some(GithubLink {
                since,
                undone,
                id: String::new(),
                login: String::new(),
            }),
            (None, None, None, None) => None,
            _ => return None,
        };
        let grain = match (self.grain_at, self.grain) {
            (Some(since), Some(wanted)) => Some(GrainWish { since, wanted }),
            (None, None) => None,
            _ => return None,
        };
        Some(Link {
            github,
            grain,
            ..Link::none(self.guild_id, self.user_id)
        })
    }
}
