//! The list of a file's chunks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::Digest,
    store::format::{blob, file::FileObject},
};

/// Decodes; what is accepted has one form, and names only chunks that a blob can hold: a reader
/// makes room for a chunk before it has seen it.
fn decode(bytes: &[u8]) {
    if let Ok(file) = FileObject::decode(bytes) {
        assert_eq!(file.encode(), bytes);
        assert_eq!(
            file.chunks
                .iter()
                .map(|chunk| u64::from(chunk.len))
                .sum::<u64>(),
            file.size
        );
        assert!(
            file.chunks
                .iter()
                .all(|chunk| chunk.len > 0 && chunk.len as usize <= blob::MAX_PLAIN)
        );
    }
}

/// A list of these chunks, with the size that they add up to.
fn adding_up(chunks: &[u8]) -> Vec<u8> {
    let entries = chunks.chunks_exact(36);
    let size: u64 = entries
        .clone()
        .map(|entry| {
            u64::from(u32::from_le_bytes(
                entry[32..].try_into().expect("four bytes"),
            ))
        })
        .sum();
    let count = u32::try_from(entries.len()).expect("inputs are small");
    let chunks = &chunks[..entries.len() * 36];
    [
        b"SNBFILE1\x01\0\x01\x11",
        &size.to_le_bytes()[..],
        &count.to_le_bytes(),
        chunks,
    ]
    .concat()
}

fuzz_target!(|bytes: &[u8]| {
    decode(bytes);
    // The same with a checksum that fits, of a whole list and of one made of these chunks.
    let body = bytes
        .len()
        .checked_sub(32)
        .map_or(bytes, |end| &bytes[..end]);
    for body in [body.to_vec(), adding_up(bytes)] {
        decode(&[&body[..], Digest::of(&body).bytes()].concat());
    }
});
