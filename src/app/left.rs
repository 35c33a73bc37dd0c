//! What is so after a change that failed: of operations by their journals, of places by looking.

use crate::verdict::refs;

use std::os::unix::prelude::OsStrExt;

use crate::base::footprint::Footprint;

use crate::base::Failure;

use crate::base::fs::is_temp;

use std::path::Path;

use std::path::PathBuf;

use crate::model::left::LeftOperation;

use crate::model::OpId;

use crate::operate;

use super::App;

/// What commands that have no journal do not change for anybody to see, below the state folder.
const UNSEEN: [&str; 9] = [
    "ops",
    "facts",
    "lock",
    "audit",
    "reserve",
    "store",
    "trust-mark",
    "verdict-refs",
    "drill-scratch",
];

impl App {
    /// What is left of operations that were begun, as far as their journals are there: one that
    /// has none did nothing.
    pub fn left_of(&self, began: &[OpId]) -> Vec<LeftOperation> {
        operate::left::left_of(&self.site, began)
    }

    /// What is named and has no file of its own: what was put into the store, and shared verdicts.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn named_records(&self) -> Result<Vec<String>, Failure> {
        let put = self
            .store_list()?
            .into_iter()
            .map(|saved| format!("{} in the store", saved.name));
        let shared = self
            .site
            .git
            .refs_below(refs::PREFIX)?
            .into_iter()
            .map(|(name, _)| name);
        Ok(put.chain(shared).collect())
    }

    /// Where what is in the store lies.
    pub fn store_places(&self) -> Vec<PathBuf> {
        ["store/packs", "store/log"]
            .map(|name| self.site.state_path.join(name))
            .to_vec()
    }

    /// Files of the work tree, and the folder of hooks, that an installation of hooks may change.
    pub fn hook_places(&self) -> Vec<PathBuf> {
        let top = self.work_tree();
        let files = top
            .read_dir()
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| !path.is_dir());
        let folders = [".husky", ".githooks"].map(|name| top.join(name));
        files
            .chain(folders)
            .chain([top.join(self.site.git.hooks_folder().said)])
            .collect()
    }

    /// What stands at the places that commands without a journal may change: hooks, git's
    /// configuration, verdicts, agreements, keys, and these.
    pub fn footprint(&self, more: &[PathBuf]) -> Footprint {
        let common = self.site.git.common_dir();
        let places = [
            self.site.state_path.clone(),
            common.join("hooks"),
            common.join("config"),
        ];
        let own = self.site.consent.places();
        let state = self.site.state_path.clone();
        let wanted = more.to_vec();
        let unseen = move |path: &Path| {
            if wanted.iter().any(|place| path.starts_with(place)) {
                return false;
            }
            let name = path.file_name().map(OsStrExt::as_bytes).unwrap_or_default();
            let below = path
                .strip_prefix(&state)
                .ok()
                .and_then(|rest| rest.components().next());
            is_temp(name)
                || name.ends_with(b".lock")
                || below
                    .is_some_and(|first| UNSEEN.iter().any(|unseen| first.as_os_str() == *unseen))
        };
        Footprint::of(&[&places[..], &own, more].concat(), &unseen)
    }
}
