//! The content put under a name: its files, links and empty folders, and the time of the put.
//!
//! ```text
//! listing  "SNBLIST1" version:u16 | per entry kind:u8 shared:varint path-rest:text mode:u16
//!          seconds:i64 nanos:u32 (file: size:varint id:32 | link: target:text)
//!          | 255 count:varint | sha256:32
//! save     "SNBSAVE1" version:u16 seconds:i64 listing:32 files:u64 bytes:u64
//!          | folders:varint, per folder name:text | sha256:32
//! ```
//!
//! Both are ordinary objects of the store. A listing holds no date and nothing that depends on
//! anything but the entry before, so listings of two versions share their chunks, and a listing
//! of the same files is the same object. Entries are sorted by the bytes of their paths.

use crate::{
    base::{
        Digest, RelPath,
        cut::{Cut, MalformedBytes, begin, seal},
        wire,
    },
    model::{FileKind, FileRecord, Location, ObjectId},
};

const VERSION: u16 = 1;
const LISTING: [u8; 8] = *b"SNBLIST1";
const SAVE: [u8; 8] = *b"SNBSAVE1";
/// The kinds of an entry.
const FILE: u8 = 0;
const LINK: u8 = 1;
const FOLDER: u8 = 2;
/// The copy of a SQLite database that was in use: its log is in it already.
const DATABASE: u8 = 3;
const END: u8 = 255;

/// Returns the bytes of a listing. Records must be sorted by path, without duplicates, and the
/// bytes of files must be in the store.
pub fn encode(records: &[FileRecord]) -> Vec<u8> {
    let mut out = begin(&LISTING, VERSION);
    let root = RelPath::root();
    let mut before = &root;
    for record in records {
        out.push(match (record.kind, &record.location) {
            (FileKind::File | FileKind::Executable, Location::Database(_)) => DATABASE,
            (FileKind::File | FileKind::Executable, _) => FILE,
            (FileKind::Link, _) => LINK,
            (FileKind::Folder, _) => FOLDER,
        });
        wire::path(&mut out, before, &record.path);
        let mode = u16::try_from(record.mode & 0o7777).expect("because twelve bits fit");
        out.extend_from_slice(&mode.to_le_bytes());
        wire::time(&mut out, record.mtime.unwrap_or_default());
        match record.kind {
            FileKind::File | FileKind::Executable => {
                wire::varint(&mut out, record.size);
                out.extend_from_slice(record.digest.bytes());
            }
            FileKind::Link => wire::text(&mut out, record.target().unwrap_or_default()),
            FileKind::Folder => {}
        }
        before = &record.path;
    }
    out.push(END);
    wire::varint(&mut out, records.len() as u64);
    seal(out)
}

/// Reads a listing, all of it or nothing. Memory is that of the records that are there. Paths are
/// as they were read: check them before writing anything there.
pub fn decode(bytes: &[u8]) -> Result<Vec<FileRecord>, MalformedBytes> {
    let mut records = Vec::new();
    each(bytes, |record| records.push(record))?;
    Ok(records)
}

/// Returns the objects that a listing names; an error when it is not whole.
pub fn objects(bytes: &[u8]) -> Result<Vec<ObjectId>, MalformedBytes> {
    let mut objects = Vec::new();
    each(bytes, |record| objects.extend(record.location.object()))?;
    Ok(objects)
}

/// Reads a listing and hands over every record.
fn each(bytes: &[u8], mut act: impl FnMut(FileRecord)) -> Result<(), MalformedBytes> {
    let mut cut = Cut::sealed(bytes, &LISTING, VERSION)?;
    let nothing = Digest::of(b"");
    let mut path = Vec::new();
    let mut count = 0;
    loop {
        let what = cut.u8()?;
        if what == END {
            break;
        }
        wire::read_path(&mut cut, &mut path)?;
        let (mode, mtime) = (u32::from(cut.u16()?), cut.time()?);
        let (kind, size, digest, location) = match what {
            FILE | DATABASE => {
                let (size, digest) = (cut.varint()?, cut.digest()?);
                let location = if what == DATABASE {
                    Location::Database(ObjectId(digest))
                } else {
                    Location::Object(ObjectId(digest))
                };
                (FileKind::of_mode(mode), size, digest, location)
            }
            LINK => {
                let target = wire::read_text(&mut cut)?.to_vec();
                let (size, digest) = (target.len() as u64, Digest::of(&target));
                (FileKind::Link, size, digest, Location::Inline(target))
            }
            FOLDER => (FileKind::Folder, 0, nothing, Location::Inline(Vec::new())),
            _ => {
                return Err(MalformedBytes::because(
                    "it has an entry of an unknown kind",
                ));
            }
        };
        count += 1;
        act(FileRecord {
            path: RelPath::own(path.clone()),
            kind,
            size,
            digest,
            mode,
            mtime: Some(mtime),
            location,
        });
    }
    if cut.varint()? != count {
        return Err(MalformedBytes::because(
            "it has another number of entries than it says",
        ));
    }
    cut.end()
}

