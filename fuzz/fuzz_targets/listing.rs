//! The listings and saves of folders in the store: what is accepted has one form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    backup::listing::{self, Save},
    base::cut,
};

/// Decodes as both; what a listing takes up is no more than its paths can.
fn decode(bytes: &[u8]) {
    if let Ok(entries) = listing::decode(bytes) {
        assert!(
            entries.is_sorted_by(|a, b| a.path < b.path),
            "each path once, in order"
        );
        assert!(
            entries
                .iter()
                .all(|entry| entry.path.as_bytes().len() <= 4096)
        );
        assert_eq!(
            listing::decode(&listing::encode(&entries)).as_ref(),
            Ok(&entries)
        );
    }
    if let Ok(save) = Save::decode(bytes) {
        assert!(Save::is_one(bytes));
        assert_eq!(save.encode(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    decode(bytes);
    // The same with a checksum that fits, of a whole one and of what follows a head.
    let body = bytes
        .len()
        .checked_sub(32)
        .map_or(bytes, |end| &bytes[..end]);
    decode(&cut::seal(body.to_vec()));
    for head in [b"SNBLIST1\x01\0", b"SNBSAVE1\x01\0"] {
        decode(&cut::seal([&head[..], bytes].concat()));
    }
});
