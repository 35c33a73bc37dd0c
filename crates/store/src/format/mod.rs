//! The store's formats, as pure functions between bytes and values. Integers are little-endian.
//!
//! Every format has a magic number, a version and a checksum over all of it. A decoder trusts no
//! count before comparing it with the number of bytes present, so bad input costs an error and
//! never excessive memory. `tests/fixtures/store` holds one golden file of each.

pub mod blob;
pub mod dead;
pub mod file;
pub mod pack;
pub mod record;
pub mod segment;

use base::Digest;

pub use base::cut::MalformedBytes;
pub(super) use base::cut::{Cut, begin, seal};

/// The version of every format so far.
pub const VERSION: u16 = 1;

/// The kind of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlobKind {
    /// Plain bytes: a chunk of a file, or a whole small file. Named by their SHA-256.
    Data,
    /// The list of a file's chunks. Named by the SHA-256 of the whole file.
    File,
}

impl BlobKind {
    /// Returns its byte in the formats.
    pub const fn code(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::File => 1,
        }
    }

    /// Returns the kind for a byte.
    pub fn from_code(code: u8) -> Result<Self, MalformedBytes> {
        match code {
            0 => Ok(Self::Data),
            1 => Ok(Self::File),
            _ => Err(MalformedBytes::because(format!(
                "it has a blob of the unknown kind {code}"
            ))),
        }
    }
}

/// A blob's name. It includes the kind because a chunk and a whole file may have the same digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId {
    /// Its digest.
    pub id: Digest,
    /// Its kind.
    pub kind: BlobKind,
}

/// How a blob's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlobCodec {
    /// Unchanged.
    Raw,
    /// One zstd frame.
    Zstd,
}

impl BlobCodec {
    /// Returns its byte in the formats.
    pub const fn code(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    /// Returns the codec for a byte.
    pub fn from_code(code: u8) -> Result<Self, MalformedBytes> {
        match code {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Zstd),
            _ => Err(MalformedBytes::because(format!(
                "it has a blob of the unknown codec {code}"
            ))),
        }
    }
}

/// A pack that the store relies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PackRef {
    /// SHA-256 of its table of contents.
    pub id: Digest,
    /// Number of bytes of the file.
    pub size: u64,
}

/// Encodes a length as the formats hold it.
pub(super) fn len32(len: usize) -> [u8; 4] {
    len_u32(len).to_le_bytes()
}

/// Converts a length to 32 bits.
pub(super) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("because the store splits what is larger")
}
