//! Applies members' privacy choices to everything that arrives, and keeps admins' actions.
//!
//! A deletion request is remembered and applied to later facts, so nothing brings deleted data
//! back.

use super::{Rows, forgotten};
use propsbot_model::{
    AdminAction, Channel, ChannelId, Guild, GuildId, InteractionId, KEPT_ACTIONS, Life, Link,
    Member, Message, MessageId, MessageState, Millis, Named, OverwriteKind, Privacy, Props, UserId,
    ids_in,
};

/// Returns a member's choices, if any.
pub(super) fn of<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    user_id: UserId,
) -> Result<Option<Privacy>, S::Error> {
    rows.get((guild_id, user_id))
}

/// Merges a member's choices.
pub(super) fn choose<S: Rows>(rows: &mut S, new: &Privacy) -> Result<(), S::Error> {
    let unknown = Privacy::unchosen(new.guild_id, new.user_id);
    let (_, chosen) = rows.update(unknown, |row| row.merge(new))?;
    if !chosen.is_gone() {
        // The archive remembers the choice with a row that has only the id.
        rows.update(Member::unknown(new.guild_id, new.user_id), |_| ())?;
    }
    Ok(())
}

/// Returns what may be kept of a message; `None` if it was deleted on request.
/// Members who had their data deleted are removed from others' messages. `replied` is the author of
/// what it answers, if known.
pub(super) fn allowed<S: Rows>(
    rows: &S,
    message: &Message,
    replied: Option<UserId>,
) -> Result<Option<Message>, S::Error> {
    let mut message = message.clone();
    if let Some(speaker) = message.speaker()
        && let Some(privacy) = of(rows, message.guild_id, speaker)?
    {
        let time = message.id.created_at();
        if privacy.forgets(time) {
            return Ok(None);
        }
        if !privacy.keeps_text(time) {
            message.content.clear();
            message.has_no_text();
        }
    }
    forgotten::named_in_message(rows, &message, replied)?.take_from_message(&mut message);
    Ok(Some(message))
}

/// Returns what may be kept of props; `None` if they were deleted on request.
pub(super) fn allowed_props<S: Rows>(rows: &S, props: &Props) -> Result<Option<Props>, S::Error> {
    let mut props = props.clone();
    if let Some(privacy) = of(rows, props.guild_id, props.giver)? {
        let time = props.id.created_at();
        if privacy.forgets(time) {
            return Ok(None);
        }
        if !privacy.keeps_text(time) {
            props.reason.clear();
        }
    }
    forgotten::named_in_props(rows, &props)?.take_from_props(&mut props);
    Ok(Some(props))
}

/// Returns what may be kept of a channel. A thread's title counts as text of its opener.
pub(super) fn allowed_channel<S: Rows>(rows: &S, channel: &Channel) -> Result<Channel, S::Error> {
    let mut channel = channel.clone();
    let (guild, opened) = (channel.guild_id, channel.id.created_at());
    if let Some(thread) = &mut channel.thread
        && let Some(owner) = thread.owner_id
        && let Some(privacy) = of(rows, guild, owner)?
    {
        if !privacy.keeps_text(opened) || privacy.forgets(opened) {
            channel.name.clear();
        }
        if privacy.is_gone() || privacy.forgets(opened) {
            thread.owner_id = None;
        }
    }
    // Titles may name other members.
    let mut gone = Named::default();
    for user in ids_in(&channel.name).into_iter().map(UserId) {
        if is_gone(rows, guild, user)? {
            gone.users.insert(user);
        }
    }
    gone.take_from_title(&mut channel.name);
    for overwrite in &mut channel.overwrites {
        if overwrite.kind == OverwriteKind::Member && is_gone(rows, guild, UserId(overwrite.id))? {
            // The overwrite stays, without a name: see `Permissions::names_nobody`.
            overwrite.id = UserId::nobody(1).0;
        }
    }
    channel.overwrites.sort_unstable();
    Ok(channel)
}

