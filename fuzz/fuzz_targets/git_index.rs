//! git's index file: refused, or read within the memory that its size allows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{base::RelPath, git::fuzz};

fuzz_target!(|bytes: &[u8]| {
    let Some(paths) = fuzz::index(bytes) else {
        return;
    };
    assert!(paths.len() <= bytes.len(), "no more entries than bytes");
    for path in paths {
        // What the walk does with each before it is believed.
        if let Ok(path) = RelPath::parse(&path) {
            assert!(
                path.as_bytes()
                    .split(|byte| *byte == b'/')
                    .all(|name| !matches!(name, b"" | b"." | b".." | b".git"))
            );
        }
    }
});
