//! The message that announces props, for people and for reading back.
//!
//! Such messages stay in Discord for years, and replace a lost store: [`read_answer`] must always
//! parse every format it ever did.

use super::{
    ChannelId, GuildId, InteractionId, MessageId, UserId,
    markdown::{escape, unescape},
};

/// How the message begins.
const PROPS: &str = "🙏 **Props** from ";

/// Prefix of the optional last line, which Discord shows in small print.
const SMALL: &str = "-# ";

/// Precedes the link to the thanked-for message in the last line.
const ABOUT: &str = "for ";

/// Precedes the link to the time when the props were given.
const GIVEN: &str = "given at ";

const AND: &str = " · ";

/// The content of a message that announces props.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub giver: UserId,
    /// In the order they are named.
    pub receivers: Vec<UserId>,
    pub reason: String,
    pub about: Option<(ChannelId, MessageId)>,
    /// The command's run, and a channel for the link to it. Needed if Discord doesn't link the
    /// message to the run. Written as a message link, which leads to the time of the run.
    pub run: Option<(ChannelId, InteractionId)>,
}

/// The text of the message that announces props.
pub fn props_answer(guild: GuildId, it: &Answer) -> String {
    let receivers: Vec<String> = it.receivers.iter().map(|id| format!("<@{id}>")).collect();
    let quote = escape(&it.reason).replace('\n', "\n> ");
    let mut text = format!(
        "{PROPS}<@{}> to {}\n> {quote}",
        it.giver,
        enumerate(&receivers)
    );
    let about = it
        .about
        .map(|(channel, id)| ABOUT.to_owned() + &jump_url(guild, channel, id));
    let given = it
        .run
        .map(|(channel, id)| GIVEN.to_owned() + &jump_url(guild, channel, MessageId(id.0)));
    let small: Vec<String> = about.into_iter().chain(given).collect();
    if !small.is_empty() {
        text = format!("{text}\n{SMALL}{}", small.join(AND));
    }
    text
}

/// Parses a text that [`props_answer`] wrote; `None` for any other text.
pub fn read_answer(content: &str) -> Option<Answer> {
    let (head, quote) = content.strip_prefix(PROPS)?.split_once('\n')?;
    let (giver, receivers) = head.split_once(" to ")?;
    let receivers: Option<Vec<UserId>> = receivers
        .split(", ")
        .flat_map(|part| part.split(" and "))
        .map(user)
        .collect();
    let mut lines: Vec<&str> = quote.split('\n').collect();
    let small = lines.last().and_then(|line| line.strip_prefix(SMALL));
    if small.is_some() {
        lines.pop();
    }
    let named = |what: &str| {
        let mut parts = small.into_iter().flat_map(|small| small.split(AND));
        parts.find_map(|part| read_jump_url(part.strip_prefix(what)?))
    };
    // Discord may trim the space after the `>` of an empty line.
    let lines: Option<Vec<&str>> = lines
        .into_iter()
        .map(|line| line.strip_prefix("> ").or_else(|| line.strip_prefix('>')))
        .collect();
    Some(Answer {
        giver: user(giver)?,
        receivers: receivers?,
        reason: unescape(&lines?.join("\n")),
        about: named(ABOUT).map(|(_, channel, id)| (channel, id)),
        run: named(GIVEN).map(|(_, channel, id)| (channel, InteractionId(id.0))),
    })
}

pub fn jump_url(guild: GuildId, channel: ChannelId, message: MessageId) -> String {
    format!("https://discord.com/channels/{guild}/{channel}/{message}")
}

/// Parses a message link, as written by [`jump_url`] or a Discord client.
pub fn read_jump_url(text: &str) -> Option<(GuildId, ChannelId, MessageId)> {
    let rest = text.trim().strip_prefix("https://")?;
    let (host, path) = rest.split_once("/channels/")?;
    let hosts = ["discord.com", "ptb.discord.com", "canary.discord.com"];
    if !hosts.contains(&host) {
        return None;
    }
    let ids: Result<Vec<u64>, _> = path.split('/').map(str::parse).collect();
    match ids.ok()?.as_slice() {
        [guild, channel, id] => Some((GuildId(*guild), ChannelId(*channel), MessageId(*id))),
        _ => None,
    }
}

