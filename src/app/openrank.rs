//! `openrank`: the thanks that count as CSV, for EigenTrust tools.

use jiff::Timestamp;

use super::{Error, error::Tried as _, output::notify, verify::as_of};
use crate::config::Config;
use propsbot_archive::{Id, read_rows};
use propsbot_backends::ArchiveSpec;
use propsbot_graph::trust;
use propsbot_jobs::clock::Clock;
use propsbot_rows::SCHEMA;

/// Writes who thanked whom, when and how often.
pub async fn openrank(
    config: &Config,
    from: &ArchiveSpec,
    guild: Option<&Id>,
) -> Result<Vec<String>, Error> {
    let tried = || format!("could not read the thanks in {from}");
    let archive = propsbot_backends::open_to_read(from, &config.access, &config.network)?;
    let reading = read_rows(archive.as_ref(), &SCHEMA, guild, trust);
    let (trust, manifests) = reading.await.tried(tried)?;
    notify(&as_of(&manifests, Clock::now()).tried(tried)?);
    let mut lines = vec!["from,to,value,time".to_owned()];
    for thanks in trust {
        let time = Timestamp::from_millisecond(thanks.time.0);
        let time = time.map_or_else(|_| thanks.time.0.to_string(), |time| time.to_string());
        lines.push(format!(
            "{},{},{},{time}",
            thanks.from, thanks.to, thanks.value
        ));
    }
    Ok(lines)
}
