//! What is so after a change that failed: of operations by their journals, of places by looking.

use std::path::PathBuf;

use super::App;
use crate::{
    base::footprint::Footprint,
    model::{OpId, left::LeftOperation},
    operate,
};

impl App {
    /// What is left of operations that were begun, as far as their journals are there: one that
    /// has none did nothing.
    pub fn left_of(&self, began: &[OpId]) -> Vec<LeftOperation> {
        operate::left::left_of(&self.site, began)
    }

    /// Files of the work tree, and the folder of hooks, that an installation of hooks may change.
    pub fn hook_places(&self) -> Vec<PathBuf> {
        self.site.hook_places()
    }

    /// What stands at the places that commands without a journal may change: hooks, git's
    /// configuration, verdicts, agreements, keys, and these.
    pub fn footprint(&self, more: &[PathBuf]) -> Footprint {
        self.site.footprint(more)
    }
}
