//! The format of a pack: many blobs, and an authoritative table of contents at the end.
//!
//! ```text
//! header  "SNBPACK1" version:u16 flags:u16 0:u32 salt:32 crc:u32
//! blobs   see blob.rs
//! table   per blob, sorted by id and kind:
//!         id:32 offset:u32 stored:u32 plain:u32 kind:u8 codec:u8 0:u16 crc:u32
//! trailer "SNBTRAIL" version:u16 flags:u16 count:u32
//!         offset of the table:u64 sha256 of the table:32 crc:u32
//! ```
//!
//! A pack is named by the SHA-256 of its table, which holds the CRC of every blob, so no second
//! pass over the bytes is needed. `flags` and `salt` are zero until stores can be encrypted.

use super::{BlobCodec, BlobId, BlobKind, Cut, MalformedBytes, VERSION, blob};
use base::Digest;

/// Number of bytes of the header.
pub const HEADER: usize = 52;
/// Number of bytes of a table entry.
pub const ENTRY: usize = 52;
/// Number of bytes of the trailer.
pub const TRAILER: usize = 60;
/// Size in bytes at which a pack is closed.
pub const TARGET: u64 = 64 << 20;
/// Largest size of a pack: offsets have 32 bits.
pub const MAX: u64 = u32::MAX as u64;

/// A blob's entry in a pack's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackEntry {
    /// The blob's name.
    pub blob: BlobId,
    /// Offset of its header.
    pub offset: u32,
    /// Number of stored bytes after the header.
    pub stored: u32,
    /// Number of plain bytes.
    pub plain: u32,
    /// The encoding of the stored bytes.
    pub codec: BlobCodec,
    /// CRC-32 of header and stored bytes.
    pub crc: u32,
}

impl PackEntry {
    /// Returns the number of bytes including the header.
    pub fn span(&self) -> usize {
        blob::HEADER + self.stored as usize
    }

    /// Returns the offset after the blob, where the next one can begin.
    pub fn end(&self) -> u64 {
        u64::from(self.offset) + self.span() as u64
    }
}

/// Builds a pack's first bytes.
pub fn header() -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    bytes[..8].copy_from_slice(b"SNBPACK1");
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..48]);
    bytes[48..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Checks a pack's first bytes.
pub fn read_header(bytes: &[u8]) -> Result<(), MalformedBytes> {
    let mut cut = Cut(bytes);
    cut.head(b"SNBPACK1", VERSION)?;
    cut.zeros(2 + 4 + 32)?;
    if crc32fast::hash(&bytes[..48]) != cut.u32()? {
        return Err(MalformedBytes::because(
            "its header's checksum does not agree",
        ));
    }
    Ok(())
}

/// Encodes the table of contents; sorts the entries.
pub fn table(entries: &mut [PackEntry]) -> Vec<u8> {
    entries.sort_unstable_by_key(|entry| entry.blob);
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY);
    for entry in &*entries {
        bytes.extend_from_slice(entry.blob.id.bytes());
        for number in [entry.offset, entry.stored, entry.plain] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&[entry.blob.kind.code(), entry.codec.code(), 0, 0]);
        bytes.extend_from_slice(&entry.crc.to_le_bytes());
    }
    bytes
}

/// Reads the table of a pack. It must hash to `id`; `offset` is where it begins in the pack.
pub fn read_table(
    bytes: &[u8],
    id: &Digest,
    offset: u64,
) -> Result<Vec<PackEntry>, MalformedBytes> {
    if Digest::of(bytes) != *id {
        return Err(MalformedBytes::because(
            "the checksum of its table of contents does not agree",
        ));
    }
    if !bytes.len().is_multiple_of(ENTRY) {
        return Err(MalformedBytes::because(
            "its table of contents has half an entry",
        ));
    }
    let entries: Vec<PackEntry> = bytes
        .chunks_exact(ENTRY)
        .map(|bytes| read_entry(bytes, offset))
        .collect::<Result<_, _>>()?;
    if !entries.is_sorted_by_key(|entry| entry.blob) {
        return Err(MalformedBytes::because(
            "its table of contents is not sorted",
        ));
    }
    Ok(entries)
}

