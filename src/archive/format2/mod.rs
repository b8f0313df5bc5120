//! Archive format 2.
//!
//! Rows lie where their time and two stamps say ([`layout`]), in compressed files that are named by what they
//! say ([`file`]). Of each space, one manifest names them all ([`manifest`]).

mod canonical;
mod coverage;
pub mod file;
pub mod layout;
pub mod manifest;
pub mod period;
