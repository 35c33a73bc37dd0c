//! The frozen formats of the store: `tests/fixtures/store` has one file of each, a whole store of
//! two commits, and a store from before packs. Today's files have these very bytes, and the old
//! files can be read today.
//!
//! A format changes by a new version beside the old one, never by a new golden file. Set
//! `SNAPBACK_WRITE_FIXTURES` to write missing files; existing ones stay.
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use snapback::{
    base::{Digest, RelPath, Root},
    model::ObjectId,
    store::{
        ChunkStore,
        format::{
            BlobCodec, BlobId, BlobKind, PackRef, blob,
            dead::Dead,
            file::{Chunk, FileObject},
            pack,
            record::{self, CommitRecord, FileRef},
            segment,
        },
    },
};

/// Returns the folder of the golden files.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store")
}

/// Returns whether missing fixtures should be written.
fn writing() -> bool {
    std::env::var_os("SNAPBACK_WRITE_FIXTURES").is_some()
}

/// Returns the golden file with this name, which must have these bytes.
fn golden(name: &str, today: &[u8]) -> Vec<u8> {
    let path = fixtures().join(name);
    if writing() && !path.exists() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, today).unwrap();
    }
    let golden = fs::read(&path).unwrap();
    assert!(
        golden == today,
        "{name}: today's bytes are not those of the format"
    );
    golden
}

fn data(bytes: &[u8]) -> BlobId {
    BlobId {
        id: Digest::of(bytes),
        kind: BlobKind::Data,
    }
}

/// Returns a handmade zstd frame (RFC 8878) of one byte, repeated `times`: the encoder's output may
/// change, the decoder's may not.
fn frame(byte: u8, times: u8) -> Vec<u8> {
    let [low, high] = (u16::from(times) << 3 | 0b011).to_le_bytes();
    vec![0x28, 0xb5, 0x2f, 0xfd, 0x20, times, low, high, 0, byte]
}

/// Returns a file of 111 bytes in two chunks: raw and compressed.
fn file() -> FileObject {
    let chunk = |bytes: &[u8]| Chunk {
        id: Digest::of(bytes),
        len: u32::try_from(bytes.len()).unwrap(),
    };
    FileObject {
        chunker: 1,
        cutter: 0x11,
        size: 111,
        chunks: vec![chunk(b"a raw chunk"), chunk(&[b'z'; 100])],
    }
}

/// Returns the plain bytes of [`file`].
fn file_bytes() -> Vec<u8> {
    [&b"a raw chunk"[..], &[b'z'; 100]].concat()
}

#[test]
fn a_file_object_keeps_its_bytes() {
    let bytes = golden("file-object", &file().encode());
    assert_eq!(FileObject::decode(&bytes), Ok(file()));
}

#[test]
fn a_dead_list_keeps_its_bytes() {
    let mut blobs = vec![
        data(b"one"),
        data(b"two"),
        BlobId {
            id: Digest::of(b"two"),
            kind: BlobKind::File,
        },
    ];
    blobs.sort();
    let mut packs = vec![Digest::of(b"one pack"), Digest::of(b"another pack")];
    packs.sort();
    let dead = Dead {
        sequence: 7,
        packs,
        blobs,
    };
    let bytes = golden("dead-list", &dead.encode());
    assert_eq!(Dead::decode(&bytes), Ok(dead));
}

#[test]
fn a_commit_record_keeps_its_bytes() {
    let id = |text: &str| Digest::of(text.as_bytes());
    let root = |name: &str| record::NamedRoot {
        name: name.into(),
        id: id(name),
    };
    let record = CommitRecord {
        sequence: 0x0102_0304_0506_0708,
        seconds: 1_771_909_800,
        previous: id("the record before"),
        packs: vec![
            PackRef {
                id: id("one pack"),
                size: 5_000,
            },
            PackRef {
                id: id("another pack"),
                size: u64::from(u32::MAX),
            },
        ],
        segments: vec![FileRef {
            id: id("a segment"),
            size: 6_000,
        }],
        dead: Some(FileRef {
            id: id("a dead list"),
            size: 147,
        }),
        roots: vec![root("safety/000012"), root("舆情")],
    };
    let bytes = golden("commit-record", &record.encode());
    assert_eq!(CommitRecord::decode(&bytes), Ok(record));
    let bytes = golden("commit-record-empty", &CommitRecord::empty().encode());
    assert_eq!(CommitRecord::decode(&bytes), Ok(CommitRecord::empty()));
}

