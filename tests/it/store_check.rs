//! The check finds every changed bit and every cut, says whom it hurts, and never passes over one.
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use snapback::{
    base::{Fs, Root},
    model::ObjectId,
    store::{Check, Level},
};

use crate::support::{
    noise,
    shelf::{self, GC, check, id, ids, put, read},
};

/// A small store with everything in it: loose packs, a segment, a list of the condemned.
pub fn shelves() -> (tempfile::TempDir, Vec<Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    let fs: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).unwrap());
    let store = shelf::open(&fs);
    let mut contents: Vec<Vec<u8>> = (0..33).map(|seed| noise(seed + 1, 600)).collect();
    contents.push(b"a line that comes again and again\n".repeat(200));
    for one in contents.chunks(1) {
        drop(put(&store, one).unwrap());
    }
    // Several chunks, and a list.
    contents.push(noise(99, 200_000));
    contents.push(Vec::new());
    drop(put(&store, &contents[34..]).unwrap());
    // A session at work leaves the collection waiting.
    drop(put(&store, &[noise(77, 5000)]).unwrap());
    let lease = put(&store, &contents[..1]).unwrap();
    let roots = ids(&contents);
    let report = store.gc(&|| Ok(roots.clone()), GC, &|_| ()).unwrap();
    assert_eq!(report.sessions_at_work, 1);
    drop(lease);
    (dir, contents)
}

/// The files of a store that hold what it keeps.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["packs", "index", "log"] {
        files.extend(
            std::fs::read_dir(dir.join("store").join(folder))
                .unwrap()
                .map(|entry| entry.unwrap().path()),
        );
    }
    files.sort();
    files
}

/// A generator of numbers, the same for the same seed.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Flips one bit or cuts the end off; says which.
pub fn damage(path: &Path, numbers: &mut Numbers) -> String {
    let mut bytes = std::fs::read(path).unwrap();
    let at = usize::try_from(numbers.below(bytes.len() as u64)).unwrap();
    let what = if numbers.below(4) == 0 {
        bytes.truncate(at);
        format!("{} cut at {at}", path.display())
    } else {
        let bit = numbers.below(8);
        bytes[at] ^= 1 << bit;
        format!("bit {bit} of byte {at} of {}", path.display())
    };
    std::fs::write(path, bytes).unwrap();
    what
}

/// No damaged byte comes out, whatever else does.
pub fn reads_nothing_wrong(dir: &Path, contents: &[Vec<u8>]) -> BTreeSet<ObjectId> {
    let fs: Arc<dyn Fs> = Arc::new(Root::open(dir).unwrap());
    let store = shelf::open(&fs);
    let mut unread = BTreeSet::new();
    for bytes in contents {
        match read(&store, &id(bytes)) {
            Ok(found) => assert!(found == *bytes, "wrong bytes came out"),
            Err(_) => {
                unread.insert(id(bytes));
            }
        }
    }
    unread
}

#[test]
fn a_whole_store_passes_every_check() {
    let (dir, contents) = shelves();
    let fs: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).unwrap());
    for level in [Level::Quick, Level::Fast, Level::Deep] {
        let report = check(&shelf::open(&fs), &ids(&contents), level).unwrap();
        assert!(report.is_sound() && report.leftovers == 0, "{report:?}");
    }
    let missing = id(b"never put");
    let report = check(&shelf::open(&fs), &BTreeSet::from([missing]), Level::Deep).unwrap();
    assert_eq!(report.lost, [missing]);
    assert!(!report.is_sound());
    let empty = tempfile::tempdir().unwrap();
    let fs: Arc<dyn Fs> = Arc::new(Root::open(empty.path()).unwrap());
    assert!(
        check(&shelf::open(&fs), &BTreeSet::new(), Level::Deep)
            .unwrap()
            .is_sound()
    );
}

