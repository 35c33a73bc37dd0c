//! What was put under a name: its files, links and empty folders, and when.
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

use super::wire;
use crate::{
    base::{
        Digest, RelPath,
        cut::{Broken, Cut, begin, seal},
    },
    model::ObjectId,
};

const VERSION: u16 = 1;
const LISTING: [u8; 8] = *b"SNBLIST1";
const SAVE: [u8; 8] = *b"SNBSAVE1";
const END: u8 = 255;

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A regular file.
    File {
        /// Number of bytes.
        size: u64,
        /// Its bytes in the store.
        object: ObjectId,
        /// True for the copy of a SQLite database that was in use: its log is in it already.
        database: bool,
    },
    /// A symbolic link with its target.
    Link(Vec<u8>),
    /// A folder with nothing in it.
    Folder,
}

/// One path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Below the folder that was put. As it was read: check it before writing anything there.
    pub path: RelPath,
    /// Permission bits, `0o7777` masked.
    pub mode: u16,
    /// Modification time: seconds and nanoseconds since 1970.
    pub mtime: (i64, u32),
    /// What lies there.
    pub what: What,
}

/// The bytes of a listing. Entries must be sorted by path, no two of the same.
pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut out = begin(&LISTING, VERSION);
    let root = RelPath::root();
    let mut before = &root;
    for entry in entries {
        out.push(match &entry.what {
            What::File {
                database: false, ..
            } => 0,
            What::Link(_) => 1,
            What::Folder => 2,
            What::File { database: true, .. } => 3,
        });
        wire::path(&mut out, before, &entry.path);
        out.extend_from_slice(&entry.mode.to_le_bytes());
        wire::time(&mut out, entry.mtime);
        match &entry.what {
            What::File { size, object, .. } => {
                wire::varint(&mut out, *size);
                out.extend_from_slice(object.0.bytes());
            }
            What::Link(target) => wire::text(&mut out, target),
            What::Folder => {}
        }
        before = &entry.path;
    }
    out.push(END);
    wire::varint(&mut out, entries.len() as u64);
    seal(out)
}

/// Reads a listing, all of it or nothing. Memory is that of the entries that are there.
pub fn decode(bytes: &[u8]) -> Result<Vec<Entry>, Broken> {
    let mut entries = Vec::new();
    each(bytes, |entry| entries.push(entry))?;
    Ok(entries)
}

/// The objects that a listing names; an error when it is not whole.
pub fn objects(bytes: &[u8]) -> Result<Vec<ObjectId>, Broken> {
    let mut objects = Vec::new();
    let add = |entry: Entry| {
        objects.extend(if let What::File { object, .. } = entry.what {
            Some(object)
        } else {
            None
        });
    };
    each(bytes, add)?;
    Ok(objects)
}

/// Reads a listing and hands over every entry.
fn each(bytes: &[u8], mut act: impl FnMut(Entry)) -> Result<(), Broken> {
    let mut cut = Cut::sealed(bytes, &LISTING, VERSION)?;
    let mut path = Vec::new();
    let mut count = 0;
    loop {
        let kind = cut.u8()?;
        if kind == END {
            break;
        }
        wire::read_path(&mut cut, &mut path)?;
        let (mode, mtime) = (cut.u16()?, cut.time()?);
        let what = match kind {
            0 | 3 => What::File {
                size: cut.varint()?,
                object: ObjectId(cut.digest()?),
                database: kind == 3,
            },
            1 => What::Link(wire::read_text(&mut cut)?.to_vec()),
            2 => What::Folder,
            _ => return Err(Broken::because("it has an entry of an unknown kind")),
        };
        count += 1;
        act(Entry {
            path: RelPath::own(path.clone()),
            mode,
            mtime,
            what,
        });
    }
    if cut.varint()? != count {
        return Err(Broken::because(
            "it has another number of entries than it says",
        ));
    }
    cut.end()
}

/// One time that something was put under a name: what the name stands for in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Save {
    /// When, in seconds since 1970.
    pub seconds: i64,
    /// The listing.
    pub listing: ObjectId,
    /// How many files it lists.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// The folders that were put.
    pub folders: Vec<Vec<u8>>,
}

impl Save {
    /// Its bytes.
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

    /// Reads it.
    pub fn decode(bytes: &[u8]) -> Result<Self, Broken> {
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

    /// True when an object begins as a save does; any other object names no other ones.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(&SAVE)
    }
}

/// The object that a content would be.
pub fn object(bytes: &[u8]) -> ObjectId {
    ObjectId(Digest::of(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries() -> Vec<Entry> {
        let entry = |path: &[u8], what| Entry {
            path: RelPath::own(path),
            mode: 0o640,
            mtime: (1_700_000_000, 123_456_789),
            what,
        };
        let file = |size, database| What::File {
            size,
            object: object(b"x"),
            database,
        };
        vec![
            entry(b"a-b", file(300, false)),
            entry(b"a/db.sqlite", file(u64::MAX, true)),
            entry(b"a/empty", What::Folder),
            Entry {
                mtime: (-5, 0),
                ..entry(b"a/link", What::Link(b"../\xf0".to_vec()))
            },
            entry(b"a/\xff\xfe", file(0, false)),
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
            encode(&entries()),
            include_bytes!("../../tests/fixtures/store/listing-1")
        );
        assert_eq!(
            decode(include_bytes!("../../tests/fixtures/store/listing-1")),
            Ok(entries())
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
        let (listing, save) = (encode(&entries()), save().encode());
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
            let mut bytes = encode(&entries());
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
        let mut twice = entries();
        twice[1].path = twice[0].path.clone();
        assert!(decode(&encode(&twice)).is_err(), "the same path twice");
    }
}