#[test]
fn an_index_segment_keeps_its_bytes() {
    let packs = [
        PackRef {
            id: Digest::of(b"one pack"),
            size: 9_000,
        },
        PackRef {
            id: Digest::of(b"another pack"),
            size: 70,
        },
    ];
    let entry = |nth: u32| segment::SegmentEntry {
        prefix: segment::prefix(&Digest::of(&nth.to_le_bytes())),
        kind: if nth.is_multiple_of(7) {
            BlobKind::File
        } else {
            BlobKind::Data
        },
        pack: nth % 2,
        offset: 52 + nth * 60,
        stored: nth,
        plain: nth * 2,
    };
    // Enough entries for a fan-out of more than one bucket.
    let mut entries: Vec<_> = (0..130).map(entry).collect();
    let bytes = golden("index-segment", &segment::encode(&packs, &mut entries));
    let len = segment::head_len(&bytes[..segment::HEAD], bytes.len() as u64).unwrap();
    let head = segment::SegmentHeader::decode(&bytes[..len]).unwrap();
    assert_eq!((head.entries, &head.packs[..]), (130, &packs[..]));
    for nth in 0..130_u32 {
        let id = Digest::of(&nth.to_le_bytes());
        let range = head.bucket(&segment::prefix(&id));
        let bucket = &bytes[len + range.start * segment::ENTRY..len + range.end * segment::ENTRY];
        assert!(range.len() < 130);
        assert_eq!(
            head.matching(
                bucket,
                BlobId {
                    id,
                    kind: entry(nth).kind
                }
            ),
            Ok(vec![entry(nth)])
        );
    }
}

/// Returns a pack of three blobs: raw, compressed, and the list of a file of both.
fn packed() -> (Vec<u8>, Vec<pack::PackEntry>) {
    let list = file().encode();
    let of_file = BlobId {
        id: Digest::of(&file_bytes()),
        kind: BlobKind::File,
    };
    let blobs: [(BlobId, BlobCodec, usize, Vec<u8>); 3] = [
        (
            data(b"a raw chunk"),
            BlobCodec::Raw,
            11,
            b"a raw chunk".to_vec(),
        ),
        (data(&[b'z'; 100]), BlobCodec::Zstd, 100, frame(b'z', 100)),
        (of_file, BlobCodec::Raw, list.len(), list),
    ];
    let mut bytes = pack::header().to_vec();
    let mut entries = Vec::new();
    for (blob, codec, plain, stored) in blobs {
        let (header, crc) = blob::header(blob, codec, plain, &stored);
        let number = |len: usize| u32::try_from(len).unwrap();
        let (offset, stored_len, plain) =
            (number(bytes.len()), number(stored.len()), number(plain));
        entries.push(pack::PackEntry {
            blob,
            offset,
            stored: stored_len,
            plain,
            codec,
            crc,
        });
        bytes.extend(header);
        bytes.extend(stored);
    }
    let (offset, table) = (bytes.len() as u64, pack::table(&mut entries));
    bytes.extend(&table);
    bytes.extend(pack::trailer(pack::Trailer {
        offset,
        count: 3,
        id: Digest::of(&table),
    }));
    (bytes, entries)
}

