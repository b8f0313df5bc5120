//! The tests.
mod archive;
