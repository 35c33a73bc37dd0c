//! Folders put into the store and brought back, by the real program on real folders.

use std::{
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
};

use crate::support::{Sandbox, noise};

/// A folder with files of many kinds and sizes.
fn folder(sandbox: &Sandbox) -> PathBuf {
    let top = sandbox.home().join("data");
    for dir in ["a/b", "none", "a/.git"] {
        fs::create_dir_all(top.join(dir)).unwrap();
    }
    for (name, len) in [
        ("empty", 0),
        ("small", 100),
        ("a/one", 70_000),
        ("a/b/two", 3 << 20),
        ("big", 20 << 20),
        ("a/.git/x", 5),
    ] {
        fs::write(top.join(name), noise(name, len)).unwrap();
    }
    fs::write(
        top.join(std::ffi::OsStr::from_bytes(b"a/\xff\xfe")),
        b"foreign",
    )
    .unwrap();
    fs::set_permissions(top.join("small"), fs::Permissions::from_mode(0o751)).unwrap();
    fs::set_permissions(top.join("a/one"), fs::Permissions::from_mode(0o400)).unwrap();
    std::os::unix::fs::symlink("../nowhere", top.join("a/link")).unwrap();
    top
}

/// What `diff` and modes and times say of two folders, `.git` aside.
fn same(a: &Path, b: &Path) -> bool {
    let list = |top: &Path| {
        let find = std::process::Command::new("find")
            .arg(top)
            .args([
                "-name",
                ".git",
                "-prune",
                "-o",
                "-not",
                "-type",
                "d",
                "-printf",
                "%P %m %T@ %s %l\\0",
            ])
            .output()
            .unwrap();
        let mut lines: Vec<Vec<u8>> = find
            .stdout
            .split(|byte| *byte == 0)
            .map(<[u8]>::to_vec)
            .collect();
        // Nobody restores the time of a link.
        for line in lines.iter_mut().filter(|line| line.ends_with(b"nowhere")) {
            line.truncate(6);
        }
        lines.sort();
        lines
    };
    let diff = std::process::Command::new("diff")
        .args(["-r", "--no-dereference", "-x", ".git"])
        .arg(a)
        .arg(b)
        .status()
        .unwrap();
    list(a) == list(b) && diff.success()
}

fn put(sandbox: &Sandbox, folder: &Path) -> serde_json::Value {
    let answer = sandbox
        .snapback(&[
            "store",
            "put",
            folder.to_str().unwrap(),
            "--name",
            "n",
            "--json",
        ])
        .expect(0)
        .json();
    answer["data"]["put"].clone()
}

fn restore(sandbox: &Sandbox, into: &Path, more: &[&str], code: i32) -> serde_json::Value {
    let words = [
        &[
            "store",
            "restore",
            "n",
            "--into",
            into.to_str().unwrap(),
            "--json",
        ],
        more,
    ]
    .concat();
    sandbox.snapback(&words).expect(code).json()["data"]["restore"].clone()
}

