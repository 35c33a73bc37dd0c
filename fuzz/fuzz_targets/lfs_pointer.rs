//! Git LFS pointers: what is one says one object and one size, and is written in one form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::git::{Repo, fuzz};

fuzz_target!(|bytes: &[u8]| {
    let Some((oid, size)) = fuzz::pointer(bytes) else {
        return;
    };
    assert!(bytes.len() < 1024);
    if size > 0 {
        assert_eq!(
            fuzz::pointer(&Repo::lfs_pointer(&oid, size)),
            Some((oid, size))
        );
    }
});
