//! The simulator by hand.
fn main() {}
