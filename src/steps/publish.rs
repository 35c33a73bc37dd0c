//! The commit point: references and index move, and the operation can only go forward.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    base::{Failure, OpId},
    git::Repo,
    ground::Ground,
    journal::Step,
    model::operation::Publication,
};

/// The step.
pub struct Publish<'a> {
    git: &'a Repo,
    scratch: PathBuf,
    publication: &'a Publication,
}

impl<'a> Publish<'a> {
    /// The step for one operation; its folder serves as scratch space.
    pub fn new(ground: &'a Ground, op: &OpId, publication: &'a Publication) -> Self {
        let scratch = ground.git.common_dir().join("snapback").join("ops").join(op.to_string());
        Self { git: &ground.git, scratch, publication }
    }
}

impl Step for Publish<'_> {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn prepare(&mut self) -> Result<Value, Failure> {
        Ok(self.git.prepare_publication(self.publication, &self.scratch)?)
    }

    fn apply(&mut self, prepared: &Value) -> Result<(), Failure> {
        Ok(self.git.publish(self.publication, prepared, &self.scratch)?)
    }

    fn undo(&mut self, prepared: &Value) -> Result<(), Failure> {
        Ok(self.git.unpublish(self.publication, prepared, &self.scratch)?)
    }

    fn is_commit_point(&self) -> bool {
        true
    }

    /// The branch moves last.
    fn is_passed(&self) -> Result<bool, Failure> {
        let Some(branch) = self.publication.refs.last() else { return Ok(false) };
        Ok(self.git.find_ref(&branch.name)?.as_ref() == Some(&branch.after))
    }
}
