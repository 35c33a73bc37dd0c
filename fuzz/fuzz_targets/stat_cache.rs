//! What was remembered of files: no bytes of a cache make it panic, and what looks otherwise than
//! it was remembered is not known.
#![no_main]

use libfuzzer_sys::fuzz_target;
use snapback::{
    base::{Digest, RelPath, Root, Stat, Type, cut},
    stat_cache::Cache,
};

const FOLDER: &[u8] = b"a folder";

/// Opens a cache that holds these bytes and asks it for two files.
fn ask(root: &Root, top: &std::path::Path, bytes: &[u8]) {
    let name = format!("cache/{}", &Digest::of(FOLDER).hex()[..32]);
    std::fs::write(top.join(name), bytes).expect("it writes");
    let cache = Cache::open(root, &RelPath::own("cache"), FOLDER);
    let stat = Stat {
        kind: Type::File,
        mode: 0o644,
        size: u64::MAX,
        mtime: (i64::MIN, u32::MAX),
        ctime: (i64::MAX, u32::MAX),
        ino: 0,
        dev: u64::MAX,
        uid: 0,
        gid: 0,
        links: 1,
    };
    let files = [RelPath::own("a"), RelPath::own("a/b")];
    let known = cache.know(files.iter().map(|path| (path, &stat)));
    assert_eq!(known.len(), files.len());
}

fuzz_target!(|bytes: &[u8]| {
    let dir = tempfile::tempdir().expect("it makes folders");
    std::fs::create_dir(dir.path().join("cache")).expect("it makes folders");
    let root = Root::open(dir.path()).expect("it opens");
    ask(&root, dir.path(), bytes);
    // The same with a checksum that fits, and after a head that does.
    ask(&root, dir.path(), &cut::seal(bytes.to_vec()));
    let head = [b"SNBSTAT1\x01\0", &Digest::of(FOLDER).bytes()[..]].concat();
    ask(&root, dir.path(), &cut::seal([&head, bytes].concat()));
});
