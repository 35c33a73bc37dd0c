//! The place of agreements: `$XDG_STATE_HOME/snapback/trust/`, or `~/.local/state/snapback/trust/`.
//!
//! The folder is private (0700), and so are its files (0600); one that others can write to is not
//! trusted. A file's name is the digest of the repository's canonical path. A folder inside the
//! work tree is refused, because its files could be committed, pushed and cloned.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::Error;
use crate::{base::Digest, model::trust::PINS_VARIABLE, records::PrivateFolder};

/// The user's place for agreements, and the command sets pinned by the environment.
#[derive(Debug, Clone, Default)]
pub struct ConsentFolder {
    /// The folder of agreements; `None` when the user has none.
    pub folder: Option<PathBuf>,
    /// The folder of the user's key and of the keys they allow: `$XDG_CONFIG_HOME/snapback`, or
    /// `~/.config/snapback`.
    pub keys: Option<PathBuf>,
    /// Digests of whole command sets that may run without an agreement.
    pub pins: Vec<Digest>,
}

impl ConsentFolder {
    /// Returns the place for a user environment. `SNAPBACK_TRUST` holds digests, as `snapback trust
    /// --json` prints them, separated by blanks or commas; anything else in it pins nothing.
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
        let pins = variable(PINS_VARIABLE)
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

    /// Returns the place for this process's user.
    pub fn of_this_process() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    /// Opens the folder for reading; `None` when it does not exist.
    pub(super) fn look(&self, work_tree: &Path) -> Result<Option<PrivateFolder>, Error> {
        let found = self.folder.as_ref();
        let found = found.map(|folder| PrivateFolder::look(folder, work_tree));
        Ok(found.transpose()?.flatten())
    }

    /// Opens the folder for writing, creating it if needed.
    pub(super) fn make(&self, work_tree: &Path) -> Result<PrivateFolder, Error> {
        let folder = self.folder.as_ref().ok_or(Error::NoPlace)?;
        Ok(PrivateFolder::make(folder, work_tree)?)
    }
}
