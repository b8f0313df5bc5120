//! The queries of jobs, commands and the export, on the live store or a view of it.

use std::{collections::BTreeMap, ops::RangeInclusive};

use propsbot_mirror::{
    Clock, Dirty, ExportLedger, ExportReport, Id, IndexedRow, ReadRows as _, Record as _,
    StoreError, View,
};
use propsbot_model::{
    AdminAction, Channel, ChannelId, Coverage, EmojiKey, Failure, Guild, GuildChoice, GuildEmoji,
    GuildEntity, GuildId, InteractionId, Link, Member, MessageId, MessageState, Millis, Pending,
    Privacy, Props, Reaction, Recap, Registered, Role, ScheduledEvent, Scrub, Session, Settings,
    Stamp, Synced, Tally, User, UserId, permissions::Permissions,
};

/// The keys of the channel's messages with these ids.
fn messages(
    channel: ChannelId,
    ids: &RangeInclusive<u64>,
) -> RangeInclusive<(ChannelId, MessageId)> {
    (channel, MessageId(*ids.start()))..=(channel, MessageId(*ids.end()))
}

/// Version of what a deletion removes. Bump it when deletions remove more: at its next start, a
/// store of an older version repeats its deletions and is rewritten.
pub(crate) const DELETION_RULES: u8 = 2;

/// Discord's rows, live or as of one instant.
pub struct Reader(View);

impl From<View> for Reader {
    fn from(view: View) -> Self {
        Self(view)
    }
}

