//! The collection keeps referenced objects and removes others, beside sessions and through crashes.

use std::collections::BTreeSet;

use snapback::store::{
    CheckDepth, ChunkStore, Gc,
    backend::{Area, FileName, LeaseOn},
};

use crate::support::{
    noise,
    shelf::{self, GC, Shelf, check, gc, id, ids, put, read},
};

/// Checks that all contents can be read, and that the store is whole.
pub fn all_there(store: &ChunkStore, contents: &[Vec<u8>]) -> Result<(), String> {
    for bytes in contents {
        let found =
            read(store, &id(bytes)).map_err(|error| format!("{} bytes: {error}", bytes.len()))?;
        if found != *bytes {
            return Err(format!("{} bytes came back changed", bytes.len()));
        }
    }
    let report =
        check(store, &ids(contents), CheckDepth::Deep).map_err(|error| error.to_string())?;
    if report.is_sound() {
        Ok(())
    } else {
        Err(format!("{report:?}"))
    }
}

#[test]
fn what_nothing_names_goes_and_all_else_stays() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        let large = noise(1, 12 << 20);
        // Shares its first chunks with the large one.
        let longer = [&large[..], &noise(2, 3 << 20)].concat();
        let kept = vec![large, noise(3, 100), Vec::new()];
        let gone = vec![longer, noise(4, 2 << 20), noise(5, 10)];
        drop(put(&store, &kept).unwrap());
        drop(put(&store, &gone).unwrap());
        let before = shelf.used();
        let dry = store
            .gc(
                &|| Ok(ids(&kept)),
                Gc {
                    dry_run: true,
                    ..GC
                },
                &|_| (),
            )
            .unwrap();
        assert_eq!(
            (
                shelf.used(),
                dry.dropped.iter().copied().collect::<BTreeSet<_>>()
            ),
            (before, ids(&gone))
        );
        let report = gc(&store, &ids(&kept)).unwrap();
        assert_eq!(report.dropped, dry.dropped);
        assert!(
            report.missing.is_empty() && report.freed > 4 << 20,
            "{report:?}"
        );
        assert_eq!(shelf.used(), before - report.freed);
        for store in [&store, &shelf.open()] {
            all_there(store, &kept).unwrap();
            assert!(
                gone.iter()
                    .all(|bytes| store.size(&id(bytes)).unwrap().is_none())
            );
        }
        let again = gc(&store, &ids(&kept)).unwrap();
        assert_eq!((again.freed, again.dead_blobs, again.leftovers), (0, 0, 0));
        // Removed contents can be put again, and a missing root is reported.
        drop(put(&store, &gone[1..2]).unwrap());
        let report = gc(
            &store,
            &ids(&[kept[0].clone(), gone[0].clone(), gone[1].clone()]),
        )
        .unwrap();
        assert_eq!(report.missing, [id(&gone[0])]);
        all_there(&store, &[kept[0].clone(), gone[1].clone()]).unwrap();
    }
}

#[test]
fn named_objects_stay_until_they_are_named_no_more() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        let bytes = noise(1, 5000);
        let session = store.begin();
        session.put(&mut &bytes[..]).unwrap();
        drop(
            session
                .commit_with(&[("copy".into(), Some(id(&bytes)))])
                .unwrap(),
        );
        gc(&store, &BTreeSet::new()).unwrap();
        all_there(&store, std::slice::from_ref(&bytes)).unwrap();
        drop(store.begin().commit_with(&[("copy".into(), None)]).unwrap());
        assert_eq!(gc(&store, &BTreeSet::new()).unwrap().dropped, [id(&bytes)]);
        assert_eq!(store.size(&id(&bytes)).unwrap(), None);
    }
}

#[test]
fn sessions_that_began_before_are_waited_for() {
    for shelf in Shelf::each() {
        let (store, other) = (shelf.open(), shelf.open());
        let contents = vec![noise(1, 70_000), noise(2, 60_000)];
        drop(put(&store, &contents).unwrap());
        // It relies on stored contents that nothing references yet.
        let lease = put(&other, &contents[..1]).unwrap();
        let report = gc(&store, &BTreeSet::new()).unwrap();
        assert_eq!((report.sessions_at_work, report.freed), (1, 0));
        all_there(&store, &contents).unwrap();
        drop(lease);
        // Now it is referenced: it stays, although it is in the list of the condemned.
        let report = gc(&store, &ids(&contents[..1])).unwrap();
        assert_eq!(
            (report.sessions_at_work, report.dropped.as_slice()),
            (0, &[id(&contents[1])][..])
        );
        all_there(&store, &contents[..1]).unwrap();
    }
}

