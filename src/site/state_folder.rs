//! The state folder below the git common dir: opened, made where it may be, and never made in a dry
//! run.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Error;
use crate::base::{
    Fs, RelPath, Root,
    fs::create_dir_all,
    look::{ReadOnly, Refused},
};

/// Where the state folder of a repository is.
pub(super) fn of(common_dir: &Path) -> PathBuf {
    common_dir.join("snapback")
}

/// Opens the state folder below the git common dir, creating it at first.
pub(super) fn open_state(common_dir: &Path, dry_run: bool) -> Result<Arc<dyn Fs>, Error> {
    let path = of(common_dir);
    let refused = || {
        Refused::new(
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
        // Nothing was ever written down here. Whoever only reads has no need of a folder for that.
        Err(source) if !path.exists() && is_read_only(&source) => {
            let why = format!("{} cannot be made: {source}", path.display());
            Ok(Arc::new(Refused::new(source.kind(), why)))
        }
        Err(source) => Err(Error::State { path, source }),
    }
}

/// Opens the state folder, and makes it when it is missing.
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

/// True when a folder cannot be made because nothing may be written there.
fn is_read_only(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::ReadOnlyFilesystem | std::io::ErrorKind::PermissionDenied
    )
}

/// The permission bits that new files do not get.
pub(super) fn umask() -> u32 {
    use rustix::{fs::Mode, process::umask};
    // Asking the kernel by setting it would let files of other threads come into being with the
    // wrong mode: only where there is no other way.
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
