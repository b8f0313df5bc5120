//! The graph: reactions, the messages they are on, the authors, and the members who are mentioned.
//!
//! Source: SourceCred 0.11.2, `plugins/discord/createGraph.js` and `reactionWeights.js`. Only reactions mint
//! cred. Everything has the time of its message, because Discord has no times for reactions.

use std::{borrow::Cow, cmp::Ordering, collections::HashMap};

use super::{
    Rules,
    config::{DiscordConfig, GuildConfig},
    declaration::prefix,
    place::{Place, places},
};
use crate::members::Member;
use propsbot_model::{AuthorKind, ChannelId, EmojiId, GuildId, MessageId, MessageKind, UserId};
use propsbot_rows::{MemberRow, MessageRow, ReactionRow, Snapshot};
use propsbot_sourcecred::{EdgeWeight, NodeAddress, Weight, WeightedGraph, description};

/// How much of a message a description shows, in UTF-16 code units.
const MESSAGE_UNITS: usize = 30;

/// SourceCred's name for an emoji that Discord no longer names.
const NAMELESS: &str = "null";

/// The graph of all guilds that `config` names.
pub fn discord_graph(snapshot: &Snapshot, config: &DiscordConfig, rules: Rules) -> WeightedGraph {
    let mut graph = WeightedGraph::default();
    for guild in config.guilds() {
        let scene = Scene::new(snapshot, guild, rules);
        let mut drawing = Drawing {
            scene: &scene,
            graph: &mut graph,
        };
        for place in places(&snapshot.channels, guild, rules) {
            let messages = of_channel(&snapshot.messages, place.id, |row| row.channel_id);
            let mut reactions = of_channel(&snapshot.reactions, place.id, |row| row.channel_id);
            for message in messages {
                let before = reactions.partition_point(|reaction| reaction.message_id < message.id);
                let rest = &reactions[before..];
                let end = rest.partition_point(|rest| rest.message_id == message.id);
                let (own, rest) = rest.split_at(end);
                reactions = rest;
                drawing.add(&place, message, own);
            }
        }
    }
    graph
}

/// The rows of one channel, among rows sorted by channel.
fn of_channel<T>(rows: &[T], id: ChannelId, channel: impl Fn(&T) -> ChannelId) -> &[T] {
    let rows = &rows[rows.partition_point(|row| channel(row) < id)..];
    &rows[..rows.partition_point(|row| channel(row) == id)]
}

struct Person<'a> {
    member: Member<'a>,
    /// The weight of their reactions, by their roles.
    weight: f64,
}

/// A reaction by a member who counts.
struct Reacted<'a> {
    by: &'a Person<'a>,
    emoji: &'a str,
    is_custom: bool,
}

/// What is looked up about a guild. The maps are never iterated: their order is random.
struct Scene<'a> {
    config: &'a GuildConfig,
    rules: Rules,
    people: HashMap<UserId, Person<'a>>,
    /// The custom emojis as `name:id`.
    emojis: HashMap<EmojiId, String>,
}

/// A guild's custom emojis as `name:id`.
pub(super) fn emoji_names(snapshot: &Snapshot, guild: GuildId) -> HashMap<EmojiId, String> {
    let emojis = snapshot.emojis.iter();
    emojis
        .filter(|row| row.guild_id == guild)
        .map(|row| {
            let name = row.name.as_deref().unwrap_or(NAMELESS);
            (row.id, format!("{name}:{}", row.id))
        })
        .collect()
}