#[test]
fn what_a_newer_session_stores_again_stays() {
    for shelf in Shelf::each() {
        let (store, other) = (shelf.open(), shelf.open());
        let contents = vec![noise(1, 70_000)];
        drop(put(&store, &contents).unwrap());
        let early = put(&other, &contents).unwrap();
        assert_eq!(gc(&store, &BTreeSet::new()).unwrap().sessions_at_work, 1);
        drop(early);
        // An identical pack has the name of the one that may be taken from.
        let late = put(&other, &contents).unwrap();
        let report = gc(&store, &BTreeSet::new()).unwrap();
        assert_eq!(
            report.sessions_at_work, 1,
            "the second round waits for the newer session"
        );
        all_there(&other, &contents).unwrap();
        drop(late);
        assert_eq!(
            gc(&store, &BTreeSet::new()).unwrap().dropped,
            [id(&contents[0])]
        );
    }
}

#[test]
fn what_is_being_moved_survives_a_commit_beside_it() {
    for shelf in Shelf::each() {
        let (store, other) = (shelf.open(), shelf.open());
        let (mut kept, gone) = (vec![noise(1, 20 << 20)], vec![noise(2, 20 << 20)]);
        drop(put(&store, &[&kept[..], &gone[..]].concat()).unwrap());
        // Called for each pack that was copied and has no name yet: a commit sweeps unnamed ones.
        let late = noise(3, 5000);
        let told = |_: u64| drop(put(&other, std::slice::from_ref(&late)).unwrap());
        let roots = ids(&[&kept[..], std::slice::from_ref(&late)].concat());
        let report = store.gc(&|| Ok(roots.clone()), GC, &told).unwrap();
        assert!(report.rewritten_packs > 0, "{report:?}");
        kept.push(late.clone());
        all_there(&other, &kept).unwrap();
        assert_eq!(
            store
                .gc(&|| Ok(roots.clone()), GC, &|_| ())
                .unwrap()
                .leftovers,
            0
        );
    }
}

/// A writer that runs a closure, which collects, when the first bytes arrive.
struct Slow<'a>(Vec<u8>, Option<Box<dyn FnOnce() + 'a>>);
impl std::io::Write for Slow<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(run) = self.1.take() {
            run();
        }
        self.0.write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_reader_that_looks_at_an_old_commit_finds_what_moved() {
    for shelf in Shelf::each() {
        let (store, reader) = (shelf.open(), shelf.open());
        let (kept, gone) = (
            vec![noise(1, 20 << 20), noise(2, 100)],
            vec![noise(3, 20 << 20)],
        );
        drop(put(&store, &[&kept[..], &gone[..]].concat()).unwrap());
        assert_eq!(reader.size(&id(&kept[0])).unwrap(), Some(20 << 20));
        let mut into = Slow(
            Vec::new(),
            Some(Box::new(|| {
                assert!(gc(&store, &ids(&kept)).unwrap().rewritten_packs > 0);
            })),
        );
        reader.read(&id(&kept[0]), &mut into).unwrap();
        assert!(into.0 == kept[0]);
        all_there(&reader, &kept).unwrap();
    }
}

#[test]
fn many_small_packs_become_few() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        let contents: Vec<Vec<u8>> = (0..80).map(|seed| noise(seed + 1, 2000)).collect();
        for one in contents.chunks(1) {
            drop(put(&store, one).unwrap());
        }
        let count = |area| shelf.count(area);
        assert_eq!(count(Area::Packs), 80);
        gc(&store, &ids(&contents)).unwrap();
        let counts = [Area::Packs, Area::Staging, Area::Sessions].map(count);
        assert_eq!(counts, [1, 0, 0]);
        assert!(count(Area::Index) <= 1 && count(Area::Log) <= 17);
        all_there(&shelf.open(), &contents).unwrap();
    }
}

