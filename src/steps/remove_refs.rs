//! Removes names after the commit point: the tag of a release that was taken back, and its second
//! reference.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    base::{Due, Failure},
    journal::JournalStep,
    model::{OpId, operation::NamedRef},
    site::RepoSite,
};

/// The step that removes references.
pub struct RemoveRefs<'a> {
    site: &'a RepoSite,
    scratch: PathBuf,
    refs: &'a [NamedRef],
}

impl<'a> RemoveRefs<'a> {
    /// Creates the step for one operation; its folder serves as scratch space.
    pub fn new(site: &'a RepoSite, op: &OpId, refs: &'a [NamedRef]) -> Self {
        let scratch = site
            .git
            .common_dir()
            .join("snapback")
            .join("ops")
            .join(op.to_string());
        Self {
            site,
            scratch,
            refs,
        }
    }
}

impl JournalStep for RemoveRefs<'_> {
    fn name(&self) -> &'static str {
        "remove-refs"
    }

    fn prepare(&mut self, _due: &Due) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    /// May run again: a name that is gone, or that was given another value, is left alone.
    fn apply(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        let staged = |(number, named): (usize, &NamedRef)| {
            (named.clone(), self.scratch.join(format!("remove-{number}")))
        };
        let refs: Vec<_> = self.refs.iter().enumerate().map(staged).collect();
        self.site.git.remove_refs(&refs)?;
        Ok(())
    }

    /// Does nothing: the step comes after the commit point, so nothing can be taken back.
    fn undo(&mut self, _prepared: &Value, _due: &Due) -> Result<(), Failure> {
        Ok(())
    }

    fn is_undone_by_record(&self) -> bool {
        false
    }
}
