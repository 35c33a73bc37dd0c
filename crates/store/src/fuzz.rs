//! Exposes the store's private decoders to the fuzz targets in `fuzz/` only.
//!
//! Built only with the feature `fuzz`. There is no logic here: each function passes its
//! bytes to the decoder that the product uses.

use std::io::Write;

use super::{
    fetch,
    format::{BlobId, MalformedBytes},
    legacy,
};
use base::Digest;

pub use super::chunker::Cutter;

/// Decodes a stored blob, header and stored bytes, into its plain bytes.
pub fn blob(bytes: &[u8], blob: BlobId) -> Result<Vec<u8>, MalformedBytes> {
    fetch::decode(bytes, blob)
}

/// Reads an object from before packs. Returns the number of plain bytes, `None` when refused.
pub fn legacy_object(bytes: &[u8], digest: &Digest, into: &mut dyn Write) -> Option<u64> {
    let says = bytes
        .len()
        .checked_sub(44)
        .and_then(|at| bytes[at..].first_chunk())
        .map_or(0, |says| u64::from_le_bytes(*says));
    legacy::decode(
        &mut &bytes[..],
        legacy::Lengths {
            stored: bytes.len() as u64,
            plain: says,
        },
        digest,
        into,
    )
    .ok()
}
