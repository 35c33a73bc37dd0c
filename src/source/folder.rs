//! Selects everything in a folder, walking in parallel: files and links, with `lstat` results.
//!
//! No link is followed. `.git` is left out; entries that cannot be stored (devices, FIFOs, sockets,
//! names that are unsafe to restore) are reported. Memory grows with the number of paths found.

use std::{io, path::Path, sync::Mutex};

use rayon::prelude::*;

use super::{PathStat, Selection, Source, mark_in_use};
use crate::{
    base::{Failure, Fs, RelPath, Root, Stat, Type, cancel},
    model::backup::PathTrouble,
};

/// Maximum length of a path that the system accepts.
const PATH_MAX: usize = 4096;

/// Everything below a folder.
pub struct Folder {
    root: Root,
}

impl Folder {
    /// Opens a folder by its absolute path.
    ///
    /// # Errors
    /// Fails when it cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            root: Root::open(path)?,
        })
    }
}

impl Source for Folder {
    fn kind(&self) -> &'static str {
        "folder"
    }

    fn files(&self) -> &dyn Fs {
        &self.root
    }

    fn top(&self) -> &Path {
        self.root.path()
    }

    fn choose(&self) -> Result<Selection, Failure> {
        walk(&self.root)
    }
}

/// Selects everything below the root.
///
/// # Errors
/// Fails when it was cancelled.
pub fn walk(fs: &dyn Fs) -> Result<Selection, Failure> {
    let all = Mutex::new(Selection::default());
    rayon::scope(|scope| folder(scope, fs, RelPath::root(), None, &all));
    cancel::check()?;
    let mut walk = all.into_inner().expect("because no holder panics");
    for list in [&mut walk.files, &mut walk.folders, &mut walk.empty] {
        list.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
    }
    for list in [&mut walk.skipped, &mut walk.failed] {
        list.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(walk)
}

/// Visits one folder, and schedules its subfolders.
fn folder<'a>(
    scope: &rayon::Scope<'a>,
    fs: &'a dyn Fs,
    dir: RelPath,
    stat: Option<Stat>,
    all: &'a Mutex<Selection>,
) {
    if cancel::requested().is_some() {
        return;
    }
    let mut own = Selection::default();
    match fs.scan(&dir) {
        Ok(names) => {
            let nothing = !names.iter().any(|(name, _)| name != b".git");
            own.empty
                .extend(stat.filter(|_| nothing).map(|stat| PathStat {
                    path: dir.clone(),
                    stat,
                    in_use: false,
                }));
            for (name, stat) in &names {
                if let Some(path) = look(&dir, (name, *stat), &mut own) {
                    let stat = *stat;
                    scope.spawn(move |scope| folder(scope, fs, path, Some(stat), all));
                }
            }
            let paths: Vec<RelPath> = own.files.iter().map(|file| file.path.clone()).collect();
            mark_in_use(&mut own.files, paths.iter());
        }
        Err(error) => own.failed.push(PathTrouble {
            path: dir,
            why: error.to_string(),
        }),
    }
    let mut all = all.lock().expect("because no holder panics");
    all.files.append(&mut own.files);
    all.folders.append(&mut own.folders);
    all.empty.append(&mut own.empty);
    all.skipped.append(&mut own.skipped);
    all.failed.append(&mut own.failed);
}

/// Adds one name; returns its path if it is a folder still to be walked.
fn look(dir: &RelPath, (name, stat): (&[u8], Stat), own: &mut Selection) -> Option<RelPath> {
    if name == b".git" {
        return None;
    }
    let path = match dir.child(name) {
        Ok(path) if path.as_bytes().len() < PATH_MAX => path,
        Ok(path) => {
            own.skipped.push(PathTrouble {
                path,
                why: "its path is too long".into(),
            });
            return None;
        }
        Err(error) => {
            own.skipped.push(PathTrouble {
                path: dir.join(name),
                why: format!("it could not be restored: {}", error.why),
            });
            return None;
        }
    };
    match stat.kind {
        Type::File | Type::Symlink => own.files.push(PathStat {
            path,
            stat,
            in_use: false,
        }),
        Type::Dir => {
            own.folders.push(PathStat {
                path: path.clone(),
                stat,
                in_use: false,
            });
            return Some(path);
        }
        Type::Other => own.skipped.push(PathTrouble {
            path,
            why: "it is a device, FIFO or socket".into(),
        }),
    }
    None
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn everything_is_found_once_sorted_and_no_link_is_followed() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let at = |path: &[u8]| dir.path().join(std::ffi::OsStr::from_bytes(path));
        for folder in ["d/e", ".git/x", "d/.git", "none", ".snapback"] {
            std::fs::create_dir_all(at(folder.as_bytes())).expect("it makes folders");
        }
        for file in [&b"d/e/f"[..], b"d-", b"d/\xff", b"db", b"db-wal"] {
            std::fs::File::create(at(file)).expect("it creates");
        }
        std::os::unix::fs::symlink("d", at(b"link")).expect("it links");
        let walk = walk(&Root::open(dir.path()).expect("it opens")).expect("it walks");
        let paths = |list: &[PathStat]| {
            list.iter()
                .map(|found| found.path.as_bytes().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            paths(&walk.files),
            [&b"d-"[..], b"d/e/f", b"d/\xff", b"db", b"db-wal", b"link"]
        );
        assert_eq!(paths(&walk.empty), [b"none"]);
        assert_eq!(
            walk.skipped
                .iter()
                .map(|left| left.path.to_text())
                .collect::<Vec<_>>(),
            [".snapback"]
        );
        assert_eq!(walk.files.iter().filter(|found| found.in_use).count(), 1);
    }
}
