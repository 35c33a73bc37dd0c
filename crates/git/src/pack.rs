//! The form of a pack and its index, for what this program writes: whole objects, no deltas.
//!
//! Version 2 of both, as git's `gitformat-pack` describes them. A pack is a header of 12 bytes
//! (`PACK`, version, number of entries), the entries, and the hash of all that; an entry is its
//! kind and size as a varint, and the object's bytes as a zlib stream.

use std::io::{self, Write};

use gix::{
    ObjectId,
    hash::hasher,
    objs::Kind,
    odb::pack::data::{self, entry::Header},
    zlib::{Compression, Decompress, FlushDecompress, Status, stream::deflate},
};

/// Bytes of a pack's header.
pub(super) const HEADER: usize = data::header::SIZE;
/// The first offset that the index keeps in its table of large ones.
const LARGE: u64 = 1 << 31;

/// Where an object lies in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Where its entry begins, in bytes from the pack's first.
    pub offset: u64,
    /// Bytes of its entry.
    pub len: u64,
    /// CRC-32 of its entry.
    pub crc: u32,
    /// What it is.
    pub kind: Kind,
    /// Bytes of the object.
    pub size: u64,
}

/// The header of a pack with this many entries.
pub(super) fn header(entries: usize) -> [u8; HEADER] {
    data::header::encode(
        data::Version::V2,
        u32::try_from(entries).expect("because no command writes four billion objects"),
    )
}

/// The entry of an object, and its place when it begins at `offset`.
pub(super) fn entry(kind: Kind, bytes: &[u8], offset: u64) -> (Vec<u8>, Place) {
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
    let place = Place {
        offset,
        len: out.len() as u64,
        crc: crc32fast::hash(&out),
        kind,
        size,
    };
    (out, place)
}

/// The object in an entry.
pub(super) fn object(entry: &[u8], place: &Place, hash: gix::hash::Kind) -> io::Result<Vec<u8>> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_string());
    let head = data::Entry::from_bytes(entry, 0, hash).map_err(|error| bad(&error.to_string()))?;
    let size = usize::try_from(place.size).map_err(|_| bad("it is too large for this machine"))?;
    let mut out = vec![0; size];
    let mut unpacker = Decompress::new();
    let stream =
        &entry[usize::try_from(head.data_offset).map_err(|_| bad("its head is too long"))?..];
    // One byte of room more than there is to come: the end of the stream must be reached.
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

/// The index of a pack: its entries sorted by id, and the hash that the pack ends with.
pub(super) fn index(entries: &[(ObjectId, Place)], trailer: &ObjectId) -> Vec<u8> {
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

/// A number of four bytes, as the index has them.
fn word(number: u64) -> [u8; 4] {
    u32::try_from(number)
        .expect("because larger ones have a table of their own")
        .to_be_bytes()
}
