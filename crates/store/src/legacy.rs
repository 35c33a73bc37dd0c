//! Read-only access to objects of stores from before packs: one compressed file per object.
//!
//! `objects/<2 hex digits>/<62 hex digits>` below the store's folder:
//!
//! ```text
//! "SNBO" version:u8=1 codec:u8=1(zstd) 0 0 | zstd frames | plain length:u64 sha256:32 crc32:u32
//! ```
//!
//! Integers are little-endian. The SHA-256 covers the plain bytes and equals the object's id; the
//! CRC-32 (IEEE) covers every byte before it.

use std::{
    io::{self, BufReader, Read, Write},
    sync::Arc,
};

use super::{
    Error,
    backend::{Area, Backend, FileName, Input},
};
use base::{Digest, Hasher};
use model::ObjectId;

/// The first eight bytes.
const HEAD: [u8; 8] = [b'S', b'N', b'B', b'O', 1, 1, 0, 0];
/// Number of bytes after the zstd frames.
const TAIL: u64 = 8 + 32 + 4;
/// Largest window accepted when reading, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;

/// The objects of an old store.
#[derive(Clone)]
pub struct Legacy {
    backend: Arc<dyn Backend>,
}

impl Legacy {
    /// Creates a reader for the old objects of a store.
    pub fn new(backend: Arc<dyn Backend>) -> Self {
        Self { backend }
    }

    /// Returns all objects with their number of stored bytes.
    pub fn all(&self) -> io::Result<Vec<(ObjectId, u64)>> {
        let mut found = Vec::new();
        for name in self.backend.list(Area::Legacy)? {
            if let Ok(id) = Digest::from_hex(&name) {
                let size = self.backend.size(&FileName::new(Area::Legacy, name))?;
                found.push((ObjectId(id), size.unwrap_or(0)));
            }
        }
        Ok(found)
    }

    /// Removes an object.
    pub fn remove(&self, id: &ObjectId) -> io::Result<()> {
        self.backend.remove(&FileName::legacy(id))
    }

    /// Returns the number of plain bytes of an object, `None` when it does not exist.
    pub fn size(&self, id: &ObjectId) -> Result<Option<u64>, Error> {
        let Some(size) = self.stored(id)? else {
            return Ok(None);
        };
        self.says(id, size).map(Some)
    }

    /// Returns the number of stored bytes of an object, `None` when it does not exist.
    fn stored(&self, id: &ObjectId) -> Result<Option<u64>, Error> {
        self.backend.size(&FileName::legacy(id)).map_err(Error::Io)
    }

    /// Opens the stored bytes of an object, starting at an offset.
    fn open(&self, id: &ObjectId, at: u64) -> Result<Sequential, Error> {
        let input = self.backend.open(&FileName::legacy(id));
        let input = input.map_err(Error::Io)?;
        Ok(Sequential { input, at })
    }

    /// Reads the number of plain bytes that an object of `stored` bytes claims to have.
    fn says(&self, id: &ObjectId, stored: u64) -> Result<u64, Error> {
        let at = stored.checked_sub(TAIL).ok_or_else(|| Error::Damaged {
            id: *id,
            why: "it is too short".into(),
        })?;
        let mut tail = [0; 8];
        let mut bytes = self.open(id, at)?;
        bytes.read_exact(&mut tail).map_err(Error::Io)?;
        Ok(u64::from_le_bytes(tail))
    }

    /// Writes an object's bytes, checking them while streaming.
    pub fn read(&self, id: &ObjectId, into: &mut dyn Write) -> Result<u64, Error> {
        let Some(stored) = self.stored(id)? else {
            return Err(Error::Missing(*id));
        };
        let lengths = Lengths {
            stored,
            plain: self.says(id, stored)?,
        };
        let mut file = BufReader::with_capacity(256 << 10, self.open(id, 0)?);
        decode(&mut file, lengths, &id.0, into).map_err(|broken| match broken {
            LegacyDamage::Object(why) => Error::Damaged { id: *id, why },
            LegacyDamage::Read(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Error::Damaged {
                    id: *id,
                    why: "it is cut short".into(),
                }
            }
            LegacyDamage::Read(error) => Error::Io(error),
            LegacyDamage::Write(error) => Error::Output(error),
        })
    }
}

/// Reads an open file sequentially.
struct Sequential {
    input: Box<dyn Input>,
    at: u64,
}

impl Read for Sequential {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.input.read_at(self.at, into)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// The lengths of an object.
#[derive(Clone, Copy)]
pub(super) struct Lengths {
    /// Size of the file, in bytes.
    pub stored: u64,
    /// Claimed decompressed size, in bytes; more is never written.
    pub plain: u64,
}

/// Computes a checksum of everything read through it.
struct ChecksummedReader<'a> {
    inner: &'a mut dyn Read,
    crc: crc32fast::Hasher,
}

impl Read for ChecksummedReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.crc.update(&buffer[..n]);
        Ok(n)
    }
}

