//! Where agreements lie: `$XDG_STATE_HOME/snapback/trust/`, or `~/.local/state/snapback/trust/`.
//!
//! The folder is private (0700), its files too (0600); one that others can write to is not
//! believed. A file's name is the digest of the repository's canonical path. A folder inside
//! the work tree is refused: what lies there could be committed, pushed and cloned.

use std::{
    ffi::OsString,
    fs::DirBuilder,
    os::unix::{ffi::OsStrExt, fs::DirBuilderExt},
    path::{Path, PathBuf},
};

use super::Error;
use crate::base::{Digest, Fs, RelPath, Root, user};

/// The user's place for agreements, and the sets of commands that the environment pins.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The folder of agreements; `None` when the user has none.
    pub folder: Option<PathBuf>,
    /// The folder of the user's key and of the keys that they allow: `$XDG_CONFIG_HOME/snapback`,
    /// or `~/.config/snapback`.
    pub keys: Option<PathBuf>,
    /// Digests of whole sets of commands that may run without an agreement.
    pub pins: Vec<Digest>,
}

impl Place {
    /// The place of the user whose environment this is. `SNAPBACK_TRUST` holds digests, as
    /// `snapback trust --json` prints them, between blanks or commas; anything else in it pins
    /// nothing.
    pub fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let absolute = |name: &str| {
            variable(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let below = |name: &str, usual: &str| {
            absolute(name).or_else(|| absolute("HOME").map(|home| home.join(usual)))
        };
        let (state, config) = (
            below("XDG_STATE_HOME", ".local/state"),
            below("XDG_CONFIG_HOME", ".config"),
        );
        let pins = variable("SNAPBACK_TRUST")
            .and_then(|text| text.into_string().ok())
            .unwrap_or_default();
        let pins = pins
            .split(|c: char| c.is_whitespace() || c == ',')
            .filter_map(|word| word.parse().ok())
            .collect();
        Self {
            folder: state.map(|state| state.join("snapback/trust")),
            keys: config.map(|config| config.join("snapback")),
            pins,
        }
    }

    /// The place of this process's user.
    pub fn of_this_process() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    /// Opens the folder for reading; `None` when it is not there.
    pub(super) fn look_for(
        &self,
        repository: &Path,
        work_tree: &Path,
    ) -> Result<Option<(Root, RelPath)>, Error> {
        match &self.folder {
            Some(folder) if folder.is_dir() => open(folder, repository, work_tree).map(Some),
            _ => Ok(None),
        }
    }

    /// Opens the folder for writing; it is made when it is not there.
    pub(super) fn open_for(
        &self,
        repository: &Path,
        work_tree: &Path,
    ) -> Result<(Root, RelPath), Error> {
        let folder = self.folder.as_ref().ok_or(Error::NoPlace)?;
        let there = folder.ancestors().find_map(|path| path.canonicalize().ok());
        if there.is_some_and(|there| there.starts_with(work_tree)) {
            return Err(Error::PlaceInside(folder.clone()));
        }
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(|source| Error::File {
            path: folder.clone(),
            source,
        })?;
        open(folder, repository, work_tree)
    }
}

/// Opens the folder, which must be the user's own and nobody else's to write.
fn open(folder: &Path, repository: &Path, work_tree: &Path) -> Result<(Root, RelPath), Error> {
    let failed = |source| Error::File {
        path: folder.to_path_buf(),
        source,
    };
    let real = folder.canonicalize().map_err(failed)?;
    if real.starts_with(work_tree) {
        return Err(Error::PlaceInside(real));
    }
    let root = Root::open(&real).map_err(failed)?;
    let stat = root.stat(&RelPath::root()).map_err(failed)?;
    let why = match stat {
        Some(stat) if stat.uid != user::effective() => "it belongs to somebody else",
        Some(stat) if stat.mode & 0o022 != 0 => "others can write to it",
        Some(_) => {
            return Ok((
                root,
                RelPath::own(format!(
                    "{}.json",
                    Digest::of(repository.as_os_str().as_bytes()).hex()
                )),
            ));
        }
        None => "it is not there",
    };
    Err(Error::NotOurs { path: real, why })
}
