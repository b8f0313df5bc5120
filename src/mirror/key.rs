//! Typed keys. Their bytes sort like the keys, and no key's bytes are a prefix of another's.

/// A component of a key: an id, a number or a text.
pub trait KeyPart {
    /// Appends bytes that sort like the values. No value's bytes are a prefix of another's.
    fn write(&self, bytes: &mut Vec<u8>);
}

/// A prefix of keys of type `K`: nothing, their first components, or all of them.
pub trait PrefixOf<K> {
    /// Appends the bytes of the prefix.
    fn write_prefix(&self, bytes: &mut Vec<u8>);
}

/// A record's key: one [`KeyPart`], or a tuple of several with the outermost container first.
pub trait RecordKey: PrefixOf<Self> + Sized {}

impl<K: PrefixOf<K>> RecordKey for K {}

impl<K> PrefixOf<K> for () {
    fn write_prefix(&self, _: &mut Vec<u8>) {}
}

impl<A: KeyPart> PrefixOf<A> for A {
    fn write_prefix(&self, bytes: &mut Vec<u8>) {
        KeyPart::write(self, bytes);
    }
}

/// The first component of a tuple is a prefix of it.
macro_rules! first_parts {
    ($(($($part:ident),*);)*) => {$(
        impl<First: KeyPart, $($part: KeyPart),*> PrefixOf<(First, $($part),*)> for First {
            fn write_prefix(&self, bytes: &mut Vec<u8>) {
                KeyPart::write(self, bytes);
            }
        }
    )*};
}

first_parts! {
    (B);
    (B, C);
    (B, C, D);
    (B, C, D, E);
    (B, C, D, E, F);
}

/// Several components are a prefix of a longer tuple.
macro_rules! several_parts {
    ($(($($part:ident $at:tt),*) $(, $more:ident)*;)*) => {$(
        impl<$($part: KeyPart,)* $($more: KeyPart),*> PrefixOf<($($part,)* $($more),*)> for ($($part),*) {
            fn write_prefix(&self, bytes: &mut Vec<u8>) {
                $(KeyPart::write(&self.$at, bytes);)*
            }
        }
    )*};
}

several_parts! {
    (A 0, B 1);
    (A 0, B 1), C;
    (A 0, B 1), C, D;
    (A 0, B 1), C, D, E;
    (A 0, B 1), C, D, E, F;
    (A 0, B 1, C 2);
    (A 0, B 1, C 2), D;
    (A 0, B 1, C 2), D, E;
    (A 0, B 1, C 2), D, E, F;
    (A 0, B 1, C 2, D 3);
    (A 0, B 1, C 2, D 3), E;
    (A 0, B 1, C 2, D 3), E, F;
    (A 0, B 1, C 2, D 3, E 4);
    (A 0, B 1, C 2, D 3, E 4), F;
    (A 0, B 1, C 2, D 3, E 4, F 5);
}

/// Encodes integers in big-endian order.
macro_rules! numbers {
    ($($type:ty),*) => {$(
        impl KeyPart for $type {
            fn write(&self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64);

impl KeyPart for bool {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(*self));
    }
}

impl KeyPart for i64 {
    fn write(&self, bytes: &mut Vec<u8>) {
        // Flips the sign bit so that negative numbers sort first.
        bytes.extend_from_slice(&(self.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    }
}

impl KeyPart for str {
    fn write(&self, bytes: &mut Vec<u8>) {
        // Two zeros end a text; a zero within it is followed by a one.
        for byte in self.bytes() {
            bytes.push(byte);
            if byte == 0 {
                bytes.push(1);
            }
        }
        bytes.extend_from_slice(&[0, 0]);
    }
}

impl KeyPart for String {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.as_str().write(bytes);
    }
}

/// Shorter ids sort first, as in the order of `Id`.
impl KeyPart for propsbot_archive::Id {
    fn write(&self, bytes: &mut Vec<u8>) {
        let text = self.as_str();
        let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
        length.write(bytes);
        text.write(bytes);
    }
}

/// `Some` sorts after `None`.
impl<T: KeyPart> KeyPart for Option<T> {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.is_some().write(bytes);
        if let Some(part) = self {
            part.write(bytes);
        }
    }
}

/// Implements `KeyPart` for newtypes of integers.
#[macro_export]
macro_rules! id_key {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::KeyPart for $type {
            fn write(&self, bytes: &mut Vec<u8>) {
                $crate::KeyPart::write(&self.0, bytes);
            }
        }
    )*};
}

/// The first key after all keys that begin with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use propsbot_archive::Id;
    use proptest::prelude::*;

    use super::*;

    type Key = (i64, String, Option<bool>, u64);

    fn bytes<K: RecordKey>(key: &K) -> Vec<u8> {
        let mut bytes = Vec::new();
        key.write_prefix(&mut bytes);
        bytes
    }

    fn key() -> impl Strategy<Value = Key> {
        let text = prop::collection::vec(prop::sample::select(vec!['\0', '\u{1}', 'a', '€']), 0..4);
        let text = text.prop_map(|letters| letters.into_iter().collect());
        (-2..2i64, text, prop::option::of(any::<bool>()), 0..300u64)
    }

    proptest! {
        #[test]
        fn byte_order_is_key_order(one in key(), other in key()) {
            prop_assert_eq!(bytes(&one).cmp(&bytes(&other)), one.cmp(&other));
        }

        #[test]
        fn prefixes_find_their_keys_only(key in key(), other in key()) {
            let mut prefix = Vec::new();
            PrefixOf::<Key>::write_prefix(&(other.0, other.1.clone()), &mut prefix);
            let within = (&key.0, &key.1) == (&other.0, &other.1);
            prop_assert_eq!(bytes(&key).starts_with(&prefix), within);
            prop_assert_eq!(prefix <= bytes(&key) && bytes(&key) < after(&prefix), within);
        }

        #[test]
        fn ids_keep_their_order(one in "[a-c]{1,3}", other in "[a-c]{1,3}") {
            let (one, other) = (Id::new(one), Id::new(other));
            prop_assert_eq!(bytes(&one).cmp(&bytes(&other)), one.cmp(&other));
        }
    }
}
