//! Parses typed mentions and ids of users, channels and roles.

use propsbot_model::{ChannelId, RoleId, UserId};

/// Why a list can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unclear {
    /// A role, or everyone, instead of users.
    Group(String),
    /// A word that is no mention or id.
    Word(String),
}

/// The users named in `text`, in order and without duplicates: `<@1> <@!2>, 3 and <@4>`.
pub(super) fn read_users(text: &str) -> Result<Vec<UserId>, Unclear> {
    let mut users = Vec::new();
    for word in words(text) {
        let is_group = word.starts_with("<@&") || ["@everyone", "@here"].contains(&word.as_str());
        if is_group {
            return Err(Unclear::Group(word));
        }
        let id = inner(&word, "<@!")
            .or_else(|| inner(&word, "<@"))
            .unwrap_or(&word);
        match read_id(id).map(UserId) {
            Some(user) if users.contains(&user) => {}
            Some(user) => users.push(user),
            None => return Err(Unclear::Word(word)),
        }
    }
    Ok(users)
}

/// The channels named in `text`: `<#1> 2`.
pub(super) fn read_channels(text: &str) -> Result<Vec<ChannelId>, Unclear> {
    words(text)
        .map(|word| {
            let id = inner(&word, "<#").unwrap_or(&word);
            read_id(id)
                .map(ChannelId)
                .ok_or_else(|| Unclear::Word(word.clone()))
        })
        .collect()
}

/// The roles named in `text`: `<@&1> 2`.
pub(super) fn read_roles(text: &str) -> Result<Vec<RoleId>, Unclear> {
    words(text)
        .map(|word| {
            let id = inner(&word, "<@&").unwrap_or(&word);
            read_id(id)
                .map(RoleId)
                .ok_or_else(|| Unclear::Word(word.clone()))
        })
        .collect()
}

/// The words of a list. Mentions are separate words even without spaces between them.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.replace('<', " <")
        .replace('>', "> ")
        .split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ';'))
        .map(str::to_owned)
        .collect::<Vec<_>>()
        .into_iter()
        .filter(|word| !["", "and", "&", "+"].contains(&word.to_lowercase().as_str()))
}

fn inner<'a>(word: &'a str, start: &str) -> Option<&'a str> {
    word.strip_prefix(start)?.strip_suffix('>')
}

/// A snowflake. It has at least 15 digits, or it would be older than Discord.
fn read_id(text: &str) -> Option<u64> {
    let is_id = (15..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANA: &str = "100000000000000001";
    const BEN: &str = "100000000000000002";

    #[test]
    fn reads_users_in_order_and_without_duplicates() {
        let users = [
            UserId(100_000_000_000_000_002),
            UserId(100_000_000_000_000_001),
        ];
        for text in [
            format!("<@{BEN}> <@!{ANA}>"),
            format!("<@{BEN}><@{ANA}><@{BEN}>"),
            format!(" {BEN}, {ANA} & <@{BEN}> "),
            format!("<@{BEN}> and <@{ANA}>"),
        ] {
            assert_eq!(read_users(&text).unwrap(), users, "{text}");
        }
        assert_eq!(read_users(" , ").unwrap(), []);
    }

    #[test]
    fn tells_groups_from_plain_names() {
        let group = |text: &str| Err(Unclear::Group(text.to_owned()));
        let word = |text: &str| Err(Unclear::Word(text.to_owned()));
        assert_eq!(
            read_users(&format!("<@{ANA}> <@&{BEN}>")),
            group(&format!("<@&{BEN}>"))
        );
        assert_eq!(read_users("@everyone"), group("@everyone"));
        assert_eq!(read_users("@ana"), word("@ana"));
        assert_eq!(read_users("123"), word("123"));
        assert_eq!(read_users(&format!("<#{ANA}>")), word(&format!("<#{ANA}>")));
    }

    #[test]
    fn reads_channels() {
        let channels = read_channels(&format!("<#{ANA}>,{BEN}")).unwrap();
        assert_eq!(channels.len(), 2);
        assert_eq!(
            read_channels("#props"),
            Err(Unclear::Word("#props".to_owned()))
        );
    }
}
