//! Archive format 2.
//!
//! Rows lie where their time and two stamps say ([`layout`]), in compressed files that are named by what they
//! say ([`file`]). Of each space, one manifest names them all ([`manifest`]). [`plan`] says what an export has to
//! write, [`reader`] reads it back with all its checks.

pub mod archive_reader;
mod base;
mod canonical;
mod check;
mod check_rows;
mod coverage;
pub mod document;
pub mod error;
pub mod export;
pub mod file;
pub mod files;
pub mod layout;
mod list;
pub mod manifest;
mod open;
pub mod period;
pub mod plan;
pub mod query;
pub mod reader;
mod reading;
mod references;
pub mod request;
pub mod row_source;
mod stale;
#[cfg(test)]
mod tests;
pub mod verify;
