//! What the pages know of a guild: its thanks, and those of its members who show a name.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use propsbot_archive::{DerivedFrom, Hash, Millis, ReadError, one_line, printable};
use propsbot_graph::{
    Rules,
    tables::{self, CoverageRow, NamedMemberRow, ThanksRow},
};
use propsbot_model::{ChannelId, ChannelKind, GuildId, InteractionId, MessageId, UserId};
use propsbot_rows::{ChannelRow, GuildRow, MemberRow, Snapshot};

use crate::{Cred, Neighbour};

/// What members are called who show no name.
pub(crate) const SOMEONE: &str = "someone";

/// How many letters of a name and of a reason are shown. Discord allows 32 and 4,000.
const NAME: usize = 64;
const REASON: usize = 800;

/// A guild's thanks and members, as of one generation of its archive.
#[derive(Clone, Debug)]
pub struct Community {
    pub(crate) id: GuildId,
    pub(crate) name: String,
    pub(crate) generation: u64,
    pub(crate) hash: Hash,
    /// When the generation was written.
    pub(crate) created_at: Millis,
    /// Until when anything can be known to be complete.
    pub(crate) known_until: Option<Millis>,
    pub(crate) rows: Vec<(String, u64)>,
    /// Those who show a name, by id.
    pub(crate) members: Vec<Member>,
    /// How many show none, or deleted their data.
    pub(crate) hidden: usize,
    /// Those that count, the oldest first.
    pub(crate) thanks: Vec<Thanks>,
    /// How many don't count.
    pub(crate) uncounted: usize,
    /// Those in the archive, but no threads and categories.
    pub(crate) channels: Vec<Channel>,
    /// How many an admin excluded.
    pub(crate) excluded: usize,
    /// To show; `None` for none.
    pub(crate) cred: Option<Arc<Cred>>,
    /// What the same archive has of other providers.
    pub(crate) neighbours: Arc<[Neighbour]>,
}

/// Something that pages say: whose it is, more about it, and its text.
pub type Fact<'a> = (u64, Vec<u64>, &'a str);

/// A member who shows a name.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) id: UserId,
    pub(crate) name: String,
    pub(crate) is_bot: bool,
    /// Is a member now.
    pub(crate) is_here: bool,
}

/// A message that thanks. Members are indexes; `None` for one who shows no name.
#[derive(Clone, Debug)]
pub(crate) struct Thanks {
    pub(crate) at: Millis,
    pub(crate) giver: Option<usize>,
    pub(crate) receivers: Vec<Option<usize>>,
    /// What for, with names in place of ids.
    pub(crate) reason: String,
    pub(crate) reactions: u32,
}

/// A channel, and what is known of it and its threads.
#[derive(Clone, Debug)]
pub(crate) struct Channel {
    pub(crate) name: String,
    pub(crate) created_at: Millis,
    pub(crate) deleted_at: Option<Millis>,
    /// Whether all its messages are in threads, as in a forum.
    pub(crate) has_only_threads: bool,
    /// The times that are complete, first without and then with its threads.
    pub(crate) covered: Vec<(Millis, Millis)>,
    pub(crate) threads: Vec<(Millis, Vec<(Millis, Millis)>)>,
}

impl Channel {
    /// All times that are complete, of it and of its threads.
    pub(crate) fn times(&self) -> impl Iterator<Item = &(Millis, Millis)> {
        let threads = self.threads.iter().flat_map(|(_, covered)| covered);
        self.covered.iter().chain(threads)
    }
}

impl Thanks {
    /// Whether it says anything of a member who shows a name.
    pub(crate) fn is_shown(&self) -> bool {
        self.giver.is_some() || self.receivers.iter().any(Option::is_some)
    }
}

impl Community {
    /// The community in the rows of a space, whose manifest has this hash.
    ///
    /// # Errors
    /// Rows that can't be read.
    pub fn read(from: &DerivedFrom<'_>, hash: Hash) -> Result<Self, ReadError> {
        let manifest = from.manifest;
        let thanks = tables::thanks(from.rows)?;
        let known = tables::members(from.rows)?;
        let coverage = tables::coverage(&manifest.space, from.parts).collect();
        let guilds: Vec<GuildRow> = from.rows.all()?;
        let channels: Vec<ChannelRow> = from.rows.all()?;
        let guild = guilds.first();
        let names = Snapshot {
            guilds: guilds.clone(),
            channels: channels.clone(),
            members: known.iter().map(shown_row).collect(),
            ..Snapshot::default()
        };
        let is_hidden =
            |member: &&NamedMemberRow| !member.named && !member.row.user_id.is_anonymous();
        let hidden = known.iter().filter(is_hidden).count();
        let members = members(known);
        let uncounted = thanks.iter().filter(|row| !row.counted).count();
        Ok(Self {
            id: guild.map_or_else(
                || manifest.space.as_str().parse().unwrap_or_default(),
                |guild| guild.id,
            ),
            name: shown_name(&manifest.name, &manifest.space),
            generation: manifest.generation,
            hash,
            created_at: manifest.created_at,
            known_until: manifest.known_until(),
            rows: manifest.rows.clone().into_iter().collect(),
            hidden,
            thanks: counted(&thanks, &members, &names),
            uncounted,
            members,
            excluded: guild.map_or(0, |guild| guild.excluded_channels.len()),
            channels: covered(channels, coverage),
            cred: None,
            neighbours: Arc::default(),
        })
    }