#[test]
fn a_pack_keeps_its_bytes() {
    let (today, entries) = packed();
    let bytes = golden("pack", &today);
    pack::read_header(&bytes).unwrap();
    let at = bytes.len() - pack::TRAILER;
    let trailer = pack::read_trailer(&bytes[at..], bytes.len() as u64).unwrap();
    let begin = usize::try_from(trailer.offset).unwrap();
    assert_eq!(
        pack::read_table(&bytes[begin..at], &trailer.id, trailer.offset),
        Ok(entries.clone())
    );
    for entry in &entries {
        let (header, stored) = blob::split(&bytes[entry.offset as usize..]).unwrap();
        assert_eq!(
            (header.blob, header.codec, header.plain, header.crc),
            (entry.blob, entry.codec, entry.plain, entry.crc)
        );
        assert_eq!(stored.len(), entry.stored as usize);
    }
    // A store of this pack alone returns all three, decompressed and assembled.
    let dir = tempfile::tempdir().unwrap();
    let packs = vec![PackRef {
        id: trailer.id,
        size: bytes.len() as u64,
    }];
    let record = CommitRecord {
        sequence: 1,
        packs,
        ..CommitRecord::empty()
    };
    for (path, bytes) in [
        (format!("packs/{}", trailer.id.hex()), &bytes),
        (format!("log/{:016x}", 1), &record.encode()),
    ] {
        let path = dir.path().join("store").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let store = open(dir.path());
    for plain in [&b"a raw chunk"[..], &[b'z'; 100], &file_bytes()] {
        read(&store, plain);
    }
}

/// Copies a folder of fixtures to an empty one, which a test may modify.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Opens the store in a folder.
fn open(dir: &Path) -> ChunkStore {
    ChunkStore::local(Arc::new(Root::open(dir).unwrap()), RelPath::own("store"))
}

/// Reads an object's bytes, after asking for its size.
fn read(store: &ChunkStore, bytes: &[u8]) {
    let id = ObjectId(Digest::of(bytes));
    assert_eq!(store.size(&id).unwrap(), Some(bytes.len() as u64));
    let mut found = Vec::new();
    assert_eq!(store.read(&id, &mut found).unwrap(), bytes.len() as u64);
    assert!(found == bytes, "{} bytes", bytes.len());
}

/// Puts contents and commits.
fn put(store: &ChunkStore, contents: &[Vec<u8>], name: &str) {
    let session = store.begin();
    let ids: Vec<_> = contents
        .iter()
        .map(|bytes| session.put(&mut &bytes[..]).unwrap().id)
        .collect();
    assert!(
        ids.iter()
            .zip(contents)
            .all(|(id, bytes)| id.0 == Digest::of(bytes))
    );
    drop(session.commit_with(&[(name.into(), Some(ids[0]))]).unwrap());
}

/// Returns what the two commits of the whole store put: raw and compressed chunks, chunk lists.
fn contents() -> [Vec<Vec<u8>>; 2] {
    let long = |byte: u8| [vec![b'-'; 300_000], vec![byte; 100_000]].concat();
    [
        vec![
            b"snapback".to_vec(),
            Vec::new(),
            vec![b'x'; 5_000],
            long(b'1'),
        ],
        vec![long(b'2'), vec![b'y'; 70_000]],
    ]
}

#[test]
fn a_store_of_two_commits_opens_and_gives_its_objects_back() {
    let whole = fixtures().join("whole");
    let dir = tempfile::tempdir().unwrap();
    if writing() && !whole.exists() {
        let store = open(dir.path());
        for (nth, contents) in contents().iter().enumerate() {
            put(&store, contents, &format!("commit-{nth}"));
        }
        for folder in ["packs", "log"] {
            copy(&dir.path().join("store").join(folder), &whole.join(folder));
        }
    }
    let copied = tempfile::tempdir().unwrap();
    copy(&whole, &copied.path().join("store"));
    let store = open(copied.path());
    assert!(store.damage().unwrap().is_empty());
    for bytes in contents().iter().flatten() {
        read(&store, bytes);
    }
    // It grows: existing contents are not stored again, and new ones are added.
    let session = store.begin();
    for bytes in contents().iter().flatten() {
        assert_eq!(
            session.put(&mut &bytes[..]).unwrap().grown,
            0,
            "it is there"
        );
    }
    drop(session.commit().unwrap());
    put(&store, &[b"something new".to_vec()], "commit-2");
    let store = open(copied.path());
    read(&store, b"something new");
    for bytes in contents().iter().flatten() {
        read(&store, bytes);
    }
    assert!(store.damage().unwrap().is_empty());
}

/// The last record of the whole store names both roots, and the record before it.
#[test]
fn the_records_of_the_whole_store_are_chained() {
    let record =
        |sequence: u64| fs::read(fixtures().join(format!("whole/log/{sequence:016x}"))).unwrap();
    let (first, second) = (
        CommitRecord::decode(&record(1)).unwrap(),
        CommitRecord::decode(&record(2)).unwrap(),
    );
    assert_eq!(
        (first.previous, second.previous),
        (CommitRecord::empty().previous, Digest::of(&record(1)))
    );
    let names = |record: &CommitRecord| {
        record
            .roots
            .iter()
            .map(|root| root.name.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (names(&first), names(&second)),
        (
            vec!["commit-0".to_string()],
            vec!["commit-0".into(), "commit-1".into()]
        )
    );
    assert!(
        first.packs.iter().all(|pack| second.packs.contains(pack))
            && second.packs.len() > first.packs.len()
    );
}

/// Returns an object as it was stored before packs.
fn legacy(byte: u8, times: u8) -> (String, Vec<u8>) {
    let plain = vec![byte; times.into()];
    let digest = Digest::of(&plain);
    let mut bytes = [
        &b"SNBO\x01\x01\0\0"[..],
        &frame(byte, times),
        &u64::from(times).to_le_bytes(),
        digest.bytes(),
    ]
    .concat();
    bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
    let hex = digest.hex();
    (
        format!("before-packs/objects/{}/{}", &hex[..2], &hex[2..]),
        bytes,
    )
}

#[test]
fn a_store_from_before_packs_is_read_and_goes_on() {
    let objects = [(b'o', 200), (b'l', 1)];
    for (byte, times) in objects {
        let (path, bytes) = legacy(byte, times);
        golden(&path, &bytes);
    }
    let dir = tempfile::tempdir().unwrap();
    copy(&fixtures().join("before-packs"), &dir.path().join("store"));
    let contents: Vec<Vec<u8>> = objects
        .iter()
        .map(|(byte, times)| vec![*byte; usize::from(*times)])
        .collect();
    let store = open(dir.path());
    for bytes in &contents {
        read(&store, bytes);
    }
    assert_eq!(
        store
            .size(&ObjectId(Digest::of(b"it never had this")))
            .unwrap(),
        None
    );
    // The same content again goes into a pack; the name stays, and either copy is enough.
    put(&store, &contents[..1], "again");
    let reopened = open(dir.path());
    for bytes in &contents {
        read(&store, bytes);
        read(&reopened, bytes);
    }
    fs::remove_dir_all(dir.path().join("store/objects")).unwrap();
    let store = open(dir.path());
    read(&store, &contents[0]);
    assert_eq!(
        store.size(&ObjectId(Digest::of(&contents[1]))).unwrap(),
        None,
        "this one was only there"
    );
}
