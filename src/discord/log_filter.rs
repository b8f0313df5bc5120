//! What the libraries may log: what they are given to carry is people's words and secrets.
//!
//! Owns which parts of them are heard. Refuses to know where logs go.

/// The crates about which only we decide.
const MUTED: [&str; 7] = [
    "serenity",
    "poise",
    "tungstenite",
    "sled",
    "usvg",
    "resvg",
    "fontdb",
];

/// What is logged of them, as `tracing` directives. serenity writes whole payloads into its warnings,
/// and usvg the letters that a font lacks; what they have to say of use is told in our own words.
const LOG_DIRECTIVES: &str =
    "serenity=off,poise=off,tungstenite=off,sled=warn,usvg=off,resvg=off,fontdb=off";

/// The filter that a person asks for with `text` (in the form of `RUST_LOG`), as far as it does not
/// make the libraries tell what people write.
///
/// Of two directives the more specific one holds, so what `text` says of those crates is left out,
/// and so are directives with spans or fields (`[…]`): within such a span, everything is logged.
pub fn log_filter(text: &str) -> String {
    text.split(',')
        .map(str::trim)
        .filter(|directive| !directive.is_empty() && is_allowed(directive))
        .chain([LOG_DIRECTIVES])
        .collect::<Vec<_>>()
        .join(",")
}

fn is_allowed(directive: &str) -> bool {
    !directive.contains(['[', ']', '{', '}'])
        && !MUTED.iter().any(|target| directive.starts_with(target))
}

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _};

    use super::*;

    #[test]
    fn what_is_said_of_the_muted_crates_does_not_count() {
        for (text, kept) in [
            ("", ""),
            ("info", "info,"),
            (" info , propsbot=debug,", "info,propsbot=debug,"),
            ("serenity::gateway::ws=trace,debug", "debug,"),
            ("serenity,poise::x=trace,sled=off,tungstenite::protocol", ""),
            ("[run{shard,id=1}]=trace,propsbot[a]=trace,warn", "warn,"),
            ("no level=at all", "no level=at all,"),
        ] {
            assert_eq!(log_filter(text), format!("{kept}{LOG_DIRECTIVES}"));
        }
    }

    #[test]
    fn payloads_are_never_logged() {
        for text in [
            "trace",
            "serenity::gateway::ws=trace",
            "s=trace,serenity::http=trace",
        ] {
            let filter = EnvFilter::try_new(log_filter(text)).unwrap();
            let subscriber = tracing_subscriber::registry().with(filter);
            tracing::subscriber::with_default(subscriber, || {
                assert!(!tracing::enabled!(target: "serenity::gateway::ws", Level::ERROR));
                assert!(!tracing::enabled!(target: "serenity::http::request", Level::ERROR));
                assert!(!tracing::enabled!(target: "tungstenite::protocol", Level::ERROR));
                assert!(!tracing::enabled!(target: "serenity::client", Level::WARN));
                assert!(!tracing::enabled!(target: "usvg::text", Level::WARN));
                assert!(tracing::enabled!(target: "sled::pagecache", Level::WARN));
            });
        }
    }
}
