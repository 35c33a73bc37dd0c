//! The store by its port, on a real folder: what goes in comes out, whatever its size.

use std::sync::Arc;

use snapback::{
    base::{Digest, Fs, RelPath, Root},
    store::ChunkStore,
};

use crate::support::noise;

fn read(store: &ChunkStore, id: &snapback::model::ObjectId) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.read(id, &mut bytes).unwrap();
    bytes
}

#[test]
fn files_of_every_size_come_back_and_are_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let root: Arc<dyn Fs> = Arc::new(Root::open(dir.path()).unwrap());
    let store = ChunkStore::local(root.clone(), RelPath::own("store"));
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
        ChunkStore::local(root.clone(), RelPath::own("store"))
            .size(&ids[5])
            .unwrap(),
        None,
        "nothing is visible before the commit"
    );
    drop(session.commit().unwrap());
    for store in [&store, &ChunkStore::local(root, RelPath::own("store"))] {
        for (id, bytes) in ids.iter().zip(&contents) {
            assert_eq!(store.size(id).unwrap(), Some(bytes.len() as u64));
            assert!(read(store, id) == *bytes, "{} bytes", bytes.len());
        }
    }
    let again = store.begin();
    for bytes in &contents {
        assert_eq!(again.put(&mut &bytes[..]).unwrap().grown, 0);
    }
    drop(again.commit().unwrap());
}
