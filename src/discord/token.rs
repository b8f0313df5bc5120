//! The bot's token: kept, sent, and never shown.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::header::HeaderValue;

use propsbot_model::UserId;

/// A bot's token. Neither its `Debug` form nor any error or log line shows any of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// The text cannot be a token, whoever issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Discord token is empty or has characters that no token has: copy it anew from the \
     developer portal (your application, \"Bot\", \"Reset Token\")"
)]
pub struct MalformedToken;

impl Token {
    /// Takes the token as people paste it: blanks around it and a leading `Bot ` are dropped.
    /// Whether Discord accepts it is known only once it was asked.
    pub fn new(text: &str) -> Result<Self, MalformedToken> {
        let text = text.trim();
        let text = text.strip_prefix("Bot ").unwrap_or(text).trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(MalformedToken);
        }
        Ok(Self(text.to_owned()))
    }

    /// The bot's user, as far as the token tells: Discord's begin with its id in base64. (That is
    /// how they have always been, but nowhere promised: make sure before it is relied on.)
    pub fn bot(&self) -> Option<UserId> {
        let (first, _) = self.0.split_once('.')?;
        let id = URL_SAFE_NO_PAD.decode(first.trim_end_matches('=')).ok()?;
        str::from_utf8(&id).ok()?.parse().ok()
    }

    /// The secret itself, for those who send it.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }

    /// The value of the `Authorization` header. Source:
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
    fn is_never_shown() {
        let token = Token::new(" Bot abc.def ").unwrap();
        assert_eq!(token.secret(), "abc.def");
        assert_eq!(
            format!("{token:?} {:?}", token.authorization()),
            "Token(..) Sensitive"
        );
    }

    #[test]
    fn what_no_header_can_carry_is_refused() {
        assert_eq!(Token::new("  "), Err(MalformedToken));
        assert_eq!(Token::new("a\nb"), Err(MalformedToken));
        assert_eq!(Token::new("tökèn"), Err(MalformedToken));
    }
}
