//! The folders that operations may change, by name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::Error;
use crate::{base::Fs, model::RootName};

/// A folder that operations may change.
#[derive(Clone)]
pub struct SiteRoot {
    /// Its files.
    pub files: Arc<dyn Fs>,
    /// Its path.
    pub top: PathBuf,
}

/// The folders that operations at a site may change.
#[derive(Clone, Default)]
pub struct Roots(BTreeMap<RootName, SiteRoot>);

impl Roots {
    /// Adds a folder, replacing one of the same name.
    #[must_use]
    pub fn with(mut self, name: RootName, files: Arc<dyn Fs>, top: &Path) -> Self {
        let top = top.to_path_buf();
        self.0.insert(name, SiteRoot { files, top });
        self
    }

    /// Returns the folder with a name.
    ///
    /// # Errors
    /// Fails when the site has none with that name.
    pub fn get(&self, name: &RootName) -> Result<&SiteRoot, Error> {
        self.0
            .get(name)
            .ok_or_else(|| Error::NoRoot(name.to_string()))
    }
}
