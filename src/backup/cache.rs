//! What files held when they were last read, so that those that look the same need no reading.
//!
//! ```text
//! "SNBSTAT1" version:u16 folder:32 run:u32 count:u64
//!     | per file shared:varint path-rest:text size:varint
//!       mtime:i64,u32 ctime:i64,u32 ino:u64 dev:u64 id:32 verified:u32
//!     | sha256:32
//! ```
//!
//! One file a folder, in the store's `stat-cache`. It is written without a sync: a lost or
//! damaged one costs the time to read everything again, and nothing else. As in git's index, a
//! file that may have been changed in the same tick of the clock in which it was read is not
//! believed (git's "racy" rule); here such files are not even written down.

use std::{io::Write as _, os::unix::ffi::OsStrExt, path::Path};

use super::{scan::Found, wire};
use crate::{
    base::{
        Digest, Fs, RelPath, Stat,
        cut::{Broken, Cut, begin, seal},
        fs::read_limited,
        times,
    },
    model::ObjectId,
};

const VERSION: u16 = 1;
const MAGIC: [u8; 8] = *b"SNBSTAT1";
/// No cache is larger: one of ten million files.
const MAX: u64 = 2 << 30;

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its bytes in the store.
    pub object: ObjectId,
    /// The run that read it last.
    pub verified: u32,
}

/// The cache of one folder.
pub struct Cache {
    path: RelPath,
    dir: RelPath,
    folder: Digest,
    bytes: Vec<u8>,
    /// Counts the runs.
    pub run: u32,
}

/// Appends what tells one state of a file from another.
fn put_stat(out: &mut Vec<u8>, stat: &Stat) {
    wire::varint(out, stat.size);
    wire::time(out, stat.mtime);
    wire::time(out, stat.ctime);
    out.extend_from_slice(&stat.ino.to_le_bytes());
    out.extend_from_slice(&stat.dev.to_le_bytes());
}

/// True when two looks at a file found it in the same state.
pub fn same(a: &Stat, b: &Stat) -> bool {
    (a.kind, a.size, a.mtime, a.ctime, a.ino, a.dev)
        == (b.kind, b.size, b.mtime, b.ctime, b.ino, b.dev)
}

/// Reads what tells states of a file apart; whether it is as it was.
fn is_same(cut: &mut Cut<'_>, stat: &Stat) -> Result<bool, Broken> {
    let (size, mtime, ctime, ino, dev) = (
        cut.varint()?,
        cut.time()?,
        cut.time()?,
        cut.u64()?,
        cut.u64()?,
    );
    Ok((size, mtime, ctime, ino, dev) == (stat.size, stat.mtime, stat.ctime, stat.ino, stat.dev))
}

impl Cache {
    /// Opens the cache of a folder, given where it is and what its `lstat` says. Where the times of
    /// the file system prove nothing, nothing is known.
    pub fn of(state: &dyn Fs, folder: &Path, stat: &Stat) -> Self {
        let identity = [
            folder.as_os_str().as_bytes(),
            &stat.dev.to_le_bytes(),
            &stat.ino.to_le_bytes(),
        ]
        .concat();
        let mut cache = Self::open(state, &RelPath::own("store/stat-cache"), &identity);
        if !times::are_fine_at(folder) {
            cache.bytes.clear();
        }
        cache
    }

    /// Opens the cache of a folder: `identity` is where it is, and its device and inode.
    pub fn open(state: &dyn Fs, dir: &RelPath, identity: &[u8]) -> Self {
        let folder = Digest::of(identity);
        let path = dir.join(&folder.hex()[..32]);
        let bytes = read_limited(state, &path, MAX).unwrap_or_default();
        let mut cache = Self {
            path,
            dir: dir.clone(),
            folder,
            bytes,
            run: 0,
        };
        match cache.head() {
            Ok((_, run, _)) => cache.run = run.wrapping_add(1),
            Err(_) => cache.bytes.clear(),
        }
        cache
    }

    /// The head; an error for a damaged cache or that of another folder.
    fn head(&self) -> Result<(Cut<'_>, u32, u64), Broken> {
        let mut cut = Cut::sealed(&self.bytes, &MAGIC, VERSION)?;
        if cut.digest()? != self.folder {
            return Err(Broken::because("it is that of another folder"));
        }
        let (run, count) = (cut.u32()?, cut.u64()?);
        Ok((cut, run, count))
    }

    /// What is known of each of these files, which are sorted by path; `None` where it has to be
    /// read.
    pub fn know(&self, files: &[Found]) -> Vec<Option<Known>> {
        let mut known = vec![None; files.len()];
        // What was damaged was dropped when it was opened: no error is left.
        if !self.bytes.is_empty() && self.join(files, &mut known).is_err() {
            known.fill(None);
        }
        known
    }

