//! The format of one stored object, version 1.
//!
//! ```text
//! "SNBO" version:u8=1 codec:u8=1(zstd) 0 0 | zstd frames | plain length:u64 sha256:32 crc32:u32
//! ```
//!
//! Integers are little-endian. The SHA-256 is of the plain bytes and equals the object's id; the
//! CRC-32 (IEEE) is of every byte before it, so any single changed byte is found without decoding.

use std::io::{self, Read, Write};

use crate::base::{Digest, Hasher};

/// The first eight bytes.
const HEAD: [u8; 8] = [b'S', b'N', b'B', b'O', 1, 1, 0, 0];
/// Number of bytes after the frames.
pub const TAIL: u64 = 8 + 32 + 4;
/// zstd's level: 1 is as fast as the disk.
const LEVEL: i32 = 1;
/// Largest window accepted when reading, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;

/// Counts and checksums what passes through to a writer.
struct Tee<W> {
    inner: W,
    crc: crc32fast::Hasher,
    count: u64,
}

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.crc.update(&bytes[..n]);
        self.count += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// What [`encode`] wrote.
pub struct Encoded {
    /// SHA-256 of the plain bytes.
    pub digest: Digest,
    /// Number of plain bytes.
    pub plain: u64,
    /// Number of bytes written.
    pub stored: u64,
}

/// Why [`encode`] stopped.
pub enum Stop {
    /// The source cannot be read.
    Read(io::Error),
    /// The target cannot be written.
    Write(io::Error),
}

/// Writes an object.
pub fn encode(from: &mut dyn Read, into: &mut dyn Write) -> Result<Encoded, Stop> {
    let mut out = Tee { inner: into, crc: crc32fast::Hasher::new(), count: 0 };
    out.write_all(&HEAD).map_err(Stop::Write)?;
    let mut encoder = zstd::Encoder::new(&mut out, LEVEL).map_err(Stop::Write)?;
    let (mut hasher, mut plain) = (Hasher::default(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Stop::Read(error)),
        };
        hasher.update(&buffer[..n]);
        plain += n as u64;
        encoder.write_all(&buffer[..n]).map_err(Stop::Write)?;
    }
    encoder.finish().map_err(Stop::Write)?;
    let digest = hasher.finish();
    write_tail(&mut out, plain, &digest).map_err(Stop::Write)?;
    Ok(Encoded { digest, plain, stored: out.count })
}

/// Writes what follows the frames.
fn write_tail<W: Write>(out: &mut Tee<W>, plain: u64, digest: &Digest) -> io::Result<()> {
    out.write_all(&plain.to_le_bytes())?;
    out.write_all(digest.bytes())?;
    let crc = out.crc.clone().finalize();
    out.write_all(&crc.to_le_bytes())
}

/// Checksums what passes through from a reader.
struct Checked<'a> {
    inner: &'a mut dyn Read,
    crc: crc32fast::Hasher,
}

impl Read for Checked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.crc.update(&buffer[..n]);
        Ok(n)
    }
}

/// Reads an object of `stored` bytes whose plain bytes must hash to `digest`.
pub fn decode(from: &mut dyn Read, stored: u64, digest: &Digest, into: &mut dyn Write) -> Result<u64, Broken> {
    let frames = stored.checked_sub(HEAD.len() as u64 + TAIL).ok_or(Broken::Object("it is too short".into()))?;
    let mut source = Checked { inner: from, crc: crc32fast::Hasher::new() };
    let mut head = [0; HEAD.len()];
    source.read_exact(&mut head).map_err(Broken::Read)?;
    if head != HEAD {
        return Err(Broken::Object("its header is not one of a stored object".into()));
    }
    let mut hasher = Hasher::default();
    let mut limited = (&mut source).take(frames);
    let plain = decompress(&mut limited, &mut hasher, into)?;
    if limited.limit() != 0 {
        return Err(Broken::Object("it has bytes after its frames".into()));
    }
    let mut tail = [0; 40];
    source.read_exact(&mut tail).map_err(Broken::Read)?;
    let Checked { inner, crc } = source;
    let mut end = [0; 4];
    inner.read_exact(&mut end).map_err(Broken::Read)?;
    let found = hasher.finish();
    if tail[..8] != plain.to_le_bytes() || tail[8..] != found.bytes()[..] || end != crc.finalize().to_le_bytes() {
        return Err(Broken::Object("its checksums do not agree".into()));
    }
    if inner.read(&mut [0]).map_err(Broken::Read)? != 0 {
        return Err(Broken::Object("it has bytes after its end".into()));
    }
    if found != *digest {
        return Err(Broken::Object(format!("its bytes have the digest {found}")));
    }
    Ok(plain)
}

/// Decompresses frames into a writer and a hasher.
fn decompress(frames: &mut dyn Read, hasher: &mut Hasher, into: &mut dyn Write) -> Result<u64, Broken> {
    let broken = |error: io::Error| Broken::Object(format!("it cannot be decompressed ({error})"));
    let mut decoder = zstd::Decoder::new(frames).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG).map_err(broken)?;
    let mut plain = 0;
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = decoder.read(&mut buffer).map_err(broken)?;
        if n == 0 {
            return Ok(plain);
        }
        hasher.update(&buffer[..n]);
        plain += n as u64;
        into.write_all(&buffer[..n]).map_err(Broken::Write)?;
    }
}

/// Why [`decode`] stopped.
#[derive(Debug)]
pub enum Broken {
    /// The object is not what it should be.
    Object(String),
    /// The file cannot be read.
    Read(io::Error),
    /// The target cannot be written.
    Write(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(plain: &[u8]) -> (Vec<u8>, Digest) {
        let mut bytes = Vec::new();
        let done = encode(&mut &plain[..], &mut bytes).unwrap_or_else(|_| panic!("a Vec takes everything"));
        assert_eq!((done.plain, done.stored, done.digest), (plain.len() as u64, bytes.len() as u64, Digest::of(plain)));
        (bytes, done.digest)
    }

    #[test]
    fn what_goes_in_comes_out() {
        for plain in [vec![], vec![1], vec![7; 1_000_000]] {
            let (bytes, digest) = encoded(&plain);
            let mut out = Vec::new();
            decode(&mut &bytes[..], bytes.len() as u64, &digest, &mut out).expect("it is whole");
            assert_eq!(out, plain);
        }
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let (bytes, digest) = encoded(b"some bytes, some bytes, some other bytes");
        for at in 0..bytes.len() {
            for flip in [1, 0x80, 0xff] {
                let mut bad = bytes.clone();
                bad[at] ^= flip;
                assert!(decode(&mut &bad[..], bad.len() as u64, &digest, &mut io::sink()).is_err(), "byte {at}");
            }
            assert!(decode(&mut &bytes[..at], at as u64, &digest, &mut io::sink()).is_err(), "cut at {at}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert!(decode(&mut &longer[..], longer.len() as u64, &digest, &mut io::sink()).is_err());
    }
}
