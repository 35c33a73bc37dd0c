//! Folders that change while they are put, and listings that nobody honest wrote.

use std::{
    fs,
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use snapback::{
    backup::{
        self,
        listing::{self, Save},
    },
    base::{Fs, RelPath, Root},
    model::{FileRecord, Location, ObjectId},
    store::ChunkStore,
};

use crate::support::{Sandbox, noise};

/// The store of a sandbox.
fn store(sandbox: &Sandbox) -> ChunkStore {
    let state = sandbox.root().join(".git/snapback");
    fs::create_dir_all(&state).unwrap();
    let fs: Arc<dyn Fs> = Arc::new(Root::open(&state).unwrap());
    ChunkStore::local(fs, RelPath::own("store"))
}

/// Names a listing of these paths, each a file that holds `x`; returns the object that is named.
fn plant(sandbox: &Sandbox, name: &str, paths: &[&[u8]]) -> (ObjectId, ObjectId) {
    let store = store(sandbox);
    let session = store.begin();
    let object = session.put(&mut &b"x"[..]).unwrap().id;
    let records: Vec<FileRecord> = paths
        .iter()
        .map(|path| FileRecord {
            mtime: Some((5, 0)),
            location: Location::Object(object),
            ..FileRecord::with_bytes(RelPath::own(*path), 0o644, b"x".to_vec())
        })
        .collect();
    let listing = session.put(&mut &listing::encode(&records)[..]).unwrap().id;
    let save = Save {
        seconds: 1,
        listing,
        files: paths.len() as u64,
        bytes: 0,
        folders: Vec::new(),
    };
    let save = session.put(&mut &save.encode()[..]).unwrap().id;
    drop(
        session
            .commit_with(&[(format!("backup/{name}"), Some(save))])
            .unwrap(),
    );
    (save, object)
}

#[test]
fn no_listing_leads_out_of_the_folder() {
    let sandbox = Sandbox::empty();
    let bad: [&[u8]; 6] = [
        b"../out",
        b"../../out",
        b".git/hooks/x",
        b"/tmp-out",
        b"a/../../out",
        b"sub/.GIT/x",
    ];
    let mut paths = [&bad[..], &[b"good"]].concat();
    paths.sort_unstable();
    plant(&sandbox, "evil", &paths);
    let into = sandbox.home().join("a/b/into");
    let words = [
        "store",
        "restore",
        "evil",
        "--into",
        into.to_str().unwrap(),
        "--json",
    ];
    let answer = sandbox.snapback(&words).expect(3).json();
    assert_eq!(
        answer["data"]["restore"]["failed"]
            .as_array()
            .unwrap()
            .len(),
        bad.len()
    );
    let names: Vec<_> = fs::read_dir(&into)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["good"]);
    assert_eq!(fs::read_dir(sandbox.home().join("a")).unwrap().count(), 1);
}

#[test]
fn a_collection_is_told_of_every_object() {
    let sandbox = Sandbox::empty();
    let (save, object) = plant(&sandbox, "n", &[b"a", b"b"]);
    let store = store(&sandbox);
    let listed = backup::listed(&store, &save).unwrap();
    assert!(
        listed.len() == 2 && listed.contains(&object),
        "the listing and the one content"
    );
    assert_eq!(backup::listed(&store, &object).unwrap(), []);
    assert!(
        backup::listed(&store, &listing::object(b"nothing")).is_err(),
        "a collection must stop"
    );
}

#[test]
fn a_file_that_never_keeps_still_is_named_and_the_rest_is_stored_when_wanted() {
    let sandbox = Sandbox::empty();
    let data = sandbox.home().join("data");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("still"), b"still").unwrap();
    fs::write(data.join("log"), noise("log", 24 << 20)).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut log = fs::File::options()
                .append(true)
                .open(data.join("log"))
                .unwrap();
            while !stop.load(Ordering::SeqCst) {
                log.write_all(b"x").unwrap();
            }
        });
        let words = [
            "store",
            "put",
            data.to_str().unwrap(),
            "--name",
            "n",
            "--json",
        ];
        let first = sandbox.snapback(&words);
        let names = sandbox.snapback(&["store", "list", "--json"]);
        let partial = sandbox.snapback(&[&words[..], &["--partial"]].concat());
        stop.store(true, Ordering::SeqCst);
        let report = first.expect(3).json()["data"]["put"].clone();
        assert_eq!(
            (&report["failed"][0]["path"], &report["named"]),
            (&"log".into(), &false.into())
        );
        assert_eq!(
            names.expect(0).json()["data"]["names"]
                .as_array()
                .unwrap()
                .len(),
            0,
            "nothing is named"
        );
        let report = partial.expect(3).json()["data"]["put"].clone();
        assert_eq!(
            (&report["files"], &report["named"]),
            (&1.into(), &true.into())
        );
    });
    let into = sandbox.home().join("back");
    sandbox
        .snapback(&["store", "restore", "n", "--into", into.to_str().unwrap()])
        .expect(0);
    assert_eq!(fs::read(into.join("still")).unwrap(), b"still");
}
