//! Reads response bodies, bounded by their size in memory, after inflation.

use std::sync::Arc;

use reqwest::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// The connection broke while reading.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// Limits the size of each body, and of all bodies in memory at once.
///
/// Bodies up to the usual size are read right away; a larger one waits until no other large one is
/// in memory. So `n` bodies take at most `n` times the usual size plus one largest size.
#[derive(Clone, Debug)]
pub struct BodyLimit {
    usual: usize,
    most: usize,
    large: Arc<Semaphore>,
}

/// A response body. While a large one exists, no other large one is read.
#[derive(Debug)]
pub struct Body {
    pub bytes: Vec<u8>,
    /// Must live as long as the bytes, or whatever was parsed from them.
    pub large: Option<OwnedSemaphorePermit>,
}

impl BodyLimit {
    /// Allows up to `most` bytes. More than `usual` should be rare.
    pub fn new(usual: usize, most: usize) -> Self {
        Self {
            usual,
            most,
            large: Arc::new(Semaphore::new(1)),
        }
    }

    /// Reads the body.
    ///
    /// # Errors
    /// The body is too large or the connection broke; the rest stays unread.
    pub async fn read(&self, mut answer: Response) -> Result<Body, BodyError> {
        let mut bytes = Vec::new();
        let mut large = None;
        while let Some(chunk) = answer.chunk().await? {
            let length = bytes.len() + chunk.len();
            if length > self.most {
                return Err(BodyError::TooLarge(self.most));
            }
            if length > self.usual && large.is_none() {
                let place = Arc::clone(&self.large).acquire_owned().await;
                large = Some(place.expect("its places are never closed"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Body { bytes, large })
    }
}

/// Returns up to `most` bytes of the body: enough to understand an error.
pub async fn beginning(mut answer: Response, most: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < most {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) | Err(_) => break,
        }
    }
    bytes.truncate(most);
    bytes
}
