//! GitHub's scalars: strings with a meaning.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use crate::github::git::is_oid;
use crate::github::rest::call::from_base64;

/// A complete git hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Oid(pub(crate) String);

#[Scalar(name = "GitObjectID")]
impl ScalarType for Oid {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::String(text) if is_oid(&text) => Ok(Self(text)),
            other => Err(InputValueError::custom(format!(
                "{other} is not a valid GitObjectID"
            ))),
        }
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

/// The bytes of a file.
#[derive(Debug, Clone)]
pub(crate) struct Base64(pub(crate) Vec<u8>);

#[Scalar(name = "Base64String")]
impl ScalarType for Base64 {
    fn parse(value: Value) -> InputValueResult<Self> {
        let bytes = match &value {
            Value::String(text) => from_base64(text),
            _ => None,
        };
        let wrong = || InputValueError::custom("the value is not a valid Base64String");
        bytes.map(Self).ok_or_else(wrong)
    }

    fn to_value(&self) -> Value {
        Value::String(crate::github::rest::call::in_lines(&self.0))
    }
}

/// A string passed through under its own type name.
macro_rules! text {
    ($(#[$about:meta])* $name:ident, $graphql:literal) => {
        $(#[$about])*
        #[derive(Debug, Clone)]
        pub(crate) struct $name(pub(crate) String);

        #[Scalar(name = $graphql)]
        impl ScalarType for $name {
            fn parse(value: Value) -> InputValueResult<Self> {
                match value {
                    Value::String(text) => Ok(Self(text)),
                    other => Err(InputValueError::expected_type(other)),
                }
            }

            fn to_value(&self) -> Value {
                Value::String(self.0.clone())
            }
        }
    };
}

text!(
    /// The full name of a ref, such as `refs/heads/main`.
    RefName,
    "GitRefname"
);
text!(
    /// A URI.
    Uri,
    "URI"
);
text!(
    /// A timestamp in ISO 8601.
    DateTime,
    "DateTime"
);
