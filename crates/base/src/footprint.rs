//! A snapshot of some file-system locations, for comparison with a later one.
//!
//! Small files are compared by content, other files by `stat` and links by target; no link is
//! followed. A location with too many entries to be visited twice is reported as unseen.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::Metadata,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::Digest;

/// Largest file that is compared by content, in bytes.
const SMALL: u64 = 1 << 20;
/// Most entries that are visited per location.
const MOST: usize = 20_000;

/// A snapshot of some locations.
#[derive(Debug, Clone, Default)]
pub struct Footprint {
    seen: BTreeMap<PathBuf, String>,
    /// Locations that were too large or could not be read.
    unseen: Vec<PathBuf>,
}

impl Footprint {
    /// Takes a snapshot of locations, each a file or a folder with its contents, leaving out all
    /// that `skip` selects.
    pub fn of(places: &[PathBuf], skip: &dyn Fn(&Path) -> bool) -> Self {
        let mut print = Self::default();
        for place in places {
            let before = print.seen.len();
            if print.walk(place, skip, before + MOST).is_err() {
                print.seen.retain(|path, _| !path.starts_with(place));
                print.unseen.push(place.clone());
            }
        }
        print
    }

    /// Returns the paths that differ from an earlier snapshot, and the locations that are unknown.
    pub fn changes_since(&self, before: &Self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let paths: BTreeSet<&PathBuf> = self.seen.keys().chain(before.seen.keys()).collect();
        let unseen: BTreeSet<&PathBuf> = self.unseen.iter().chain(&before.unseen).collect();
        let hidden = |path: &Path| unseen.iter().any(|place| path.starts_with(place));
        let differs =
            |path: &&PathBuf| self.seen.get(*path) != before.seen.get(*path) && !hidden(path);
        (
            paths.into_iter().filter(differs).cloned().collect(),
            unseen.iter().copied().cloned().collect(),
        )
    }

    /// Visits one location.
    fn walk(
        &mut self,
        path: &Path,
        skip: &dyn Fn(&Path) -> bool,
        most: usize,
    ) -> std::io::Result<()> {
        if skip(path) {
            return Ok(());
        }
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        if self.seen.len() >= most {
            return Err(std::io::ErrorKind::QuotaExceeded.into());
        }
        if meta.is_dir() {
            self.seen.insert(path.to_path_buf(), "folder".into());
            for entry in path.read_dir()? {
                self.walk(&entry?.path(), skip, most)?;
            }
        } else {
            self.seen.insert(path.to_path_buf(), look(path, &meta)?);
        }
        Ok(())
    }
}

/// Describes the entry at a path that is not a folder.
fn look(path: &Path, meta: &Metadata) -> std::io::Result<String> {
    if meta.is_symlink() {
        return Ok(format!("link {}", path.read_link()?.display()));
    }
    let mode = meta.permissions().mode();
    if meta.is_file() && meta.len() <= SMALL {
        return Ok(format!("{mode:o} {}", Digest::of(&std::fs::read(path)?)));
    }
    Ok(format!(
        "{mode:o} {} {}.{} {}",
        meta.len(),
        meta.mtime(),
        meta.mtime_nsec(),
        meta.ino()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fs, RelPath, Root, SyncPoint, fs::write_durably};

    #[test]
    fn what_differs_is_named_and_nothing_else() {
        let dir = tempfile::tempdir().expect("it can be made");
        let root = Root::open(dir.path()).expect("it can be opened");
        let at = |name: &str| dir.path().join(name);
        let write = |name: &str, text: &str| {
            let points = (SyncPoint::new("test.file"), SyncPoint::new("test.dir"));
            write_durably(&root, &RelPath::own(name), text.as_bytes(), 0o644, points)
                .expect("it can be written");
        };
        let skip = |path: &Path| path.ends_with("skipped");
        let look = || Footprint::of(&[dir.path().to_path_buf()], &skip);
        for name in ["same", "edited", "gone", "skipped"] {
            write(name, name);
        }
        let before = look();
        write("edited", "other");
        write("skipped", "other");
        write("same", "same");
        root.remove_file(&RelPath::own("gone"))
            .expect("it can be removed");
        root.symlink(b"x", &RelPath::own("new"))
            .expect("it can be made");
        assert_eq!(
            look().changes_since(&before),
            (vec![at("edited"), at("gone"), at("new")], vec![])
        );
        assert_eq!(before.changes_since(&before), (vec![], vec![]));
    }
}