fn user(mention: &str) -> Option<UserId> {
    mention.strip_prefix("<@")?.strip_suffix('>')?.parse().ok()
}

/// `a`, `a and b`, `a, b and c`.
fn enumerate(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::*;

    const GUILD: GuildId = GuildId(9);

    fn answer(receivers: &[u64], reason: &str) -> Answer {
        Answer {
            giver: UserId(1),
            receivers: receivers.iter().copied().map(UserId).collect(),
            reason: reason.to_owned(),
            about: None,
            run: None,
        }
    }

    #[test]
    fn writes_props_answers_for_people() {
        let said = props_answer(GUILD, &answer(&[3, 2], "the *review*\n\n# and @everyone"));
        assert_snapshot!(said.replace('\u{200b}', "·").replace("> \n", "> ·\n"), @r#"
        🙏 **Props** from <@1> to <@3> and <@2>
        > the \*review\*
        > ·
        > \# and @·everyone
        "#);
        let three = props_answer(GUILD, &answer(&[2, 3, 4], "x"));
        assert_snapshot!(three, @r#"
        🙏 **Props** from <@1> to <@2>, <@3> and <@4>
        > x
        "#);
        let about = Answer {
            about: Some((ChannelId(7), MessageId(8))),
            run: Some((ChannelId(7), InteractionId(10))),
            ..answer(&[2], "x")
        };
        assert_snapshot!(props_answer(GUILD, &about), @r#"
        🙏 **Props** from <@1> to <@2>
        > x
        -# for https://discord.com/channels/9/7/8 · given at https://discord.com/channels/9/7/10
        "#);
    }

    #[test]
    fn rejects_texts_that_are_not_props() {
        assert_eq!(read_answer("🙏 thanks <@2>"), None);
        assert_eq!(read_answer("🙏 **Props** from <@1> to <@2>"), None);
        assert_eq!(read_answer("🙏 **Props** from <@1> to nobody\n> x"), None);
        assert_eq!(read_answer("🙏 **Props** from me to <@2>\n> x"), None);
        assert_eq!(
            read_answer("🙏 **Props** from <@1> to <@2>\nnot quoted"),
            None
        );
        let trimmed = "🙏 **Props** from <@1> to <@2>\n> a\n>\n> b";
        assert_eq!(read_answer(trimmed), Some(answer(&[2], "a\n\nb")));
    }

    #[test]
    fn parses_message_links_from_every_client() {
        let ids = Some((GuildId(1), ChannelId(2), MessageId(3)));
        for (text, read) in [
            ("https://discord.com/channels/1/2/3", ids),
            (" https://ptb.discord.com/channels/1/2/3 ", ids),
            ("https://discord.com/channels/@me/2/3", None),
            ("https://evil.example/channels/1/2/3", None),
            ("https://discord.com/channels/1/2", None),
        ] {
            assert_eq!(read_jump_url(text), read, "{text}");
        }
    }

    proptest! {
        #[test]
        fn props_answers_round_trip(
            reason in r"[\\*_~`|<>@#\-\[\]a \n]{1,20}|(-# for https://discord.com/channels/1/2/3|\n| ){1,3}|.{1,60}",
            receivers in proptest::collection::vec((1..u64::MAX).prop_map(UserId), 1..5),
            about in proptest::option::of((0..9u64, 0..9u64)),
            run in proptest::option::of((0..9u64, 0..9u64)),
        ) {
            let given = Answer {
                giver: UserId(1),
                receivers,
                reason,
                about: about.map(|(channel, id)| (ChannelId(channel), MessageId(id))),
                run: run.map(|(channel, id)| (ChannelId(channel), InteractionId(id))),
            };
            prop_assert_eq!(read_answer(&props_answer(GUILD, &given)), Some(given));
        }
    }
}
