//! The formats of packs and their indexes, as written by this program: whole objects, no deltas.
//!
//! Version 2 of both, as described in git's `gitformat-pack`. A pack is a header of 12 bytes
//! (`PACK`, version, number of entries), the entries, and the hash of all that; an entry is its
//! kind and size as a varint, followed by the object's bytes as a zlib stream.

use std::io::{self, Write};

use gix::{
    ObjectId,
    hash::hasher,
    objs::Kind,
    odb::pack::data::{self, entry::Header},
    zlib::{Compression, Decompress, FlushDecompress, Status, stream::deflate},
};

/// Size of a pack's header in bytes.
pub(super) const HEADER: usize = data::header::SIZE;
/// The first offset that the index stores in its table of large ones.
const LARGE: u64 = 1 << 31;

/// The location of an object in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackOffset {
    /// Offset of its entry from the beginning of the pack, in bytes.
    pub offset: u64,
    /// Length of its entry in bytes.
    pub len: u64,
    /// CRC-32 of its entry.
    pub crc: u32,
    /// The kind of object.
    pub kind: Kind,
    /// Size of the object in bytes.
    pub size: u64,
}

/// Returns the header of a pack with this many entries.
pub(super) fn header(entries: usize) -> [u8; HEADER] {
    data::header::encode(
        data::Version::V2,
        u32::try_from(entries).expect("because no command writes four billion objects"),
    )
}

/// Returns the entry of an object, and its place if the entry begins at `offset`.
pub(super) fn entry(kind: Kind, bytes: &[u8], offset: u64) -> (Vec<u8>, PackOffset) {
    let head = match kind {
        Kind::Tree => Header::Tree,
        Kind::Blob => Header::Blob,
        Kind::Commit => Header::Commit,
        Kind::Tag => Header::Tag,
    };
    let size = bytes.len() as u64;
    let mut out = Vec::with_capacity(bytes.len() / 2 + 32);
    head.write_to(size, &mut out)
        .expect("because writing into memory cannot fail");
    let mut packer = deflate::Write::new(out, Compression::BEST_SPEED);
    packer
        .write_all(bytes)
        .and_then(|()| packer.flush())
        .expect("because writing into memory cannot fail");
    let out = packer.into_inner();
    let place = PackOffset {
        offset,
        len: out.len() as u64,
        crc: crc32fast::hash(&out),
        kind,
        size,
    };
    (out, place)
}

/// The most bytes that deflate makes of one (RFC 1951: 258 bytes of two bits).
const MOST_FOR_A_BYTE: u64 = 1032;

/// Unpacks the object of an entry.
pub(super) fn object(
    entry: &[u8],
    place: &PackOffset,
    hash: gix::hash::Kind,
) -> io::Result<Vec<u8>> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_string());
    let head = data::Entry::from_bytes(entry, 0, hash).map_err(|error| bad(&error.to_string()))?;
    let size = usize::try_from(place.size).map_err(|_| bad("it is too large for this machine"))?;
    let begin = usize::try_from(head.data_offset).ok();
    let stream = begin
        .and_then(|begin| entry.get(begin..))
        .ok_or_else(|| bad("its head is too long"))?;
    if place.size > MOST_FOR_A_BYTE.saturating_mul(stream.len() as u64) {
        return Err(bad("it cannot have as many bytes as it says"));
    }
    let mut out = vec![0; size];
    let mut unpacker = Decompress::new();
    // An empty output still gets one byte of room, so that the end of the stream can be reached.
    let status = if out.is_empty() {
        unpacker.decompress(stream, &mut [0], FlushDecompress::Finish)
    } else {
        unpacker.decompress(stream, &mut out, FlushDecompress::Finish)
    };
    let whole = status.is_ok_and(|status| status == Status::StreamEnd)
        && unpacker.total_out() == place.size;
    if whole {
        Ok(out)
    } else {
        Err(bad("it is not what was written"))
    }
}

/// Returns the index of a pack: its entries sorted by id, and the pack's final hash.
pub(super) fn index(entries: &[(ObjectId, PackOffset)], trailer: &ObjectId) -> Vec<u8> {
    let mut out = b"\xfftOc\0\0\0\x02".to_vec();
    for first in 0..=u8::MAX {
        let upto = entries.partition_point(|(id, _)| id.as_slice()[0] <= first);
        out.extend(word(upto as u64));
    }
    for (id, _) in entries {
        out.extend(id.as_slice());
    }
    for (_, place) in entries {
        out.extend(place.crc.to_be_bytes());
    }
    let mut large = Vec::new();
    for (_, place) in entries {
        if place.offset < LARGE {
            out.extend(word(place.offset));
        } else {
            out.extend(word(LARGE | (large.len() / 8) as u64));
            large.extend(place.offset.to_be_bytes());
        }
    }
    out.extend(large);
    out.extend(trailer.as_slice());
    let mut sum = hasher(trailer.kind());
    sum.update(&out);
    out.extend(
        sum.try_finalize()
            .expect("because an index cannot be made to collide")
            .as_slice(),
    );
    out
}

/// Encodes a number as four bytes, as in the index.
fn word(number: u64) -> [u8; 4] {
    u32::try_from(number)
        .expect("because larger ones have a table of their own")
        .to_be_bytes()
}
