//! Reads binary formats, field by field, off the front of a byte string, and how such formats
//! begin and end: a magic, a version, and the SHA-256 of everything before it. Integers are
//! little-endian. Nothing here knows what a format is for; no count is believed by itself.

use super::Digest;

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

/// Reads fields off the front of a byte string.
pub struct Cut<'a>(pub &'a [u8]);

impl<'a> Cut<'a> {
    /// What is between a magic with its version, and the SHA-256 of everything before it.
    pub fn sealed(bytes: &'a [u8], magic: &[u8; 8], version: u16) -> Result<Self, Broken> {
        let at = bytes
            .len()
            .checked_sub(32)
            .ok_or_else(|| Broken::because("it is too short"))?;
        let (body, digest) = bytes.split_at(at);
        if Digest::of(body).bytes() != digest {
            return Err(Broken::because("its checksum does not agree"));
        }
        let mut cut = Self(body);
        cut.head(magic, version)?;
        Ok(cut)
    }

    /// A magic and the version.
    pub fn head(&mut self, magic: &[u8; 8], version: u16) -> Result<(), Broken> {
        if self.bytes(8)? != magic {
            return Err(Broken::because(
                "its first bytes are not those of its format",
            ));
        }
        match self.u16()? {
            found if found == version => Ok(()),
            other => Err(Broken::because(format!(
                "it has version {other}, and this snapback reads version {version}"
            ))),
        }
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Broken> {
        let (front, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| Broken::because("it is too short"))?;
        self.0 = rest;
        Ok(front)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Broken> {
        Ok(self
            .bytes(N)?
            .try_into()
            .expect("because as many were taken"))
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

    /// Seconds since 1970 and nanoseconds.
    pub fn time(&mut self) -> Result<(i64, u32), Broken> {
        let time = (i64::from_le_bytes(self.array()?), self.u32()?);
        if time.1 < 1_000_000_000 {
            Ok(time)
        } else {
            Err(Broken::because("it has a time that is none"))
        }
    }

    /// A number in as few bytes as it needs (LEB128), written in no other way.
    pub fn varint(&mut self) -> Result<u64, Broken> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 || shift > 0 && byte == 0 {
                break;
            }
            value |= low << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Broken::because("it has a number that is none"))
    }

    /// A count of things of `each` bytes that must be there.
    pub fn count(&mut self, each: usize) -> Result<usize, Broken> {
        let count = self.u32()? as usize;
        if count
            .checked_mul(each)
            .is_none_or(|bytes| bytes > self.0.len())
        {
            return Err(Broken::because("it says that it holds more than it does"));
        }
        Ok(count)
    }

    /// Bytes kept for later versions, which are zero in this one.
    pub fn zeros(&mut self, n: usize) -> Result<(), Broken> {
        if self.bytes(n)?.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(Broken::because(
            "it uses a field that this snapback does not know",
        ))
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Broken::because("it has bytes after its end"))
        }
    }
}

/// The beginning of a format.
pub fn begin(magic: &[u8; 8], version: u16) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes
}

/// Appends the SHA-256 of everything so far.
pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.bytes());
    bytes
}
