//! The variables that an operation is planned and checked by: those of whoever asked for it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    sync::Arc,
};

/// Environment variables, as they were when the site was opened.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<OsString, OsString>>);

impl Environment {
    /// Those of this process.
    pub fn of_this_process() -> Self {
        Self(Arc::new(std::env::vars_os().collect()))
    }

    /// These.
    pub fn of(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// True when a variable has a value, be it an empty one.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}
