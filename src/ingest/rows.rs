//! The store interface that merging needs.

use propsbot_model::Record;

/// Reads and writes rows by key. Reads see every earlier change.
pub trait Rows {
    type Error;

    fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, Self::Error>;

    /// Returns the rows whose keys start with `prefix`, sorted by key.
    fn scan<R: Record>(&self, prefix: &[u8]) -> Result<Vec<R>, Self::Error>;

    /// Returns the rows with keys from `from` to `to`, both included, sorted by key.
    fn range<R: Record>(&self, from: &[u8], to: &[u8]) -> Result<Vec<R>, Self::Error>;

    /// Returns the last row whose key starts with `prefix`.
    fn last<R: Record>(&self, prefix: &[u8]) -> Result<Option<R>, Self::Error>;

    /// Writes the row under its own key and marks its partition as changed.
    fn put<R: Record>(&mut self, row: &R) -> Result<(), Self::Error>;

    /// Removes the row and marks its partition as changed.
    fn delete<R: Record>(&mut self, row: &R) -> Result<(), Self::Error>;

    /// Changes the row with `unknown`'s key, or `unknown` if there is none; returns it before and
    /// after. Writes only if something changed.
    fn update<R: Record + Clone + PartialEq>(
        &mut self,
        unknown: R,
        change: impl FnOnce(&mut R),
    ) -> Result<(Option<R>, R), Self::Error> {
        let before: Option<R> = self.get(&unknown.key())?;
        let mut after = before.clone().unwrap_or(unknown);
        change(&mut after);
        if before.as_ref() != Some(&after) {
            self.put(&after)?;
        }
        Ok((before, after))
    }
}
