//! Reads gateway payloads from frames: bounded, and tolerant of odd fields.
//! Source: <https://discord.com/developers/docs/events/gateway-events#payload-structure>.

use std::io::Read as _;

use flate2::read::ZlibDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::{json, wire};

/// Largest frame read, in bytes. Discord's largest events are a tenth of it.
pub(super) const LARGEST_FRAME: usize = 16 << 20;

/// Largest inflated payload, in bytes.
const LARGEST_PAYLOAD: usize = 2 * LARGEST_FRAME;

pub(super) mod op {
    pub(in super::super) const DISPATCH: u64 = 0;
    pub(in super::super) const HEARTBEAT: u64 = 1;
    pub(in super::super) const IDENTIFY: u64 = 2;
    pub(in super::super) const RESUME: u64 = 6;
    pub(in super::super) const RECONNECT: u64 = 7;
    pub(in super::super) const INVALID_SESSION: u64 = 9;
    pub(in super::super) const HELLO: u64 = 10;
    pub(in super::super) const HEARTBEAT_ACK: u64 = 11;
}

pub(super) struct Payload {
    /// The opcode; `None` if unreadable.
    pub(super) op: Option<u64>,
    /// An event's sequence number.
    pub(super) seq: Option<u64>,
    /// An event's name; empty for other payloads.
    pub(super) name: String,
    pub(super) data: Box<RawValue>,
}

/// Why a frame's payload can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Broken {
    #[error("a frame isn't valid zlib")]
    Zlib,
    #[error("a frame inflates to more than {} MiB", LARGEST_PAYLOAD >> 20)]
    TooLarge,
    #[error("a frame isn't valid JSON")]
    Json,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(default, deserialize_with = "wire::lenient")]
    op: Option<u64>,
    #[serde(default, deserialize_with = "wire::lenient")]
    s: Option<u64>,
    #[serde(default, deserialize_with = "wire::lenient")]
    t: Option<String>,
    #[serde(borrow, default)]
    d: Option<&'a RawValue>,
}

/// Reads a binary frame. Discord compresses each payload separately.
pub(super) fn from_binary(frame: &[u8]) -> Result<Payload, Broken> {
    if frame.first() == Some(&b'{') {
        return from_text(frame);
    }
    let mut inflated = Vec::new();
    let most = u64::try_from(LARGEST_PAYLOAD).unwrap_or(u64::MAX);
    ZlibDecoder::new(frame)
        .take(most + 1)
        .read_to_end(&mut inflated)
        .map_err(|_| Broken::Zlib)?;
    if inflated.len() > LARGEST_PAYLOAD {
        return Err(Broken::TooLarge);
    }
    from_text(&inflated)
}

/// Reads a text frame, or the inflated content of a binary one.
pub(super) fn from_text(text: &[u8]) -> Result<Payload, Broken> {
    if let Ok(envelope) = serde_json::from_slice::<Envelope<'_>>(text) {
        return Ok(envelope.into_payload());
    }
    let mended = json::mend(text);
    let envelope = serde_json::from_slice::<Envelope<'_>>(&mended).map_err(|_| Broken::Json)?;
    Ok(envelope.into_payload())
}

impl Envelope<'_> {
    fn into_payload(self) -> Payload {
        Payload {
            op: self.op,
            seq: self.s,
            name: self.t.unwrap_or_default(),
            data: self.d.unwrap_or(RawValue::NULL).to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn reads_text_and_zlib() {
        let text = br#"{"op": 0, "s": 7, "t": "A", "d": {"id": "1"}}"#;
        for payload in [from_text(text), from_binary(text), from_binary(&zlib(text))] {
            let payload = payload.unwrap();
            assert_eq!((payload.op, payload.seq), (Some(0), Some(7)));
            assert_eq!(
                (payload.name.as_str(), payload.data.get()),
                ("A", r#"{"id": "1"}"#)
            );
        }
    }

    #[test]
    fn an_odd_field_spoils_only_itself() {
        let odd = b"{\"op\": 0, \"s\": 3, \"t\": \"A\", \"d\": \"\xff\", \"x\": \"\\ud800\"}";
        let payload = from_text(odd).unwrap();
        assert_eq!((payload.seq, payload.data.get()), (Some(3), "\"\u{fffd}\""));
        let payload = from_text(br#"{"op": 0, "s": -1, "t": null, "d": 1}"#).unwrap();
        assert_eq!((payload.seq, payload.name.as_str()), (None, ""));
    }

    #[test]
    fn refuses_cut_broken_or_oversized_frames() {
        let text = br#"{"op": 0, "s": 7, "t": "A", "d": {"id": "1"}}"#;
        assert_eq!(from_text(&text[..20]).err(), Some(Broken::Json));
        assert_eq!(from_binary(&zlib(&text[..20])).err(), Some(Broken::Json));
        assert_eq!(from_binary(b"x\xff\xff").err(), Some(Broken::Zlib));
        assert_eq!(from_binary(&zlib(text)[..20]).err(), Some(Broken::Zlib));
        let bomb = zlib(&vec![b' '; 2 * LARGEST_PAYLOAD]);
        assert_eq!(from_binary(&bomb).err(), Some(Broken::TooLarge));
    }
}