#[test]
fn objects_of_the_old_format_move_into_packs() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        let (kept, gone) = (noise(1, 9 << 20), noise(2, 500));
        for bytes in [&kept, &gone] {
            let mut object = b"SNBO\x01\x01\0\0".to_vec();
            object.extend(zstd::stream::encode_all(&bytes[..], 1).unwrap());
            object.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
            object.extend_from_slice(id(bytes).0.bytes());
            object.extend_from_slice(&crc32fast::hash(&object).to_le_bytes());
            shelf.backend().prepare().unwrap();
            shelf.write(&FileName::legacy(&id(bytes)), &object);
        }
        all_there(&store, &[kept.clone(), gone.clone()]).unwrap();
        let name = FileName::legacy(&id(&gone));
        let whole = shelf.bytes(&name);
        shelf.write(&name, &whole[..whole.len() - 1]);
        assert_eq!(
            check(
                &store,
                &ids(&[kept.clone(), gone.clone()]),
                CheckDepth::Deep
            )
            .unwrap()
            .lost,
            [id(&gone)]
        );
        shelf.write(&name, &whole);
        let report = gc(&store, &ids(std::slice::from_ref(&kept))).unwrap();
        assert_eq!(
            (report.migrated, report.dropped.as_slice()),
            (1, &[id(&gone)][..])
        );
        assert_eq!(shelf.count(Area::Legacy), 0);
        all_there(&shelf.open(), &[kept]).unwrap();
        assert_eq!(store.size(&id(&gone)).unwrap(), None);
    }
}

#[test]
fn two_collections_are_one_too_many_and_a_damaged_store_is_left_alone() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        let contents = vec![noise(1, 5000), noise(2, 6000)];
        drop(put(&store, &contents).unwrap());
        let held = shelf.backend().lease(&LeaseOn::Collection, false).unwrap();
        assert_eq!(
            gc(&store, &BTreeSet::new()).unwrap_err().kind().exit_code(),
            11
        );
        drop(held);
        let unknown = || Err(snapback::store::Error::Failed.into());
        assert!(
            store.gc(&unknown, GC, &|_| ()).is_err(),
            "roots that cannot be known"
        );
        let pack = shelf.names(Area::Packs).remove(0);
        let mut bytes = shelf.bytes(&pack);
        *bytes.last_mut().unwrap() ^= 1;
        shelf.write(&pack, &bytes);
        let error = gc(&shelf.open(), &BTreeSet::new()).unwrap_err();
        assert_eq!(error.kind().exit_code(), 4, "{error}");
        assert_eq!(shelf.names(Area::Packs), [pack]);
    }
}

#[test]
fn a_large_segment_that_is_damaged_stops_a_collection() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        // More than is read in full when the store is opened: 8 packs, 140,000 chunks.
        for pack in 0..8_u64 {
            let contents: Vec<[u8; 8]> = (0..17_500_u64)
                .map(|nth| (pack * 100_000 + nth).to_le_bytes())
                .collect();
            let slices: Vec<&[u8]> = contents.iter().map(|bytes| &bytes[..]).collect();
            let session = store.begin();
            session.put_small(&slices).unwrap();
            drop(session.commit().unwrap());
        }
        let segment = shelf.names(Area::Index).remove(0);
        let mut bytes = shelf.bytes(&segment);
        assert!(bytes.len() > 4 << 20);
        let needed = id(&7_u64.to_le_bytes());
        let at = bytes
            .windows(16)
            .position(|window| *window == needed.0.bytes()[..16])
            .unwrap();
        bytes[at + 15] ^= 1;
        shelf.write(&segment, &bytes);
        let error = gc(&shelf.open(), &BTreeSet::from([needed])).unwrap_err();
        assert_eq!(error.kind().exit_code(), 4, "{error}");
        let store = shelf.open();
        assert!(
            !check(&store, &BTreeSet::from([needed]), CheckDepth::Quick)
                .unwrap()
                .is_sound()
        );
        assert!(
            shelf::repair(&store, &BTreeSet::from([needed]), &[])
                .unwrap()
                .lost
                .is_empty()
        );
        assert_eq!(read(&shelf.open(), &needed).unwrap(), 7_u64.to_le_bytes());
        let report = gc(&shelf.open(), &BTreeSet::from([needed])).unwrap();
        assert_eq!((report.removed_packs, report.rewritten_packs), (7, 1));
        all_there(&shelf.open(), &[7_u64.to_le_bytes().to_vec()]).unwrap();
    }
}
