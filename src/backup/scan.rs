//! Walks a folder, several folders at a time: every file and link, with what `lstat` says.
//!
//! No link is followed. `.git` is left out; what cannot be stored (devices, FIFOs, sockets,
//! names that are not safe to restore) is named. Memory is that of the paths found.

use std::sync::Mutex;

use rayon::prelude::*;

use crate::base::{Failure, Fs, RelPath, Stat, Type, cancel};

/// Longer paths cannot be given to the system.
const PATH_MAX: usize = 4096;

/// A path with what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Below the folder that was walked.
    pub path: RelPath,
    /// What `lstat` says.
    pub stat: Stat,
    /// True when SQLite's log or journal of the same name lies beside it.
    pub in_use: bool,
}

/// Something that is left out, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Where it is.
    pub path: RelPath,
    /// Why it is left out.
    pub why: String,
}

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walk {
    /// Files and links, sorted by path.
    pub found: Vec<Found>,
    /// All folders below the top, sorted by path.
    pub folders: Vec<Found>,
    /// Folders with nothing in them, sorted by path.
    pub empty: Vec<Found>,
    /// What cannot be stored.
    pub left: Vec<Left>,
    /// What could not be read.
    pub failed: Vec<Left>,
}

/// Walks everything below the root.
pub fn walk(fs: &dyn Fs) -> Result<Walk, Failure> {
    let all = Mutex::new(Walk::default());
    rayon::scope(|scope| folder(scope, fs, RelPath::root(), None, &all));
    cancel::check()?;
    let mut walk = all.into_inner().expect("because no holder panics");
    for list in [&mut walk.found, &mut walk.folders, &mut walk.empty] {
        list.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
    }
    for list in [&mut walk.left, &mut walk.failed] {
        list.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    }
    Ok(walk)
}

/// Looks at one folder, and has those in it looked at.
fn folder<'a>(
    scope: &rayon::Scope<'a>,
    fs: &'a dyn Fs,
    dir: RelPath,
    stat: Option<Stat>,
    all: &'a Mutex<Walk>,
) {
    if cancel::requested().is_some() {
        return;
    }
    let mut own = Walk::default();
    match fs.scan(&dir) {
        Ok(names) => {
            let nothing = !names.iter().any(|(name, _)| name != b".git");
            own.empty.extend(stat.filter(|_| nothing).map(|stat| Found {
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
            mark_in_use(&mut own.found, &names);
        }
        Err(error) => own.failed.push(Left {
            path: dir,
            why: error.to_string(),
        }),
    }
    let mut all = all.lock().expect("because no holder panics");
    all.found.append(&mut own.found);
    all.folders.append(&mut own.folders);
    all.empty.append(&mut own.empty);
    all.left.append(&mut own.left);
    all.failed.append(&mut own.failed);
}

/// Takes one name in; returns its path when it is a folder, which is still to be walked.
fn look(dir: &RelPath, (name, stat): (&[u8], Stat), own: &mut Walk) -> Option<RelPath> {
    if name == b".git" {
        return None;
    }
    let path = match dir.child(name) {
        Ok(path) if path.as_bytes().len() < PATH_MAX => path,
        Ok(path) => {
            own.left.push(Left {
                path,
                why: "its path is too long".into(),
            });
            return None;
        }
        Err(error) => {
            own.left.push(Left {
                path: dir.join(name),
                why: format!("it could not be restored: {}", error.why),
            });
            return None;
        }
    };
    match stat.kind {
        Type::File | Type::Symlink => own.found.push(Found {
            path,
            stat,
            in_use: false,
        }),
        Type::Dir => {
            own.folders.push(Found {
                path: path.clone(),
                stat,
                in_use: false,
            });
            return Some(path);
        }
        Type::Other => own.left.push(Left {
            path,
            why: "it is a device, FIFO or socket".into(),
        }),
    }
    None
}

/// Marks the files beside which SQLite keeps something.
fn mark_in_use(found: &mut [Found], names: &[(Vec<u8>, Stat)]) {
    let sides = names.iter().filter_map(|(name, _)| {
        name.strip_suffix(b"-wal")
            .or(name.strip_suffix(b"-journal"))
    });
    for name in sides {
        if let Some(file) = found.iter_mut().find(|file| file.path.name() == name) {
            file.in_use = file.stat.kind == Type::File;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;
    use crate::base::Root;

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
        let paths = |list: &[Found]| {
            list.iter()
                .map(|found| found.path.as_bytes().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            paths(&walk.found),
            [&b"d-"[..], b"d/e/f", b"d/\xff", b"db", b"db-wal", b"link"]
        );
        assert_eq!(paths(&walk.empty), [b"none"]);
        assert_eq!(
            walk.left
                .iter()
                .map(|left| left.path.to_text())
                .collect::<Vec<_>>(),
            [".snapback"]
        );
        assert_eq!(walk.found.iter().filter(|found| found.in_use).count(), 1);
    }
}
