//! What merging needs of a store.

use propsbot_model::Record;

/// Rows by key, read as they stand after every change made so far.
pub trait Rows {
    /// Why a row could not be read or written.
    type Error;

    /// The row with this key.
    fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, Self::Error>;

    /// The rows whose keys begin with `prefix`, sorted by key.
    fn scan<R: Record>(&self, prefix: &[u8]) -> Result<Vec<R>, Self::Error>;

    /// The rows whose keys lie between the two, both included, sorted by key.
    fn range<R: Record>(&self, from: &[u8], to: &[u8]) -> Result<Vec<R>, Self::Error>;

    /// The last row whose key begins with `prefix`.
    fn last<R: Record>(&self, prefix: &[u8]) -> Result<Option<R>, Self::Error>;

    /// Writes the row under its own key, and marks its partition as changed.
    fn put<R: Record>(&mut self, row: &R) -> Result<(), Self::Error>;

    /// Removes the row, and marks its partition as changed.
    fn delete<R: Record>(&mut self, row: &R) -> Result<(), Self::Error>;

    /// Changes the row that has `unknown`'s key, or `unknown` itself where there is none, and
    /// writes it if that changed it. Returns the row as it was (if there was one) and as it is.
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
