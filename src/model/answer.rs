//! placeholder
pub(super) fn read_reason(content: &str) -> Option<String> {
    content.strip_prefix("x").map(str::to_owned)
}
