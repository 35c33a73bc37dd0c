//! The cache file of one folder.
//!
//! ```text
//! "SNBSTAT1" version:u16 folder:32 run:u32 count:u64
//!     | per file shared:varint path-rest:text size:varint
//!       mtime:i64,u32 ctime:i64,u32 ino:u64 dev:u64 id:32 verified:u32
//!     | sha256:32
//! ```
//!
//! One file per folder, in the store's `stat-cache`. It is written without a sync: losing or
//! damaging it only costs the time to read everything again. A file that may have changed within
//! the clock tick in which it was read is not recorded.

use std::{io::Write as _, os::unix::ffi::OsStrExt, path::Path};

use super::FileState;
use crate::{
    base::{
        Digest, Fs, RelPath, Stat,
        cut::{Cut, MalformedBytes, begin, seal},
        fs::read_limited,
        times, wire,
    },
    model::ObjectId,
};

/// The first version also had files that somebody may have written to while they were read.
const VERSION: u16 = 2;
const MAGIC: [u8; 8] = *b"SNBSTAT1";
/// The folder of caches, in the state folder.
const DIR: &str = "store/stat-cache";
/// Maximum size of a cache: enough for ten million files.
const MAX: u64 = 2 << 30;

/// The known facts of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownFile {
    /// Its object in the store.
    pub object: ObjectId,
    /// The run that last read it.
    pub verified: u32,
}

/// The cache of one folder.
pub struct Cache {
    path: RelPath,
    dir: RelPath,
    folder: Digest,
    bytes: Vec<u8>,
    /// The number of this run.
    pub run: u32,
}

/// Appends the state of a file.
fn put_state(out: &mut Vec<u8>, state: &FileState) {
    wire::varint(out, state.size);
    wire::time(out, state.mtime);
    wire::time(out, state.ctime);
    out.extend_from_slice(&state.ino.to_le_bytes());
    out.extend_from_slice(&state.dev.to_le_bytes());
}

/// Reads the state of a file.
fn state(cut: &mut Cut<'_>) -> Result<FileState, MalformedBytes> {
    Ok(FileState {
        size: cut.varint()?,
        mtime: cut.time()?,
        ctime: cut.time()?,
        ino: cut.u64()?,
        dev: cut.u64()?,
    })
}

/// Returns what distinguishes a folder, and a kind of files below it, from others.
fn identity(kind: &str, folder: &Path, stat: &Stat) -> Vec<u8> {
    let place = folder.as_os_str().as_bytes();
    let (dev, ino) = (stat.dev.to_le_bytes(), stat.ino.to_le_bytes());
    [kind.as_bytes(), b"\0", place, &dev, &ino].concat()
}

impl Cache {
    /// Opens the cache for one kind of files below a folder, given its path and its `lstat` result.
    /// Where the file system's times prove nothing, it is empty.
    pub fn of(state: &dyn Fs, kind: &str, folder: &Path, stat: &Stat) -> Self {
        let mut cache = Self::open(state, &RelPath::own(DIR), &identity(kind, folder, stat));
        if !times::are_fine_at(folder) {
            cache.bytes.clear();
        }
        cache
    }

    /// Opens the cache of a folder: `identity` is its path, device and inode.
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

    /// Parses the head; fails for a damaged cache or that of another folder.
    fn head(&self) -> Result<(Cut<'_>, u32, u64), MalformedBytes> {
        let mut cut = Cut::sealed(&self.bytes, &MAGIC, VERSION)?;
        if cut.digest()? != self.folder {
            return Err(MalformedBytes::because("it is that of another folder"));
        }
        let (run, count) = (cut.u32()?, cut.u64()?);
        Ok((cut, run, count))
    }

    /// Returns what is known of each of these files, sorted by path; `None` for files that must be
    /// read.
    pub fn know<'f>(
        &self,
        files: impl ExactSizeIterator<Item = (&'f RelPath, &'f Stat)>,
    ) -> Vec<Option<KnownFile>> {
        let mut known = vec![None; files.len()];
        let mut files = files.enumerate().peekable();
        let join = self.each(|path, state, entry| {
            let before = |(_, (other, _)): &(usize, (&RelPath, &Stat))| other.as_bytes() < path;
            while files.next_if(before).is_some() {}
            let here = files.next_if(|(_, (other, _))| other.as_bytes() == path);
            if let Some((nth, _)) = here.filter(|(_, (_, stat))| FileState::from(*stat) == state) {
                known[nth] = Some(entry);
            }
        });
        // A damaged cache was dropped when opened, so no error is possible here.
        if join.is_err() {
            known.fill(None);
        }
        known
    }

    /// Passes on every entry, in path order.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(&[u8], FileState, KnownFile),
    ) -> Result<(), MalformedBytes> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let (mut cut, _, count) = self.head()?;
        let mut path = Vec::new();
        for _ in 0..count {
            wire::read_path(&mut cut, &mut path)?;
            let state = state(&mut cut)?;
            let known = KnownFile {
                object: ObjectId(cut.digest()?),
                verified: cut.u32()?,
            };
            take(&path, state, known);
        }
        Ok(())
    }

    /// Writes the current facts, sorted by path.
    pub fn write(
        &self,
        state: &dyn Fs,
        files: &[(&RelPath, FileState, KnownFile)],
    ) -> std::io::Result<()> {
        let bytes = self.encode(files);
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

    /// Encodes the next cache.
    fn encode(&self, files: &[(&RelPath, FileState, KnownFile)]) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + files.len() * 112);
        out.extend(begin(&MAGIC, VERSION));
        out.extend_from_slice(self.folder.bytes());
        out.extend_from_slice(&self.run.to_le_bytes());
        out.extend_from_slice(&(files.len() as u64).to_le_bytes());
        let root = RelPath::root();
        let mut before = &root;
        for (path, state, known) in files {
            wire::path(&mut out, before, path);
            put_state(&mut out, state);
            out.extend_from_slice(known.object.0.bytes());
            out.extend_from_slice(&known.verified.to_le_bytes());
            before = path;
        }
        seal(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Root, Type};

    fn found(path: &str, ctime: (i64, u32)) -> (RelPath, Stat) {
        let stat = Stat {
            kind: Type::File,
            mode: 0o644,
            size: 5,
            mtime: (10, 0),
            ctime,
            ino: 7,
            dev: 1,
            uid: 0,
            gid: 0,
            links: 1,
        };
        (RelPath::own(path), stat)
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
        let known = KnownFile {
            object: ObjectId(Digest::of(b"x")),
            verified: 3,
        };
        let all = files.iter().map(|(path, stat)| (path, stat.into(), known));
        let settled = |(_, state, _): &(&RelPath, FileState, KnownFile)| state.is_settled((100, 0));
        let all: Vec<_> = all.filter(settled).collect();
        Cache::open(&state, &folder, b"id")
            .write(&state, &all)
            .expect("it writes");
        let cache = Cache::open(&state, &folder, b"id");
        let know = |cache: &Cache, files: &[(RelPath, Stat)]| {
            cache.know(files.iter().map(|(path, stat)| (path, stat)))
        };
        assert_eq!(
            (cache.run, know(&cache, &files)),
            (1, vec![Some(known), None, Some(known), Some(known)]),
            "b may be racy"
        );
        let mut other = files.clone();
        other[0].1.ctime.1 = 1;
        other[2].1.size = 6;
        other[3].0 = RelPath::own("d");
        assert_eq!(know(&cache, &other), [None; 4]);
        let elsewhere = Cache::open(&state, &folder, b"elsewhere");
        assert_eq!(know(&elsewhere, &files), [None; 4]);
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
