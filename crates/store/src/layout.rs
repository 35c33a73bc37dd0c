//! Where things lie below the store's folder, and how files get there durably.
//!
//! ```text
//! packs/<id>  index/<id>  log/<sequence>   what the store holds
//! tmp/        sessions/                    of sessions at work: gone when they are
//! quarantine/                              damaged packs, kept for a person
//! objects/                                 of stores made before there were packs
//! lock  gc.lock  reserve  verified
//! ```

use std::io;

use super::{format::Broken, sync};
use base::{Digest, Fs, RelPath, fs::read_limited};

/// Permission bits of the store's folders: what lies there is private to its owner.
const DIR_MODE: u32 = 0o700;
/// Permission bits of the store's files.
pub const FILE_MODE: u32 = 0o600;
/// Folders made with the store.
const DIRS: [&str; 5] = ["packs", "index", "log", "tmp", "sessions"];
/// No index file or record that is larger is read.
const MAX_INDEX: u64 = 16 << 30;

/// The paths below one store's folder.
#[derive(Debug, Clone)]
pub struct Layout {
    /// The store's folder.
    pub dir: RelPath,
}

impl Layout {
    /// A pack.
    pub fn pack(&self, id: &Digest) -> RelPath {
        self.packs().join(id.hex())
    }

    /// The folder of packs.
    pub fn packs(&self) -> RelPath {
        self.dir.join("packs")
    }

    /// An index file: a segment or a list of condemned blobs.
    pub fn index(&self, id: &Digest) -> RelPath {
        self.indexes().join(id.hex())
    }

    /// The folder of index files.
    pub fn indexes(&self) -> RelPath {
        self.dir.join("index")
    }

    /// A record of the commit log.
    pub fn record(&self, sequence: u64) -> RelPath {
        self.log().join(format!("{sequence:016x}"))
    }

    /// The folder of records.
    pub fn log(&self) -> RelPath {
        self.dir.join("log")
    }

    /// The folder of files being written.
    pub fn tmp(&self) -> RelPath {
        self.dir.join("tmp")
    }

    /// The folder of the lock files of sessions.
    pub fn sessions(&self) -> RelPath {
        self.dir.join("sessions")
    }

    /// Held while a collection or a repair is at work.
    pub fn gc_lock(&self) -> RelPath {
        self.dir.join("gc.lock")
    }

    /// Room that a collection can give up when the disk is full.
    pub fn reserve(&self) -> RelPath {
        self.dir.join("reserve")
    }

    /// When which pack was checked last.
    pub fn verified(&self) -> RelPath {
        self.dir.join("verified")
    }

    /// The folder of damaged files that repairs took out of use.
    pub fn quarantine(&self) -> RelPath {
        self.dir.join("quarantine")
    }

    /// Held while a commit is made.
    pub fn lock(&self) -> RelPath {
        self.dir.join("lock")
    }

    /// Makes the folders, durably; cheap when they are.
    pub fn make(&self, fs: &dyn Fs) -> io::Result<()> {
        let mut created = base::fs::create_dir_all(fs, &self.dir, DIR_MODE)?;
        for name in DIRS {
            created.append(&mut base::fs::create_dir_all(
                fs,
                &self.dir.join(name),
                DIR_MODE,
            )?);
        }
        // Whoever made them may have died before they were durable: a commit came after that.
        if created.is_empty() && !self.sequences(fs)?.is_empty() {
            return Ok(());
        }
        // Two points, so that a skipped one shows: the folder's names, and its own name.
        fs.sync_dir(&self.dir, sync::COMMIT_DIR)?;
        fs.sync_dir(&self.dir.parent(), sync::PACK_DIR)
    }

    /// The names in a folder; none when the folder is missing.
    pub fn names(fs: &dyn Fs, dir: &RelPath) -> io::Result<Vec<String>> {
        if fs.stat(dir)?.is_none() {
            return Ok(Vec::new());
        }
        Ok(fs
            .list(dir)?
            .into_iter()
            .filter_map(|name| String::from_utf8(name).ok())
            .collect())
    }

    /// The sequence numbers of the records, ascending.
    pub fn sequences(&self, fs: &dyn Fs) -> io::Result<Vec<u64>> {
        let number = |name: String| {
            (name.len() == 16)
                .then(|| u64::from_str_radix(&name, 16).ok())
                .flatten()
        };
        let mut numbers: Vec<u64> = Self::names(fs, &self.log())?
            .into_iter()
            .filter_map(number)
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The ids of the packs in the folder, sorted.
    pub fn pack_ids(&self, fs: &dyn Fs) -> io::Result<Vec<Digest>> {
        let names = Self::names(fs, &self.packs())?;
        let mut ids: Vec<Digest> = names
            .iter()
            .filter_map(|name| Digest::from_hex(name).ok())
            .collect();
        ids.sort_unstable();
        Ok(ids)
    }
}

/// Reads a whole index file or record.
pub fn read_whole(
    fs: &dyn Fs,
    path: &RelPath,
    size: Option<u64>,
) -> Result<Result<Vec<u8>, Broken>, io::Error> {
    match read_limited(fs, path, size.unwrap_or(MAX_INDEX)) {
        Ok(bytes) if size.is_some_and(|size| size != bytes.len() as u64) => {
            Ok(Err(Broken::because("it is cut short")))
        }
        Ok(bytes) => Ok(Ok(bytes)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Ok(Err(Broken::because("it is longer than it should be")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok(Err(Broken::because("it is missing")))
        }
        Err(error) => Err(error),
    }
}
