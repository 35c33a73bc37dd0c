//! An entry of a pack: it unpacks to as many bytes as it says, or is refused without taking memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::git::fuzz;

fuzz_target!(|input: (u64, &[u8])| {
    let (size, entry) = input;
    if let Some(bytes) = fuzz::packed(entry, size) {
        assert_eq!(bytes.len() as u64, size);
        assert!(size <= 1032 * entry.len() as u64);
    }
});
