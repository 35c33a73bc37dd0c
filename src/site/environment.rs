//! The variables used to plan and check an operation: those of whoever requested it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    sync::Arc,
};

/// Environment variables, as they were when the site was opened.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<OsString, OsString>>);

impl Environment {
    /// Returns the variables of this process.
    pub fn of_this_process() -> Self {
        Self(Arc::new(std::env::vars_os().collect()))
    }

    /// Returns an environment with these variables.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }

    /// Returns the value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Returns true when a variable is set, even to an empty value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}