/// Reads one entry of a table.
fn read_entry(bytes: &[u8], table: u64) -> Result<PackEntry, MalformedBytes> {
    let mut cut = Cut(bytes);
    let id = cut.digest()?;
    let (offset, stored, plain) = (cut.u32()?, cut.u32()?, cut.u32()?);
    let (kind, codec) = (
        BlobKind::from_code(cut.u8()?)?,
        BlobCodec::from_code(cut.u8()?)?,
    );
    cut.zeros(2)?;
    let entry = PackEntry {
        blob: BlobId { id, kind },
        offset,
        stored,
        plain,
        codec,
        crc: cut.u32()?,
    };
    if plain as usize > blob::MAX_PLAIN
        || stored > plain
        || (offset as usize) < HEADER
        || entry.end() > table
    {
        return Err(MalformedBytes::because(
            "its table of contents names a blob outside the pack",
        ));
    }
    Ok(entry)
}

/// The contents of a trailer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Offset of the table.
    pub offset: u64,
    /// Number of its entries.
    pub count: u32,
    /// Its SHA-256: the pack's id.
    pub id: Digest,
}

/// Encodes a pack's last bytes.
pub fn trailer(trailer: Trailer) -> [u8; TRAILER] {
    let mut bytes = [0; TRAILER];
    bytes[..8].copy_from_slice(b"SNBTRAIL");
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..16].copy_from_slice(&trailer.count.to_le_bytes());
    bytes[16..24].copy_from_slice(&trailer.offset.to_le_bytes());
    bytes[24..56].copy_from_slice(trailer.id.bytes());
    let crc = crc32fast::hash(&bytes[..56]);
    bytes[56..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// Reads the last bytes of a pack of `size` bytes.
pub fn read_trailer(bytes: &[u8], size: u64) -> Result<Trailer, MalformedBytes> {
    let mut cut = Cut(bytes);
    cut.head(b"SNBTRAIL", VERSION)?;
    cut.zeros(2)?;
    let (count, offset, id) = (cut.u32()?, cut.u64()?, cut.digest()?);
    if crc32fast::hash(&bytes[..56]) != cut.u32()? {
        return Err(MalformedBytes::because(
            "its trailer's checksum does not agree",
        ));
    }
    cut.end()?;
    let end = offset
        .checked_add(u64::from(count) * ENTRY as u64)
        .and_then(|end| end.checked_add(TRAILER as u64));
    if end != Some(size) || offset < HEADER as u64 {
        return Err(MalformedBytes::because("its trailer does not fit its size"));
    }
    Ok(Trailer { offset, count, id })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_table_and_trailer_find_every_changed_byte() {
        let head = header();
        read_header(&head).expect("it is whole");
        let entry = |text: &[u8], offset| PackEntry {
            blob: BlobId {
                id: Digest::of(text),
                kind: BlobKind::Data,
            },
            offset,
            stored: 5,
            plain: 9,
            codec: BlobCodec::Zstd,
            crc: 7,
        };
        let mut entries = vec![entry(b"a", 52), entry(b"b", 200)];
        let bytes = table(&mut entries);
        let id = Digest::of(&bytes);
        assert_eq!(read_table(&bytes, &id, 300).expect("it is whole"), entries);
        assert!(read_table(&bytes, &id, 210).is_err(), "outside");
        let end = trailer(Trailer {
            offset: 300,
            count: 2,
            id,
        });
        let size = 300 + 2 * ENTRY as u64 + TRAILER as u64;
        assert_eq!(read_trailer(&end, size).expect("it is whole").id, id);
        assert!(read_trailer(&end, size + 1).is_err());
        let changed = |bytes: &[u8], at: usize| {
            let mut bad = bytes.to_vec();
            bad[at] ^= 0x10;
            bad
        };
        assert!((0..head.len()).all(|at| read_header(&changed(&head, at)).is_err()));
        assert!((0..bytes.len()).all(|at| read_table(&changed(&bytes, at), &id, 300).is_err()));
        assert!((0..end.len()).all(|at| read_trailer(&changed(&end, at), size).is_err()));
    }
}
