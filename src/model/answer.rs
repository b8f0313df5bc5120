//! The message with which the bot answers `/props`: for people to read, and for us to read back.
//!
//! It lies in Discord for years and is all that is left where the store was lost: what
//! [`read_answer`] once could read it must always be able to read.

use super::{
    UserId,
    markdown::{escape, unescape},
};

/// How it begins.
const PROPS: &str = "🙏 **Props** from ";

/// The message that gives props.
pub fn props_answer(giver: UserId, receivers: &[UserId], reason: &str) -> String {
    let receivers: Vec<String> = receivers.iter().map(|id| format!("<@{id}>")).collect();
    let quote = escape(reason).replace('\n', "\n> ");
    format!("{PROPS}<@{giver}> to {}\n> {quote}", enumerate(&receivers))
}

/// The receivers, in the order in which they are named, and the reason in a message that
/// [`props_answer`] made; nothing for any other message.
pub fn read_answer(content: &str) -> Option<(Vec<UserId>, String)> {
    let (head, quote) = content.strip_prefix(PROPS)?.split_once('\n')?;
    let (_, receivers) = head.split_once(" to ")?;
    let receivers: Option<Vec<UserId>> = receivers
        .split(", ")
        .flat_map(|part| part.split(" and "))
        .map(|mention| mention.strip_prefix("<@")?.strip_suffix('>')?.parse().ok())
        .collect();
    // Discord may trim the blank behind the `>` of an empty line.
    let lines: Option<Vec<&str>> = quote
        .split('\n')
        .map(|line| line.strip_prefix("> ").or_else(|| line.strip_prefix('>')))
        .collect();
    Some((receivers?, unescape(&lines?.join("\n"))))
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

    #[test]
    fn an_answer_is_read_at_a_glance() {
        let said = props_answer(
            UserId(1),
            &[UserId(3), UserId(2)],
            "the *review*\n\n# and @everyone",
        );
        assert_snapshot!(said.replace('\u{200b}', "·").replace("> \n", "> ·\n"), @r#"
        🙏 **Props** from <@1> to <@3> and <@2>
        > the \*review\*
        > ·
        > \# and @·everyone
        "#);
        let three = props_answer(UserId(1), &[UserId(2), UserId(3), UserId(4)], "x");
        assert_snapshot!(three, @r#"
        🙏 **Props** from <@1> to <@2>, <@3> and <@4>
        > x
        "#);
    }

    #[test]
    fn only_props_are_read_as_props() {
        assert_eq!(read_answer("🙏 thanks <@2>"), None);
        assert_eq!(read_answer("🙏 **Props** from <@1> to <@2>"), None);
        assert_eq!(read_answer("🙏 **Props** from <@1> to nobody\n> x"), None);
        assert_eq!(
            read_answer("🙏 **Props** from <@1> to <@2>\nnot quoted"),
            None
        );
        let trimmed = "🙏 **Props** from <@1> to <@2>\n> a\n>\n> b";
        assert_eq!(
            read_answer(trimmed),
            Some((vec![UserId(2)], "a\n\nb".to_owned()))
        );
    }

    proptest! {
        #[test]
        fn what_was_given_is_read_back(
            reason in r"[\\*_~`|<>@#\-\[\]a \n]{1,20}|.{1,60}",
            receivers in proptest::collection::vec((1..u64::MAX).prop_map(UserId), 1..5),
        ) {
            let said = props_answer(UserId(1), &receivers, &reason);
            prop_assert_eq!(read_answer(&said), Some((receivers, reason)));
        }
    }
}