/// One time that something was put under a name: the object in the store behind the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// The time, in seconds since 1970.
    pub seconds: i64,
    /// The listing.
    pub listing: ObjectId,
    /// The number of files it lists.
    pub files: u64,
    /// The number of their bytes.
    pub bytes: u64,
    /// The folders that were put.
    pub folders: Vec<Vec<u8>>,
}

impl Save {
    /// Returns its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = begin(&SAVE, VERSION);
        out.extend_from_slice(&self.seconds.to_le_bytes());
        out.extend_from_slice(self.listing.0.bytes());
        out.extend_from_slice(&self.files.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        wire::varint(&mut out, self.folders.len() as u64);
        for folder in &self.folders {
            wire::text(&mut out, folder);
        }
        seal(out)
    }

    /// Reads a save from its bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, MalformedBytes> {
        let mut cut = Cut::sealed(bytes, &SAVE, VERSION)?;
        let seconds = cut.u64()?.cast_signed();
        let listing = ObjectId(cut.digest()?);
        let (files, bytes) = (cut.u64()?, cut.u64()?);
        let folders = (0..cut.varint()?)
            .map(|_| wire::read_text(&mut cut).map(<[u8]>::to_vec))
            .collect::<Result<_, _>>()?;
        cut.end()?;
        Ok(Self {
            seconds,
            listing,
            files,
            bytes,
            folders,
        })
    }

    /// Returns true when an object begins as a save does; any other object names no other ones.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&SAVE)
    }
}

/// Returns the object that a content would be.
pub fn object(bytes: &[u8]) -> ObjectId {
    ObjectId(Digest::of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<FileRecord> {
        let record = |path: &[u8], kind, bytes: &[u8], location| FileRecord {
            path: RelPath::own(path),
            kind,
            size: bytes.len() as u64,
            digest: Digest::of(bytes),
            mode: 0o640,
            mtime: Some((1_700_000_000, 123_456_789)),
            location,
        };
        let file = |path: &[u8], size, source: fn(ObjectId) -> Location| FileRecord {
            size,
            ..record(path, FileKind::File, b"x", source(object(b"x")))
        };
        let link = |path: &[u8], target: &[u8]| {
            record(
                path,
                FileKind::Link,
                target,
                Location::Inline(target.to_vec()),
            )
        };
        vec![
            file(b"a-b", 300, Location::Object),
            file(b"a/db.sqlite", u64::MAX, Location::Database),
            record(
                b"a/empty",
                FileKind::Folder,
                b"",
                Location::Inline(Vec::new()),
            ),
            FileRecord {
                mtime: Some((-5, 0)),
                ..link(b"a/link", b"../\xf0")
            },
            file(b"a/\xff\xfe", 0, Location::Object),
        ]
    }

    fn save() -> Save {
        Save {
            seconds: 1_700_000_000,
            listing: object(b"y"),
            files: 3,
            bytes: 77,
            folders: vec![b"data".to_vec(), b"\xff".to_vec()],
        }
    }

    #[test]
    fn the_golden_files_stay_as_they_are() {
        assert_eq!(
            encode(&records()),
            include_bytes!("../../tests/fixtures/store/listing-1")
        );
        assert_eq!(
            decode(include_bytes!("../../tests/fixtures/store/listing-1")),
            Ok(records())
        );
        assert_eq!(
            save().encode(),
            include_bytes!("../../tests/fixtures/store/save-1")
        );
        assert_eq!(
            Save::decode(include_bytes!("../../tests/fixtures/store/save-1")),
            Ok(save())
        );
    }

    #[test]
    fn every_changed_byte_and_every_cut_is_found() {
        let (listing, save) = (encode(&records()), save().encode());
        for (bytes, reads) in [
            (
                &listing,
                (|bytes| decode(bytes).is_ok()) as fn(&[u8]) -> bool,
            ),
            (&save, |bytes| Save::decode(bytes).is_ok()),
        ] {
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 1;
                assert!(!reads(&bad) && !reads(&bytes[..at]), "byte {at}");
            }
        }
    }

    #[test]
    fn what_is_sealed_and_yet_wrong_is_refused() {
        let reseal = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = encode(&records());
            bytes.truncate(bytes.len() - 32);
            change(&mut bytes);
            decode(&seal(bytes)).is_ok()
        };
        assert!(reseal(&|_| ()));
        assert!(
            !reseal(&|bytes| *bytes.last_mut().expect("it is not empty") += 1),
            "another count"
        );
        assert!(!reseal(&|bytes| bytes[8] = 9), "another version");
        assert!(!reseal(&|bytes| bytes[10] = 7), "another kind");
        assert!(!reseal(&|bytes| bytes.push(0)), "bytes after the end");
        let mut twice = records();
        twice[1].path = twice[0].path.clone();
        assert!(decode(&encode(&twice)).is_err(), "the same path twice");
    }
}
