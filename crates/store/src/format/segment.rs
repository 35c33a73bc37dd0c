//! An index segment: the locations of the blobs of many packs, sorted, with a fan-out by id.
//!
//! ```text
//! "SNBINDEX" version:u16 bits:u8 0:u8 packs:u32 entries:u64
//! | per pack id:32 size:u64 | fan-out: 2^bits + 1 numbers u32 | entries of 32 bytes | sha256:32
//! entry: first half of the id:16 pack:u32 offset:u32 stored | kind << 31:u32 plain:u32
//! ```
//!
//! Bucket `b` of the fan-out holds the entries `fan[b]..fan[b + 1]`, whose ids begin with the bits
//! of `b`. The packs' tables are authoritative; a segment can be rebuilt from them.

use super::{BlobId, BlobKind, Cut, MalformedBytes, PackRef, VERSION, begin, seal};
use base::Digest;

/// Number of bytes of an entry.
pub const ENTRY: usize = 32;
/// Number of bytes before the packs.
pub const HEAD: usize = 24;
/// Target number of entries per bucket.
const BUCKET: usize = 64;
/// Largest number of bits of the fan-out.
const MAX_BITS: u8 = 16;
/// Bit of the stored length that marks a list of chunks.
const FILE: u32 = 1 << 31;

/// One blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentEntry {
    /// First half of its id.
    pub prefix: [u8; 16],
    /// Its kind.
    pub kind: BlobKind,
    /// Position of its pack among the segment's packs.
    pub pack: u32,
    /// Offset of its header.
    pub offset: u32,
    /// Number of stored bytes.
    pub stored: u32,
    /// Number of plain bytes.
    pub plain: u32,
}

impl SegmentEntry {
    /// Converts a table entry of the segment's `pack`-th pack.
    pub fn of(entry: &super::pack::PackEntry, pack: u32) -> Self {
        let (prefix, kind) = (prefix(&entry.blob.id), entry.blob.kind);
        Self {
            prefix,
            kind,
            pack,
            offset: entry.offset,
            stored: entry.stored,
            plain: entry.plain,
        }
    }
}

/// Returns the first half of an id.
pub fn prefix(id: &Digest) -> [u8; 16] {
    id.bytes()[..16]
        .try_into()
        .expect("because half of 32 is 16")
}

/// Encodes a segment; sorts the entries.
pub fn encode(packs: &[PackRef], entries: &mut [SegmentEntry]) -> Vec<u8> {
    entries.sort_unstable_by_key(|entry| (entry.prefix, entry.kind, entry.pack, entry.offset));
    let bits = (entries.len() / BUCKET)
        .checked_ilog2()
        .map_or(0, |log| u8::try_from(log).unwrap_or(MAX_BITS).min(MAX_BITS));
    let mut bytes = begin(b"SNBINDEX", VERSION);
    bytes.reserve(HEAD + packs.len() * 40 + (4 << bits) + entries.len() * ENTRY + 40);
    bytes.extend_from_slice(&[bits, 0]);
    bytes.extend_from_slice(&super::len32(packs.len()));
    bytes.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    for pack in packs {
        bytes.extend_from_slice(pack.id.bytes());
        bytes.extend_from_slice(&pack.size.to_le_bytes());
    }
    for bucket in 0..=1_usize << bits {
        let at = entries.partition_point(|entry| bucket_of(&entry.prefix, bits) < bucket);
        bytes.extend_from_slice(&super::len32(at));
    }
    for entry in &*entries {
        let kind = if entry.kind == BlobKind::File {
            FILE
        } else {
            0
        };
        bytes.extend_from_slice(&entry.prefix);
        for number in [entry.pack, entry.offset, entry.stored | kind, entry.plain] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }
    seal(bytes)
}

/// Returns the bucket of an id.
fn bucket_of(prefix: &[u8; 16], bits: u8) -> usize {
    let front = usize::from(prefix[0]) << 8 | usize::from(prefix[1]);
    front >> (16 - bits)
}

/// The part of a segment before the entries.
#[derive(Debug, Clone)]
pub struct SegmentHeader {
    bits: u8,
    /// Number of entries.
    pub entries: usize,
    /// The packs that it indexes.
    pub packs: Vec<PackRef>,
    fan: Vec<u32>,
    /// Offset of the entries.
    pub begin: u64,
}

/// Returns the number of bytes of a segment's head, from its first [`HEAD`] bytes and its size.
pub fn head_len(first: &[u8], size: u64) -> Result<usize, MalformedBytes> {
    let (bits, packs, entries) = read_counts(&mut Cut(first))?;
    let len = HEAD as u64 + u64::from(packs) * 40 + (4 << bits) + 4;
    if len
        .checked_add(entries.saturating_mul(ENTRY as u64))
        .and_then(|len| len.checked_add(32))
        != Some(size)
    {
        return Err(MalformedBytes::because("its counts do not fit its size"));
    }
    usize::try_from(len).map_err(|_| MalformedBytes::because("it is too large"))
}

