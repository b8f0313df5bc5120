//! Describes the guild: its channels, and through `threads.rs` and `members.rs` its threads and
//! members.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Backfill, BackfillError, Depth,
    lists::{ids, lacks_everyone, lacks_most},
};
use propsbot_discord::{GuildShape, GuildSnapshot, Items, RestError};
use propsbot_ingest::Described;
use propsbot_model::{
    Channel, ChannelId, Class, Fact, FailureObject, Field, Guild, GuildId, Listed, Role, RoleId,
};

/// Maximum number of unreadable objects to name.
const NAMED: usize = 5;

impl Backfill {
    /// Describes the guild from the snapshot or Discord, and records the result.
    pub(super) async fn describe(
        &self,
        guild: GuildId,
        depth: Depth,
        told: Option<GuildSnapshot>,
    ) -> Result<Described, BackfillError> {
        let GuildSnapshot {
            at,
            shape,
            mut channels,
        } = match told {
            Some(told)
                if !self.known_lists(guild).await?.doubts(guild, &told)
                    && self.tells_all(guild, &told.channels.items).await? =>
            {
                told
            }
            _ => self.ask_shape(guild).await?,
        };
        let mut odd = unread_of_shape(&shape);
        let lacks_everyone = lacks_everyone(guild, &shape.roles);
        if lacks_everyone {
            odd.push("the list of roles lacks @everyone, so it may lack others".to_owned());
        }
        self.note_odd(guild, Class::Guild, odd).await?;
        let (gone, there) = self.ask_for_channels(guild, &mut channels).await?;
        let mut odd = channels.unread("channel");
        odd.extend(unread_of(&channels.items));
        if there > 0 {
            odd.push(format!("the list of channels lacks {there} that exist"));
        }
        self.note_odd(guild, Class::Channels, odd).await?;
        let mut facts = vec![Fact::Guild(shape.guild.clone())];
        let all_roles = ids(&shape.roles, |role| role.id, RoleId).filter(|_| !lacks_everyone);
        facts.extend(all_roles.map(|all| Fact::AllRoles(guild, all)));
        facts.extend(shape.roles.items.iter().cloned().map(Fact::Role));
        if shape.emojis.all_readable() {
            facts.push(Fact::AllEmojis(guild, shape.emojis.items));
        } else {
            facts.extend(shape.emojis.items.into_iter().map(Fact::Emoji));
        }
        facts.extend(seen(&channels.items));
        facts.extend(gone);
        if !lacks_everyone {
            facts.push(Fact::Synced(guild, Class::Guild));
        }
        if there == 0 {
            facts.push(Fact::Synced(guild, Class::Channels));
        }
        self.tell(at, facts).await?;
        let mut channels = channels.items;
        let described_at = at;

        let at = self.clock.stamp();
        let mut whole = true;
        match self.ask_for_active_threads(guild).await {
            Ok(threads) => {
                whole &= self.threads_are_whole(guild, &threads).await?;
                self.tell(at, seen(&threads.items)).await?;
                channels.extend(threads.items);
            }
            Err(error) => {
                whole = false;
                self.fail(guild, FailureObject::Class(Class::Threads), error)
                    .await?;
            }
        }

        let listed = match depth {
            Depth::Whole | Depth::Recheck => self.members(guild, shape.members).await?,
            Depth::Channels => None,
        };
        let bot_roles = match listed {
            Some(roles) => roles,
            None => self.bot_roles(guild).await?,
        };
        let (shape_of_guild, roles) = self
            .as_known(
                (shape.guild, shape.roles.items),
                lacks_everyone,
                &mut channels,
            )
            .await?;
        let mut described = Described {
            at: described_at,
            guild: shape_of_guild,
            roles,
            channels,
            bot: self.bot.id,
            bot_roles,
            kept_threads: BTreeSet::new(),
        };
        whole &= self.archived_threads(&mut described, depth).await?;
        if whole && depth >= Depth::Whole {
            self.tell(
                self.clock.stamp(),
                vec![
                    Fact::Settled(guild, FailureObject::Class(Class::Threads)),
                    Fact::Synced(guild, Class::Threads),
                ],
            )
            .await?;
        }
        self.find_threads(&mut described).await?;
        self.keep_threads(&mut described).await?;
        Ok(described)
    }

    /// Fetches the active threads; twice if most known ones are missing.
    async fn ask_for_active_threads(&self, guild: GuildId) -> Result<Items<Listed>, RestError> {
        let list = self.history.active_threads(guild).await?;
        let active = self.read(move |store| {
            let parts = store.channels(guild)?;
            let threads = parts.iter().filter_map(|part| part.state.now());
            let is_active = |channel: &&Channel| {
                let thread = channel.thread.as_ref();
                thread.is_some_and(|thread| !thread.archived)
            };
            Ok(threads.filter(is_active).map(|thread| thread.id).collect())
        });
        let known: BTreeSet<ChannelId> = active.await.unwrap_or_default();
        let listed = ids(&list, |listed| listed.channel.id, ChannelId);
        if listed.is_some_and(|listed| lacks_most(&known, &listed)) {
            return self.history.active_threads(guild).await;
        }
        Ok(list)
    }

