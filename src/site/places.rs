//! Places that commands without a journal may change, with their contents. Comparing them before
//! such a command and after its failure shows what it changed.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::RepoSite;
use crate::base::{footprint::Footprint, fs::is_temp};

/// Names below the state folder that do not count as visible changes of such commands.
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
    /// Returns where the contents of the store lie.
    pub fn store_places(&self) -> Vec<PathBuf> {
        ["store/packs", "store/log"]
            .map(|name| self.state_path.join(name))
            .to_vec()
    }

    /// Returns where the record of pruned operations is.
    pub fn history_places(&self) -> Vec<PathBuf> {
        vec![self.state_path.join("history/pruned.json")]
    }

    /// Returns the files and the hook folder that installing hooks may change.
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

    /// Returns the contents of the places that commands without a journal may change: hooks, git's
    /// configuration, verdicts, agreements, keys, and `more`.
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