    /// Walks along both lists.
    fn join(&self, files: &[Found], known: &mut [Option<Known>]) -> Result<(), Broken> {
        let (mut cut, _, count) = self.head()?;
        let (mut path, mut at) = (Vec::new(), 0);
        for _ in 0..count {
            wire::read_path(&mut cut, &mut path)?;
            while files
                .get(at)
                .is_some_and(|file| file.path.as_bytes() < &path[..])
            {
                at += 1;
            }
            let here = files.get(at).filter(|file| file.path.as_bytes() == path);
            let same = is_same(&mut cut, here.map_or(&NOTHING, |file| &file.stat))?;
            let entry = Known {
                object: ObjectId(cut.digest()?),
                verified: cut.u32()?,
            };
            if here.is_some() && same {
                known[at] = Some(entry);
            }
        }
        Ok(())
    }

    /// Writes down what is known now. `began` is when the first file was looked at.
    pub fn write(
        &self,
        state: &dyn Fs,
        began: (i64, u32),
        files: &[(&Found, Known)],
    ) -> std::io::Result<()> {
        let bytes = self.encode(began, files);
        if bytes == self.bytes {
            return Ok(());
        }
        crate::base::fs::create_dir_all(state, &self.dir, 0o700)?;
        let temp = RelPath::own(
            [
                self.path.as_bytes(),
                format!("-{}", std::process::id()).as_bytes(),
            ]
            .concat(),
        );
        let write = || {
            state.create(&temp, 0o600)?.write_all(&bytes)?;
            state.rename(&temp, &self.path)
        };
        write().inspect_err(|_| {
            let _ = state.remove_file(&temp);
        })
    }

    /// The bytes of the next cache.
    fn encode(&self, began: (i64, u32), files: &[(&Found, Known)]) -> Vec<u8> {
        let settled = |stat: &Stat| times::is_settled(stat.mtime, stat.ctime, began);
        let kept = || files.iter().filter(|(file, _)| settled(&file.stat));
        let mut out = Vec::with_capacity(128 + files.len() * 112);
        out.extend(begin(&MAGIC, VERSION));
        out.extend_from_slice(self.folder.bytes());
        out.extend_from_slice(&self.run.to_le_bytes());
        out.extend_from_slice(&(kept().count() as u64).to_le_bytes());
        let root = RelPath::root();
        let mut before = &root;
        for (file, known) in kept() {
            wire::path(&mut out, before, &file.path);
            put_stat(&mut out, &file.stat);
            out.extend_from_slice(known.object.0.bytes());
            out.extend_from_slice(&known.verified.to_le_bytes());
            before = &file.path;
        }
        seal(out)
    }
}

/// Stands in for a file that is not there any more.
const NOTHING: Stat = Stat {
    kind: crate::base::Type::Other,
    mode: 0,
    size: 0,
    mtime: (0, 0),
    ctime: (0, 0),
    ino: 0,
    dev: 0,
    uid: 0,
    gid: 0,
    links: 0,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Root, Type};

    fn found(path: &str, ctime: (i64, u32)) -> Found {
        let stat = Stat {
            kind: Type::File,
            size: 5,
            mtime: (10, 0),
            ctime,
            ino: 7,
            ..NOTHING
        };
        Found {
            path: RelPath::own(path),
            stat,
            in_use: false,
        }
    }

    #[test]
    fn it_knows_what_is_the_same_and_nothing_else() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let state = Root::open(dir.path()).expect("it opens");
        let folder = RelPath::own("stat-cache");
        let files = [
            found("a", (20, 5)),
            found("b", (99, 960_000_000)),
            found("c/d", (20, 1)),
            found("e", (20, 5)),
        ];
        let known = Known {
            object: ObjectId(Digest::of(b"x")),
            verified: 3,
        };
        let all: Vec<_> = files.iter().map(|file| (file, known)).collect();
        Cache::open(&state, &folder, b"id")
            .write(&state, (100, 0), &all)
            .expect("it writes");
        let cache = Cache::open(&state, &folder, b"id");
        assert_eq!(
            (cache.run, cache.know(&files)),
            (1, vec![Some(known), None, Some(known), Some(known)]),
            "b may be racy"
        );
        let mut other = files.clone();
        other[0].stat.ctime.1 = 1;
        other[2].stat.size = 6;
        other[3].path = RelPath::own("d");
        assert_eq!(cache.know(&other), [None; 4]);
        assert_eq!(
            Cache::open(&state, &folder, b"elsewhere").know(&files),
            [None; 4]
        );
        let bytes = std::fs::read(dir.path().join(cache.path.as_os())).expect("it is there");
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 8;
            let damaged = Cache {
                bytes: bad,
                path: cache.path.clone(),
                dir: folder.clone(),
                folder: cache.folder,
                run: 0,
            };
            assert!(damaged.head().is_err(), "byte {at}");
        }
    }
}
