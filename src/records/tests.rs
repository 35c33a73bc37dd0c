//! The guarantees of the port, over files and an in-memory map, and of records over both.
#![allow(
    clippy::disallowed_methods,
    reason = "the tests stand for somebody else who writes there"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde::Deserialize;

use super::*;
use crate::base::{Fs, Root};

/// A record with a schema; each name in a folder holds one.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Note {
    schema: String,
    of: String,
    text: String,
}

impl JsonRecord for Note {
    const LIMIT: u64 = 200;
    const SCHEMA: Option<&'static str> = Some("note/1");

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }

    fn is_key(key: &str) -> bool {
        !key.starts_with("other-")
    }

    fn belongs_to(&self, key: &str) -> bool {
        self.of == key
    }
}

fn note(of: &str, text: &str) -> Note {
    Note {
        schema: "note/1".into(),
        of: of.into(),
        text: text.into(),
    }
}

/// A port without files, as a database would be.
#[derive(Default)]
struct InMemory {
    records: Mutex<BTreeMap<(String, String), Vec<u8>>>,
    locks: Arc<Mutex<Vec<String>>>,
}

/// A lock of [`InMemory`].
struct Held(Arc<Mutex<Vec<String>>>, String);

impl Drop for Held {
    fn drop(&mut self) {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|held| *held != self.1);
    }
}

impl InMemory {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<(String, String), Vec<u8>>) -> T) -> T {
        act(&mut self.records.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl RecordPort for InMemory {
    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let here = |(at, name): &(String, String)| (at == folder).then(|| name.clone());
        Ok(self.with(|records| records.keys().filter_map(here).collect()))
    }

    fn read(&self, folder: &str, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let found = self.with(|records| records.get(&(folder.into(), name.into())).cloned());
        match found {
            Some(bytes) if bytes.len() as u64 > limit => Err(io::ErrorKind::FileTooLarge.into()),
            found => Ok(found),
        }
    }

    fn write(&self, folder: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|records| records.insert((folder.into(), name.into()), bytes.to_vec()));
        Ok(())
    }

    fn remove(&self, folder: &str, names: &[String]) -> io::Result<usize> {
        let is_there = |records: &mut BTreeMap<_, _>, name: &String| {
            records
                .remove(&(folder.to_string(), name.clone()))
                .is_some()
        };
        Ok(self.with(|records| names.iter().filter(|name| is_there(records, name)).count()))
    }

    fn lock(&self, folder: &str, name: &str, _: LockWait) -> io::Result<Option<RecordLock>> {
        let name = format!("{folder}/{name}");
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.contains(&name) {
            return Ok(None);
        }
        locks.push(name.clone());
        Ok(Some(Box::new(Held(self.locks.clone(), name))))
    }
}

/// Runs over every port: `make` opens one, always the same, and `put` writes behind its back.
fn over_every_port(check: impl Fn(&dyn Fn() -> Records<'static, Note>, &dyn Fn(&str, &[u8]))) {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let root: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).expect("it opens"));
    let in_files = || Records::new(RecordFiles::new(root.clone()), "a/notes");
    let put = |name: &str, bytes: &[u8]| {
        fs::create_dir_all(dir.path().join("a/notes")).expect("it makes folders");
        fs::write(dir.path().join("a/notes").join(name), bytes).expect("it writes");
    };
    check(&in_files, &put);

    let memory: Arc<dyn RecordPort> = Arc::new(InMemory::default());
    let in_memory = || Records {
        port: memory.clone(),
        folder: "a/notes".into(),
        of: PhantomData,
    };
    let put = |name: &str, bytes: &[u8]| memory.write("a/notes", name, bytes).expect("it takes it");
    check(&in_memory, &put);
}

#[test]
fn what_is_saved_is_loaded_replaced_listed_and_removed() {
    over_every_port(|records, _| {
        let notes = records();
        assert!(notes.load("T1").expect("there is none").is_none());
        assert!(notes.list().expect("there is no folder").is_empty());
        assert!(!notes.remove("T1").expect("there is none"));
        for (key, text) in [("T1", "one"), ("T2", "two"), ("T1", "three")] {
            notes.save(key, &note(key, text)).expect("it writes");
        }
        assert_eq!(records().list().expect("it lists"), ["T1", "T2"]);
        let found = records().load("T1").expect("it reads");
        assert_eq!(found, Some(note("T1", "three")));
        assert!(records().remove("T1").expect("it is there"));
        assert_eq!(notes.list().expect("it lists"), ["T2"]);
    });
}

#[test]
fn damage_in_one_record_is_said_and_hides_no_other() {
    over_every_port(|records, put| {
        let notes = records();
        for key in ["T1", "T2", "T3", "T4", "T5"] {
            notes.save(key, &note(key, "whole")).expect("it writes");
        }
        put("T1.json", b"{");
        put("T2.json", &note("T9", "of another key").encode());
        put(
            "T3.json",
            br#"{"schema": "note/2", "of": "T3", "text": ""}"#,
        );
        put("T4.json", &note("T4", &"long ".repeat(100)).encode());
        put("other-T6.json", b"no note at all");
        put("T7.txt", b"no record at all");
        let all = notes.all().expect("it lists");
        assert_eq!(all.whole, [("T5".into(), note("T5", "whole"))]);
        let said: Vec<(&str, String)> = all
            .damaged
            .iter()
            .map(|(key, error)| (&key[..], error.to_string()))
            .collect();
        let [first, second, third, fourth] = &said[..] else {
            panic!("{said:?}");
        };
        assert!(first.0 == "T1" && first.1.contains("EOF"), "{said:?}");
        let other = "it is of something else".to_string();
        assert_eq!((second, third), (&("T2", other.clone()), &("T3", other)));
        assert_eq!(fourth.0, "T4");
        assert!(matches!(
            notes.load("T4"),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::FileTooLarge
        ));
    });
}

#[test]
fn numbers_order_records_and_the_first_ones_go_unless_they_may_not() {
    over_every_port(|records, _| {
        let notes = records();
        for key in ["999999-b", "000002-c", "1000000-a", "000010-d"] {
            notes.save(key, &note(key, "")).expect("it writes");
        }
        let order = ["000002-c", "000010-d", "999999-b", "1000000-a"];
        assert_eq!(notes.list().expect("it lists"), order);
        notes.prune(4, |_| true).expect("nothing is too much");
        assert_eq!(notes.list().expect("it lists"), order);
        notes.prune(2, |key| key != "000002-c").expect("it removes");
        let left = ["000002-c", "1000000-a"];
        assert_eq!(notes.list().expect("it lists"), left);
        notes.prune(0, |_| false).expect("none may go");
        assert_eq!(notes.list().expect("it lists"), left);
    });
}

#[test]
fn a_lock_is_of_one_name_and_no_record() {
    over_every_port(|records, _| {
        let notes = records();
        let lock = |name, wait| notes.lock(name, wait).expect("it can be made");
        let held = lock("T1.held", LockWait::No);
        assert!(held.is_some());
        assert!(lock("T1.held", LockWait::No).is_none());
        assert!(lock("T1.held", LockWait::Moment).is_none());
        assert!(lock("T2.held", LockWait::Moment).is_some());
        drop(held);
        assert!(lock("T1.held", LockWait::Forever).is_some());
        assert!(notes.list().expect("it lists").is_empty());
    });
}

#[test]
fn files_are_private_and_those_within_a_folder_need_it() {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let root: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).expect("it opens"));
    let own = Records::<Note>::new(RecordFiles::new(root.clone()), "a/b");
    own.save("T1", &note("T1", "")).expect("it writes");
    let mode = |path: &str| {
        let found = fs::metadata(dir.path().join(path)).expect("it is there");
        found.permissions().mode() & 0o777
    };
    let modes = ["a", "a/b", "a/b/T1.json"].map(mode);
    assert_eq!(modes, [0o700, 0o700, 0o600]);
    // A temporary file left by a killed process is not a record.
    fs::write(dir.path().join("a/b/.tmp-T2.json"), b"{}").expect("it writes");
    assert_eq!(own.list().expect("it lists"), ["T1"]);

    let within = Records::<Note>::new(RecordFiles::within(root), "c");
    let error = within.save("T1", &note("T1", "")).expect_err("no folder");
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(!dir.path().join("c").exists());
}

