//! Keeps members' messages and secrets, which libraries log, out of the logs.

/// Crates whose level users can't change.
const MUTED: [&str; 7] = [
    "serenity",
    "poise",
    "tungstenite",
    "sled",
    "usvg",
    "resvg",
    "fontdb",
];

/// Their levels, as `tracing` directives. serenity logs whole payloads in warnings, and usvg the
/// letters a font lacks; we log what is useful ourselves.
const LOG_DIRECTIVES: &str =
    "serenity=off,poise=off,tungstenite=off,sled=warn,usvg=off,resvg=off,fontdb=off";

/// Returns the user's log filter `text` (as in `RUST_LOG`), with those crates muted.
///
/// The most specific directive wins, so those for muted crates are dropped, and so are directives
/// with spans or fields (`[…]`), which enable everything inside the span.
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
    fn ignores_directives_for_muted_crates() {
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
    fn never_logs_payloads() {
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
