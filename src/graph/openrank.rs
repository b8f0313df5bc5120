//! The thanks that count, as the local trust that `EigenTrust` starts from.

use propsbot_archive::{Millis, ReadError, RowSource};
use propsbot_model::UserId;
use propsbot_rows::Snapshot;

use super::{Rules, props::props, row_filter::PropsRowFilter};

/// Somebody thanked somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trust {
    /// When what they are thanked for happened.
    pub time: Millis,
    pub from: UserId,
    pub to: UserId,
    /// How often the message thanks them.
    pub value: u32,
}

/// The thanks of the props graph, in the order of their times, without anyone who isn't shown.
///
/// # Errors
/// Rows that can't be read.
pub fn trust(rows: &dyn RowSource) -> Result<Vec<Trust>, ReadError> {
    let snapshot = Snapshot::of(rows, PropsRowFilter::new)?;
    let rules = Rules::new(&snapshot);
    let mut all = Vec::new();
    for props in props(&snapshot, &rules).into_values() {
        let receivers = props.receivers.iter();
        let receivers = receivers.filter(|(to, _)| rules.is_somebody(**to));
        if rules.is_somebody(props.giver) {
            all.extend(receivers.map(|(to, value)| Trust {
                time: props.at,
                from: props.giver,
                to: *to,
                value: *value,
            }));
        }
    }
    all.sort_unstable();
    Ok(all)
}
