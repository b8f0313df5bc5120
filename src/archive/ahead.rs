//! Reads in their order, several at a time.

use std::collections::VecDeque;

use futures::{
    future::{BoxFuture, FutureExt as _},
    stream::{FuturesOrdered, StreamExt as _},
};

use super::files::READS;

/// How long the files that are read at a time may be together, uncompressed, in bytes: two of the longest that
/// exports write, unless a single second has more.
const BYTES: u64 = 4 << 20;

/// Reads that are under way or wait. At most [`READS`] are under way, of at most [`BYTES`]; a longer one is
/// alone.
pub(super) struct Ahead<'a, T> {
    waiting: VecDeque<(u64, BoxFuture<'a, T>)>,
    reads: FuturesOrdered<BoxFuture<'a, T>>,
    /// How long each read under way is, and all together.
    lengths: VecDeque<u64>,
    bytes: u64,
}

impl<'a, T> Ahead<'a, T> {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            reads: FuturesOrdered::new(),
            lengths: VecDeque::new(),
            bytes: 0,
        }
    }

    /// Adds a read of this many bytes.
    pub(super) fn push(&mut self, length: u64, read: impl Future<Output = T> + Send + 'a) {
        self.waiting.push_back((length, read.boxed()));
    }

    /// Whether one more read could begin at once.
    pub(super) fn has_room(&mut self) -> bool {
        self.begin();
        self.waiting.is_empty() && self.reads.len() < READS
    }

    /// What the next one read; `None` if none is left.
    pub(super) async fn next(&mut self) -> Option<T> {
        self.begin();
        let read = self.reads.next().await?;
        self.bytes -= self.lengths.pop_front().unwrap_or_default();
        Some(read)
    }

    fn begin(&mut self) {
        while self.reads.len() < READS
            && let Some((length, read)) = self.waiting.pop_front_if(|(length, _)| {
                self.reads.is_empty() || self.bytes.saturating_add(*length) <= BYTES
            })
        {
            self.bytes += length;
            self.lengths.push_back(length);
            self.reads.push_back(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn as_many_are_under_way_as_their_lengths_allow() {
        let lengths = [vec![BYTES / 4; 9], vec![2 * BYTES, 1], vec![100; 40]].concat();
        let (count, bytes, most) = (AtomicUsize::new(0), AtomicU64::new(0), AtomicUsize::new(0));
        let mut ahead = Ahead::new();
        for (number, length) in lengths.iter().enumerate() {
            let (count, bytes, most, length) = (&count, &bytes, &most, *length);
            let read = async move {
                let count = count.fetch_add(1, Ordering::Relaxed) + 1;
                most.fetch_max(count, Ordering::Relaxed);
                let bytes = bytes.fetch_add(length, Ordering::Relaxed) + length;
                assert!(
                    count == 1 || (count <= READS && bytes <= BYTES),
                    "{count}, {bytes}"
                );
                // Later ones are ready before earlier ones.
                for _ in 0..5 - number % 5 {
                    tokio::task::yield_now().await;
                }
                number
            };
            ahead.push(length, read);
        }
        for (number, length) in lengths.iter().enumerate() {
            assert_eq!(ahead.next().await, Some(number));
            count.fetch_sub(1, Ordering::Relaxed);
            bytes.fetch_sub(*length, Ordering::Relaxed);
        }
        assert_eq!(ahead.next().await, None);
        assert_eq!(most.load(Ordering::Relaxed), READS);
    }
}
