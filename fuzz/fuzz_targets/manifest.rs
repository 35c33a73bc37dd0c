//! Release manifests: what is accepted is written and read again, and every reader says the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::model::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let Ok(manifest) = Manifest::parse(bytes) else { return };
    let slow = Manifest::parse_yaml(bytes);
    assert_eq!(slow.ok().as_ref(), Some(&manifest), "the quick reader and the YAML parser agree");
    for file in &manifest.files {
        let path = file.path().as_bytes();
        assert!(!path.starts_with(b"/") && path.split(|byte| *byte == b'/').all(|name| !name.is_empty() && name != b".."));
    }
    // Written by hand, a checksum may be any text, and is never written again.
    if !manifest.by_hand {
        let text = manifest.render();
        let again = Manifest::parse(text.as_bytes()).expect("what was accepted is written in the format");
        assert_eq!((&again, again.render()), (&manifest, text));
    }
});