/// Returns what may be kept of a guild.
pub(super) fn allowed_guild<S: Rows>(rows: &S, guild: &Guild) -> Result<Guild, S::Error> {
    let mut guild = guild.clone();
    if is_gone(rows, guild.id, guild.owner_id)? {
        guild.owner_id = UserId::nobody(1);
    }
    Ok(guild)
}

/// Returns whether a user had their data deleted and no row may name them.
pub(super) fn is_gone<S: Rows>(rows: &S, guild: GuildId, user: UserId) -> Result<bool, S::Error> {
    Ok(of(rows, guild, user)?.is_some_and(|owner| owner.is_gone()))
}

/// Returns whether what a user did at this time was deleted on their request.
pub(super) fn forgets<S: Rows>(
    rows: &S,
    guild_id: GuildId,
    user_id: UserId,
    time: Millis,
) -> Result<bool, S::Error> {
    let privacy = of(rows, guild_id, user_id)?;
    Ok(privacy.is_some_and(|chosen| chosen.forgets(time)))
}

/// Removes a message's text.
pub(super) fn hush<S: Rows>(
    rows: &mut S,
    channel_id: ChannelId,
    id: MessageId,
) -> Result<(), S::Error> {
    let known: Option<MessageState> = rows.get((channel_id, id))?;
    if let Some(mut state) = known
        && let Life::Alive(_, message) = &mut state.state
        && !message.content.is_empty()
    {
        message.content.clear();
        rows.put(&state)?;
    }
    Ok(())
}

/// Removes the reason of props.
pub(super) fn hush_props<S: Rows>(
    rows: &mut S,
    channel_id: ChannelId,
    id: InteractionId,
) -> Result<(), S::Error> {
    let known: Option<Props> = rows.get((channel_id, id))?;
    if let Some(mut props) = known
        && !props.reason.is_empty()
    {
        props.reason.clear();
        rows.put(&props)?;
    }
    Ok(())
}

/// Merges what a member asks of the ledger, unless it was deleted on request.
pub(super) fn see_link<S: Rows>(rows: &mut S, new: &Link) -> Result<(), S::Error> {
    let mut new = new.clone();
    if let Some(privacy) = of(rows, new.guild_id, new.user_id)? {
        new.retain(|since| !privacy.forgets(since));
    }
    if !new.is_none() {
        rows.update(Link::none(new.guild_id, new.user_id), |row| row.merge(&new))?;
    }
    Ok(())
}

/// Removes what a member asked of the ledger until they had it deleted.
pub(super) fn forget_link<S: Rows>(
    rows: &mut S,
    guild_id: GuildId,
    user_id: UserId,
) -> Result<(), S::Error> {
    let known: Option<Link> = rows.get((guild_id, user_id))?;
    let (Some(known), Some(privacy)) = (known, of(rows, guild_id, user_id)?) else {
        return Ok(());
    };
    let mut left = known.clone();
    left.retain(|since| !privacy.forgets(since));
    if left.is_none() {
        rows.delete(&known)?;
    } else if left != known {
        rows.put(&left)?;
    }
    Ok(())
}

