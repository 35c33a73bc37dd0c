//! The commit point: references and index move, and the operation can only go forward.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    base::{Failure, OpId},
    ground::Ground,
    journal::Step,
    model::operation::Publication,
};

/// The step.
pub struct Publish<'a> {
    ground: &'a Ground,
    scratch: PathBuf,
    publication: &'a Publication,
}

impl<'a> Publish<'a> {
    /// The step for one operation; its folder serves as scratch space.
    pub fn new(ground: &'a Ground, op: &OpId, publication: &'a Publication) -> Self {
        let scratch = ground.git.common_dir().join("snapback").join("ops").join(op.to_string());
        Self { ground, scratch, publication }
    }
}

impl Step for Publish<'_> {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn prepare(&mut self) -> Result<Value, Failure> {
        Ok(self.ground.git.prepare_publication(self.publication, &self.scratch)?)
    }

    fn apply(&mut self, prepared: &Value) -> Result<(), Failure> {
        self.ground.git.publish(self.publication, prepared, &self.scratch)?;
        if let Some(branch) = self.publication.refs.last() {
            let text = self.publication.log_message.trim_start_matches("snapback: ");
            self.ground.say("committed", format!("{}  {text}", branch.after.short()));
        }
        Ok(())
    }

    fn undo(&mut self, prepared: &Value) -> Result<(), Failure> {
        Ok(self.ground.git.unpublish(self.publication, prepared, &self.scratch)?)
    }

    fn is_commit_point(&self) -> bool {
        true
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(self.ground.git.is_past_return(self.publication)?)
    }
}