/// Reads the number of fan-out bits, packs and entries.
fn read_counts(cut: &mut Cut<'_>) -> Result<(u8, u32, u64), MalformedBytes> {
    cut.head(b"SNBINDEX", VERSION)?;
    let bits = cut.u8()?;
    cut.zeros(1)?;
    if bits > MAX_BITS {
        return Err(MalformedBytes::because("its fan-out is too large"));
    }
    Ok((bits, cut.u32()?, cut.u64()?))
}

impl SegmentHeader {
    /// Decodes a head of exactly [`head_len`] bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedBytes> {
        let mut cut = Cut(bytes);
        let (bits, packs, entries) = read_counts(&mut cut)?;
        let count = u32::try_from(entries)
            .map_err(|_| MalformedBytes::because("it has too many entries"))?;
        if (u64::from(packs) * 40 + (4 << bits) + 4) != cut.0.len() as u64 {
            return Err(MalformedBytes::because("its head has the wrong length"));
        }
        let pack = |_| {
            Ok(PackRef {
                id: cut.digest()?,
                size: cut.u64()?,
            })
        };
        let packs = (0..packs)
            .map(pack)
            .collect::<Result<_, MalformedBytes>>()?;
        let fan: Vec<u32> = (0..=1_u32 << bits)
            .map(|_| cut.u32())
            .collect::<Result<_, MalformedBytes>>()?;
        if !fan.is_sorted() || fan.first() != Some(&0) || fan.last() != Some(&count) {
            return Err(MalformedBytes::because("its fan-out is not sorted"));
        }
        Ok(Self {
            bits,
            entries: count as usize,
            packs,
            fan,
            begin: bytes.len() as u64,
        })
    }

    /// Returns the range of entries that an id's entry must be in.
    pub fn bucket(&self, prefix: &[u8; 16]) -> std::ops::Range<usize> {
        let bucket = bucket_of(prefix, self.bits);
        self.fan[bucket] as usize..self.fan[bucket + 1] as usize
    }

    /// Reads one entry.
    pub fn entry(&self, bytes: &[u8]) -> Result<SegmentEntry, MalformedBytes> {
        let mut cut = Cut(bytes);
        let prefix = cut
            .bytes(16)?
            .try_into()
            .expect("because as many were taken");
        let (pack, offset, stored, plain) = (cut.u32()?, cut.u32()?, cut.u32()?, cut.u32()?);
        let kind = if stored & FILE == 0 {
            BlobKind::Data
        } else {
            BlobKind::File
        };
        let entry = SegmentEntry {
            prefix,
            kind,
            pack,
            offset,
            stored: stored & !FILE,
            plain,
        };
        if pack as usize >= self.packs.len()
            || entry.plain as usize > super::blob::MAX_PLAIN
            || entry.stored > entry.plain
        {
            return Err(MalformedBytes::because("an entry makes no sense"));
        }
        Ok(entry)
    }

    /// Returns a blob's entries among those of its bucket.
    pub fn matching(
        &self,
        bucket: &[u8],
        blob: BlobId,
    ) -> Result<Vec<SegmentEntry>, MalformedBytes> {
        let wanted = prefix(&blob.id);
        let rows = bucket.chunks_exact(ENTRY).filter(|row| row[..16] == wanted);
        let entries = rows
            .map(|row| self.entry(row))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(entries
            .into_iter()
            .filter(|entry| entry.kind == blob.kind)
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_found_in_its_bucket() {
        let packs = [PackRef {
            id: Digest::of(b"p"),
            size: 9,
        }];
        let ids: Vec<Digest> = (0..10_000_u32)
            .map(|n| Digest::of(&n.to_le_bytes()))
            .collect();
        let entry = |id: &Digest| SegmentEntry {
            prefix: prefix(id),
            kind: BlobKind::Data,
            pack: 0,
            offset: 60,
            stored: 4,
            plain: 5,
        };
        let mut entries: Vec<SegmentEntry> = ids.iter().map(entry).collect();
        let bytes = encode(&packs, &mut entries);
        let len = head_len(&bytes[..HEAD], bytes.len() as u64).expect("it is whole");
        let head = SegmentHeader::decode(&bytes[..len]).expect("it is whole");
        assert_eq!((head.entries, &head.packs[..]), (10_000, &packs[..]));
        for id in &ids {
            let range = head.bucket(&prefix(id));
            let rows = &bytes[len + range.start * ENTRY..len + range.end * ENTRY];
            let find = |kind| {
                head.matching(rows, BlobId { id: *id, kind })
                    .expect("it is whole")
                    .len()
            };
            assert_eq!((find(BlobKind::Data), find(BlobKind::File)), (1, 0));
        }
        assert!(head_len(&bytes[..HEAD], bytes.len() as u64 - 1).is_err());
    }

    #[test]
    fn an_empty_segment_has_one_bucket() {
        let bytes = encode(&[], &mut []);
        let len = head_len(&bytes[..HEAD], bytes.len() as u64).expect("it is whole");
        assert_eq!(
            SegmentHeader::decode(&bytes[..len])
                .expect("it is whole")
                .bucket(&[255; 16]),
            0..0
        );
    }
}
