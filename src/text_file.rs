//! Text files written by people, in the encodings of common editors.

use std::{fs, io, path::Path};

/// Reads a UTF-8 file, or UTF-16 with a byte order mark. The text doesn't include the mark.
///
/// # Errors
/// The file can't be read, or has another encoding.
pub(crate) fn read_text(path: &Path) -> io::Result<String> {
    decode(&fs::read(path)?).ok_or_else(|| {
        let why = "it is neither UTF-8 nor UTF-16 with a byte order mark: save it as UTF-8";
        io::Error::new(io::ErrorKind::InvalidData, why)
    })
}

fn decode(bytes: &[u8]) -> Option<String> {
    let utf16 = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (units, rest) = bytes.as_chunks();
        let units: Vec<u16> = units.iter().map(|pair| unit(*pair)).collect();
        String::from_utf16(&units).ok().filter(|_| rest.is_empty())
    };
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes)?,
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes)?,
        [0xef, 0xbb, 0xbf, rest @ ..] => str::from_utf8(rest).ok()?.to_owned(),
        _ => str::from_utf8(bytes).ok()?.to_owned(),
    };
    // UTF-16 without a mark reads as UTF-8 with a NUL after each letter.
    (!text.contains('\0')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_common_encoding() {
        let text = "A=é🎉\r\n";
        let units: Vec<u16> = text.encode_utf16().collect();
        let marked = |mark: &[u8], unit: fn(u16) -> [u8; 2]| {
            let units = units.iter().flat_map(|bytes| unit(*bytes));
            mark.iter().copied().chain(units).collect::<Vec<u8>>()
        };
        let utf8 = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
        for bytes in [
            text.as_bytes().to_vec(),
            utf8,
            marked(&[0xff, 0xfe], u16::to_le_bytes),
            marked(&[0xfe, 0xff], u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Some(text));
        }
        for bytes in [
            marked(&[], u16::to_le_bytes),
            b"\xff\xfea".to_vec(),
            b"\xff\xfe\x00\xd8".to_vec(),
            b"A=\xe9".to_vec(),
        ] {
            assert_eq!(decode(&bytes), None, "{bytes:?}");
        }
    }
}