    /// The space's id.
    pub fn id(&self) -> GuildId {
        self.id
    }

    /// Shows this cred, too.
    pub fn show_cred(&mut self, cred: Option<Arc<Cred>>) {
        self.cred = cred;
    }

    /// Everything that the pages say of somebody: names, and thanks. Also the names of the neighbours, which may become
    /// private.
    pub fn facts(&self) -> impl Iterator<Item = Fact<'_>> {
        let everyone = self.thanks.iter().flat_map(|thanks| {
            let receivers = thanks.receivers.iter().copied();
            receivers.chain([thanks.giver]).flatten()
        });
        let mut everyone: BTreeSet<usize> = everyone.collect();
        let cred = self.cred.iter();
        let cred = cred.flat_map(|cred| cred.of_members(&self.members).into_iter().enumerate());
        let with_cred =
            cred.filter(|(_, own)| own.is_some_and(|own| own.iter().any(|cred| *cred > 0.0)));
        everyone.extend(with_cred.map(|(index, _)| index));
        let names = everyone.into_iter().map(|member| {
            let member = &self.members[member];
            (member.id.0, Vec::new(), member.name.as_str())
        });
        let id = |member: Option<usize>| member.map_or(0, |member| self.members[member].id.0);
        let thanks = self.thanks.iter().filter(|thanks| thanks.is_shown());
        let neighbours = self.neighbours.iter();
        let neighbours = neighbours.map(|neighbour| (0, Vec::new(), neighbour.name.as_str()));
        names.chain(neighbours).chain(thanks.map(move |thanks| {
            let receivers = thanks.receivers.iter().map(|receiver| id(*receiver));
            let about = [thanks.at.0.unsigned_abs(), id(thanks.giver)]
                .into_iter()
                .chain(receivers);
            (self.id.0, about.collect(), thanks.reason.as_str())
        }))
    }

    /// A member's name; [`SOMEONE`] for those who show none.
    pub(crate) fn name_of(&self, member: Option<usize>) -> &str {
        member.map_or(SOMEONE, |member| &self.members[member].name)
    }
}

/// The row as texts may name the member.
fn shown_row(member: &NamedMemberRow) -> MemberRow {
    let row = member.row.clone();
    if member.named {
        return row;
    }
    MemberRow {
        username: SOMEONE.to_owned(),
        global_name: None,
        nick: None,
        ..row
    }
}

pub(crate) fn shown_name(name: &str, id: &impl ToString) -> String {
    let name: String = one_line(name).chars().take(NAME).collect();
    // A name of invisible letters would be a link that nobody sees.
    let is_seen = name.chars().any(|letter| {
        letter.is_alphanumeric()
            || letter.is_ascii_punctuation()
            || (u32::from(letter) > 0x2190
                && letter != '\u{2800}'
                && letter != '\u{3164}'
                && letter != '\u{ffa0}')
    });
    if is_seen { name } else { id.to_string() }
}

fn members(rows: Vec<NamedMemberRow>) -> Vec<Member> {
    let named = rows.into_iter().filter(|member| member.named);
    let mut members: Vec<Member> = named
        .map(|member| Member {
            id: member.row.user_id,
            name: match shown_name(&member.name, &"") {
                empty if empty.is_empty() => shown_name(&member.row.username, &member.row.user_id),
                name => name,
            },
            is_bot: member.row.bot,
            is_here: member.row.member,
        })
        .collect();
    members.sort_by_key(|member| member.id);
    members
}

/// Those that count, a message each.
fn counted(rows: &[ThanksRow], members: &[Member], names: &Snapshot) -> Vec<Thanks> {
    type Given = (Millis, Option<MessageId>, Option<InteractionId>, UserId);
    let rules = Rules::new(names);
    let channels: BTreeMap<ChannelId, &str> = names
        .channels
        .iter()
        .map(|channel| (channel.id, channel.name.as_str()))
        .collect();
    let member = |id: UserId| members.binary_search_by_key(&id, |member| member.id).ok();
    let mut all: BTreeMap<Given, Thanks> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.counted) {
        let given = (row.given_at, row.message_id, row.command_id, row.giver_id);
        let thanks = all.entry(given).or_insert_with(|| Thanks {
            at: row.given_at,
            giver: member(row.giver_id),
            receivers: Vec::new(),
            reason: reason(&rules.named_in(without_greeting(&row.reason)), &channels),
            reactions: row.reactions,
        });
        thanks.receivers.push(member(row.receiver_id));
    }
    all.into_values().collect()
}