impl<'a> Scene<'a> {
    fn new(snapshot: &'a Snapshot, config: &'a GuildConfig, rules: Rules) -> Self {
        let members = snapshot.members.iter();
        let person = |row: &'a MemberRow| Person {
            member: Member::of(row),
            weight: config.roles.of(&row.roles),
        };
        Self {
            config,
            rules,
            people: members
                .filter(|row| row.guild_id == config.guild_id && counts(row, rules))
                .map(|row| (row.user_id, person(row)))
                .collect(),
            emojis: emoji_names(snapshot, config.guild_id),
        }
    }

    /// Whether a member wrote the message, and not before the beginning date. Webhooks aren't members, and
    /// Discord posts answers to commands through webhooks.
    fn is_by_member(&self, message: &MessageRow) -> bool {
        let is_answer =
            message.command.is_some() || message.kind.is_some_and(MessageKind::is_answer);
        let at = message.id.created_at();
        message.deleted_at.is_none()
            && message.author_kind != Some(AuthorKind::Webhook)
            && !message.by_webhook.unwrap_or(is_answer)
            && self.config.beginning.is_none_or(|begin| at >= begin)
    }

    /// The reactions that weren't taken back, by members who count. They are in the order of SourceCred's
    /// database, because floating-point sums depend on it.
    fn standing<'b>(&'b self, reactions: &'b [ReactionRow]) -> Vec<Reacted<'b>> {
        let mut standing: Vec<Reacted<'b>> = reactions
            .iter()
            .filter(|reaction| reaction.removed_at.is_none() && self.rules.count(reaction))
            .filter_map(|reaction| {
                let by = self.people.get(&reaction.user_id)?;
                let emoji = match reaction.emoji_id {
                    Some(id) => self.emojis.get(&id)?,
                    None => reaction.emoji.as_deref()?,
                };
                let is_custom = reaction.emoji_id.is_some();
                Some(Reacted {
                    by,
                    emoji,
                    is_custom,
                })
            })
            .collect();
        standing.sort_by(|a, b| {
            let by_author = text_order(a.by.member.id(), b.by.member.id());
            by_author.then_with(|| a.emoji.cmp(b.emoji))
        });
        standing.dedup_by(|a, b| a.by.member.id() == b.by.member.id() && a.emoji == b.emoji);
        standing
    }

    /// The factor of each reaction to a message.
    fn averaging(&self, author: UserId, reacted: &[Reacted<'_>]) -> f64 {
        let reactions = &self.config.reactions;
        if !reactions.apply_averaging {
            return 1.0;
        }
        let others = reacted
            .iter()
            .filter(|reacted| reacted.by.member.id() != author);
        let mut last = None;
        let sum = others
            .filter(|other| last.replace(other.by.member.id()) != Some(other.by.member.id()))
            .fold(0.0, |sum, other| sum + other.by.weight);
        let divisor = sum + reactions.confidence_dampener;
        if is_truthy(divisor) {
            1.0 / divisor
        } else {
            1.0
        }
    }
}

/// A guild's graph while it is drawn.
struct Drawing<'a> {
    scene: &'a Scene<'a>,
    graph: &'a mut WeightedGraph,
}

