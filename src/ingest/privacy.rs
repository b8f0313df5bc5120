//! What members want kept of themselves, and what admins did.
//!
//! What was deleted on a member's request stays so, whoever tells of it again: the request is
//! remembered, and all that comes later is held against it.

use super::Rows;
use crate::model::{
    AdminAction, ChannelId, GuildId, KEPT_ACTIONS, Life, Member, Message, MessageId, MessageState,
    Millis, Privacy, Props, Record, RoleHistory, Stamp, Stamped, User, UserId, key,
};

/// What a member has chosen, if anything.
pub(super) fn of<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    user_id: UserId,
) -> Result<Option<Privacy>, S::Error> {
    rows.get(&key::ids([guild_id.0, user_id.0]))
}

/// A member chose. A deletion is never undone, and the latest of several counts.
pub(super) fn choose<S: Rows>(rows: &mut S, new: &Privacy) -> Result<(), S::Error> {
    let unknown = Privacy::unchosen(new.guild_id, new.user_id);
    rows.update(unknown, |it| {
        let forgotten = it.forgotten.max(new.forgotten);
        if (new.since, new.tier) >= (it.since, it.tier) {
            it.clone_from(new);
        }
        it.forgotten = forgotten;
    })?;
    // An id-only row is what the archive remembers of it.
    rows.update(Member::unknown(new.guild_id, new.user_id), |_| ())?;
    Ok(())
}

/// What may be kept of a message, as who speaks in it wants it.
pub(super) enum Allowed {
    /// It as it is, or without its text.
    Message(Message),
    /// That there was one.
    Nothing,
}

/// What may be kept of a message.
pub(super) fn allowed<S: Rows>(rows: &S, message: &Message) -> Result<Allowed, S::Error> {
    let mut message = message.clone();
    if let Some(speaker) = message.speaker()
        && let Some(privacy) = of(rows, message.guild_id, speaker)?
    {
        if privacy.forgets(message.id.created_at()) {
            return Ok(Allowed::Nothing);
        }
        if !privacy.tier.keeps_content() {
            message.content.clear();
            message.has_no_text();
        }
    }
    Ok(Allowed::Message(message))
}

/// What may be kept of props, as who gave them wants it.
pub(super) fn allowed_props<S: Rows>(rows: &S, props: &Props) -> Result<Props, S::Error> {
    let mut props = props.clone();
    if let Some(privacy) = of(rows, props.guild_id, props.giver)? {
        if let Some(until) = privacy
            .forgotten
            .filter(|_| privacy.forgets(props.id.created_at()))
        {
            props = props.forgotten(until);
        } else if !privacy.tier.keeps_content() {
            props.reason.clear();
        }
    }
    Ok(props)
}

/// Whether what a user did at this time was deleted on their request.
pub(super) fn forgets<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    user_id: UserId,
    time: Millis,
) -> Result<bool, S::Error> {
    let privacy = of(rows, guild_id, user_id)?;
    Ok(privacy.is_some_and(|chosen| chosen.forgets(time)))
}

/// What a user is called, as far as that may be kept.
pub(super) fn allowed_user<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    user: &User,
) -> Result<(User, bool), S::Error> {
    let privacy = of(rows, guild_id, user.id)?;
    let hidden = privacy.is_some_and(|it| it.forgotten.is_some() && !it.tier.shows_names());
    let user = if hidden {
        user.nameless()
    } else {
        user.clone()
    };
    Ok((user, hidden))
}

/// A message's text is not kept any more.
pub(super) fn hush<S: Rows>(
    rows: &mut S,
    channel_id: ChannelId,
    id: MessageId,
) -> Result<(), S::Error> {
    let known: Option<MessageState> = rows.get(&key::ids([channel_id.0, id.0]))?;
    if let Some(mut state) = known
        && let Life::Alive(_, message) = &mut state.state
        && !message.content.is_empty()
    {
        message.content.clear();
        rows.put(&state)?;
    }
    Ok(())
}

/// Puts what may still be kept of props in their place.
pub(super) fn replace_props<S: Rows>(rows: &mut S, props: &Props) -> Result<(), S::Error> {
    let known: Option<Props> = rows.get(&props.key())?;
    if known.is_some_and(|known| known != *props) {
        rows.put(props)?;
    }
    Ok(())
}