#[test]
fn every_one_of_a_thousand_damages_is_found_and_named() {
    let (dir, contents) = shelves();
    let fs: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).unwrap());
    let roots = ids(&contents);
    let files = files(dir.path());
    let mut numbers = Numbers(7);
    let mut hurt = 0;
    // Deep includes fast; `SNAPBACK_SWEEP=full` runs it on every damage.
    let full = std::env::var("SNAPBACK_SWEEP").is_ok_and(|word| word == "full");
    let deep_stride = if full { 1 } else { 10 };
    for nth in 0..1000 {
        let path = &files[usize::try_from(numbers.below(files.len() as u64)).unwrap()];
        let whole = std::fs::read(path).unwrap();
        let what = damage(path, &mut numbers);
        let unread = reads_nothing_wrong(dir.path(), &contents);
        let fast = check(&shelf::open(&fs), &roots, Level::Fast).unwrap();
        assert!(!fast.is_sound(), "fast does not find {what}");
        let named = |file: &str| path.to_str().unwrap().ends_with(file);
        assert!(
            fast.damage.iter().any(|harm| named(&harm.file)),
            "{what}: {:?}",
            fast.damage
        );
        if nth % deep_stride == 0 {
            let deep = check(&shelf::open(&fs), &roots, Level::Deep).unwrap();
            assert!(
                deep.damage.iter().any(|harm| named(&harm.file)),
                "{what}: {:?}",
                deep.damage
            );
            let said: BTreeSet<ObjectId> = deep.lost.iter().copied().collect();
            assert_eq!(
                said.intersection(&roots).copied().collect::<BTreeSet<_>>(),
                unread,
                "{what}: who is hurt"
            );
            hurt += usize::from(!unread.is_empty());
        }
        std::fs::write(path, whole).unwrap();
    }
    assert!(hurt > 10, "{hurt} times an object was hurt");
    assert!(
        check(&shelf::open(&fs), &roots, Level::Deep)
            .unwrap()
            .is_sound()
    );
}

#[test]
fn one_flipped_bit_is_one_bad_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let fs: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).unwrap());
    let store = shelf::open(&fs);
    let large = noise(5, 3 << 20);
    drop(put(&store, std::slice::from_ref(&large)).unwrap());
    let pack = files(dir.path())
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("packs"))
        .unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 8;
    std::fs::write(&pack, bytes).unwrap();
    let report = check(&shelf::open(&fs), &BTreeSet::new(), Level::Deep).unwrap();
    assert_eq!(
        (report.damage.len(), report.lost.as_slice()),
        (1, &[id(&large)][..])
    );
    assert_eq!(report.damage[0].objects, [id(&large)]);
    assert!(
        report.damage[0].blob.is_some_and(|blob| blob != id(&large)),
        "{report:?}"
    );
}

#[test]
fn a_budget_leaves_the_rest_for_the_next_check() {
    let (dir, contents) = shelves();
    let fs: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).unwrap());
    let store = shelf::open(&fs);
    let run = |budget, seconds| {
        store
            .check(
                &ids(&contents),
                Check {
                    level: Level::Fast,
                    budget,
                    seconds,
                },
                &|_| (),
            )
            .unwrap()
    };
    let none = run(Some(Duration::ZERO), 5);
    assert!(none.packs == 0 && none.remaining > 30 && none.is_sound());
    let all = run(None, 6);
    assert_eq!((all.packs, all.remaining), (none.remaining, 0));
    drop(put(&store, &[noise(1234, 100)]).unwrap());
    let stats = store.stats(&[]).unwrap();
    assert_eq!(
        (stats.last_fast, stats.last_deep),
        (None, None),
        "the new pack was not checked yet"
    );
    run(None, 7);
    assert_eq!(store.stats(&[]).unwrap().last_fast, Some(7));
    // Damaged notes are forgotten, and are no damage.
    let notes = dir.path().join("store/verified");
    std::fs::write(&notes, b"x").unwrap();
    assert!(run(None, 8).is_sound());
    assert_eq!(store.size(&id(&contents[0])).unwrap(), Some(600));
}
