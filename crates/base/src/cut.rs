//! Reads binary formats, field by field, from the front of a byte string. A format begins with a
//! magic and a version and ends with the SHA-256 of everything before it. Integers are
//! little-endian. Nothing here knows what a format is for; no count is trusted without a check.

use super::Digest;

/// The reason why bytes are malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MalformedBytes(pub String);

impl MalformedBytes {
    /// Makes the error from a reason in words.
    pub fn because(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A reader that takes fields off the front of a byte string.
pub struct Cut<'a>(pub &'a [u8]);

impl<'a> Cut<'a> {
    /// Checks the magic, version and final SHA-256; returns a reader of the bytes between them.
    pub fn sealed(bytes: &'a [u8], magic: &[u8; 8], version: u16) -> Result<Self, MalformedBytes> {
        let at = bytes
            .len()
            .checked_sub(32)
            .ok_or_else(|| MalformedBytes::because("it is too short"))?;
        let (body, digest) = bytes.split_at(at);
        if Digest::of(body).bytes() != digest {
            return Err(MalformedBytes::because("its checksum does not agree"));
        }
        let mut cut = Self(body);
        cut.head(magic, version)?;
        Ok(cut)
    }

    /// Reads and checks a magic and a version.
    pub fn head(&mut self, magic: &[u8; 8], version: u16) -> Result<(), MalformedBytes> {
        if self.bytes(8)? != magic {
            return Err(MalformedBytes::because(
                "its first bytes are not those of its format",
            ));
        }
        match self.u16()? {
            found if found == version => Ok(()),
            other => Err(MalformedBytes::because(format!(
                "it has version {other}, and this snapback reads version {version}"
            ))),
        }
    }

    /// Reads the next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], MalformedBytes> {
        let (front, rest) = self
            .0
            .split_at_checked(n)
            .ok_or_else(|| MalformedBytes::because("it is too short"))?;
        self.0 = rest;
        Ok(front)
    }

    /// Reads the next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedBytes> {
        Ok(self
            .bytes(N)?
            .try_into()
            .expect("because as many were taken"))
    }

    /// Reads one byte.
    pub fn u8(&mut self) -> Result<u8, MalformedBytes> {
        Ok(self.array::<1>()?[0])
    }

    /// Reads two bytes.
    pub fn u16(&mut self) -> Result<u16, MalformedBytes> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Reads four bytes.
    pub fn u32(&mut self) -> Result<u32, MalformedBytes> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Reads eight bytes.
    pub fn u64(&mut self) -> Result<u64, MalformedBytes> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Reads a SHA-256.
    pub fn digest(&mut self) -> Result<Digest, MalformedBytes> {
        Ok(Digest::from_bytes(self.array()?))
    }

    /// Reads a time: seconds since 1970, and nanoseconds.
    pub fn time(&mut self) -> Result<(i64, u32), MalformedBytes> {
        let time = (i64::from_le_bytes(self.array()?), self.u32()?);
        if time.1 < 1_000_000_000 {
            Ok(time)
        } else {
            Err(MalformedBytes::because("it has a time that is none"))
        }
    }

    /// Reads an unsigned LEB128 number; only the shortest encoding is accepted.
    pub fn varint(&mut self) -> Result<u64, MalformedBytes> {
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
        Err(MalformedBytes::because("it has a number that is none"))
    }

    /// Reads a count of items of `each` bytes, and checks that so many bytes remain.
    pub fn count(&mut self, each: usize) -> Result<usize, MalformedBytes> {
        let count = self.u32()? as usize;
        if count
            .checked_mul(each)
            .is_none_or(|bytes| bytes > self.0.len())
        {
            return Err(MalformedBytes::because(
                "it says that it holds more than it does",
            ));
        }
        Ok(count)
    }

    /// Reads `n` bytes reserved for later versions, which must be zero in this one.
    pub fn zeros(&mut self, n: usize) -> Result<(), MalformedBytes> {
        if self.bytes(n)?.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(MalformedBytes::because(
            "it uses a field that this snapback does not know",
        ))
    }

    /// Returns an error if any bytes remain.
    pub fn end(&self) -> Result<(), MalformedBytes> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(MalformedBytes::because("it has bytes after its end"))
        }
    }
}

/// Returns the beginning of a format: its magic and version.
pub fn begin(magic: &[u8; 8], version: u16) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes
}

/// Appends the SHA-256 of the bytes so far.
pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.bytes());
    bytes
}
