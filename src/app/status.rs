//! `propsbot status`: how complete the mirror is, without asking the platform.

use serde_json::Value;

use super::Error;
use propsbot_archive::printable_json;
use propsbot_mirror::DataProvider;

/// The status of every space, as text or JSON.
pub(super) async fn status(provider: &dyn DataProvider, json: bool) -> Result<String, Error> {
    let spaces = provider.status().await?;
    if json {
        let details: Vec<Value> = spaces.into_iter().map(|space| space.details).collect();
        return Ok(printable_json(&serde_json::to_string_pretty(&details)?));
    }
    if spaces.is_empty() {
        return Ok("The store is empty; `propsbot sync` fills it.".to_owned());
    }
    let texts: Vec<String> = spaces.into_iter().map(|space| space.text).collect();
    Ok(texts.join("\n\n"))
}
