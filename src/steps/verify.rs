//! Verifies the tree inside an operation, so that a bad result turns the operation back.

use serde_json::Value;

use super::VerifyFn;
use crate::{base::Failure, journal::Step, model::Version};

/// The step. What it checks and when a bad result turns back is the engine's to say.
pub struct Verify<'a> {
    version: &'a Version,
    run: Option<VerifyFn<'a>>,
}

impl<'a> Verify<'a> {
    /// The step for one version.
    pub fn new(version: &'a Version, run: Option<VerifyFn<'a>>) -> Self {
        Self { version, run }
    }
}

impl Step for Verify<'_> {
    fn name(&self) -> &'static str {
        "verify"
    }

    fn prepare(&mut self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value) -> Result<(), Failure> {
        self.run.as_mut().map_or(Ok(()), |run| run(self.version))
    }

    fn undo(&mut self, _prepared: &Value) -> Result<(), Failure> {
        Ok(())
    }
}
