//! The readers of lock files: an answer or words, and nothing recorded that is more than a line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{base::encoding, deps::fuzz::lock_file};

const NAMES: [&str; 10] = [
    "uv.lock",
    "pylock.toml",
    "poetry.lock",
    "Pipfile.lock",
    "requirements.txt",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "Cargo.lock",
    "pdm.lock",
];

fuzz_target!(|input: &[u8]| {
    let Some(([choice], bytes)) = input.split_first_chunk() else {
        return;
    };
    let Some(text) = encoding::text(bytes) else {
        return;
    };
    let name = NAMES[usize::from(*choice) % NAMES.len()];
    for package in lock_file(name, &text).unwrap_or_default() {
        assert!(!package.contains(['\n', '\r', '\0']), "{name}: {package:?}");
        assert!(
            package.len() <= text.len() * 2 + 64,
            "{name}: a package is not larger than its file"
        );
    }
});