/// The text without the mentions that it begins with: they are the receivers, which pages show anyway.
fn without_greeting(text: &str) -> &str {
    let mut rest = text.trim_start();
    while let Some((inside, after)) = rest
        .strip_prefix("<@")
        .and_then(|from| from.split_once('>'))
    {
        let id = inside.strip_prefix('!').unwrap_or(inside);
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_digit()) {
            break;
        }
        rest = after.trim_start_matches(|letter: char| {
            letter.is_whitespace() || matches!(letter, ',' | ':' | ';')
        });
    }
    rest
}

/// The text with channels' names in place of their ids, cut where it is too long.
fn reason(text: &str, channels: &BTreeMap<ChannelId, &str>) -> String {
    let mut named = String::new();
    let mut rest = text;
    while let Some((before, from)) = rest.split_once("<#") {
        named.push_str(before);
        let inside = from.split_once('>');
        let id = inside.and_then(|(id, rest)| Some((id.parse().ok()?, rest)));
        if let Some((id, after)) = id {
            let name = channels.get(&id).filter(|name| !name.is_empty());
            named.push('#');
            named.push_str(name.copied().unwrap_or("channel"));
            rest = after;
        } else {
            named.push_str("<#");
            rest = from;
        }
    }
    named.push_str(rest);
    let text = printable(named.trim());
    match text.char_indices().nth(REASON) {
        Some((cut, _)) => format!("{}…", text[..cut].trim_end()),
        None => text,
    }
}

/// Channels by position, each with what is complete of it and of its threads.
fn covered(rows: Vec<ChannelRow>, coverage: Vec<CoverageRow>) -> Vec<Channel> {
    let mut times: BTreeMap<String, Vec<(Millis, Millis)>> = BTreeMap::new();
    for row in coverage {
        let of = times.entry(row.channel_id.as_str().to_owned()).or_default();
        of.push((row.after, row.until));
    }
    let mut of = |id: ChannelId| times.remove(&id.to_string()).unwrap_or_default();
    let (threads, mut channels): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(ChannelRow::is_thread);
    channels.retain(|row| row.kind != ChannelKind::CATEGORY);
    channels.sort_by_key(|row| (row.deleted_at.is_some(), row.position, row.id));
    let mut below: BTreeMap<ChannelId, Vec<_>> = BTreeMap::new();
    for thread in threads {
        if let Some(parent) = thread.parent_id {
            let covered = of(thread.id);
            below
                .entry(parent)
                .or_default()
                .push((thread.id.created_at(), covered));
        }
    }
    let channels = channels.into_iter().map(|row| Channel {
        name: shown_name(&row.name, &row.id),
        created_at: row.id.created_at(),
        deleted_at: row.deleted_at,
        has_only_threads: [ChannelKind::FORUM, ChannelKind::MEDIA].contains(&row.kind),
        covered: of(row.id),
        threads: below.remove(&row.id).unwrap_or_default(),
    });
    channels.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_begin_after_the_receivers() {
        for (text, rest) in [
            ("<@7> <@!8>, <@9>: for the docs", "for the docs"),
            ("thanks <@7> for the docs", "thanks <@7> for the docs"),
            ("<@&7> for the docs", "<@&7> for the docs"),
            ("<@7>", ""),
            ("<@7", "<@7"),
        ] {
            assert_eq!(without_greeting(text), rest);
        }
    }

    #[test]
    fn reasons_name_channels_and_end() {
        let channels = [(ChannelId(5), "docs"), (ChannelId(6), "")].into();
        assert_eq!(
            reason(" see <#5>, <#6> and <#x> \u{202e}", &channels),
            "see #docs, #channel and <#x> "
        );
        let long = reason(&"é".repeat(REASON + 1), &channels);
        assert_eq!(long.chars().count(), REASON + 1);
        assert!(long.ends_with("é…"));
    }

    #[test]
    fn a_name_that_nobody_sees_is_an_id() {
        for (given, shown) in [
            ("Ana", "Ana"),
            ("\u{200b}\u{2060}", "7"),
            ("\u{2800}", "7"),
            ("🎉", "🎉"),
            ("漢", "漢"),
            ("", "7"),
            ("a\nb\u{202e}", "a b"),
        ] {
            assert_eq!(shown_name(given, &7), shown, "{given:?}");
        }
    }
}