/// Reads an object whose plain bytes must hash to `digest`.
pub(super) fn decode(
    from: &mut dyn Read,
    lengths: Lengths,
    digest: &Digest,
    into: &mut dyn Write,
) -> Result<u64, LegacyDamage> {
    let frames = lengths
        .stored
        .checked_sub(HEAD.len() as u64 + TAIL)
        .ok_or(LegacyDamage::Object("it is too short".into()))?;
    let mut source = ChecksummedReader {
        inner: from,
        crc: crc32fast::Hasher::new(),
    };
    let mut head = [0; HEAD.len()];
    source.read_exact(&mut head).map_err(LegacyDamage::Read)?;
    if head != HEAD {
        return Err(LegacyDamage::Object(
            "its header is not one of a stored object".into(),
        ));
    }
    let mut hasher = Hasher::default();
    let mut limited = (&mut source).take(frames);
    let plain = decompress(&mut limited, lengths.plain, &mut hasher, into)?;
    if limited.limit() != 0 {
        return Err(LegacyDamage::Object("it has bytes after its frames".into()));
    }
    let mut tail = [0; 40];
    source.read_exact(&mut tail).map_err(LegacyDamage::Read)?;
    let ChecksummedReader { inner, crc } = source;
    let mut end = [0; 4];
    inner.read_exact(&mut end).map_err(LegacyDamage::Read)?;
    let found = hasher.finish();
    if tail[..8] != plain.to_le_bytes()
        || tail[8..] != found.bytes()[..]
        || end != crc.finalize().to_le_bytes()
    {
        return Err(LegacyDamage::Object("its checksums do not agree".into()));
    }
    if inner.read(&mut [0]).map_err(LegacyDamage::Read)? != 0 {
        return Err(LegacyDamage::Object("it has bytes after its end".into()));
    }
    if found != *digest {
        return Err(LegacyDamage::Object(format!(
            "its bytes have the digest {found}"
        )));
    }
    Ok(plain)
}

/// Decompresses frames of at most `most` plain bytes into a writer and a hasher.
fn decompress(
    frames: &mut dyn Read,
    most: u64,
    hasher: &mut Hasher,
    into: &mut dyn Write,
) -> Result<u64, LegacyDamage> {
    let broken =
        |error: io::Error| LegacyDamage::Object(format!("it cannot be decompressed ({error})"));
    let mut decoder = zstd::Decoder::new(frames).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
    let mut plain = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = decoder.read(&mut buffer).map_err(broken)?;
        if n == 0 {
            return Ok(plain);
        }
        plain += n as u64;
        // A few bytes can decompress to more than any disk holds.
        if plain > most {
            return Err(LegacyDamage::Object(
                "it has more bytes than it says".into(),
            ));
        }
        hasher.update(&buffer[..n]);
        into.write_all(&buffer[..n]).map_err(LegacyDamage::Write)?;
    }
}

/// Errors of [`decode`].
#[derive(Debug)]
pub(super) enum LegacyDamage {
    /// The object is damaged.
    Object(String),
    /// The file cannot be read.
    Read(io::Error),
    /// The target cannot be written.
    Write(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Encodes an object as the first version wrote it.
    fn encoded(plain: &[u8]) -> (Vec<u8>, Digest) {
        let digest = Digest::of(plain);
        let mut bytes = HEAD.to_vec();
        bytes.extend(zstd::stream::encode_all(plain, 1).expect("a slice can be compressed"));
        bytes.extend_from_slice(&(plain.len() as u64).to_le_bytes());
        bytes.extend_from_slice(digest.bytes());
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        (bytes, digest)
    }

    /// Reads an object as the store does.
    fn read(bytes: &[u8], digest: &Digest, into: &mut dyn Write) -> Result<u64, LegacyDamage> {
        let says = bytes
            .len()
            .checked_sub(44)
            .and_then(|at| bytes[at..].first_chunk())
            .map_or(0, |says| u64::from_le_bytes(*says));
        decode(
            &mut &bytes[..],
            Lengths {
                stored: bytes.len() as u64,
                plain: says,
            },
            digest,
            into,
        )
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let (bytes, digest) = encoded(b"some bytes, some bytes, some other bytes");
        read(&bytes, &digest, &mut io::sink()).expect("it is whole");
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                assert!(read(&bad, &digest, &mut io::sink()).is_err(), "byte {at}");
            }
            assert!(
                read(&bytes[..at], &digest, &mut io::sink()).is_err(),
                "cut at {at}"
            );
        }
        assert!(read(&[&bytes[..], b"x"].concat(), &digest, &mut io::sink()).is_err());
    }

    #[test]
    fn more_bytes_than_an_object_says_are_never_written() {
        let (mut bytes, digest) = encoded(&vec![0; 10 << 20]);
        let tail = bytes.len() - 44;
        bytes[tail..tail + 8].copy_from_slice(&1000_u64.to_le_bytes());
        let mut written = Vec::new();
        assert!(matches!(
            read(&bytes, &digest, &mut written),
            Err(LegacyDamage::Object(_))
        ));
        assert!(written.len() <= 1000, "{} bytes", written.len());
    }
}