impl Reader {
    /// Whether the log may still have deleted data, so that the store must be rewritten.
    pub fn owes_rewrite(&self) -> Result<bool, StoreError> {
        if let Some(rules) = self.0.rewritten_under()? {
            return Ok(rules < DELETION_RULES);
        }
        for guild in self.guilds()? {
            let chosen = self.privacy(guild.guild_id)?;
            if chosen.iter().any(|chosen| chosen.forgotten.is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub fn export_report(&self) -> Result<ExportReport, StoreError> {
        ExportReport::of(&self.0)
    }

    /// The marks of what changed since the last export.
    pub fn dirty(&self) -> Result<Vec<Dirty>, StoreError> {
        self.0.scan(())
    }

    pub fn exports(&self) -> Result<ExportLedger, StoreError> {
        ExportLedger::of(&self.0)
    }

    /// The latest stamp ever merged. New stamps continue from it even if the clock was set back.
    pub fn newest(&self) -> Result<Stamp, StoreError> {
        Ok(Clock::of(&self.0)?.newest)
    }

    /// From which row time on [`Self::recent`] is complete.
    pub fn recent_from(&self) -> Result<Millis, StoreError> {
        Ok(Clock::of(&self.0)?.recent_from())
    }

    /// The messages, reactions and props of all channels of the guild with these row times, by row
    /// time. Complete from [`Self::recent_from`] on.
    pub fn recent(
        &self,
        guild: GuildId,
        times: RangeInclusive<Millis>,
    ) -> impl DoubleEndedIterator<Item = Result<IndexedRow, StoreError>> {
        self.0.recent(&Id::new(guild), times)
    }

    /// The props that a member gave, and their messages that mention somebody, with row times from
    /// `since` on, by row time.
    pub fn given(
        &self,
        guild: GuildId,
        giver: UserId,
        since: Millis,
    ) -> impl DoubleEndedIterator<Item = Result<IndexedRow, StoreError>> {
        let times = since..=Millis(i64::MAX);
        self.0.found_by(&Id::new(guild), &Id::new(giver), times)
    }

    /// The reactions with an emoji that are there now, with these row times, by row time. Every
    /// spelling of the emoji counts ([`EmojiKey::bare`]).
    pub fn with_emoji(
        &self,
        guild: GuildId,
        emoji: &EmojiKey,
        times: RangeInclusive<Millis>,
    ) -> impl Iterator<Item = Result<Reaction, StoreError>> {
        let by = Id::new(Reaction::found_by(emoji));
        let rows = self.0.found_by(&Id::new(guild), &by, times);
        rows.map(|row| Ok(row?.read()?))
    }

    /// The latest stamp of a gateway event: until then the gateway delivered.
    pub fn heard(&self) -> Result<Stamp, StoreError> {
        Ok(Clock::of(&self.0)?.heard())
    }

    /// The latest stamp of a gateway event; `None` if there was never one.
    pub fn last_event(&self) -> Result<Option<Stamp>, StoreError> {
        Ok(Clock::of(&self.0)?.last_event())
    }

    /// The number of messages of a channel with these ids, including deleted ones, capped at
    /// `most`.
    pub fn count_messages(
        &self,
        channel: ChannelId,
        ids: RangeInclusive<u64>,
        most: u32,
    ) -> Result<u32, StoreError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let count = self
            .0
            .count::<MessageState>(messages(channel, &ids), most)?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Every guild ever seen, by id.
    pub fn guilds(&self) -> Result<Vec<GuildEntity<Guild>>, StoreError> {
        self.0.scan(())
    }

    pub fn guild(&self, guild: GuildId) -> Result<Option<GuildEntity<Guild>>, StoreError> {
        self.0.get((guild, guild.0))
    }

    /// The choices made for guilds while the operator named none, by guild.
    pub fn guild_choices(&self) -> Result<Vec<GuildChoice>, StoreError> {
        self.0.scan(())
    }

    /// Every channel and thread of the guild ever seen, by id.
    pub fn channels(&self, guild: GuildId) -> Result<Vec<GuildEntity<Channel>>, StoreError> {
        self.0.scan(guild)
    }

    pub fn channel(
        &self,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<Option<GuildEntity<Channel>>, StoreError> {
        self.0.get((guild, channel.0))
    }

    /// Every role of the guild ever seen, by id.
    pub fn roles(&self, guild: GuildId) -> Result<Vec<GuildEntity<Role>>, StoreError> {
        self.0.scan(guild)
    }

    /// Every custom emoji of the guild ever seen, by id.
    pub fn emojis(&self, guild: GuildId) -> Result<Vec<GuildEntity<GuildEmoji>>, StoreError> {
        self.0.scan(guild)
    }

    /// The application's user with this id, if it was ever seen in any guild.
    pub fn bot(&self, id: UserId) -> Result<Option<User>, StoreError> {
        for guild in self.guilds()? {
            let known = self
                .member(guild.guild_id, id)?
                .and_then(|member| member.user);
            if let Some(user) = known.filter(|known| known.value.bot) {
                return Ok(Some(user.value));
            }
        }
        Ok(None)
    }

    /// Every user ever seen in the guild, by id. Users who had their data deleted have no row and
    /// appear as [`Member::nameless`].
    pub fn members(&self, guild: GuildId) -> Result<Vec<Member>, StoreError> {
        let mut all: Vec<Member> = self.0.scan(guild)?;
        let gone = self.privacy(guild)?.into_iter().filter(Privacy::is_gone);
        let gone: Vec<Member> = gone
            .map(|gone| Member::nameless(guild, gone.user_id))
            .collect();
        if !gone.is_empty() {
            all.retain(|row| gone.iter().all(|other| other.user_id != row.user_id));
            all.extend(gone);
            all.sort_by_key(|row| row.user_id);
        }
        Ok(all)
    }

    pub fn member(&self, guild: GuildId, user: UserId) -> Result<Option<Member>, StoreError> {
        let known = self.0.get((guild, user))?;
        if known.is_none() && self.privacy_of(guild, user)?.is_gone() {
            return Ok(Some(Member::nameless(guild, user)));
        }
        Ok(known)
    }

    /// The guild's settings, or the defaults if no admin has set any.
    pub fn settings(&self, guild: GuildId) -> Result<Settings, StoreError> {
        let chosen = self.0.get(guild)?;
        Ok(chosen.unwrap_or_else(|| Settings::default_for(guild)))
    }

    /// A member's permission bits in a channel or thread; none if the guild or the member is
    /// unknown.
    pub fn bits_of(
        &self,
        guild: GuildId,
        user: UserId,
        channel: &Channel,
    ) -> Result<Option<u64>, StoreError> {
        let member = self.member(guild, user)?;
        let Some(presence) = member.as_ref().and_then(|member| member.presence.now()) else {
            return Ok(None);
        };
        let roles = &presence.roles;
        self.with_permissions_in(guild, channel, |own| own.of_member(user, roles, channel))
    }

    /// Whether everyone in the guild can read a channel or thread. `false` if it doesn't exist now.
    pub fn everyone_reads(&self, guild: GuildId, id: ChannelId) -> Result<bool, StoreError> {
        let channel = self.channel(guild, id)?;
        let Some(channel) = channel.as_ref().and_then(|channel| channel.state.now()) else {
            return Ok(false);
        };
        let reads = self.with_permissions_in(guild, channel, |own| own.everyone_reads(channel))?;
        Ok(reads.unwrap_or(false))
    }

    /// Like [`Self::with_permissions`], but reads only what concerns this channel. Commands use it,
    /// because a guild may have thousands of threads.
    pub fn with_permissions_in<T>(
        &self,
        guild: GuildId,
        channel: &Channel,
        ask: impl FnOnce(&Permissions<'_>) -> T,
    ) -> Result<Option<T>, StoreError> {
        let part = self.guild(guild)?;
        let Some(known) = part.as_ref().and_then(|part| part.state.now()) else {
            return Ok(None);
        };
        let roles = self.roles(guild)?;
        let roles = roles.iter().filter_map(|role| role.state.now());
        let parent = channel.thread_parent();
        let parent = parent.map(|id| self.channel(guild, id)).transpose()?;
        let parent = parent.flatten();
        let parent = parent.as_ref().and_then(|parent| parent.state.now());
        Ok(Some(ask(&Permissions::new(known, roles, parent))))
    }

    /// Evaluates `ask` on the guild's current permissions; `None` if the guild is unknown.
    pub fn with_permissions<T>(
        &self,
        guild: GuildId,
        ask: impl FnOnce(&Permissions<'_>) -> T,
    ) -> Result<Option<T>, StoreError> {
        let part = self.guild(guild)?;
        let Some(known) = part.as_ref().and_then(|part| part.state.now()) else {
            return Ok(None);
        };
        let (roles, channels) = (self.roles(guild)?, self.channels(guild)?);
        let roles = roles.iter().filter_map(|role| role.state.now());
        let channels = channels.iter().filter_map(|channel| channel.state.now());
        Ok(Some(ask(&Permissions::new(known, roles, channels))))
    }

    /// Whether plain messages in a channel or its threads are props.
    pub fn is_props_channel(&self, guild: GuildId, id: ChannelId) -> Result<bool, StoreError> {
        let settings = self.settings(guild)?;
        let channel = self.channel(guild, id)?;
        let Some(channel) = channel.as_ref().and_then(|channel| channel.state.ever()) else {
            return Ok(false);
        };
        let parent = channel.thread_parent();
        let parent = parent.map(|id| self.channel(guild, id)).transpose()?;
        let parent = parent.flatten();
        let parent = parent.as_ref().and_then(|parent| parent.state.ever());
        Ok(settings.is_props_channel(channel)
            || parent.is_some_and(|parent| settings.is_props_channel(parent)))
    }

    /// The privacy choices of the guild's members, by user.
    pub fn privacy(&self, guild: GuildId) -> Result<Vec<Privacy>, StoreError> {
        self.0.scan(guild)
    }

    /// The privacy choices to apply where several guilds are shown together.
    ///
    /// A member who hides more in another guild is hidden here too, because otherwise the two
    /// together would reveal them.
    pub fn strictest_privacy(&self, guild: GuildId) -> Result<Vec<Privacy>, StoreError> {
        let mut chosen: BTreeMap<UserId, Privacy> = BTreeMap::new();
        chosen.extend(
            self.privacy(guild)?
                .into_iter()
                .map(|privacy| (privacy.user_id, privacy)),
        );
        for elsewhere in self.0.scan::<Privacy>(())? {
            let user = elsewhere.user_id;
            // Also users who aren't members here, since others may mention them.
            if elsewhere.guild_id == guild {
                continue;
            }
            let here = chosen.entry(user);
            let here = here.or_insert_with(|| Privacy::unchosen(guild, user));
            here.tier = here.tier.max(elsewhere.tier);
        }
        chosen.retain(|_, chosen| *chosen != Privacy::unchosen(guild, chosen.user_id));
        Ok(chosen.into_values().collect())
    }

    /// A member's privacy choices.
    pub fn privacy_of(&self, guild: GuildId, user: UserId) -> Result<Privacy, StoreError> {
        let chosen = self.0.get((guild, user))?;
        Ok(chosen.unwrap_or_else(|| Privacy::unchosen(guild, user)))
    }

    /// Recent actions of the guild's admins, latest last.
    pub fn admin_actions(&self, guild: GuildId) -> Result<Vec<AdminAction>, StoreError> {
        self.0.scan(guild)
    }

    /// The scheduled events of the guild, by id.
    pub fn scheduled_events(&self, guild: GuildId) -> Result<Vec<ScheduledEvent>, StoreError> {
        self.0.scan(guild)
    }

    /// The guild's latest recap.
    pub fn recap(&self, guild: GuildId) -> Result<Option<Recap>, StoreError> {
        self.0.get(guild)
    }

    /// What the guild's members ask of SourceCred's ledger, by user.
    pub fn links(&self, guild: GuildId) -> Result<Vec<Link>, StoreError> {
        self.0.scan(guild)
    }

    /// What a member asks of SourceCred's ledger; `None` if they never asked for anything.
    pub fn link(&self, guild: GuildId, user: UserId) -> Result<Option<Link>, StoreError> {
        self.0.get((guild, user))
    }

    /// The commands last registered with Discord.
    pub fn registered(&self, application: UserId) -> Result<Option<Registered>, StoreError> {
        self.0.get(application)
    }

    pub fn session(&self, guild: GuildId) -> Result<Session, StoreError> {
        let session = self.0.get(guild)?;
        Ok(session.unwrap_or_else(|| Session::none(guild)))
    }

    /// The known coverage of every channel and thread of the guild.
    pub fn coverage(&self, guild: GuildId) -> Result<BTreeMap<ChannelId, Coverage>, StoreError> {
        let all: Vec<Coverage> = self.0.scan(guild)?;
        Ok(all.into_iter().map(|row| (row.channel_id, row)).collect())
    }

    /// The coverage of a channel or thread; `None` if unknown.
    pub fn coverage_of(
        &self,
        guild: GuildId,
        channel: ChannelId,
    ) -> Result<Option<Coverage>, StoreError> {
        self.0.get((guild, channel))
    }

    /// The guild's lists of reactors that are still to be fetched or contradict Discord's counts.
    pub fn pending(&self, guild: GuildId) -> Result<Vec<Pending>, StoreError> {
        self.0.scan(guild)
    }

    /// The current state of a pending list; `None` if it is no longer pending.
    pub fn list(&self, list: &Pending) -> Result<Option<Pending>, StoreError> {
        self.0.get(list.key())
    }

    /// How much of each channel of the guild is in the store.
    pub fn tallies(&self, guild: GuildId) -> Result<Vec<Tally>, StoreError> {
        self.0.scan(guild)
    }

    /// What couldn't be fetched of the guild.
    pub fn failures(&self, guild: GuildId) -> Result<Vec<Failure>, StoreError> {
        self.0.scan(guild)
    }

    /// When each class of the guild's data was last complete.
    pub fn synced(&self, guild: GuildId) -> Result<Vec<Synced>, StoreError> {
        self.0.scan(guild)
    }

    /// The progress and results of the scrub of the guild's older history.
    pub fn scrub(&self, guild: GuildId) -> Result<Scrub, StoreError> {
        let scrub = self.0.get(guild)?;
        Ok(scrub.unwrap_or_else(|| Scrub::unknown(guild)))
    }

    /// The time up to which every change of the guild's history is known, however old the message.
    /// Later changes may be found only when history is read again.
    pub fn history_known_until(&self, guild: GuildId) -> Result<Stamp, StoreError> {
        let session = self.session(guild)?;
        let known = match session.unheard {
            Some(unheard) => unheard,
            None => self.heard()?,
        };
        let known = session.disconnected.map_or(known, |until| until.min(known));
        let older = self.scrub(guild)?.unheard;
        Ok(older.map_or(known, |older| older.min(known)))
    }

    pub fn message(
        &self,
        channel: ChannelId,
        id: MessageId,
    ) -> Result<Option<MessageState>, StoreError> {
        self.0.get((channel, id))
    }

    /// Iterates by id over the channel's messages and tombstones with these ids.
    pub fn messages(
        &self,
        channel: ChannelId,
        ids: RangeInclusive<u64>,
    ) -> impl DoubleEndedIterator<Item = Result<MessageState, StoreError>> {
        self.0.iter(messages(channel, &ids))
    }

    /// The reactions, present and past, to the channel's messages with these ids.
    pub fn reactions(
        &self,
        channel: ChannelId,
        ids: RangeInclusive<u64>,
    ) -> impl Iterator<Item = Result<Reaction, StoreError>> {
        self.0.iter(messages(channel, &ids))
    }

    /// The props given by command in the channel, with these ids.
    pub fn props(
        &self,
        channel: ChannelId,
        ids: RangeInclusive<u64>,
    ) -> impl DoubleEndedIterator<Item = Result<Props, StoreError>> {
        let run = |id: u64| (channel, InteractionId(id));
        self.0.iter(run(*ids.start())..=run(*ids.end()))
    }
}
