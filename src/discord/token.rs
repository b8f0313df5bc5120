//! The bot's token, never shown.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::header::HeaderValue;

use propsbot_model::UserId;

/// A bot's token. `Debug`, errors and logs never show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Discord token is empty or contains invalid characters: copy it again from the \
     developer portal (your application, \"Bot\", \"Reset Token\")"
)]
pub struct MalformedToken;

impl Token {
    /// Accepts the token as pasted, with surrounding blanks or a leading `Bot `.
    /// Only a request shows whether Discord accepts it.
    pub fn new(text: &str) -> Result<Self, MalformedToken> {
        let text = text.trim();
        let text = text.strip_prefix("Bot ").unwrap_or(text).trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MalformedToken);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the bot's user id, which Discord's tokens start with, in base64.
    /// Undocumented, though always true so far: verify it before relying on it.
    pub fn bot(&self) -> Option<UserId> {
        let (first, _) = self.0.split_once('.')?;
        let id = URL_SAFE_NO_PAD.decode(first.trim_end_matches('=')).ok()?;
        str::from_utf8(&id).ok()?.parse().ok()
    }

    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// Returns the `Authorization` header. Source:
    /// <https://discord.com/developers/docs/reference#authentication>.
    pub(super) fn authorization(&self) -> HeaderValue {
        let mut value = HeaderValue::from_str(&format!("Bot {}", self.0))
            .expect("a token is printable ASCII, see `new`");
        value.set_sensitive(true);
        value
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_never_shown() {
        let token = Token::new(" Bot abc.def ").unwrap();
        assert_eq!(token.secret(), "abc.def");
        assert_eq!(
            format!("{token:?} {:?}", token.authorization()),
            "Token(..) Sensitive"
        );
    }

    #[test]
    fn refuses_what_no_header_can_carry() {
        assert_eq!(Token::new("  "), Err(MalformedToken));
        assert_eq!(Token::new("a\nb"), Err(MalformedToken));
        assert_eq!(Token::new("tökèn"), Err(MalformedToken));
    }
}
