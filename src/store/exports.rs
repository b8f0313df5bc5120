//! What the store remembers of exports: what changed since, what was published where, and how it went.

use super::{
    ARCHIVE_KEY, CLAIMS_KEY, EXPORTED_KEY, REPORT_KEY, RULES_KEY, Store, StoreError, codec,
    engine::Op,
    view::{Dirty, dirty_key, prefix_end},
};
use propsbot_model::Table;

/// What is remembered of what was published in one archive: so far back, a copy of it that was put back
/// is known again. Of what may never have been published, as much.
const PUBLISHED: usize = 64;

/// How many names of claims are remembered: that many processes may have exported elsewhere since one was
/// killed.
const CLAIMS: usize = 64;

/// Stands before what was about to be published, as long as nobody has confirmed that it was.
const UNCONFIRMED: char = '?';

/// Remembers what was published in an archive, one a line.
fn published(archive: &str, mut lines: Vec<String>) -> Op {
    for unconfirmed in [false, true] {
        let of = |string: &String| string.starts_with(UNCONFIRMED) == unconfirmed;
        let surplus = lines
            .iter()
            .filter(|line| of(line))
            .count()
            .saturating_sub(PUBLISHED);
        let mut passed = 0;
        lines.retain(|line| {
            passed += usize::from(of(line));
            !of(line) || passed > surplus
        });
    }
    Op::Put(published_key(archive), lines.join("\n").into_bytes())
}

fn published_key(archive: &str) -> Vec<u8> {
    [ARCHIVE_KEY, archive.as_bytes()].concat()
}

impl Store {
    /// What changed since it was last exported.
    pub fn dirty(&self) -> Result<Vec<Dirty>, StoreError> {
        let from = Self::key(Table::Dirty, &[]);
        let to = prefix_end(&from);
        let entries = self.engine.range(&from, &to);
        entries.map(|entry| Self::read_dirty(&entry?)).collect()
    }

    fn read_dirty((key, value): &(Vec<u8>, Vec<u8>)) -> Result<Dirty, StoreError> {
        let fail = |reason: &str| StoreError::Row {
            table: Table::Dirty,
            reason: reason.to_owned(),
        };
        let partition = key.get(9..).ok_or_else(|| fail("its key is too short"))?;
        let partition = codec::decode_partition(partition).map_err(|reason| fail(&reason))?;
        let generation = value
            .as_slice()
            .try_into()
            .map_err(|_| fail("it is no number"))?;
        Ok((partition, u64::from_be_bytes(generation)))
    }

    /// What the last export left, in its own words: dirty marks count from there.
    pub fn last_export(&self) -> Result<Option<String>, StoreError> {
        let bytes = self.engine.get(EXPORTED_KEY)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// By which rules rows were made of the mirror in the last export; `None` if it is not remembered.
    pub fn exported_by(&self) -> Result<Option<u8>, StoreError> {
        let bytes = self.engine.get(RULES_KEY)?;
        Ok(bytes.and_then(|byte| byte.first().copied()))
    }

    /// Remembers what an export left, made by these rules, and forgets that these changed, except for
    /// those that changed again since.
    pub fn exported(
        &self,
        archive: &str,
        left: &str,
        rules: u8,
        done: &[Dirty],
    ) -> Result<(), StoreError> {
        let _applying = self
            .applying
            .write()
            .expect("no reader panics while it reads");
        let mut ops = Vec::new();
        for (partition, generation) in done {
            let key = dirty_key(partition);
            if self.engine.get(&key)? == Some(generation.to_be_bytes().to_vec()) {
                ops.push(Op::Delete(key));
            }
        }
        if self.last_export()?.as_deref() != Some(left) {
            ops.push(Op::Put(EXPORTED_KEY.to_vec(), left.as_bytes().to_vec()));
        }
        if self.exported_by()? != Some(rules) {
            ops.push(Op::Put(RULES_KEY.to_vec(), vec![rules]));
        }
        let mut lines = self.published_lines(archive)?.unwrap_or_default();
        if lines.last().is_none_or(|line| line != left) {
            lines.retain(|line| line.trim_start_matches(UNCONFIRMED) != left);
            lines.push(left.to_owned());
            ops.push(published(archive, lines));
        }
        self.engine.commit(&ops)
    }

    /// What this store has published, or was about to, in the archive of this name: the last of it.
    /// `None` if nothing is known of such an archive; nothing in particular, if an earlier version
    /// exported there.
    pub fn published(&self, archive: &str) -> Result<Option<Vec<String>>, StoreError> {
        let lines = self.published_lines(archive)?;
        let hash = |string: String| string.trim_start_matches(UNCONFIRMED).to_owned();
        Ok(lines.map(|line| line.into_iter().map(hash).collect()))
    }

    /// Whether this store has published in the archive of this name, as was confirmed.
    pub fn has_published(&self, archive: &str) -> Result<bool, StoreError> {
        let lines = self.published_lines(archive)?;
        let is_confirmed = |line: &String| !line.starts_with(UNCONFIRMED);
        Ok(lines.is_some_and(|lines| lines.is_empty() || lines.iter().any(is_confirmed)))
    }

    /// Remembers what is about to be published there.
    pub fn publishing(&self, archive: &str, manifest: &str) -> Result<(), StoreError> {
        let mut lines = self.published_lines(archive)?.unwrap_or_default();
        if lines.iter().any(|line| line == manifest) {
            return Ok(());
        }
        lines.push(format!("{UNCONFIRMED}{manifest}"));
        self.engine.commit(&[published(archive, lines)])
    }

    fn published_lines(&self, archive: &str) -> Result<Option<Vec<String>>, StoreError> {
        let bytes = self.engine.get(&published_key(archive))?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        Ok(text.map(|text| text.lines().map(str::to_owned).collect()))
    }

    /// The names under which this store's earlier processes claimed archives. From now on this process's is
    /// one of them.
    pub fn claims(&self, own: &str) -> Result<Vec<String>, StoreError> {
        let bytes = self.engine.get(CLAIMS_KEY)?;
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        let mut names: Vec<String> = text
            .iter()
            .flat_map(|text| text.lines().map(str::to_owned))
            .collect();
        if names.iter().any(|name| name == own) {
            return Ok(names);
        }
        names.drain(..names.len().saturating_sub(CLAIMS - 1));
        names.push(own.to_owned());
        let put = Op::Put(CLAIMS_KEY.to_vec(), names.join("\n").into_bytes());
        self.engine.commit(&[put])?;
        Ok(names)
    }

    /// What came of exports, as it was kept last.
    pub fn export_report(&self) -> Result<Option<String>, StoreError> {
        let bytes = self.engine.get(REPORT_KEY)?;
        Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok()))
    }

    /// Keeps what came of exports.
    pub fn keep_export_report(&self, report: &str) -> Result<(), StoreError> {
        let put = Op::Put(REPORT_KEY.to_vec(), report.as_bytes().to_vec());
        self.engine.commit(&[put])
    }
}
