//! The store's formats, as pure functions between bytes and values. Integers are little-endian.
//!
//! Every format has a magic, a version and a checksum over all of it; a decoder believes no
//! count before it was compared with how many bytes there are, so damage and malice cost an
//! error and never memory. `tests/fixtures/store` holds one golden file of each.

pub mod blob;
pub mod dead;
pub mod file;
pub mod pack;
pub mod record;
pub mod segment;

use crate::base::Digest;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub String);

impl Broken {
    /// A reason in words.
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The version of every format so far.
pub const VERSION: u16 = 1;

/// What a blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BlobKind {
    /// Plain bytes: a chunk of a file, or a whole small file. Named by their SHA-256.
    Data,
    /// The list of a file's chunks. Named by the SHA-256 of the whole file.
    File,
}

impl BlobKind {
    /// Its byte in the formats.
    pub const fn code(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::File => 1,
        }
    }

    /// The kind of a byte.
    pub fn from_code(code: u8) -> Result<Self, Broken> {
        match code {
            0 => Ok(Self::Data),
            1 => Ok(Self::File),
            _ => Err(Broken::because(format!("it has a blob of the unknown kind {code}"))),
        }
    }
}

/// A blob's name: a chunk and a whole file may have the same digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId {
    /// Its digest.
    pub id: Digest,
    /// What it is.
    pub kind: BlobKind,
}

/// How a blob's bytes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// As they are.
    Raw,
    /// One zstd frame.
    Zstd,
}

impl Codec {
    /// Its byte in the formats.
    pub const fn code(self) -> u8 {
        match self {
            Self::Raw => 0,
            Self::Zstd => 1,
        }
    }

    /// The codec of a byte.
    pub fn from_code(code: u8) -> Result<Self, Broken> {
        match code {
            0 => Ok(Self::Raw),
            1 => Ok(Self::Zstd),
            _ => Err(Broken::because(format!("it has a blob of the unknown codec {code}"))),
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

/// Reads fields off the front of a byte string.
pub(super) struct Cut<'a>(pub &'a [u8]);

impl<'a> Cut<'a> {
    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Broken> {
        let (front, rest) = self.0.split_at_checked(n).ok_or_else(|| Broken::because("it is too short"))?;
        self.0 = rest;
        Ok(front)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        Ok(self.bytes(N)?.try_into().expect("because as many were taken"))
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Broken> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes.
    pub fn u16(&mut self) -> Result<u16, Broken> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    pub fn u32(&mut self) -> Result<u32, Broken> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    pub fn u64(&mut self) -> Result<u64, Broken> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A SHA-256.
    pub fn digest(&mut self) -> Result<Digest, Broken> {
        Ok(Digest::from_bytes(self.array()?))
    }

    /// A count of things of `each` bytes that must be there.
    pub fn count(&mut self, each: usize) -> Result<usize, Broken> {
        let count = self.u32()? as usize;
        if count.checked_mul(each).is_none_or(|bytes| bytes > self.0.len()) {
            return Err(Broken::because("it says that it holds more than it does"));
        }
        Ok(count)
    }

    /// A magic and the version.
    pub fn head(&mut self, magic: &[u8]) -> Result<(), Broken> {
        if self.bytes(8)? != magic {
            return Err(Broken::because("its first bytes are not those of its format"));
        }
        match self.u16()? {
            VERSION => Ok(()),
            other => Err(Broken::because(format!("it has version {other}, and this snapback reads version {VERSION}"))),
        }
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() { Ok(()) } else { Err(Broken::because("it has bytes after its end")) }
    }

    /// Bytes kept for later versions, which are zero in this one.
    pub fn zeros(&mut self, n: usize) -> Result<(), Broken> {
        if self.bytes(n)?.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(Broken::because("it uses a field that this snapback does not know"))
    }
}

/// Appends the SHA-256 of everything so far.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.bytes());
    bytes
}

/// What is before a SHA-256 that must fit.
pub(super) fn sealed(bytes: &[u8]) -> Result<&[u8], Broken> {
    let at = bytes.len().checked_sub(32).ok_or_else(|| Broken::because("it is too short"))?;
    let (body, digest) = bytes.split_at(at);
    if Digest::of(body).bytes() != digest {
        return Err(Broken::because("its checksum does not agree"));
    }
    Ok(body)
}

/// A length as the formats hold it.
pub(super) fn len32(len: usize) -> [u8; 4] {
    len_u32(len).to_le_bytes()
}

/// A length as a number of 32 bits.
pub(super) fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("because the store splits what is larger")
}
