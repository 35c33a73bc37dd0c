//! What a restore overwrites is kept as it is, whatever the store has of it, and whoever writes.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use snapback::{
    app::Options,
    backup::{plan::plan, restore::write},
    base::{RelPath, Root},
    config,
    model::{FileRecord, Location, ObjectId, backup::RestoreReport},
};

use crate::support::{Sandbox, noise};

/// A folder with one large file, put as it is now, and before that as `old`.
fn put_twice(sandbox: &Sandbox) -> (PathBuf, PathBuf) {
    let data = sandbox.home().join("data");
    fs::create_dir_all(&data).unwrap();
    let file = data.join("big");
    for (name, seed) in [("old", "one"), ("new", "two")] {
        fs::write(&file, noise(seed, 3 << 20)).unwrap();
        let put = ["store", "put", data.to_str().unwrap(), "--name", name];
        sandbox.snapback(&put).expect(0);
    }
    (data, file)
}

#[test]
fn what_the_store_has_damaged_is_stored_again_before_it_is_overwritten() {
    let sandbox = Sandbox::empty();
    let (data, file) = put_twice(&sandbox);
    let packs = sandbox.at(".git/snapback/store/packs");
    let mut damaged = 0;
    for pack in fs::read_dir(&packs).unwrap() {
        let pack = pack.unwrap().path();
        let mut bytes = fs::read(&pack).unwrap();
        let at = bytes.len() / 2;
        // That of the version which is to come back must stay whole.
        if bytes.windows(64).any(|part| part == &noise("two", 64)[..]) {
            bytes[at] ^= 1;
            fs::set_permissions(&pack, fs::Permissions::from_mode(0o600)).unwrap();
            fs::write(&pack, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1);
    for (name, seed) in [("old", "one"), ("before-restore-old-1", "two")] {
        let restore = ["store", "restore", name, "--into", data.to_str().unwrap()];
        sandbox.snapback(&restore).expect(0);
        assert!(fs::read(&file).unwrap() == noise(seed, 3 << 20), "{name}");
    }
}

#[test]
fn what_somebody_opens_for_writing_is_not_overwritten() {
    let sandbox = Sandbox::new(1);
    let (data, file) = put_twice(&sandbox);
    let site = config::open(&sandbox.root(), Options::default()).unwrap();
    let record = FileRecord::with_bytes(RelPath::own("big"), 0o644, noise("one", 3 << 20));
    let records = [FileRecord {
        location: Location::Object(ObjectId(record.digest)),
        ..record
    }];
    let root = Root::open(&data).unwrap();
    let plan = plan(&root, &records, None, false).unwrap();
    if plan.seen.is_empty() {
        return println!("skipped: no lease on this file system");
    }
    let writer = fs::File::options().append(true).open(&file).unwrap();
    let mut report = RestoreReport::default();
    write(&site, &root, &plan, false, &mut report).unwrap();
    assert!(
        report.failed[0].why.contains("changed meanwhile"),
        "{report:?}"
    );
    assert!(fs::read(&file).unwrap() == noise("two", 3 << 20));
    drop(writer);
}
