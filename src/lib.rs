//! propsbot mirrors a community's Discord and turns its thanks into SourceCred props.

pub mod archive;
pub mod graph;
pub mod model;
