//! Reading an answer's body, bounded by bytes as they are in memory: after inflation.

use std::sync::Arc;

use reqwest::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Why a body was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is larger than this.
    #[error("it is larger than {0} bytes")]
    TooLarge(usize),
    /// It broke off.
    #[error(transparent)]
    Broken(#[from] reqwest::Error),
}

/// How large bodies may be: each of them, and those that are in memory at once.
///
/// A body of a usual size is read as it comes. A larger one is read while no other such one is in
/// memory. So `n` bodies take at most `n` times the usual size and one of the largest size.
#[derive(Clone, Debug)]
pub struct BodyLimit {
    usual: usize,
    most: usize,
    large: Arc<Semaphore>,
}

/// A body. For as long as a large one exists, no other large one is read.
#[derive(Debug)]
pub struct Body {
    /// What it says.
    pub bytes: Vec<u8>,
    /// Whoever keeps the bytes, or what was made of them, keeps this too.
    pub large: Option<OwnedSemaphorePermit>,
}

impl BodyLimit {
    /// Bodies of up to `most` bytes, few of them with more than `usual`.
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
    /// It is too large, or broke off. What is still to come of it is not read.
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

/// The beginning of a body, up to so many bytes: enough of an error to be understood.
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
