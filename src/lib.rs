//! propsbot.