/// Returns what a private folder makes of a record, under an access rule.
fn said(folder: &Path, work_tree: &Path, key: &str, rule: private::AccessRule) -> String {
    let read = PrivateFolder::look(folder, work_tree)
        .and_then(|found| found.expect("it is there").load::<Note>(key, rule));
    match read {
        Ok(found) => found.map_or("none".into(), |note| note.text),
        Err(private::NotPrivate::Inside(_)) => "inside".into(),
        Err(private::NotPrivate::NotSafe { why, .. }) => why.into(),
        Err(private::NotPrivate::TooLarge(_)) => "too large".into(),
        Err(private::NotPrivate::File { source, .. }) => source.to_string(),
    }
}

#[test]
fn a_private_folder_is_outside_the_work_tree_and_writable_by_nobody_else() {
    let dir = tempfile::tempdir().expect("because tests can make folders");
    let top = dir.path().canonicalize().expect("it is there");
    let (work_tree, folder) = (top.join("repo"), top.join("home/keys"));
    fs::create_dir(&work_tree).expect("it makes a folder");
    assert!(matches!(PrivateFolder::look(&folder, &work_tree), Ok(None)));
    let made = PrivateFolder::make(&folder, &work_tree).expect("there is room");
    made.records()
        .save("a", &note("a", "text"))
        .expect("it writes");
    let look = |key: &str| said(&folder, &work_tree, key, private::OTHERS_DO_NOT_WRITE);
    assert_eq!([look("a"), look("b")], ["text", "none"]);

    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
    };
    set(&made.path("a"), 0o620);
    assert_eq!(look("a"), "others can write to it");
    set(&made.path("a"), 0o644);
    assert_eq!(look("a"), "text");
    let secret = private::AccessRule {
        forbidden: 0o077,
        why: "others can read it",
    };
    assert_eq!(said(&folder, &work_tree, "a", secret), "others can read it");
    fs::write(made.path("large"), [b' '; 201]).expect("it writes");
    fs::write(made.path("damaged"), "{\"secret\": 1}").expect("it writes");
    std::os::unix::fs::symlink("a.json", made.path("link")).expect("it links");
    let refused = ["large", "damaged", "link"].map(look);
    let expected = ["too large", "it is damaged", "it is no regular file"];
    assert_eq!(refused, expected);
    set(&folder, 0o770);
    assert_eq!(look("a"), "others can write to it");
    for inside in [work_tree.join("x/y"), work_tree.clone()] {
        assert!(matches!(
            PrivateFolder::make(&inside, &work_tree),
            Err(private::NotPrivate::Inside(_))
        ));
    }
    std::os::unix::fs::symlink(&work_tree, top.join("away")).expect("it links");
    assert_eq!(said(&top.join("away"), &work_tree, "a", secret), "inside");
}
