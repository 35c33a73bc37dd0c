//! SHA-256 digests: all hashing goes through this module.
//!
//! Written as `sha256:<64 lower-case hex digits>` in every file and output of snapback. A faster
//! kernel may replace the implementation of [`Hasher`]; the digests are those of the standard.

use std::{fmt, io, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

/// A SHA-256 digest (32 bytes), FIPS 180-4.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest(pub [u8; 32]);

/// The value of each lower-case hex digit; 255 for every other byte.
const NIBBLES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 16 {
        values[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// A text that is not a SHA-256 digest.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a digest of the form sha256:<64 hex digits>")]
pub struct NotADigest(pub String);

impl Digest {
    /// Hashes a byte string.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }

    /// Returns the digests of several messages, in order; fastest for many of similar length.
    pub fn of_each(messages: &[&[u8]]) -> Vec<Self> {
        let digests = sha256_lanes::digests(messages);
        digests.into_iter().map(Self).collect()
    }

    /// Hashes everything a reader yields; returns the digest and the number of bytes.
    pub fn of_reader(reader: &mut dyn io::Read) -> io::Result<(Self, u64)> {
        let mut hasher = Hasher::default();
        let size = io::copy(reader, &mut hasher)?;
        Ok((hasher.finish(), size))
    }

    /// Returns the 64 hex digits, without the `sha256:` prefix.
    pub fn hex(&self) -> String {
        let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
        self.0
            .iter()
            .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
            .collect()
    }

    /// Parses 64 hex digits.
    pub fn from_hex(hex: &str) -> Result<Self, NotADigest> {
        let wrong = || NotADigest(hex.to_string());
        let bytes = hex.as_bytes();
        if bytes.len() != 64 {
            return Err(wrong());
        }
        let mut out = [0; 32];
        let mut illegal = 0;
        for (slot, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
            let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
            illegal |= high | low;
            *slot = high << 4 | low & 15;
        }
        // Only the value of a non-digit has a bit set above the lower four.
        if illegal > 15 {
            Err(wrong())
        } else {
            Ok(Self(out))
        }
    }

    /// Returns the digest with these raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the raw 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Digest {
    type Err = NotADigest;
    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hex = text
            .strip_prefix("sha256:")
            .ok_or_else(|| NotADigest(text.to_string()))?;
        Self::from_hex(hex)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;
    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

/// An incremental SHA-256; also a `Write`, so that `io::copy` can feed it.
#[derive(Clone, Default)]
pub struct Hasher(sha2::Sha256);

impl Hasher {
    /// Hashes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest of all bytes fed so far.
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A writer that passes bytes on and hashes those that were accepted.
pub struct Hashing<'a> {
    /// The destination.
    pub into: &'a mut dyn io::Write,
    /// The hasher.
    pub hasher: &'a mut Hasher,
}

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.into.write(bytes)?;
        self.hasher.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_vector_for_abc() {
        let text = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Digest::of(b"abc").to_string(), text);
        assert_eq!(
            text.parse::<Digest>().expect("it is a digest"),
            Digest::of(b"abc")
        );
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in [
            "",
            "abc",
            "sha256:ABC",
            "md5:900150983cd24fb0d6963f7d28e17f72",
            &format!("sha256:{}", "G".repeat(64)),
        ] {
            assert!(text.parse::<Digest>().is_err(), "{text}");
        }
    }
}
