//! A folder of the user's own, outside every work tree, in which nobody else can write.
//!
//! What lies in a work tree could be committed, pushed and cloned, and what somebody else can
//! write to says nothing; so the folder is opened only when neither is so, and a record in it is
//! read only when the very file that was read is a plain one of the same user.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{JsonRecord, RecordFiles, Records, name_of};
use crate::base::{Fs, RelPath, Root, Stat, Type, user};

/// Why a folder or a record is not relied on.
#[derive(Debug)]
pub enum Refusal {
    /// The folder is inside the work tree.
    Inside(PathBuf),
    /// It could be of somebody else, or is damaged.
    NotSafe {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it; never what is in it.
        why: &'static str,
        /// The permission bits that it should have.
        mode: &'static str,
    },
    /// The file is larger than such a record can be.
    TooLarge(PathBuf),
    /// The system could not open or read it.
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What nobody but its owner may do with a file or folder.
#[derive(Debug, Clone, Copy)]
pub struct AccessRule {
    /// The permission bits that it must not have.
    pub forbidden: u32,
    /// What is wrong with one that has them.
    pub why: &'static str,
}

/// Others may read it, and not write to it.
pub const OTHERS_DO_NOT_WRITE: AccessRule = AccessRule {
    forbidden: 0o022,
    why: "others can write to it",
};

impl AccessRule {
    /// What is wrong with a file or folder, if anything is.
    fn breach(&self, stat: &Stat) -> Option<&'static str> {
        if stat.uid == user::effective() {
            (stat.mode & self.forbidden != 0).then_some(self.why)
        } else {
            Some("it belongs to somebody else")
        }
    }
}

/// A folder that only its owner may write to.
pub struct PrivateFolder {
    root: Root,
}

impl PrivateFolder {
    /// Opens a folder; `None` when it is not there.
    ///
    /// # Errors
    /// When it is inside the work tree, or somebody else can write to it.
    pub fn look(folder: &Path, work_tree: &Path) -> Result<Option<Self>, Refusal> {
        if folder.is_dir() {
            Self::open(folder, work_tree).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Opens a folder, which is made when it is not there.
    ///
    /// # Errors
    /// Those of [`PrivateFolder::look`], and when it cannot be made.
    pub fn make(folder: &Path, work_tree: &Path) -> Result<Self, Refusal> {
        let there = folder.ancestors().find_map(|path| path.canonicalize().ok());
        if there.is_some_and(|there| there.starts_with(work_tree)) {
            return Err(Refusal::Inside(folder.to_path_buf()));
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| Refusal::File {
            path: folder.to_path_buf(),
            source,
        })?;
        Self::open(folder, work_tree)
    }

    fn open(folder: &Path, work_tree: &Path) -> Result<Self, Refusal> {
        let failed = |source| Refusal::File {
            path: folder.to_path_buf(),
            source,
        };
        let path = folder.canonicalize().map_err(failed)?;
        if path.starts_with(work_tree) {
            return Err(Refusal::Inside(path));
        }
        let root = Root::open(&path).map_err(failed)?;
        let why = match root.stat(&RelPath::root()).map_err(failed)? {
            None => "it is not there",
            Some(stat) => match OTHERS_DO_NOT_WRITE.breach(&stat) {
                None => return Ok(Self { root }),
                Some(why) => why,
            },
        };
        Err(Refusal::NotSafe {
            path,
            why,
            mode: "700",
        })
    }

    /// Where the record of a key lies.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.path().join(name_of(key))
    }

    /// The records in the folder, to be saved, removed and locked. Their files are written so that
    /// only their owner can read them.
    pub fn records<T: JsonRecord>(&self) -> Records<'_, T> {
        Records::new(RecordFiles::within(&self.root as &dyn Fs), "")
    }

    /// The record of a key; `None` when there is none. What it names as its schema is not judged.
    ///
    /// # Errors
    /// When it is no whole, plain file of this user that keeps the rule. No text of it is in the
    /// error: it may be a secret.
    pub fn load<T: JsonRecord>(&self, key: &str, rule: AccessRule) -> Result<Option<T>, Refusal> {
        let (file, path) = (RelPath::own(name_of(key)), self.path(key));
        let failed = |source| Refusal::File {
            path: path.clone(),
            source,
        };
        let not_safe = |why| Refusal::NotSafe {
            path: path.clone(),
            why,
            mode: "600",
        };
        let check = |stat: &Stat| rule.breach(stat).map_or(Ok(()), |why| Err(not_safe(why)));
        let Some(seen) = self.root.stat(&file).map_err(failed)? else {
            return Ok(None);
        };
        if seen.kind != Type::File {
            return Err(not_safe("it is no regular file"));
        }
        check(&seen)?;
        if seen.size > T::LIMIT {
            return Err(Refusal::TooLarge(path));
        }
        let mut bytes = Vec::new();
        let read = self.root.read_into(&file, seen.size, &mut bytes);
        // Another file may have taken the name since: what counts is the one that was read.
        check(&read.map_err(failed)?)?;
        T::decode(&bytes)
            .map(Some)
            .map_err(|_| not_safe("it is damaged"))
    }
}
