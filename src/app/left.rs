//! The state after a failed change: operations by their journals, other places by inspection.

use std::path::PathBuf;

use super::App;
use crate::{
    base::footprint::Footprint,
    model::{OpId, left::LeftOperation},
    operate,
};

impl App {
    /// Returns the status of operations that were begun. One without a journal did nothing and is
    /// left out.
    pub fn left_of(&self, began: &[OpId]) -> Vec<LeftOperation> {
        operate::left::left_of(&self.site, began)
    }

    /// Returns the files of the work tree and the hook folder that installing hooks may change.
    pub fn hook_places(&self) -> Vec<PathBuf> {
        self.site.hook_places()
    }

    /// Returns the contents of the places that commands without a journal may change: hooks, git's
    /// configuration, verdicts, agreements, keys, and `more`.
    pub fn footprint(&self, more: &[PathBuf]) -> Footprint {
        self.site.footprint(more)
    }
}
