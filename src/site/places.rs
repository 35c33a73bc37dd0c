//! Places that commands without a journal may change, and what stands there. Looked at before such
//! a command and after it failed, they say what it changed.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::RepoSite;
use crate::base::{footprint::Footprint, fs::is_temp};

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

impl RepoSite {
    /// Where what is in the store lies.
    pub fn store_places(&self) -> Vec<PathBuf> {
        ["store/packs", "store/log"]
            .map(|name| self.state_path.join(name))
            .to_vec()
    }

    /// Files of the work tree, and the folder of hooks, that an installation of hooks may change.
    pub fn hook_places(&self) -> Vec<PathBuf> {
        let top = self.git.work_tree();
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
            .chain([top.join(self.git.hooks_folder().said)])
            .collect()
    }

    /// What stands at the places that commands without a journal may change: hooks, git's
    /// configuration, verdicts, agreements, keys, and these.
    pub fn footprint(&self, more: &[PathBuf]) -> Footprint {
        let common = self.git.common_dir();
        let places = [
            self.state_path.clone(),
            common.join("hooks"),
            common.join("config"),
        ];
        let own = self.consent.places();
        let state = self.state_path.clone();
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
