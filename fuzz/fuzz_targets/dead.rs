//! A list of condemned blobs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{base::Digest, store::format::dead::Dead};

/// Decodes; what is accepted has one form.
fn decode(bytes: &[u8]) {
    if let Ok(dead) = Dead::decode(bytes) {
        assert_eq!(dead.encode(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    decode(bytes);
    // The same with a checksum that fits, of a whole list and of what follows its magic.
    let body = bytes
        .len()
        .checked_sub(32)
        .map_or(bytes, |end| &bytes[..end]);
    let count = u32::try_from(body.len() / 33)
        .expect("inputs are small")
        .to_le_bytes();
    // Commit 1, no packs.
    let head = b"SNBDEAD1\x01\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0";
    for body in [body.to_vec(), [&head[..], &count[..], body].concat()] {
        decode(&[&body[..], Digest::of(&body).bytes()].concat());
    }
});
