//! `capsule.json`: what is accepted is written and read again, names only paths of the tree, and
//! puts every file under a name of its own that no tool takes for something else.
#![no_main]

use std::collections::HashSet;

use libfuzzer_sys::fuzz_target;
use snapback::{
    capsule::script,
    model::capsule::{CapsuleListing, leads_out},
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(listing) = CapsuleListing::parse(bytes) else {
        return;
    };
    let text = serde_json::to_vec_pretty(&listing).expect("plain data renders");
    assert_eq!(CapsuleListing::parse(&text).as_ref(), Ok(&listing));
    let mut members = HashSet::new();
    for (nth, file) in listing.files.iter().enumerate() {
        let path = file.record.path.as_bytes();
        assert!(
            !path.starts_with(b"/")
                && path
                    .split(|byte| *byte == b'/')
                    .all(|name| !name.is_empty() && name != b".." && name != b".git")
        );
        let member = file.member(nth);
        assert!(
            !member.iter().any(|byte| *byte < b' ' || *byte == b'\\'),
            "a plain name"
        );
        assert!(members.insert(member), "a name of its own");
        if let Some(target) = file.record.target() {
            assert!(!target.starts_with(b"/") || leads_out(&file.record.path, target));
        }
    }
    let _ = (
        listing.bytes(),
        script::restore(&listing),
        script::tree_sums(&listing),
        script::readme(&listing),
    );
});
