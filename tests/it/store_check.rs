//! The check finds every changed bit and every truncation, says whom it affects, and misses none.
use std::{collections::BTreeSet, time::Duration};

use snapback::{
    model::ObjectId,
    store::{
        CheckDepth, CheckOptions,
        backend::{Area, FileName},
    },
};

use crate::support::{
    noise,
    shelf::{GC, Shelf, check, id, ids, put, read},
};

/// Fills a small store with everything: loose packs, a segment, a list of condemned packs.
pub fn fill(shelf: &Shelf) -> Vec<Vec<u8>> {
    let store = shelf.open();
    let mut contents: Vec<Vec<u8>> = (0..33).map(|seed| noise(seed + 1, 600)).collect();
    contents.push(b"a line that comes again and again\n".repeat(200));
    for one in contents.chunks(1) {
        drop(put(&store, one).unwrap());
    }
    // Several chunks, and a list.
    contents.push(noise(99, 200_000));
    contents.push(Vec::new());
    drop(put(&store, &contents[34..]).unwrap());
    // An active session makes the collection wait.
    drop(put(&store, &[noise(77, 5000)]).unwrap());
    let lease = put(&store, &contents[..1]).unwrap();
    let roots = ids(&contents);
    let report = store.gc(&|| Ok(roots.clone()), GC, &|_| ()).unwrap();
    assert_eq!(report.sessions_at_work, 1);
    drop(lease);
    contents
}

/// A random number generator, reproducible by its seed.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Flips one bit of a file or truncates it. Returns which.
pub fn damage(shelf: &Shelf, name: &FileName, numbers: &mut Numbers) -> String {
    let mut bytes = shelf.bytes(name);
    let at = usize::try_from(numbers.below(bytes.len() as u64)).unwrap();
    let what = if numbers.below(4) == 0 {
        bytes.truncate(at);
        format!("{name} cut at {at}")
    } else {
        let bit = numbers.below(8);
        bytes[at] ^= 1 << bit;
        format!("bit {bit} of byte {at} of {name}")
    };
    shelf.write(name, &bytes);
    what
}

/// Asserts that no damaged byte is ever read. Returns the unreadable objects.
pub fn reads_nothing_wrong(shelf: &Shelf, contents: &[Vec<u8>]) -> BTreeSet<ObjectId> {
    let store = shelf.open();
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
    for shelf in Shelf::each() {
        let contents = fill(&shelf);
        for level in [CheckDepth::Quick, CheckDepth::Fast, CheckDepth::Deep] {
            let report = check(&shelf.open(), &ids(&contents), level).unwrap();
            assert!(report.is_sound() && report.leftovers == 0, "{report:?}");
        }
        let missing = id(b"never put");
        let report = check(&shelf.open(), &BTreeSet::from([missing]), CheckDepth::Deep).unwrap();
        assert_eq!(report.lost, [missing]);
        assert!(!report.is_sound());
    }
    for empty in Shelf::each() {
        let report = check(&empty.open(), &BTreeSet::new(), CheckDepth::Deep);
        assert!(report.unwrap().is_sound());
    }
}

#[test]
fn every_one_of_a_thousand_damages_is_found_and_named() {
    for shelf in Shelf::each() {
        let contents = fill(&shelf);
        let roots = ids(&contents);
        let files = shelf.files();
        let mut numbers = Numbers(7);
        let mut hurt = 0;
        // Deep includes fast; `SNAPBACK_SWEEP=full` runs it on every damage.
        let full = std::env::var("SNAPBACK_SWEEP").is_ok_and(|word| word == "full");
        let deep_stride = if full { 1 } else { 10 };
        for nth in 0..if shelf.is_in_memory() { 200 } else { 1000 } {
            let name = &files[usize::try_from(numbers.below(files.len() as u64)).unwrap()];
            let whole = shelf.bytes(name);
            let what = damage(&shelf, name, &mut numbers);
            let unread = reads_nothing_wrong(&shelf, &contents);
            let fast = check(&shelf.open(), &roots, CheckDepth::Fast).unwrap();
            assert!(!fast.is_sound(), "fast does not find {what}");
            let named = |file: &str| shelf.backend().location(name) == file;
            assert!(
                fast.damage.iter().any(|harm| named(&harm.file)),
                "{what}: {:?}",
                fast.damage
            );
            if nth % deep_stride == 0 {
                let deep = check(&shelf.open(), &roots, CheckDepth::Deep).unwrap();
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
            shelf.write(name, &whole);
        }
        assert!(hurt > 5, "{hurt} times an object was hurt");
        assert!(
            check(&shelf.open(), &roots, CheckDepth::Deep)
                .unwrap()
                .is_sound()
        );
    }
}

#[test]
fn one_flipped_bit_is_one_bad_chunk() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        let large = noise(5, 3 << 20);
        drop(put(&store, std::slice::from_ref(&large)).unwrap());
        let pack = shelf.names(Area::Packs).remove(0);
        let mut bytes = shelf.bytes(&pack);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 8;
        shelf.write(&pack, &bytes);
        let report = check(&shelf.open(), &BTreeSet::new(), CheckDepth::Deep).unwrap();
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
}

#[test]
fn a_budget_leaves_the_rest_for_the_next_check() {
    for shelf in Shelf::each() {
        let contents = fill(&shelf);
        let store = shelf.open();
        let run = |budget, seconds| {
            store
                .check(
                    &ids(&contents),
                    CheckOptions {
                        level: CheckDepth::Fast,
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
        // Damaged notes are forgotten, and do not count as damage.
        shelf.write(&FileName::verified(), b"x");
        assert!(run(None, 8).is_sound());
        assert_eq!(store.size(&id(&contents[0])).unwrap(), Some(600));
    }
}
