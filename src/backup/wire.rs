//! Small pieces that the room's binary formats are made of. Integers are little-endian.

use crate::base::{Digest, RelPath};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

/// A path or target that is longer belongs to no file system.
const MAX_TEXT: u64 = 4096;

/// Reads fields off the front of a byte string.
pub struct Cut<'a>(&'a [u8]);

impl<'a> Cut<'a> {
    /// What is between a magic with its version, and the SHA-256 of everything before it.
    pub fn sealed(bytes: &'a [u8], magic: &[u8; 8], version: u16) -> Result<Self, Broken> {
        let at = bytes.len().checked_sub(32).ok_or(Broken("it is too short"))?;
        let (body, digest) = bytes.split_at(at);
        if !body.starts_with(magic) {
            return Err(Broken("its first bytes are not those of its format"));
        }
        if Digest::of(body).bytes() != digest {
            return Err(Broken("its checksum does not agree"));
        }
        let mut cut = Self(&body[8..]);
        if cut.u16()? != version {
            return Err(Broken("it has a version that this snapback does not read"));
        }
        Ok(cut)
    }

    /// The next `n` bytes.
    pub fn bytes(&mut self, n: usize) -> Result<&'a [u8], Broken> {
        let (front, rest) = self.0.split_at_checked(n).ok_or(Broken("it is too short"))?;
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

    /// Seconds since 1970 and nanoseconds.
    pub fn time(&mut self) -> Result<(i64, u32), Broken> {
        let time = (i64::from_le_bytes(self.array()?), self.u32()?);
        if time.1 < 1_000_000_000 { Ok(time) } else { Err(Broken("it has a time that is none")) }
    }

    /// A SHA-256.
    pub fn digest(&mut self) -> Result<Digest, Broken> {
        Ok(Digest::from_bytes(self.array()?))
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
        Err(Broken("it has a number that is none"))
    }

    /// Bytes after their number.
    pub fn text(&mut self) -> Result<&'a [u8], Broken> {
        match self.varint()? {
            len if len <= MAX_TEXT => self.bytes(usize::try_from(len).expect("because it is small")),
            _ => Err(Broken("it has a name that no file can have")),
        }
    }

    /// A path of which the one before it says the beginning; it must come after that one.
    pub fn path(&mut self, path: &mut Vec<u8>) -> Result<(), Broken> {
        let shared = usize::try_from(self.varint()?).map_err(|_| Broken("it has no such name"))?;
        let rest = self.text()?;
        let after = path.get(shared..).ok_or(Broken("it shares more of a name than there is"))?;
        if rest <= after || shared + rest.len() > 4096 {
            return Err(Broken("its names are not in order"));
        }
        path.truncate(shared);
        path.extend_from_slice(rest);
        Ok(())
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), Broken> {
        if self.0.is_empty() { Ok(()) } else { Err(Broken("it has bytes after its end")) }
    }
}

/// The beginning of a format.
pub fn begin(magic: [u8; 8], version: u16) -> Vec<u8> {
    let mut bytes = magic.to_vec();
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes
}

/// Appends a number in as few bytes as it needs.
pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("because it has seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("because it has seven bits"));
}

/// Appends bytes after their number.
pub fn text(out: &mut Vec<u8>, bytes: &[u8]) {
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a path after the one before it, whose beginning is not written again.
pub fn path(out: &mut Vec<u8>, before: &RelPath, path: &RelPath) {
    let shared = before.as_bytes().iter().zip(path.as_bytes()).take_while(|(a, b)| a == b).count();
    varint(out, shared as u64);
    text(out, &path.as_bytes()[shared..]);
}

/// Appends seconds since 1970 and nanoseconds.
pub fn time(out: &mut Vec<u8>, time: (i64, u32)) {
    out.extend_from_slice(&time.0.to_le_bytes());
    out.extend_from_slice(&time.1.to_le_bytes());
}

/// Appends the SHA-256 of everything so far.
pub fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = Digest::of(&bytes);
    bytes.extend_from_slice(digest.bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            varint(&mut bytes, value);
            assert_eq!(Cut(&bytes).varint(), Ok(value));
        }
        for bad in [&[0x80, 0][..], &[0xff; 10], &[0x80], &[]] {
            assert!(Cut(bad).varint().is_err(), "{bad:?}");
        }
    }
}
