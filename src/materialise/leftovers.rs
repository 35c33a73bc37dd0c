//! Names of files being written outside a journal, and recognition of what a killed run left: by
//! its name, and because no process holds it. The maker of a temporary file or folder takes a
//! kernel lock on it, which ends with the process. A process number alone could by now belong to
//! another process, or to another machine that sees the same disk.
//!
//! Files written aside are too many to be held. They are made below a lock of the whole restore,
//! and the next restore of the same folder removes them ([`is_aside`]).

use std::{fs::File, io};

use crate::base::{Fs, RelPath, Root, fs::remove_tree};

/// The beginning of the names of files that are written aside.
const ASIDE: &[u8] = b".snapback-restore-";

/// Returns the temporary name for this one, without its last part. It names the program: a folder
/// such as `.tmp-out-123` that another program left beside `out` is not ours to sweep.
pub fn begin(name: &RelPath) -> Vec<u8> {
    [b".tmp-snapback-", name.as_bytes(), b"-"].concat()
}

/// Returns a name for this process that begins like this.
pub fn name(begin: &[u8]) -> RelPath {
    RelPath::own([begin, std::process::id().to_string().as_bytes()].concat())
}

/// Returns a name beside a path for the nth file that this process writes aside.
pub(super) fn aside(path: &RelPath, nth: u64) -> RelPath {
    let name = format!("{}-{nth}", std::process::id());
    path.parent().join([ASIDE, name.as_bytes()].concat())
}

/// Returns true for a file that was being written aside.
pub fn is_aside(path: &RelPath) -> bool {
    path.name().starts_with(ASIDE)
}

/// Holds what was just made under a name of [`name`], until dropped.
///
/// # Errors
/// When it was removed in between.
pub fn hold(root: &Root, name: &RelPath) -> io::Result<File> {
    let file = root.open_to_lock(name)?;
    match file.try_lock() {
        Ok(()) if root.stat(name)?.is_some() => Ok(file),
        Err(std::fs::TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
            Ok(file)
        }
        _ => Err(io::Error::other(
            "somebody else took its temporary name away",
        )),
    }
}

/// Removes what killed runs left below a folder under such names. What is still held stays; what
/// cannot be removed is ignored.
pub fn sweep(root: &Root, begin: &[u8]) {
    let is_one = |name: &Vec<u8>| {
        name.strip_prefix(begin).is_some_and(|digits| {
            (1..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit)
        })
    };
    for name in root
        .list(&RelPath::root())
        .unwrap_or_default()
        .into_iter()
        .filter(is_one)
        .map(RelPath::own)
    {
        if root
            .open_to_lock(&name)
            .is_ok_and(|file| file.try_lock().is_ok())
        {
            let _ = remove_tree(root, &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_held_or_has_another_name_stays() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let root = Root::open(dir.path()).expect("it opens");
        for name in [".x-1", ".x-22", ".x-", ".x-1a", ".y-1"] {
            fs::create_dir_all(dir.path().join(name).join("inside")).expect("it creates");
        }
        File::create(dir.path().join(".x-3")).expect("it creates");
        std::os::unix::fs::symlink("/etc", dir.path().join(".x-4")).expect("it links");
        let held = hold(&root, &RelPath::own(".x-22")).expect("nobody holds it");
        sweep(&root, b".x-");
        let mut left: Vec<_> = fs::read_dir(dir.path())
            .expect("it lists")
            .map(|entry| entry.expect("it is there").file_name())
            .collect();
        left.sort();
        assert_eq!(left, [".x-", ".x-1a", ".x-22", ".x-4", ".y-1"]);
        drop(held);
        sweep(&root, b".x-");
        assert!(!dir.path().join(".x-22").exists());
    }
}
