//! The tests.

mod discord;