/// A member's names and roles go; that they are a member stays, or nobody could thank them.
pub(super) fn forget_member<S: Rows>(
    rows: &mut S,
    at: Stamp,
    guild_id: GuildId,
    user_id: UserId,
) -> Result<(), S::Error> {
    rows.update(Member::unknown(guild_id, user_id), |it| {
        if let Some(user) = &it.user {
            it.user = Some(Stamped {
                at: user.at.max(at),
                value: user.value.nameless(),
            });
        }
        if let Some(presence) = &mut it.presence.last {
            presence.value.nick = None;
            presence.value.roles.clear();
            presence.value.joined_at = None;
        }
        it.history = RoleHistory::default();
    })?;
    Ok(())
}

/// An admin did something. Only the latest are remembered.
pub(super) fn note<S: Rows>(rows: &mut S, action: &AdminAction) -> Result<(), S::Error> {
    rows.put(action)?;
    let all: Vec<AdminAction> = rows.scan(&key::ids([action.guild_id.0]))?;
    let many = all.len().saturating_sub(KEPT_ACTIONS);
    for old in &all[..many] {
        rows.delete(old)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ingest::{convergence::Memory, merge},
        model::{
            Author, AuthorKind, ChannelId, Emoji, Evidence, Fact, InteractionId, LeftOut,
            MessageKind, Millis, Observation, Presence, PropsOrigin, Reaction, Tier, key,
        },
    };

    const GUILD: GuildId = GuildId(1);
    const CHANNEL: ChannelId = ChannelId(2);
    const ANA: UserId = UserId(480_300_000_000_000_001);
    const UNTIL: Millis = Millis(1_700_000_000_000);

    fn id(millis: i64) -> MessageId {
        MessageId::at(Millis(UNTIL.0 + millis))
    }

    fn user() -> User {
        User {
            id: ANA,
            username: "ana".to_owned(),
            global_name: None,
            discriminator: None,
            bot: false,
            system: false,
            unread: crate::model::Unread::default(),
        }
    }

    fn message(id: MessageId) -> Message {
        Message {
            id,
            channel_id: CHANNEL,
            guild_id: GUILD,
            author: Author {
                id: ANA,
                kind: AuthorKind::User,
            },
            kind: MessageKind::DEFAULT,
            content: "ana's words".to_owned(),
            mentions: Vec::new(),
            reply_to: None,
            command: None,
            edited_at: None,
            by_webhook: None,
            unread: crate::model::Unread::default(),
        }
    }

    fn props(id: MessageId) -> Props {
        Props {
            id: InteractionId(id.0),
            guild_id: GUILD,
            channel_id: CHANNEL,
            message_id: None,
            giver: ANA,
            receivers: vec![UserId(5)],
            reason: "ana's reason".to_owned(),
            origin: PropsOrigin::Command,
            withdrawn: None,
            about: None,
        }
    }

    /// What a late backfill tells, for the first time, of Ana before and after her request.
    fn told(tier: Tier, forgotten: Option<Millis>) -> Memory {
        let chosen = Privacy {
            tier,
            since: UNTIL,
            forgotten,
            ..Privacy::unchosen(GUILD, ANA)
        };
        let presence = Presence {
            nick: Some("Ana".to_owned()),
            roles: Vec::new(),
            joined_at: Some(Millis(1)),
            unread: crate::model::Unread::default(),
        };
        let mut facts = vec![Fact::Privacy(chosen), Fact::Member(GUILD, user(), presence)];
        for id in [id(-5), id(5)] {
            facts.push(Fact::Message(message(id)));
            facts.push(Fact::Props(props(id)));
        }
        for on in [id(-6), id(6)] {
            facts.push(Fact::Reactors {
                guild_id: GUILD,
                channel_id: CHANNEL,
                message_id: on,
                emoji: Emoji::unicode("🎉"),
                burst: false,
                users: vec![user()],
            });
        }
        let mut rows = Memory::default();
        // Twice, as backfills do.
        for round in 0..2 {
            for (at, fact) in facts.iter().cloned().enumerate() {
                let seen = Observation {
                    at: Stamp(
                        UNTIL.0 * 1000 + 10_000_000 + round * 100 + i64::try_from(at).unwrap(),
                    ),
                    by: Evidence::Rest,
                    fact,
                };
                merge(&mut rows, &seen).unwrap();
            }
        }
        rows
    }

    fn contents(rows: &Memory) -> Vec<Option<String>> {
        let all: Vec<MessageState> = rows.scan(&key::ids([CHANNEL.0])).unwrap();
        all.iter()
            .map(|it| it.message().map(|it| it.content.clone()))
            .collect()
    }

    #[test]
    fn what_was_deleted_stays_so_even_if_it_is_heard_of_only_later() {
        let rows = told(Tier::Everything, Some(UNTIL));
        // After it, the tier holds: no text, but that there was a message.
        assert_eq!(contents(&rows), [None, Some(String::new())]);
        let given: Vec<Props> = rows.scan(&key::ids([CHANNEL.0])).unwrap();
        assert_eq!((given[0].giver, given[0].reason.as_str()), (UserId(0), ""));
        assert!(given[0].withdrawn.is_some() && given[0].receivers.is_empty());
        assert_eq!((given[1].giver, given[1].reason.as_str()), (ANA, ""));
        let reactions: Vec<Reaction> = rows.scan(&key::ids([CHANNEL.0])).unwrap();
        let who: Vec<UserId> = reactions.iter().map(|it| it.user_id).collect();
        assert_eq!(who, [ANA]);
        let left_out: Vec<LeftOut> = rows.scan(&key::ids([CHANNEL.0])).unwrap();
        let left_out: Vec<_> = left_out
            .iter()
            .map(|it| (it.message_id, it.count))
            .collect();
        assert_eq!(left_out, [(id(-6), 1)]);
        let member: Member = rows.get(&key::ids([GUILD.0, ANA.0])).unwrap().unwrap();
        assert_eq!(member.user.unwrap().value.username, "");
        let presence = member.presence.now().unwrap();
        assert_eq!((presence.nick.as_deref(), presence.joined_at), (None, None));
    }

    #[test]
    fn a_tier_blanks_texts_and_leaves_the_rest_to_the_export() {
        for tier in Tier::OUT {
            let rows = told(tier, None);
            assert_eq!(contents(&rows), [Some(String::new()), Some(String::new())]);
            let member: Member = rows.get(&key::ids([GUILD.0, ANA.0])).unwrap().unwrap();
            assert_eq!(member.user.unwrap().value.username, "ana");
        }
        let rows = told(Tier::None, None);
        let words = Some("ana's words".to_owned());
        assert_eq!(contents(&rows), [words.clone(), words]);
    }

    #[test]
    fn a_deletion_outlives_every_later_choice_and_the_latest_choice_counts() {
        let chosen = |tier, since, forgotten| Privacy {
            tier,
            since: Millis(since),
            forgotten,
            ..Privacy::unchosen(GUILD, ANA)
        };
        let all = [
            chosen(Tier::Everything, 5, Some(Millis(5))),
            chosen(Tier::None, 9, None),
            chosen(Tier::Identity, 7, None),
        ];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut rows = Memory::default();
            for index in order {
                choose(&mut rows, &all[index]).unwrap();
            }
            let kept = of(&rows, GUILD, ANA).unwrap().unwrap();
            assert_eq!(kept, chosen(Tier::None, 9, Some(Millis(5))), "{order:?}");
        }
    }

    #[test]
    fn only_the_latest_actions_of_admins_are_remembered() {
        let mut rows = Memory::default();
        for id in 0..=KEPT_ACTIONS as u64 {
            let action = AdminAction {
                guild_id: GUILD,
                id: InteractionId(id),
                at: UNTIL,
                by: ANA,
                what: String::new(),
            };
            note(&mut rows, &action).unwrap();
        }
        let kept: Vec<AdminAction> = rows.scan(&key::ids([GUILD.0])).unwrap();
        assert_eq!((kept.len(), kept[0].id), (KEPT_ACTIONS, InteractionId(1)));
    }
}
