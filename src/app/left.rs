//! What is so after a change that failed: of operations by their journals, of places by looking.

use std::{
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use super::App;
use crate::{
    base::{Failure, footprint::Footprint, fs::is_temp},
    journal::{self, history, status::Phase},
    model::{
        OpId,
        left::{LeftOperation, Stand},
    },
    verdict::refs,
};

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
        began.iter().filter_map(|op| self.left_of_one(op)).collect()
    }

    /// What is left of one operation.
    fn left_of_one(&self, op: &OpId) -> Option<LeftOperation> {
        let unknown = LeftOperation {
            op: op.clone(),
            kind: None,
            stand: Stand::Unknown,
            done: Vec::new(),
            begun: None,
            only_forward: false,
            kept: 0,
        };
        let found = match history::open(&self.site.state, op) {
            Ok(found) => found?,
            Err(_) => return Some(unknown),
        };
        let Ok(standing) = journal::status_of(found.log.records()) else {
            return Some(unknown);
        };
        let name = |at: usize| {
            found
                .operation
                .steps
                .get(at)
                .map_or("end", crate::model::operation::Step::name)
                .to_string()
        };
        let names = |upto: usize| (0..upto).map(name).collect::<Vec<_>>();
        let (stand, done, begun) = match standing.phase {
            Phase::Finished { done: true } => (Stand::Done, Vec::new(), None),
            Phase::Finished { done: false } => (Stand::PutBack, Vec::new(), None),
            Phase::Forward {
                done: 0,
                started: None,
            } => (Stand::Open, Vec::new(), None),
            Phase::Forward { done, started } => {
                (Stand::Unfinished, names(done), started.map(|_| name(done)))
            }
            // Its last step is taken back or not: that was not written down.
            Phase::Backward { left, .. } => (
                Stand::Unfinished,
                names(left.saturating_sub(1)),
                left.checked_sub(1).map(name),
            ),
            Phase::Stuck { step, .. } => (Stand::Unfinished, names(step), Some(name(step))),
        };
        let kind = Some(found.operation.about.kind);
        Some(LeftOperation {
            op: op.clone(),
            kind,
            stand,
            done,
            begun,
            only_forward: standing.committed,
            kept: self.kept_notes(op).len(),
        })
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
