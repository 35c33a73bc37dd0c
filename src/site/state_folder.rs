//! The state folder below the git common dir: opened, created if allowed, and never created in a
//! dry run.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Error;
use crate::base::{
    Fs, RelPath, Root,
    fs::create_dir_all,
    look::{ReadOnly, RefusedFs},
};

/// Returns the path of a repository's state folder.
pub(super) fn of(common_dir: &Path) -> PathBuf {
    common_dir.join("snapback")
}

/// Opens the state folder below the git common dir, creating it at first.
pub(super) fn open_state(common_dir: &Path, dry_run: bool) -> Result<Arc<dyn Fs>, Error> {
    let path = of(common_dir);
    let refused = || {
        RefusedFs::new(
            std::io::ErrorKind::ReadOnlyFilesystem,
            "a dry run changes nothing",
        )
    };
    if dry_run && std::fs::symlink_metadata(&path).is_err() {
        return Ok(Arc::new(refused()));
    }
    match make_state(common_dir, &path) {
        Ok(root) if dry_run => Ok(Arc::new(ReadOnly::new(root, refused()))),
        Ok(root) => Ok(Arc::new(root)),
        // Nothing was ever recorded here, so a reader needs no folder.
        Err(source) if !path.exists() && is_read_only(&source) => {
            let why = format!("{} cannot be made: {source}", path.display());
            Ok(Arc::new(RefusedFs::new(source.kind(), why)))
        }
        Err(source) => Err(Error::State { path, source }),
    }
}

/// Opens the state folder, creating it when missing.
pub(super) fn make_state(common_dir: &Path, path: &Path) -> std::io::Result<Root> {
    if path.is_symlink() {
        return Err(std::io::Error::other(
            "it is a symbolic link: move the folder that it leads to into its place",
        ));
    }
    if !path.is_dir() {
        create_dir_all(&Root::open(common_dir)?, &RelPath::own("snapback"), 0o700)?;
    }
    Root::open(path)
}

/// Returns true when a folder cannot be created because the place is not writable.
fn is_read_only(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied
    )
}

/// Returns the permission bits withheld from new files.
pub(super) fn umask() -> u32 {
    use rustix::{fs::Mode, process::umask};
    // Querying the kernel means setting the umask, so files created by other threads meanwhile
    // would get the wrong mode: done only as a last resort.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let told = status
        .lines()
        .find_map(|line| u32::from_str_radix(line.strip_prefix("Umask:")?.trim(), 8).ok());
    told.unwrap_or_else(|| {
        let mask = umask(Mode::from_raw_mode(0o077));
        umask(mask);
        mask.as_raw_mode()
    })
}
