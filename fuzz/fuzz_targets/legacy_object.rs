//! An object of a store from before packs.
#![no_main]

use std::io::{self, Write};

use libfuzzer_sys::fuzz_target;
use snapback::{base::Digest, store::fuzz};

/// Number of bytes before the frames.
const HEAD: usize = 8;
/// Number of bytes after the frames.
const TAIL: usize = 44;

/// Keeps what is written, and counts what no reader asked for.
struct Bounded {
    bytes: Vec<u8>,
    limit: u64,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        assert!(
            self.bytes.len() as u64 <= self.limit,
            "more bytes than the object says that it has"
        );
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads an object; its plain bytes, whether or not they were accepted in the end.
fn read(bytes: &[u8], digest: &Digest) -> (Option<u64>, Vec<u8>) {
    let says = bytes
        .len()
        .checked_sub(TAIL)
        .and_then(|at| bytes[at..].first_chunk::<8>())
        .map_or(0, |size| u64::from_le_bytes(*size));
    let mut into = Bounded {
        bytes: Vec::new(),
        limit: says.min(16 << 20),
    };
    let accepted = fuzz::legacy_object(bytes, digest, &mut into);
    if let Some(size) = accepted {
        assert_eq!(
            (size, Digest::of(&into.bytes)),
            (into.bytes.len() as u64, *digest),
            "never wrong bytes"
        );
    }
    (accepted, into.bytes)
}

/// An object of these frames with a tail.
fn object(frames: &[u8], size: u64, digest: &Digest) -> Vec<u8> {
    let mut bytes = [
        &b"SNBO\x01\x01\0\0"[..],
        frames,
        &size.to_le_bytes(),
        digest.bytes(),
    ]
    .concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    bytes
}

fuzz_target!(|bytes: &[u8]| {
    let none = Digest::of(b"");
    read(bytes, &none);
    // The frames with a tail that fits them: the bytes that come out say what it must be.
    let frames = bytes
        .get(HEAD..bytes.len().saturating_sub(TAIL))
        .unwrap_or(bytes);
    let (_, plain) = read(&object(frames, 1 << 20, &none), &none);
    let digest = Digest::of(&plain);
    let whole = object(frames, plain.len() as u64, &digest);
    let (accepted, again) = read(&whole, &digest);
    if accepted.is_some() {
        assert_eq!(again, plain);
        assert!(
            read(&whole, &none).0.is_none() || digest == none,
            "an object has one name"
        );
    }
});
