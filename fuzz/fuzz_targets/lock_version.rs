//! The version of a project in a lock file: an edit is made once, and stays what it says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::RelPath,
    model::Version,
    registry::lock_file::{LockEntry, with_version},
};

fuzz_target!(|input: &[u8]| {
    let Some(([choice], bytes)) = input.split_first_chunk() else {
        return;
    };
    let (file, entry) = match choice % 4 {
        0 => ("Cargo.lock", LockEntry::Cargo(vec!["a".into(), "b".into()])),
        1 => ("package-lock.json", LockEntry::Npm(String::new())),
        2 => ("package-lock.json", LockEntry::Npm("packages/a".into())),
        _ => ("uv.lock", LockEntry::Uv("a".into())),
    };
    let file = RelPath::own(file);
    let new: Version = "7.8.9".parse().expect("it is one");
    let Ok(Some(after)) = with_version(bytes, &file, &entry, &new) else {
        return;
    };
    assert_ne!(after, bytes, "an edit changes something");
    let again = with_version(&after, &file, &entry, &new).expect("an edit leaves its format");
    assert_eq!(again, None, "once is enough");
});
