//! propsbot mirrors a community's Discord and turns its thanks into SourceCred props.

pub mod archive;
pub mod discord;
pub mod ingest;
pub mod model;
pub mod store;
