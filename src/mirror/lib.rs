//! What every provider's mirror needs, whatever the platform.
//!
//! Owns the interface between a provider and the rest of the program. Knows no platform.

#![warn(missing_docs)]

mod provider;

pub use provider::{
    DataProvider, ForgetRequest, Gauge, Progress, ProviderError, RestoreReport, SpaceStatus,
    SyncRequest, SyncedSpace, SyncedState,
};
