//! An operation's plan inside its journal: JSON, compressed by zlib, in base64.
//!
//! A record of the journal cannot be torn off its neighbours, so plan and intent become durable by
//! one sync. Journals of earlier versions have a file `plan.json` beside them instead.

use std::io::{self, Read, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};

/// Maximum size of a plan or journal: 1 GiB is far more than 50,000 files need.
pub(super) const LIMIT: u64 = 1 << 30;

/// Packs a plan into the text of a record.
pub fn pack(plan: &[u8]) -> String {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    let packed = zlib.write_all(plan).and_then(|()| zlib.finish());
    STANDARD.encode(packed.expect("because writing into memory cannot fail"))
}

/// Returns the plan in the text of a record.
///
/// # Errors
/// Fails when it was not packed here, or is too large.
pub fn unpack(text: &str) -> io::Result<Vec<u8>> {
    let packed = STANDARD.decode(text).map_err(io::Error::other)?;
    let mut plan = Vec::new();
    ZlibDecoder::new(&packed[..])
        .take(LIMIT + 1)
        .read_to_end(&mut plan)?;
    if plan.len() as u64 > LIMIT {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(plan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_back() {
        for plan in [String::new(), "{}".into(), "x".repeat(100_000)] {
            let bytes = unpack(&pack(plan.as_bytes())).expect("it was packed");
            assert_eq!(bytes, plan.as_bytes());
        }
        for text in ["", "?", "AAAA", &pack(b"a plan")[..8]] {
            assert!(unpack(text).is_err(), "{text:?}");
        }
    }
}
