//! The list of a file's chunks, for files with more than one.
//!
//! ```text
//! "SNBFILE1" version:u16 chunker:u8 cutter:u8 count:u32 size:u64
//!     | per chunk id:32 length:u32 | sha256:32
//! ```
//!
//! It is stored as a blob named by the SHA-256 of the whole file, the same digest that manifests
//! name. A file of one chunk needs no list: its digest is the chunk's id.

use super::{Cut, MalformedBytes, VERSION, begin, seal};
use base::Digest;

/// Number of bytes of an entry.
const ENTRY: usize = 36;
/// Largest number of chunks in a list.
pub const MAX_CHUNKS: usize = (super::blob::MAX_PLAIN - 64) / ENTRY;

/// One chunk of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunk {
    /// SHA-256 of its bytes.
    pub id: Digest,
    /// Number of bytes.
    pub len: u32,
}

/// A file as a list of chunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileObject {
    /// Version of the chunker that cut the file.
    pub chunker: u8,
    /// Code of the cutter that was used.
    pub cutter: u8,
    /// Number of bytes.
    pub size: u64,
    /// The chunks in order.
    pub chunks: Vec<Chunk>,
}

impl FileObject {
    /// Encodes the list.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = begin(b"SNBFILE1", VERSION);
        bytes.reserve(64 + self.chunks.len() * ENTRY);
        bytes.extend_from_slice(&[self.chunker, self.cutter]);
        bytes.extend_from_slice(&self.size.to_le_bytes());
        bytes.extend_from_slice(&super::len32(self.chunks.len()));
        for chunk in &self.chunks {
            bytes.extend_from_slice(chunk.id.bytes());
            bytes.extend_from_slice(&chunk.len.to_le_bytes());
        }
        seal(bytes)
    }

    /// Decodes a list.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedBytes> {
        let mut cut = Cut::sealed(bytes, b"SNBFILE1", VERSION)?;
        let (chunker, cutter, size) = (cut.u8()?, cut.u8()?, cut.u64()?);
        let count = cut.count(ENTRY)?;
        let chunk = |_| {
            Ok(Chunk {
                id: cut.digest()?,
                len: cut.u32()?,
            })
        };
        let chunks: Vec<Chunk> = (0..count)
            .map(chunk)
            .collect::<Result<_, MalformedBytes>>()?;
        cut.end()?;
        if chunks.iter().map(|chunk| u64::from(chunk.len)).sum::<u64>() != size
            || chunks.iter().any(|chunk| chunk.len == 0)
        {
            return Err(MalformedBytes::because(
                "its chunks do not add up to its size",
            ));
        }
        // A reader allocates memory for a chunk before it has seen it.
        if chunks
            .iter()
            .any(|chunk| chunk.len as usize > super::blob::MAX_PLAIN)
        {
            return Err(MalformedBytes::because(
                "it names a chunk that no blob can hold",
            ));
        }
        Ok(Self {
            chunker,
            cutter,
            size,
            chunks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let chunk = |len| Chunk {
            id: Digest::of(&[1]),
            len,
        };
        let file = FileObject {
            chunker: 1,
            cutter: 2,
            size: 30,
            chunks: vec![chunk(10), chunk(20)],
        };
        let bytes = file.encode();
        assert_eq!(FileObject::decode(&bytes), Ok(file.clone()));
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            assert!(
                FileObject::decode(&bad).is_err() && FileObject::decode(&bytes[..at]).is_err(),
                "byte {at}"
            );
        }
        assert!(FileObject::decode(&FileObject { size: 31, ..file }.encode()).is_err());
    }

    #[test]
    fn a_chunk_that_no_blob_can_hold_is_refused_before_anybody_makes_room_for_it() {
        let file = |len: u32| FileObject {
            chunker: 1,
            cutter: 2,
            size: len.into(),
            chunks: vec![Chunk {
                id: Digest::of(&[1]),
                len,
            }],
        };
        let most = u32::try_from(super::super::blob::MAX_PLAIN).expect("it fits");
        assert!(FileObject::decode(&file(most).encode()).is_ok());
        assert!(FileObject::decode(&file(most + 1).encode()).is_err());
        assert!(FileObject::decode(&file(u32::MAX).encode()).is_err());
    }
}
