//! The place of a drill: a private folder that is removed, also when the drill was killed.
//!
//! Before the folder is made, the state folder notes where it will be, and a kernel lock on a file
//! beside the note says that its drill lives. The next drill removes every folder whose lock is
//! free. A note is believed only for a folder that a drill can have made: right name, our own.
//!
//! A note is a path, which need not be text, so it is no JSON record: it is kept through the port
//! of records itself.

use std::{
    ffi::OsString,
    io,
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{DirBuilderExt, MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Error;
use crate::{
    base::{Fs, RelPath, Root, Type, fs::remove_tree, random, user},
    materialise::write::FolderWriter,
    records::{LockWait, RecordFiles, RecordLock, RecordPort},
};

/// The folder of the notes, below the state folder.
const NOTES: &str = "drills/scratch";
/// The suffix that turns the name of a note into the name of its lock.
const LOCK: &str = ".lock";
/// The beginning of the names of scratch folders.
const PREFIX: &str = "snapback-drill-";

/// A scratch place.
pub struct Scratch {
    state: Arc<dyn Fs>,
    id: String,
    path: PathBuf,
    tree: PathBuf,
    temp: PathBuf,
    root: Root,
    lock: Option<RecordLock>,
}

impl Scratch {
    /// Makes a place below `parent`, after removing those of killed drills.
    pub fn make(state: &Arc<dyn Fs>, parent: &Path) -> Result<Self, Error> {
        sweep(&**state)?;
        let failed = |path: &Path| {
            let path = path.to_path_buf();
            move |source| Error::Scratch { path, source }
        };
        let parent = parent.canonicalize().map_err(failed(parent))?;
        let id = format!("{:016x}", u64::from_be_bytes(random()));
        let path = parent.join(format!("{PREFIX}{id}"));
        let notes = RecordFiles::new(&**state);
        let lock = notes.lock(NOTES, &lock_of(&id), LockWait::No)?;
        let lock = lock.ok_or_else(|| io::Error::other("another drill has the same number"))?;
        notes.write(NOTES, &id, path.as_os_str().as_bytes())?;
        let (tree, temp) = (path.join("tree"), path.join("tmp"));
        let make = |dir: &Path| {
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(dir)
                .map_err(failed(dir))
        };
        [&path, &tree, &temp]
            .into_iter()
            .try_for_each(|dir| make(dir))?;
        let root = Root::open(&tree).map_err(failed(&tree))?;
        Ok(Self {
            state: state.clone(),
            id,
            path,
            tree,
            temp,
            root,
            lock: Some(lock),
        })
    }

    /// Returns the folder of the whole scratch place.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the empty place that stands for the work tree.
    pub fn tree(&self) -> &Path {
        &self.tree
    }

    /// Returns the empty place as a root to write below.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Returns the writer of its files.
    pub fn folder(&self) -> FolderWriter<'_> {
        FolderWriter::new(&self.root, RelPath::root())
    }

    /// Returns the error for a file of the place that cannot be written.
    pub fn failed(&self, path: &RelPath) -> impl Fn(io::Error) -> Error {
        let path = self.tree.join(path.as_os());
        move |source| Error::Scratch {
            path: path.clone(),
            source,
        }
    }

    /// Returns the folder for temporary files of commands.
    pub fn temp(&self) -> &Path {
        &self.temp
    }

    /// Removes the place; what cannot be removed is left to the next drill.
    pub fn close(mut self) -> io::Result<()> {
        self.remove()
    }

    fn remove(&mut self) -> io::Result<()> {
        let Some(lock) = self.lock.take() else {
            return Ok(());
        };
        clear(&self.path)?;
        forget(&*self.state, &self.id)?;
        drop(lock);
        Ok(())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // An error on the way matters more than what the next drill sweeps.
        let _ = self.remove();
    }
}

/// Returns the name of the lock of a note.
fn lock_of(id: &str) -> String {
    format!("{id}{LOCK}")
}

/// Removes a note and its lock file.
fn forget(state: &dyn Fs, id: &str) -> io::Result<()> {
    let names = [id.to_string(), lock_of(id)];
    RecordFiles::new(state).remove(NOTES, &names).map(drop)
}

/// Removes what killed drills left behind; the next sweep retries what cannot be removed.
pub fn sweep(state: &dyn Fs) -> io::Result<()> {
    let notes = RecordFiles::new(state);
    for name in notes.names(NOTES)? {
        let id = name.strip_suffix(LOCK).unwrap_or(&name);
        if !is_id(id) {
            continue;
        }
        let Some(_lock) = notes.lock(NOTES, &lock_of(id), LockWait::No)? else {
            continue;
        };
        let is_gone = match notes.read(NOTES, id, 4096) {
            Ok(Some(path)) => {
                let path = PathBuf::from(OsString::from_vec(path));
                !is_a_drills(&path, id) || clear(&path).is_ok()
            }
            // Killed before the folder was made, or another sweep was quicker.
            _ => true,
        };
        if is_gone {
            forget(state, id)?;
        }
    }
    Ok(())
}

/// Returns true for a folder that a drill of ours can have made.
fn is_a_drills(path: &Path, id: &str) -> bool {
    let named = path.is_absolute()
        && path
            .file_name()
            .is_some_and(|name| name.as_bytes() == format!("{PREFIX}{id}").as_bytes());
    named
        && std::fs::symlink_metadata(path)
            .is_ok_and(|found| found.is_dir() && found.uid() == user::current().0)
}

/// Removes a scratch folder, even if its commands took away their own permissions.
fn clear(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let root = Root::open(parent)?;
    let name = RelPath::own(name.as_bytes());
    if remove_tree(&root, &name).is_ok() {
        return Ok(());
    }
    unlock(&root, parent, &name)?;
    remove_tree(&root, &name)
}

/// Gives the owner of every folder its permissions back.
fn unlock(root: &Root, parent: &Path, path: &RelPath) -> io::Result<()> {
    if root.stat(path)?.is_none_or(|stat| stat.kind != Type::Dir) {
        return Ok(());
    }
    std::fs::set_permissions(
        parent.join(path.as_os()),
        std::fs::Permissions::from_mode(0o700),
    )?;
    root.list(path)?
        .into_iter()
        .try_for_each(|name| unlock(root, parent, &path.join(name)))
}

/// Returns true for the number of a scratch place, in hex.
fn is_id(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (tempfile::TempDir, Arc<dyn Fs>) {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        (dir, Arc::new(root))
    }

    #[test]
    fn a_place_is_empty_private_and_goes_away_whatever_was_left_in_it() {
        let ((_dir, state), parent) = (
            state(),
            tempfile::tempdir().expect("because tests can make folders"),
        );
        let scratch = Scratch::make(&state, parent.path()).expect("it makes one");
        let path = scratch.path().to_path_buf();
        assert_eq!(
            std::fs::metadata(&path).expect("it is there").mode() & 0o777,
            0o700
        );
        std::fs::create_dir(scratch.tree().join("d")).expect("it makes a folder");
        std::os::unix::fs::symlink("/", scratch.tree().join("d/link")).expect("it links");
        std::fs::set_permissions(
            scratch.tree().join("d"),
            std::fs::Permissions::from_mode(0o500),
        )
        .expect("it locks");
        scratch.close().expect("it removes");
        assert!(!path.exists() && Path::new("/").exists());
        assert!(
            state
                .list(&RelPath::own(NOTES))
                .expect("it lists")
                .is_empty()
        );
    }

    #[test]
    fn the_next_drill_removes_what_a_killed_one_left_and_nothing_else() {
        let ((_dir, state), parent) = (
            state(),
            tempfile::tempdir().expect("because tests can make folders"),
        );
        let mut killed = Scratch::make(&state, parent.path()).expect("it makes one");
        let (left, mut living) = (
            killed.path().to_path_buf(),
            Scratch::make(&state, parent.path()).expect("it makes one"),
        );
        // A kill frees the lock and removes nothing.
        drop(killed.lock.take());
        let precious = parent.path().join("precious");
        std::fs::create_dir(&precious).expect("it makes a folder");
        let planted = "0123456789abcdef";
        RecordFiles::new(&*state)
            .write(NOTES, planted, precious.as_os_str().as_bytes())
            .expect("it writes");
        sweep(&*state).expect("it sweeps");
        assert!(!left.exists() && living.path().exists() && precious.exists());
        assert_eq!(
            state.list(&RelPath::own(NOTES)).expect("it lists").len(),
            2,
            "only the living one's note and lock stay"
        );
        living.remove().expect("it removes");
    }
}
