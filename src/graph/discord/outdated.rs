//! Recognizes configs of SourceCred before 0.9: one object for the only guild, and other names.
//!
//! Source: <https://github.com/sourcecred/sourcecred/pull/3064> and, for roles and channels,
//! <https://github.com/sourcecred/sourcecred/pull/2434>.

use serde_json::Value;

/// The old fields, as JSON pointers in a guild's entry, and their new names.
const RENAMED: [(&str, &str); 7] = [
    ("/reactionWeights", "`reactionWeightConfig.weights`"),
    (
        "/defaultReactionWeight",
        "`reactionWeightConfig.defaultWeight`",
    ),
    (
        "/applyAveragingToReactions",
        "`reactionWeightConfig.applyAveraging`",
    ),
    ("/roleWeights", "`roleWeightConfig.weights`"),
    (
        "/roleWeightConfig/roleWeights",
        "`roleWeightConfig.weights`",
    ),
    ("/channelWeights", "`channelWeightConfig.weights`"),
    (
        "/channelWeightConfig/channelWeights",
        "`channelWeightConfig.weights`",
    ),
];

/// What to change in an old config; empty for any other text.
pub(super) fn outdated(text: &str) -> Vec<String> {
    let Ok(config) = serde_json::from_str::<Value>(text) else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    if config.get("guildId").is_some() {
        changes.push("put the object into a list, [{…}]".to_owned());
    }
    let entries = match &config {
        Value::Array(entries) => entries.iter().collect(),
        one => vec![one],
    };
    for (old, now) in RENAMED {
        if entries.iter().any(|entry| entry.pointer(old).is_some()) {
            let old = old.trim_start_matches('/').replace('/', ".");
            changes.push(format!("`{old}` is now {now}"));
        }
    }
    let is_reactions = |change: &String| change.contains("reactionWeightConfig");
    if changes.iter().any(is_reactions) {
        changes.push(
            "`reactionWeightConfig` also takes `defaultWeight` (1 before) and `applyAveraging` (false before)"
                .to_owned(),
        );
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::super::DiscordConfig;

    #[test]
    fn says_what_to_change_in_an_old_config() {
        for (text, says) in [
            (
                r#"{"guildId": "5", "reactionWeights": {"🥰": 16}, "defaultReactionWeight": 1}"#,
                &[
                    "before 0.9",
                    "into a list",
                    "`reactionWeights` is now `reactionWeightConfig.weights`",
                    "`defaultReactionWeight` is now",
                    "`applyAveraging` (false before)",
                ][..],
            ),
            (
                r#"[{"guildId": "5", "reactionWeightConfig": {"weights": {}, "defaultWeight": 1, "applyAveraging": false},
                    "roleWeightConfig": {"defaultWeight": 1, "roleWeights": {}}}]"#,
                &["`roleWeightConfig.roleWeights` is now `roleWeightConfig.weights`"],
            ),
        ] {
            let error = DiscordConfig::from_json(text).unwrap_err().to_string();
            for words in says {
                assert!(error.contains(words), "no {words:?} in {error}");
            }
        }
    }

    #[test]
    fn an_entry_must_be_an_object() {
        let text = r#"[["5", {"weights": {}, "defaultWeight": 1, "applyAveraging": false}]]"#;
        let error = DiscordConfig::from_json(text).unwrap_err().to_string();
        assert!(error.contains("expected an object"), "{error}");
    }
}
