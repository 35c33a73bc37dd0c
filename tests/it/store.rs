//! Contents put into a store come out unchanged, whatever their size and place.

use snapback::base::Digest;

use crate::support::{
    noise,
    shelf::{Shelf, read},
};

#[test]
fn files_of_every_size_come_back_and_are_stored_once() {
    let sizes = [
        0,
        1,
        100,
        64 << 10,
        (64 << 10) + 1,
        1 << 20,
        8 << 20,
        (8 << 20) + 1,
        9 << 20,
        40 << 20,
    ];
    let contents: Vec<Vec<u8>> = sizes.iter().map(|size| noise(size, *size)).collect();
    for shelf in Shelf::each() {
        let store = shelf.open();
        let session = store.begin();
        let mut ids = Vec::new();
        for bytes in &contents {
            let stored = session.put(&mut &bytes[..]).unwrap();
            assert_eq!(
                (stored.digest, stored.size),
                (Digest::of(bytes), bytes.len() as u64)
            );
            assert!(
                session.put(&mut &bytes[..]).unwrap().grown == 0,
                "the second time nothing is new"
            );
            ids.push(stored.id);
        }
        assert_eq!(
            shelf.open().size(&ids[5]).unwrap(),
            None,
            "nothing is visible before the commit"
        );
        drop(session.commit().unwrap());
        for store in [&store, &shelf.open()] {
            for (id, bytes) in ids.iter().zip(&contents) {
                assert_eq!(store.size(id).unwrap(), Some(bytes.len() as u64));
                assert!(read(store, id).unwrap() == *bytes, "{} bytes", bytes.len());
            }
        }
        let again = store.begin();
        for bytes in &contents {
            assert_eq!(again.put(&mut &bytes[..]).unwrap().grown, 0);
        }
        drop(again.commit().unwrap());
    }
}

#[test]
fn a_session_that_is_dropped_leaves_nothing_behind() {
    for shelf in Shelf::each() {
        let store = shelf.open();
        drop(store.begin());
        let session = store.begin();
        session.put(&mut &noise("dropped", 9 << 20)[..]).unwrap();
        drop(session);
        for area in snapback::store::backend::Area::ALL {
            assert_eq!(shelf.count(area), 0, "{area:?}");
        }
    }
}
