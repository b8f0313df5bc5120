//! Fresh pseudonyms for hidden users in every row, and ids in text in any notation.

use std::collections::BTreeSet;

use icu_properties::{CodePointMapData, props::GeneralCategory};

use super::{AdminAction, Message, MessageId, Props, UserId, read_jump_url};

/// Number of digits of a Discord id. The shortest are from 2015.
const DIGITS: std::ops::RangeInclusive<usize> = 15..=20;

/// Replaces hidden users in one row but keeps them distinct. Numbering restarts in every row, so
/// that rows can't be linked.
#[derive(Debug)]
pub struct Pseudonyms<'a> {
    hidden: &'a BTreeSet<UserId>,
    /// The highest number in use, since stored rows may contain pseudonyms already.
    given: u64,
    met: Vec<UserId>,
}

impl<'a> Pseudonyms<'a> {
    /// Pseudonyms for a row that contains these users.
    pub fn new(hidden: &'a BTreeSet<UserId>, users: impl IntoIterator<Item = UserId>) -> Self {
        let given = users.into_iter().filter(|user| user.is_anonymous());
        Self {
            hidden,
            given: given.map(|user| user.0).max().unwrap_or(0),
            met: Vec::new(),
        }
    }

    pub fn shown(&mut self, user: UserId) -> UserId {
        if !self.hidden.contains(&user) {
            return user;
        }
        let known = self.met.iter().position(|met| *met == user);
        let at = known.unwrap_or_else(|| {
            self.met.push(user);
            self.met.len() - 1
        });
        UserId::nobody(self.given + at as u64 + 1)
    }

    /// The text with pseudonyms in place of hidden users' ids, in any notation.
    pub fn text(&mut self, text: String) -> String {
        if self.hidden.is_empty() {
            return text;
        }
        let hidden = self.hidden;
        replace_ids(&text, |id| {
            let user = UserId(id);
            hidden.contains(&user).then(|| self.shown(user).0)
        })
        .unwrap_or(text)
    }
}

/// Users and messages that were deleted on request and that other rows may mention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub users: BTreeSet<UserId>,
    pub messages: BTreeSet<MessageId>,
}

impl Named {
    /// Removes them from another user's message.
    pub fn take_from_message(&self, message: &mut Message) {
        let mentioned = message.mentions.iter().map(|mention| mention.user_id);
        let mentioned = mentioned.chain(message.earlier.iter().map(|earlier| earlier.user_id));
        let mut pseudonyms = Pseudonyms::new(&self.users, mentioned.chain([message.author.id]));
        for mention in &mut message.mentions {
            mention.user_id = pseudonyms.shown(mention.user_id);
        }
        message.mentions.sort_unstable();
        for earlier in &mut message.earlier {
            earlier.user_id = pseudonyms.shown(earlier.user_id);
        }
        message.earlier.sort_unstable();
        self.take_from_text(&mut message.content, &mut pseudonyms);
        if let Some(name) = message
            .command
            .as_mut()
            .and_then(|command| command.name.as_mut())
        {
            // In a response to a form, this is the form's id, which contains the thanked-for
            // message.
            self.take_from_text(name, &mut pseudonyms);
        }
        if message
            .reply_to
            .is_some_and(|id| self.messages.contains(&id))
        {
            message.reply_to = None;
        }
    }

    /// Removes them from props given by another user.
    pub fn take_from_props(&self, props: &mut Props) {
        let users = props.receivers.iter().copied().chain([props.giver]);
        let mut pseudonyms = Pseudonyms::new(&self.users, users);
        for receiver in &mut props.receivers {
            *receiver = pseudonyms.shown(*receiver);
        }
        props.receivers.sort_unstable();
        self.take_from_text(&mut props.reason, &mut pseudonyms);
        if props
            .about
            .is_some_and(|(_, id)| self.messages.contains(&id))
        {
            props.about = None;
        }
    }

    /// Removes them from a channel's name.
    pub fn take_from_title(&self, name: &mut String) {
        let mut pseudonyms = Pseudonyms::new(&self.users, []);
        self.take_from_text(name, &mut pseudonyms);
    }

    pub fn take_from_action(&self, action: &mut AdminAction) {
        let mut pseudonyms = Pseudonyms::new(&self.users, [action.by]);
        action.by = pseudonyms.shown(action.by);
        self.take_from_text(&mut action.what, &mut pseudonyms);
    }

    fn take_from_text(&self, text: &mut String, pseudonyms: &mut Pseudonyms<'_>) {
        let replaced = replace_ids(text, |id| {
            if self.users.contains(&UserId(id)) {
                Some(pseudonyms.shown(UserId(id)).0)
            } else {
                self.messages.contains(&MessageId(id)).then_some(0)
            }
        });
        if let Some(replaced) = replaced {
            *text = replaced;
        }
    }
}

/// All numbers in a text that may be ids.
pub fn ids_in(text: &str) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    replace_ids(text, |id| {
        found.insert(id);
        None
    });
    found
}

pub fn jump_urls_in(text: &str) -> Vec<(super::ChannelId, MessageId)> {
    let from = text.match_indices("https://").map(|(at, _)| &text[at..]);
    let url = |text: &str| {
        let end = text.find(|text: char| !(text.is_ascii_alphanumeric() || ":/.@".contains(text)));
        let url = text[..end.unwrap_or(text.len())].trim_end_matches(['.', ':', '/']);
        let (_, channel, message) = read_jump_url(url)?;
        Some((channel, message))
    };
    from.filter_map(url).collect()
}