#[test]
fn what_is_said_of_a_restore_is_true_after_it() {
    let sandbox = Sandbox::empty();
    let data = sandbox.top().join("data");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("a"), crate::support::noise("a", 100_000)).unwrap();
    std::fs::write(data.join("b"), "b\n").unwrap();
    put(&sandbox, &data);
    let restore = |into: &str, code| {
        let into = sandbox.top().join(into);
        sandbox
            .snapback(&["store", "restore", "n", "--into", into.to_str().unwrap()])
            .expect(code)
            .stdout
    };
    let said = restore("whole", 0);
    assert!(
        said.contains("n is in ")
            && said.contains(": 2 of 2 right; before, 2 were missing, 0 differed"),
        "{said}"
    );
    let packs = std::fs::read_dir(sandbox.at(".git/snapback/store/packs"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let largest = packs
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    bytes[1000] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    let said = restore("part", 4);
    assert!(
        said.contains("n is only in part in ")
            && said.contains(": 1 of 2 right; before, 2 were missing"),
        "{said}"
    );
}

/// Makes all files look old, so that the cache may believe what it knows of them.
fn wait_for_the_clock() {
    let began = std::time::Instant::now();
    while began.elapsed() < std::time::Duration::from_millis(80) {
        std::thread::yield_now();
    }
}

#[test]
fn what_was_put_comes_back_and_what_is_right_is_left_alone() {
    let sandbox = Sandbox::empty();
    let data = folder(&sandbox);
    let first = put(&sandbox, &data);
    assert_eq!(
        (
            first["changed"].as_bool(),
            first["files"].as_u64(),
            first["others"].as_u64()
        ),
        (Some(true), Some(6), Some(2))
    );
    let into = sandbox.home().join("back");
    let dry = restore(&sandbox, &into, &["--dry-run"], 0);
    assert!(dry["missing"] == 8 && !into.exists());
    let done = restore(&sandbox, &into, &[], 0);
    assert_eq!(
        (&done["missing"], &done["kept_as"]),
        (&8.into(), &serde_json::Value::Null)
    );
    assert!(same(&data, &into) && into.join("none").is_dir() && !into.join("a/.git").exists());
    let again = restore(&sandbox, &into, &[], 0);
    assert_eq!((&again["right"], &again["bytes"]), (&8.into(), &0.into()));
}

#[test]
fn unchanged_files_are_not_read_and_changed_ones_are() {
    let sandbox = Sandbox::empty();
    let data = folder(&sandbox);
    wait_for_the_clock();
    assert_eq!(put(&sandbox, &data)["read_files"], 6);
    let again = put(&sandbox, &data);
    assert_eq!(
        (&again["changed"], &again["read_files"], &again["grown"]),
        (&false.into(), &1.into(), &0.into()),
        "a sample is read"
    );
    // The same size, and the same times as far as anybody can set them.
    let time = fs::metadata(data.join("small"))
        .unwrap()
        .modified()
        .unwrap();
    fs::write(data.join("small"), noise("other", 100)).unwrap();
    fs::File::options()
        .write(true)
        .open(data.join("small"))
        .unwrap()
        .set_modified(time)
        .unwrap();
    let changed = put(&sandbox, &data);
    assert_eq!(
        (&changed["changed"], &changed["files"]),
        (&true.into(), &6.into())
    );
    assert!(
        changed["grown"].as_u64().unwrap() < 5_000,
        "only the file and a bit of listing: {changed}"
    );
    let into = sandbox.home().join("back");
    restore(&sandbox, &into, &[], 0);
    assert!(same(&data, &into));
    let rehash = sandbox
        .snapback(&[
            "store",
            "put",
            data.to_str().unwrap(),
            "--name",
            "n",
            "--rehash",
            "--json",
        ])
        .expect(0)
        .json();
    assert_eq!(
        (&rehash["data"]["put"]["read_files"], &rehash["changed"]),
        (&6.into(), &false.into())
    );
}

#[test]
fn a_damaged_cache_or_a_lost_store_is_noticed() {
    let sandbox = Sandbox::empty();
    let data = folder(&sandbox);
    wait_for_the_clock();
    put(&sandbox, &data);
    let cache = sandbox.root().join(".git/snapback/store/stat-cache");
    let file = fs::read_dir(&cache)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    assert_eq!(
        put(&sandbox, &data)["read_files"],
        6,
        "what is damaged is not believed"
    );
    assert_eq!(put(&sandbox, &data)["read_files"], 1);
    // Everything but the cache is gone: what it knows is not there any more.
    for part in ["packs", "index", "log"] {
        for entry in fs::read_dir(sandbox.root().join(".git/snapback/store").join(part)).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    assert_eq!(put(&sandbox, &data)["read_files"], 6);
    restore(&sandbox, &sandbox.home().join("back"), &[], 0);
}

#[test]
fn what_is_overwritten_or_removed_is_kept_and_comes_back() {
    let sandbox = Sandbox::empty();
    let data = folder(&sandbox);
    put(&sandbox, &data);
    let into = sandbox.home().join("back");
    restore(&sandbox, &into, &[], 0);
    fs::write(into.join("big"), noise("mine", 20 << 20)).unwrap();
    fs::remove_file(into.join("a/link")).unwrap();
    fs::write(into.join("a/link"), b"a file now").unwrap();
    fs::create_dir_all(into.join("x/y")).unwrap();
    fs::write(into.join("x/y/extra"), b"extra").unwrap();
    fs::set_permissions(into.join("small"), fs::Permissions::from_mode(0o600)).unwrap();
    let mine = sandbox.home().join("mine");
    assert!(
        std::process::Command::new("cp")
            .arg("-a")
            .arg(&into)
            .arg(&mine)
            .status()
            .unwrap()
            .success()
    );
    let looked = fs::metadata(&into).unwrap().modified().unwrap();
    let left = restore(&sandbox, &into, &["--dry-run"], 0);
    assert_eq!(
        fs::metadata(&into).unwrap().modified().unwrap(),
        looked,
        "a dry run writes nothing there"
    );
    assert_eq!(
        (&left["differing"], &left["touched"], &left["extra"]),
        (&2.into(), &1.into(), &1.into())
    );
    let done = restore(&sandbox, &into, &["--delete"], 0);
    assert_eq!(
        (&done["removed"], &done["kept_as"]),
        (&1.into(), &"before-restore-n-1".into())
    );
    assert!(same(&data, &into) && !into.join("x").exists());
    let back = [
        "store",
        "restore",
        "before-restore-n-1",
        "--into",
        into.to_str().unwrap(),
    ];
    sandbox.snapback(&back).expect(0);
    for file in ["big", "a/link", "x/y/extra"] {
        assert_eq!(
            fs::read(into.join(file)).unwrap(),
            fs::read(mine.join(file)).unwrap(),
            "{file}"
        );
    }
    let names = sandbox
        .snapback(&["store", "list", "--json"])
        .expect(0)
        .json();
    let names: Vec<_> = names["data"]["names"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name["name"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(names, ["before-restore-n-1", "before-restore-n-2", "n"]);
}

#[test]
fn nothing_is_written_through_a_link_or_over_a_folder_and_the_rest_is_restored() {
    let sandbox = Sandbox::empty();
    let data = folder(&sandbox);
    put(&sandbox, &data);
    let (into, outside) = (sandbox.home().join("back"), sandbox.home().join("outside"));
    fs::create_dir_all(into.join("small")).unwrap();
    fs::create_dir_all(&outside).unwrap();
    std::os::unix::fs::symlink(&outside, into.join("a")).unwrap();
    let done = restore(&sandbox, &into, &[], 3);
    let failed: Vec<_> = done["failed"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    assert_eq!(
        failed,
        ["a/b/two", "a/link", "a/one", "bytes:612ffffe", "small"]
    );
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(
        fs::read(into.join("big")).unwrap(),
        fs::read(data.join("big")).unwrap()
    );
}

#[test]
fn one_damaged_object_does_not_stop_the_rest() {
    let sandbox = Sandbox::empty();
    let data = folder(&sandbox);
    put(&sandbox, &data);
    let packs = sandbox.root().join(".git/snapback/store/packs");
    let wanted = noise("big", 20 << 20)[10 << 20..][..64].to_vec();
    for entry in fs::read_dir(packs).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if let Some(at) = bstr::ByteSlice::find(&bytes[..], &wanted) {
            bytes[at] ^= 1;
            fs::write(&path, bytes).unwrap();
        }
    }
    let into = sandbox.home().join("back");
    fs::create_dir_all(&into).unwrap();
    fs::write(into.join("big"), b"mine").unwrap();
    let done = restore(&sandbox, &into, &[], 4);
    assert_eq!(
        (&done["damaged"], &done["failed"][0]["path"]),
        (&1.into(), &"big".into())
    );
    assert_eq!(
        fs::read(into.join("big")).unwrap(),
        b"mine",
        "it is as it was"
    );
    assert_eq!(
        fs::read(into.join("a/b/two")).unwrap(),
        fs::read(data.join("a/b/two")).unwrap()
    );
    let leftovers = fs::read_dir(&into).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .as_bytes()
            .starts_with(b".snap")
    });
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn what_is_no_file_is_named_and_what_cannot_be_read_names_nothing() {
    let sandbox = Sandbox::empty();
    let data = folder(&sandbox);
    let words = ["store", "put", data.to_str().unwrap(), "--name", "n"];
    let _socket = std::os::unix::net::UnixListener::bind(data.join("socket")).unwrap();
    let ran = sandbox.snapback(&words).expect(3);
    assert!(
        ran.stdout
            .contains("left out socket: it is a device, FIFO or socket"),
        "{ran:?}"
    );
    sandbox.snapback(&["store", "list"]).expect(0);
    let page = sandbox
        .snapback(&["store", "drop", "n", "--yes"])
        .expect(0)
        .stdout;
    assert!(page.contains("is dropped"), "{page}");
    let ran = sandbox
        .snapback(&["store", "restore", "n", "--into", "x"])
        .expect(5);
    assert!(
        ran.stderr.contains("nothing is stored under the name"),
        "{ran:?}"
    );
    sandbox
        .snapback(&["store", "put", "missing", "--name", "n"])
        .expect(8);
    sandbox
        .snapback(&["store", "put", data.to_str().unwrap(), "--name", "a/b"])
        .expect(2);
}