impl Drawing<'_> {
    fn add(&mut self, place: &Place<'_>, message: &MessageRow, reactions: &[ReactionRow]) {
        let scene = self.scene;
        let Some(author_id) = message.author_id.filter(|_| scene.is_by_member(message)) else {
            return;
        };
        let reacted = scene.standing(reactions);
        let averaging = scene.averaging(author_id, &reacted);
        let at = message.id.created_at();
        let node = message_node(place.id, message.id);

        let mut total = 0.0;
        for reaction in &reacted {
            let weight = if reaction.by.member.id() == author_id && !place.is_props {
                0.0
            } else {
                let emoji = scene.config.reactions.of(reaction.emoji);
                reaction.by.weight * place.weight * emoji * averaging
            };
            total += weight;
            if is_truthy(weight) && !scene.config.simplify {
                self.add_reaction(place, message.id, reaction, weight);
            }
        }
        if is_truthy(total) {
            if let Some(author) = scene.people.get(&author_id) {
                let member = author.member;
                let edge =
                    prefix::authors().with(&[&member.kind(), &author_id, &place.id, &message.id]);
                self.add_member(member);
                self.graph
                    .add_edge(edge, member.address(), node.clone(), at);
            }
            self.add_message(place, message, &node);
            if scene.config.simplify {
                self.graph
                    .node_weights
                    .insert(node.clone(), Weight::computed(total));
            }
            for mention in &message.mentions {
                if let Some(person) = scene.people.get(&mention.user_id) {
                    self.add_mention(place, message.id, author_id, person.member, mention.count);
                }
            }
        }
    }

    fn add_reaction(
        &mut self,
        place: &Place<'_>,
        message: MessageId,
        reaction: &Reacted<'_>,
        weight: f64,
    ) {
        let at = message.created_at();
        let member = reaction.by.member;
        let (user, emoji) = (member.id(), reaction.emoji);
        let node = prefix::reactions().with(&[&place.id, &emoji, &user, &message]);
        let shown = if reaction.is_custom {
            let name = emoji.split_once(':').map_or(emoji, |(name, _)| name);
            Cow::from(format!(":{name}:"))
        } else {
            Cow::from(emoji)
        };
        let url = url(self.scene.config.guild_id, place.id, message);
        let description = format!("Reacted `{shown}` to message [{message}]({url})");
        self.graph
            .node_weights
            .insert(node.clone(), Weight::computed(weight));
        self.graph.add_node(node.clone(), description, Some(at));
        self.add_member(member);

        let edge = prefix::reacts_to().with(&[&emoji, &user, &place.id, &message]);
        self.graph
            .add_edge(edge, node.clone(), message_node(place.id, message), at);
        let edge =
            prefix::adds_reaction().with(&[&member.kind(), &user, &emoji, &place.id, &message]);
        self.graph.add_edge(edge, member.address(), node, at);
    }

    fn add_message(&mut self, place: &Place<'_>, message: &MessageRow, node: &NodeAddress) {
        let content = message.content.as_deref().unwrap_or_default();
        let content = description::escaped(content, MESSAGE_UNITS);
        let url = url(self.scene.config.guild_id, place.id, message.id);
        let description = format!("#{} message [\"{content}...\"]({url})", place.name);
        self.graph
            .add_node(node.clone(), description, Some(message.id.created_at()));
    }

    fn add_mention(
        &mut self,
        place: &Place<'_>,
        message: MessageId,
        author: UserId,
        member: Member<'_>,
        count: u32,
    ) {
        let r#type = if place.is_props {
            prefix::props()
        } else {
            prefix::mentions()
        };
        let edge = r#type.with(&[&place.id, &author, &message, &member.kind(), &member.id()]);
        self.add_member(member);
        if count > 1 {
            let weight = EdgeWeight {
                forwards: Weight::times(count),
                backwards: Weight::ONE,
            };
            self.graph.edge_weights.insert(edge.clone(), weight);
        }
        let at = message.created_at();
        self.graph
            .add_edge(edge, message_node(place.id, message), member.address(), at);
    }

    fn add_member(&mut self, member: Member<'_>) {
        self.graph.add_node(member.address(), member.label(), None);
    }
}

/// Whether a member's reactions and mentions count.
fn counts(row: &MemberRow, rules: Rules) -> bool {
    row.member || rules.are_improved() && !row.username.is_empty()
}

/// Whether the number is truthy in JavaScript.
fn is_truthy(number: f64) -> bool {
    number != 0.0 && !number.is_nan()
}

fn text_order(a: UserId, b: UserId) -> Ordering {
    if a.0.checked_ilog10() == b.0.checked_ilog10() {
        a.cmp(&b)
    } else {
        a.to_string().cmp(&b.to_string())
    }
}

fn message_node(channel: ChannelId, message: MessageId) -> NodeAddress {
    prefix::messages().with(&[&channel, &message])
}

/// The link to the message, as SourceCred's plugin spells it.
fn url(guild: GuildId, channel: ChannelId, message: MessageId) -> String {
    format!("https://discordapp.com/channels/{guild}/{channel}/{message}")
}
