//! The write-ahead log of a SQLite database: no bytes make reading it fail or panic, what is found
//! lies inside the log, and what comes after the last committed page changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::base::sqlite::committed;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(found)) = committed(&mut &bytes[..]) else {
        return;
    };
    assert!(found.pages > 0 && found.page_size.is_power_of_two());
    assert!(found.end <= bytes.len() as u64);
    let cut = usize::try_from(found.end).expect("it is inside");
    assert_eq!(
        committed(&mut &bytes[..cut]).expect("it reads"),
        Some(found)
    );
});
