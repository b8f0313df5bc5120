//! propsbot.
fn main() {}