/// Records an admin's action and drops all but the latest [`KEPT_ACTIONS`].
pub(super) fn note<S: Rows>(rows: &mut S, action: &AdminAction) -> Result<(), S::Error> {
    rows.put(action)?;
    let all: Vec<AdminAction> = rows.scan(action.guild_id)?;
    let many = all.len().saturating_sub(KEPT_ACTIONS);
    for old in &all[..many] {
        rows.delete(old)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{convergence::Memory, merge};
    use propsbot_mirror::ReadRows as _;
    use propsbot_model::{
        Author, AuthorKind, Emoji, Evidence, Fact, Forget, GrainWish, LeftOut, MessageKind,
        Observation, Presence, PropsOrigin, Reaction, Stamp, Tier, User,
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
            unread: propsbot_model::Unread::default(),
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
            unread: propsbot_model::Unread::default(),
            earlier: Vec::new(),
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

    /// Merges what a late backfill finds of Ana before and after her request.
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
            unread: propsbot_model::Unread::default(),
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
        // Backfills repeat facts.
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
        let all: Vec<MessageState> = rows.scan(CHANNEL).unwrap();
        all.iter()
            .map(|state| state.message().map(|message| message.content.clone()))
            .collect()
    }

    #[test]
    fn drops_deleted_data_that_is_first_heard_of_later() {
        let rows = told(Tier::Everything, Some(UNTIL));
        // After the request, the tier applies: messages stay, without text.
        assert_eq!(contents(&rows), [Some(String::new())]);
        let given: Vec<Props> = rows.scan(CHANNEL).unwrap();
        let given: Vec<_> = given
            .iter()
            .map(|given| (given.giver, given.reason.as_str()))
            .collect();
        assert_eq!(given, [(ANA, "")]);
        let reactions: Vec<Reaction> = rows.scan(CHANNEL).unwrap();
        let who: Vec<UserId> = reactions.iter().map(|reaction| reaction.user_id).collect();
        assert_eq!(who, [ANA]);
        let left_out: Vec<LeftOut> = rows.scan(CHANNEL).unwrap();
        let left_out: Vec<_> = left_out
            .iter()
            .map(|left_out| (left_out.message_id, left_out.count))
            .collect();
        assert_eq!(left_out, [(id(-6), 1)]);
        let member: Option<Member> = rows.get((GUILD, ANA)).unwrap();
        assert_eq!(member, None);
    }

    #[test]
    fn a_tier_only_blanks_texts_in_the_mirror() {
        for tier in Tier::OUT {
            let rows = told(tier, None);
            assert_eq!(contents(&rows), [Some(String::new()), Some(String::new())]);
            let member: Member = rows.get((GUILD, ANA)).unwrap().unwrap();
            assert_eq!(member.user.unwrap().value.username, "ana");
        }
        let rows = told(Tier::None, None);
        let words = Some("ana's words".to_owned());
        assert_eq!(contents(&rows), [words.clone(), words]);
    }

    #[test]
    fn a_deletion_outlives_later_choices() {
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
            let expected = Privacy {
                texts_since: Some(Millis(9)),
                ..chosen(Tier::None, 9, Some(Millis(5)))
            };
            assert_eq!(kept, expected, "{order:?}");
        }
    }

    #[test]
    fn what_was_asked_of_the_ledger_before_a_deletion_goes_and_stays_away() {
        let asked = |since: i64| {
            Fact::Link(Link {
                grain: Some(GrainWish {
                    since: Millis(since),
                    wanted: true,
                }),
                ..Link::none(GUILD, ANA)
            })
        };
        let forgotten = Fact::Privacy(Privacy {
            tier: Tier::Everything,
            since: UNTIL,
            forgotten: Some(UNTIL),
            ..Privacy::unchosen(GUILD, ANA)
        });
        let forget = Fact::Forget(GUILD, Forget::Link(ANA));
        let kept = |facts: &[&Fact]| {
            let mut rows = Memory::default();
            for fact in facts {
                let seen = Observation {
                    at: Stamp(UNTIL.0 * 1000),
                    by: Evidence::Gateway,
                    fact: (*fact).clone(),
                };
                merge(&mut rows, &seen).unwrap();
            }
            rows.get::<Link>((GUILD, ANA)).unwrap()
        };
        let (before, after) = (asked(UNTIL.0), asked(UNTIL.0 + 1));
        assert!(kept(&[&before]).is_some());
        assert_eq!(kept(&[&before, &forgotten, &forget, &before]), None);
        assert!(kept(&[&before, &after, &forgotten, &forget, &before]).is_some());
        assert_eq!(kept(&[&forgotten, &before]), None);
    }

    #[test]
    fn keeps_the_latest_admin_actions() {
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
        let kept: Vec<AdminAction> = rows.scan(GUILD).unwrap();
        assert_eq!((kept.len(), kept[0].id), (KEPT_ACTIONS, InteractionId(1)));
    }
}