    /// Replaces unreadable objects with their known versions; adds all known roles if the list is
    /// incomplete.
    async fn as_known(
        &self,
        (mut of_guild, mut roles): (Guild, Vec<Role>),
        with_all_roles: bool,
        channels: &mut [Listed],
    ) -> Result<(Guild, Vec<Role>), BackfillError> {
        let guild = of_guild.id;
        let is_unread = with_all_roles
            || !of_guild.unread.is_empty()
            || roles.iter().any(|role| !role.unread.is_empty())
            || channels
                .iter()
                .any(|listed| !listed.channel.unread.is_empty());
        if !is_unread {
            return Ok((of_guild, roles));
        }
        self.writer.write(Vec::new()).await?;
        let (known_guild, known_roles, known_channels) = self
            .read(move |store| {
                let of_guild = store
                    .guild(guild)?
                    .and_then(|part| part.state.now().cloned());
                Ok((of_guild, store.roles(guild)?, store.channels(guild)?))
            })
            .await?;
        of_guild = known_guild.unwrap_or(of_guild);
        let known: BTreeMap<RoleId, &Role> = known_roles
            .iter()
            .filter_map(|part| part.state.now())
            .map(|role| (role.id, role))
            .collect();
        for role in &mut roles {
            if let Some(known) = known.get(&role.id).filter(|_| !role.unread.is_empty()) {
                role.clone_from(known);
            }
        }
        if with_all_roles {
            let listed: BTreeSet<RoleId> = roles.iter().map(|role| role.id).collect();
            let others = known.values().filter(|role| !listed.contains(&role.id));
            roles.extend(others.map(|role| (*role).clone()));
        }
        let known: BTreeMap<ChannelId, &Channel> = known_channels
            .iter()
            .filter_map(|part| part.state.now())
            .map(|channel| (channel.id, channel))
            .collect();
        for Listed { channel, .. } in channels {
            if let Some(known) = known
                .get(&channel.id)
                .filter(|_| !channel.unread.is_empty())
            {
                channel.clone_from(known);
            }
        }
        Ok((of_guild, roles))
    }

    /// Returns whether the snapshot has all known channels; only Discord can tell which of the
    /// others are gone.
    async fn tells_all(&self, guild: GuildId, told: &[Listed]) -> Result<bool, BackfillError> {
        let told: BTreeSet<ChannelId> = told.iter().map(|told| told.channel.id).collect();
        self.read(move |store| {
            let present = store.channels(guild)?.into_iter().filter_map(|part| {
                let last = part.state.last.filter(|_| part.state.gone.is_none())?;
                (!last.value.is_thread()).then_some(ChannelId(part.id))
            });
            let present: BTreeSet<ChannelId> = present.collect();
            Ok(!present.is_empty() && present.is_subset(&told))
        })
        .await
    }

    /// Records what of a class was unreadable or contradictory; settles it if nothing was.
    pub(super) async fn note_odd(
        &self,
        guild: GuildId,
        class: Class,
        odd: Vec<String>,
    ) -> Result<(), BackfillError> {
        let object = FailureObject::Class(class);
        if odd.is_empty() {
            let settled = Fact::Settled(guild, object);
            return Ok(self.tell(self.clock.stamp(), vec![settled]).await?);
        }
        self.progress
            .update(|progress| progress.refused += odd.len() as u64);
        let named = odd.iter().take(NAMED).map(String::as_str);
        let named = named.collect::<Vec<_>>().join("; ");
        let more = match odd.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let reason = format!("unexpected data from Discord: {named}{more}");
        let refused = Fact::Refused(guild, object, reason.into());
        Ok(self.tell(self.clock.stamp(), vec![refused]).await?)
    }

    /// Returns the bot's own roles: current ones, or else as known.
    async fn bot_roles(&self, guild: GuildId) -> Result<Vec<RoleId>, BackfillError> {
        let bot = self.bot.id;
        match self.history.member(guild, bot).await {
            Ok(Some((user, presence))) => {
                let roles = presence.roles.clone();
                let are_read = !presence.unread.has(Field::Roles);
                let member = Fact::Member(guild, user, presence);
                self.tell(self.clock.stamp(), vec![member]).await?;
                if are_read {
                    return Ok(roles);
                }
            }
            Err(error @ RestError::BadToken) => return Err(error.into()),
            Ok(None) | Err(_) => {}
        }
        self.writer.write(Vec::new()).await?;
        let known = self.read(move |store| store.member(guild, bot)).await?;
        let presence = known.and_then(|known| known.presence.now().map(|now| now.roles.clone()));
        Ok(presence.unwrap_or_default())
    }
}

/// Converts listed channels to facts.
pub(super) fn seen(listed: &[Listed]) -> Vec<Fact> {
    listed
        .iter()
        .map(|listed| Fact::Channel(listed.channel.clone()))
        .collect()
}

/// Describes what is unreadable of a guild, its roles and emojis.
fn unread_of_shape(shape: &GuildShape) -> Vec<String> {
    let mut odd = shape.roles.unread("role");
    odd.extend(shape.emojis.unread("emoji"));
    let guild = [("guild", shape.guild.id.0, shape.guild.unread.odd())];
    let roles = shape
        .roles
        .items
        .iter()
        .map(|item| ("role", item.id.0, item.unread.odd()));
    let emojis = shape
        .emojis
        .items
        .iter()
        .map(|item| ("emoji", item.id.0, item.unread.odd()));
    let all = guild.into_iter().chain(roles).chain(emojis);
    let all = all.filter(|(.., unread)| !unread.is_empty());
    odd.extend(all.map(|(what, id, unread)| format!("{what} {id}: {unread}")));
    odd
}

/// Describes what is unreadable of channels or threads.
pub(super) fn unread_of(listed: &[Listed]) -> impl Iterator<Item = String> {
    let channels = listed.iter().map(|listed| &listed.channel);
    let odd = channels.map(|channel| (channel.id, channel.unread.odd()));
    let odd = odd.filter(|(_, odd)| !odd.is_empty());
    odd.map(|(id, odd)| format!("channel {id}: {odd}"))
}