/// Replaces ids in a text; `None` if there are none to replace.
///
/// An id is a run of decimal digits, ignoring anything else that isn't alphanumeric in between,
/// such as zero-width spaces or asterisks. So it is found in `<@id>`, `\<@!id>`, a URL, or alone.
fn replace_ids(text: &str, mut other: impl FnMut(u64) -> Option<u64>) -> Option<String> {
    let mut replaced: Option<String> = None;
    let mut copied = 0;
    let mut digits: Vec<(usize, usize, u8)> = Vec::new();
    let mut rest = text.char_indices();
    loop {
        let next = rest.next();
        match next {
            Some((at, it)) if !it.is_alphanumeric() || digit(it).is_some() => {
                digits.extend(digit(it).map(|digit| (at, at + it.len_utf8(), digit)));
                continue;
            }
            _ => {}
        }
        let mut first = 0;
        while first + DIGITS.start() <= digits.len() {
            let longest = (*DIGITS.end()).min(digits.len() - first);
            let found = (*DIGITS.start()..=longest).rev().find_map(|len| {
                let run = &digits[first..first + len];
                Some((len, other(value(run)?)?))
            });
            let Some((len, new)) = found else {
                first += 1;
                continue;
            };
            let text_so_far = replaced.get_or_insert_with(String::new);
            text_so_far.push_str(&text[copied..digits[first].0]);
            text_so_far.push_str(&new.to_string());
            first += len;
            copied = digits[first - 1].1;
        }
        digits.clear();
        if next.is_none() {
            break;
        }
    }
    let mut replaced = replaced?;
    replaced.push_str(&text[copied..]);
    Some(replaced)
}

/// The value of a decimal digit in any script.
fn digit(character: char) -> Option<u8> {
    if character.is_ascii() {
        return u8::try_from(character.to_digit(10)?).ok();
    }
    // Unicode encodes the digits of a script in one run, from 0 to 9. Only mathematical digits have
    // several runs in a row.
    let run = std::iter::successors(Some(character), |at| char::from_u32(u32::from(*at) - 1));
    let before = run.skip(1).take_while(|at| is_digit(*at)).count();
    is_digit(character).then_some(u8::try_from(before % 10).ok()?)
}

fn is_digit(character: char) -> bool {
    let categories = CodePointMapData::<GeneralCategory>::new();
    categories.get(character) == GeneralCategory::DecimalNumber
}

fn value(digits: &[(usize, usize, u8)]) -> Option<u64> {
    // After a leading zero, the id itself starts later.
    if digits.first()?.2 == 0 {
        return None;
    }
    digits.iter().try_fold(0u64, |value, (_, _, digit)| {
        value.checked_mul(10)?.checked_add(u64::from(*digit))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ChannelId;

    const ANA: u64 = 480_300_000_000_000_001;

    /// Ana's id in the digits that begin with this zero.
    fn in_digits(zero: char) -> String {
        let digit = |digit: u8| char::from_u32(u32::from(zero) + u32::from(digit - b'0')).unwrap();
        ANA.to_string().bytes().map(digit).collect()
    }

    fn hidden(text: &str) -> String {
        let all = [UserId(ANA)].into();
        Pseudonyms::new(&all, []).text(text.to_owned())
    }

    #[test]
    fn replaces_ids_in_every_form() {
        for (text, shown) in [
            (format!("<@{ANA}>"), "<@1>"),
            (format!("<@!{ANA}>"), "<@!1>"),
            (format!("\\<@{ANA}> x"), "\\<@1> x"),
            (format!("{ANA}"), "1"),
            (format!("id={ANA}."), "id=1."),
            (format!("00{ANA}7"), "0017"),
            (
                format!("https://discord.com/users/{ANA}?x"),
                "https://discord.com/users/1?x",
            ),
            ("<@4803\u{200b}0000000000\u{2060}0001>".to_owned(), "<@1>"),
            ("480,300,000,000,000,001".to_owned(), "1"),
            ("**480300**000000000001".to_owned(), "**1"),
            ("\u{ff14}80300000000000001".to_owned(), "1"),
            // Arabic-Indic, Devanagari, Thai, sans-serif, and several at once.
            (in_digits('\u{660}'), "1"),
            (format!("<@{}>", in_digits('\u{966}')), "<@1>"),
            (in_digits('\u{e50}'), "1"),
            (in_digits('\u{1d7e2}'), "1"),
            (format!("4803{}", &in_digits('\u{6f0}')[8..]), "1"),
            (format!("{ANA} {ANA}"), "1 1"),
        ] {
            assert_eq!(hidden(&text), shown, "{text}");
        }
        for text in ["480300000000000002", "in 2023, 12 of 480300", "", "🙏"] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn finds_message_links_in_text() {
        let text = "see https://discord.com/channels/1/2/3) and https://x.example \
                    -# for https://discord.com/channels/1/4/5 · more";
        let found = [(ChannelId(2), MessageId(3)), (ChannelId(4), MessageId(5))];
        assert_eq!(jump_urls_in(text), found);
    }

    proptest! {
        /// Removes every hidden id, and leaves text without ids unchanged.
        #[test]
        fn no_hidden_id_is_left(before in "[a-z<@\\\\0-9 \u{200b}]{0,30}", after in ".{0,20}") {
            let shown = hidden(&format!("{before}{ANA}{after}"));
            prop_assert!(!shown.contains(&ANA.to_string()), "{}", shown);
            prop_assume!(!ids_in(&before).contains(&ANA));
            prop_assert_eq!(hidden(&before), before);
        }
    }
}
