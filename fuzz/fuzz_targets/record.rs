//! A record of the commit log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{base::Digest, store::format::record::CommitRecord};

/// Decodes; what is accepted has one form.
fn decode(bytes: &[u8]) {
    if let Ok(record) = CommitRecord::decode(bytes) {
        assert_eq!(record.encode(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    decode(bytes);
    // The same with a checksum that fits, of a whole record and of what follows its magic.
    let body = bytes
        .len()
        .checked_sub(32)
        .map_or(bytes, |end| &bytes[..end]);
    for body in [body.to_vec(), [b"SNBLOG01\x01\0\0\0", body].concat()] {
        decode(&[&body[..], Digest::of(&body).bytes()].concat());
    }
});
