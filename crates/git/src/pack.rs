//! The formats of packs and their indexes, as written by this program: whole objects, and deltas
//! that name their base by its id (`REF_DELTA`), which is in the same pack.
//!
//! Version 2 of both, as described in git's `gitformat-pack`. A pack is a header of 12 bytes
//! (`PACK`, version, number of entries), the entries, and the hash of all that; an entry is its
//! kind and size as a varint, the id of its base if it is a delta, and the object's or the delta's
//! bytes as a zlib stream. An entry means the same wherever in a pack it lies, so it is copied from
//! pack to pack as it is.

use std::io::{self, Write};

use gix::{
    ObjectId,
    hash::hasher,
    objs::Kind,
    odb::pack::data::{self, entry::Header},
    zlib::{Compression, Decompress, FlushDecompress, Status, stream::deflate},
};

use super::delta;

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
    /// The object that the entry is a delta of.
    pub base: Option<ObjectId>,
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
    packed(head, bytes, (kind, bytes.len() as u64), offset)
}

/// Returns the entry of an object of this kind and size as a delta of `base`, and its place if it
/// begins at `offset`.
pub(super) fn delta_entry(
    base: ObjectId,
    delta: &[u8],
    described: (Kind, u64),
    offset: u64,
) -> (Vec<u8>, PackOffset) {
    packed(Header::RefDelta { base_id: base }, delta, described, offset)
}

/// Packs these bytes behind a head.
fn packed(
    head: Header,
    bytes: &[u8],
    (kind, size): (Kind, u64),
    offset: u64,
) -> (Vec<u8>, PackOffset) {
    let mut out = Vec::with_capacity(bytes.len() / 2 + 32);
    head.write_to(bytes.len() as u64, &mut out)
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
        base: base_of(head),
    };
    (out, place)
}

/// Returns the object that an entry with this head is a delta of.
fn base_of(head: Header) -> Option<ObjectId> {
    match head {
        Header::RefDelta { base_id } => Some(base_id),
        _ => None,
    }
}

/// The most bytes that are unpacked of one entry: as many as git's reader here takes.
const LARGEST: u64 = 1 << 30;

/// The most bytes that deflate makes of one (RFC 1951: 258 bytes of two bits).
const MOST_FOR_A_BYTE: u64 = 1032;

/// An entry as it is read, before anything is unpacked.
pub(super) struct EntryHead {
    /// Its kind; `None` for a delta.
    pub kind: Option<Kind>,
    /// Its base, if it is a delta that names one.
    pub base: Option<ObjectId>,
    /// Size of the bytes in its stream.
    pub unpacked: u64,
    /// Where its stream begins.
    begin: usize,
}

/// Reads the head of an entry.
pub(super) fn head_of(entry: &[u8], hash: gix::hash::Kind) -> io::Result<EntryHead> {
    let head = data::Entry::from_bytes(entry, 0, hash).map_err(|error| bad(&error.to_string()))?;
    let begin = usize::try_from(head.data_offset).ok();
    Ok(EntryHead {
        kind: head.header.as_kind(),
        base: base_of(head.header),
        unpacked: head.decompressed_size,
        begin: begin
            .filter(|begin| *begin <= entry.len())
            .ok_or_else(|| bad("its head is too long"))?,
    })
}

/// Unpacks the object or the delta of an entry, which must have this size.
pub(super) fn unpack(entry: &[u8], size: u64, hash: gix::hash::Kind) -> io::Result<Vec<u8>> {
    let stream = &entry[head_of(entry, hash)?.begin..];
    let len = usize::try_from(size).map_err(|_| bad("it is too large for this machine"))?;
    if size > LARGEST || size > MOST_FOR_A_BYTE.saturating_mul(stream.len() as u64) {
        return Err(bad("it cannot have as many bytes as it says"));
    }
    let mut out = vec![0; len];
    let mut unpacker = Decompress::new();
    // An empty output still gets one byte of room, so that the end of the stream can be reached.
    let status = if out.is_empty() {
        unpacker.decompress(stream, &mut [0], FlushDecompress::Finish)
    } else {
        unpacker.decompress(stream, &mut out, FlushDecompress::Finish)
    };
    let whole =
        status.is_ok_and(|status| status == Status::StreamEnd) && unpacker.total_out() == size;
    if whole {
        Ok(out)
    } else {
        Err(bad("it is not what was written"))
    }
}

/// Unpacks the delta of an entry.
pub(super) fn unpack_delta(entry: &[u8], hash: gix::hash::Kind) -> io::Result<Vec<u8>> {
    unpack(entry, head_of(entry, hash)?.unpacked, hash)
}

/// Returns the size of the object that the delta of an entry makes; unpacks no more of it.
pub(super) fn size_from_delta(entry: &[u8], hash: gix::hash::Kind) -> io::Result<u64> {
    let stream = &entry[head_of(entry, hash)?.begin..];
    let mut head = [0; delta::HEAD];
    let mut unpacker = Decompress::new();
    let status = unpacker.decompress(stream, &mut head, FlushDecompress::None);
    status.map_err(|_| bad("it is not what was written"))?;
    let len = usize::try_from(unpacker.total_out()).unwrap_or(usize::MAX);
    let (_, size, _) = delta::sizes(&head[..len.min(delta::HEAD)])?;
    Ok(size)
}

/// Returns the error for an entry that cannot be used.
fn bad(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.to_string())
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
