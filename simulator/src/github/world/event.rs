//! What webhooks tell about.

/// Something that happened. What was deleted is told with its last state.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    /// The value of `X-GitHub-Event`.
    pub(crate) name: &'static str,
    /// `created`, `edited`, …; empty for a push.
    pub(crate) action: &'static str,
    pub(crate) repository: u64,
    /// The repository's name then.
    pub(crate) full_name: String,
    /// The item, as it was then.
    pub(crate) item: Option<super::Item>,
    /// The label or milestone, as it was then.
    pub(crate) marker: Option<super::Marker>,
    /// The commits before and after a push.
    pub(crate) push: Option<(Option<usize>, Option<usize>)>,
}
