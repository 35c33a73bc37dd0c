//! The format of a blob in a pack: self-describing, so that a pack without its table can be read.
//!
//! ```text
//! "SNBB" kind:u8 codec:u8 0:u16 plain:u32 stored:u32 id:32 crc:u32 | stored bytes
//! ```
//!
//! The CRC-32 (IEEE 802.3) covers the preceding header bytes and the stored bytes.

use super::{BlobCodec, BlobId, BlobKind, Cut, MalformedBytes};
use base::Digest;

/// Number of header bytes before the stored ones.
pub const HEADER: usize = 52;
/// The first bytes of a blob.
pub const MAGIC: &[u8; 4] = b"SNBB";
/// Largest number of plain bytes of a blob: a list of 1.8 million chunks, for a file of about 460
/// GB.
pub const MAX_PLAIN: usize = 64 << 20;

/// The contents of a blob's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The blob's name.
    pub blob: BlobId,
    /// The encoding of the stored bytes.
    pub codec: BlobCodec,
    /// Number of plain bytes.
    pub plain: u32,
    /// Number of stored bytes.
    pub stored: u32,
    /// CRC-32 of header and stored bytes.
    pub crc: u32,
}

/// Builds the header for these stored bytes; also returns its CRC-32.
pub fn header(blob: BlobId, codec: BlobCodec, plain: usize, stored: &[u8]) -> ([u8; HEADER], u32) {
    let mut bytes = [0; HEADER];
    bytes[..4].copy_from_slice(MAGIC);
    (bytes[4], bytes[5]) = (blob.kind.code(), codec.code());
    bytes[8..12].copy_from_slice(&super::len32(plain));
    bytes[12..16].copy_from_slice(&super::len32(stored.len()));
    bytes[16..48].copy_from_slice(blob.id.bytes());
    let crc = checksum(&bytes[..48], stored);
    bytes[48..].copy_from_slice(&crc.to_le_bytes());
    (bytes, crc)
}

/// Computes the CRC-32 of a header's beginning and the stored bytes.
fn checksum(header: &[u8], stored: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(header);
    crc.update(stored);
    crc.finalize()
}

/// Reads a header without checking its CRC.
pub fn read_header(bytes: &[u8]) -> Result<Header, MalformedBytes> {
    let mut cut = Cut(bytes);
    if cut.bytes(4)? != MAGIC {
        return Err(MalformedBytes::because("there is no blob"));
    }
    let (kind, codec) = (
        BlobKind::from_code(cut.u8()?)?,
        BlobCodec::from_code(cut.u8()?)?,
    );
    cut.zeros(2)?;
    let (plain, stored) = (cut.u32()?, cut.u32()?);
    let id: Digest = cut.digest()?;
    let crc = cut.u32()?;
    if plain as usize > MAX_PLAIN || stored > plain || (codec == BlobCodec::Raw && stored != plain)
    {
        return Err(MalformedBytes::because("a blob's lengths make no sense"));
    }
    Ok(Header {
        blob: BlobId { id, kind },
        codec,
        plain,
        stored,
        crc,
    })
}

/// Splits a blob into header and stored bytes, and checks its CRC.
pub fn split(bytes: &[u8]) -> Result<(Header, &[u8]), MalformedBytes> {
    let header = read_header(bytes)?;
    let stored = bytes[HEADER..]
        .get(..header.stored as usize)
        .ok_or_else(|| MalformedBytes::because("a blob is cut short"))?;
    if checksum(&bytes[..48], stored) != header.crc {
        return Err(MalformedBytes::because("a blob's checksum does not agree"));
    }
    Ok((header, stored))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_and_every_cut_is_found() {
        let blob = BlobId {
            id: Digest::of(b"some bytes"),
            kind: BlobKind::Data,
        };
        let (header, _) = header(blob, BlobCodec::Raw, 10, b"some bytes");
        let bytes = [&header[..], b"some bytes"].concat();
        let (found, stored) = split(&bytes).expect("it is whole");
        assert_eq!(
            (found.blob, found.codec, found.plain, stored),
            (blob, BlobCodec::Raw, 10, &b"some bytes"[..])
        );
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(split(&bad).is_err(), "bit {bit} of byte {at}");
            }
            assert!(split(&bytes[..at]).is_err(), "cut at {at}");
        }
    }
}
