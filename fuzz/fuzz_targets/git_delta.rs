//! A delta of a pack: what is made of two texts makes one of the other; any other delta makes as
//! many bytes as it says, or is refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::git::fuzz;

fuzz_target!(|input: (&[u8], &[u8])| {
    let (base, bytes) = input;
    let delta = fuzz::delta_of(base, bytes).expect("because both are small");
    let (made, _) = fuzz::apply_delta(base, &delta).expect("because it was made for this base");
    assert_eq!(made, bytes);
    if let Some((made, size)) = fuzz::apply_delta(base, bytes) {
        assert_eq!(made.len() as u64, size);
        assert!(made.len() <= (bytes.len() + 1) * (base.len() + 128));
    }
});
