//! A folder of the user, outside every work tree, that no other user can write to.
//!
//! Files in a work tree could be committed, pushed and cloned, and files that others can write to
//! prove nothing. So the folder is opened only when neither applies, and a record in it is read
//! only when the file actually read is a plain file of the same user.

use std::{
    fs::DirBuilder,
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{JsonRecord, RecordFiles, Records, name_of};
use crate::base::{Fs, RelPath, Root, Stat, Type, user};

/// Reasons why a folder or a record is not trusted.
#[derive(Debug)]
pub enum NotPrivate {
    /// The folder is inside the work tree.
    Inside(PathBuf),
    /// It may belong to another user, or is damaged.
    NotSafe {
        /// The file or folder.
        path: PathBuf,
        /// The problem; never the contents.
        why: &'static str,
        /// The required permission bits.
        mode: &'static str,
    },
    /// The file is larger than such a record can be.
    TooLarge(PathBuf),
    /// The system could not open or read it.
    File {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// Permissions that others must not have on a file or folder.
#[derive(Debug, Clone, Copy)]
pub struct AccessRule {
    /// The forbidden permission bits.
    pub forbidden: u32,
    /// The message for a file or folder that has them.
    pub why: &'static str,
}

/// Others may read but not write.
pub const OTHERS_DO_NOT_WRITE: AccessRule = AccessRule {
    forbidden: 0o022,
    why: "others can write to it",
};

impl AccessRule {
    /// Returns how a file or folder breaks the rule, if it does.
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
    /// Opens a folder; `None` when it does not exist.
    ///
    /// # Errors
    /// Fails when it is inside the work tree, or other users can write to it.
    pub fn look(folder: &Path, work_tree: &Path) -> Result<Option<Self>, NotPrivate> {
        if folder.is_dir() {
            Self::open(folder, work_tree).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Opens a folder, creating it if needed.
    ///
    /// # Errors
    /// Fails as [`PrivateFolder::look`] does, and when it cannot be created.
    pub fn make(folder: &Path, work_tree: &Path) -> Result<Self, NotPrivate> {
        let there = folder.ancestors().find_map(|path| path.canonicalize().ok());
        if there.is_some_and(|there| there.starts_with(work_tree)) {
            return Err(NotPrivate::Inside(folder.to_path_buf()));
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| NotPrivate::File {
            path: folder.to_path_buf(),
            source,
        })?;
        Self::open(folder, work_tree)
    }

    fn open(folder: &Path, work_tree: &Path) -> Result<Self, NotPrivate> {
        let failed = |source| NotPrivate::File {
            path: folder.to_path_buf(),
            source,
        };
        let path = folder.canonicalize().map_err(failed)?;
        if path.starts_with(work_tree) {
            return Err(NotPrivate::Inside(path));
        }
        let root = Root::open(&path).map_err(failed)?;
        let why = match root.stat(&RelPath::root()).map_err(failed)? {
            None => "it is not there",
            Some(stat) => match OTHERS_DO_NOT_WRITE.breach(&stat) {
                None => return Ok(Self { root }),
                Some(why) => why,
            },
        };
        Err(NotPrivate::NotSafe {
            path,
            why,
            mode: "700",
        })
    }

    /// Returns the path of a key's record.
    pub fn path(&self, key: &str) -> PathBuf {
        self.root.path().join(name_of(key))
    }

    /// Returns the records in the folder, for saving, removing and locking. Only the owner can read
    /// their files.
    pub fn records<T: JsonRecord>(&self) -> Records<'_, T> {
        Records::new(RecordFiles::within(&self.root as &dyn Fs), "")
    }

    /// Loads the record of a key; `None` when there is none. Does not check its schema.
    ///
    /// # Errors
    /// Fails when it is not a complete, plain file of this user that satisfies the rule. The error
    /// quotes none of its text, which may be secret.
    pub fn load<T: JsonRecord>(
        &self,
        key: &str,
        rule: AccessRule,
    ) -> Result<Option<T>, NotPrivate> {
        let (file, path) = (RelPath::own(name_of(key)), self.path(key));
        let failed = |source| NotPrivate::File {
            path: path.clone(),
            source,
        };
        let not_safe = |why| NotPrivate::NotSafe {
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
            return Err(NotPrivate::TooLarge(path));
        }
        let mut bytes = Vec::new();
        let read = self.root.read_into(&file, seen.size, &mut bytes);
        // Another file may have taken the name since; the one actually read is what counts.
        check(&read.map_err(failed)?)?;
        T::decode(&bytes)
            .map(Some)
            .map_err(|_| not_safe("it is damaged"))
    }
}
