//! Verifies the tree inside an operation, so that a bad result turns the operation back.

use std::{cell::RefCell, rc::Rc};

use serde_json::Value;

use super::VerifyFn;
use crate::{base::Failure, journal::JournalStep, model::Version};

/// The step. What it checks and when a bad result turns back is the engine's to say.
pub struct Verify<'a> {
    what: What<'a>,
    run: Rc<RefCell<VerifyFn<'a>>>,
}

/// What is verified.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// Integrity, configuration and smoke test of a version.
    Version(&'a Version),
    /// That every path holds exactly what the operation recorded.
    Recorded,
    /// Production readiness of a version.
    Ready(&'a Version),
}

impl<'a> What<'a> {
    /// That the operation arrived: at a version, or else at exactly what it recorded.
    pub fn arrival(version: Option<&'a Version>) -> Self {
        version.map_or(Self::Recorded, Self::Version)
    }
}

impl<'a> Verify<'a> {
    /// The step for one thing to verify.
    pub fn new(what: What<'a>, run: Rc<RefCell<VerifyFn<'a>>>) -> Self {
        Self { what, run }
    }
}

impl JournalStep for Verify<'_> {
    fn name(&self) -> &'static str {
        if matches!(self.what, What::Ready(_)) {
            "ready"
        } else {
            "verify"
        }
    }

    fn prepare(&mut self) -> Result<Value, Failure> {
        Ok(Value::Null)
    }

    fn apply(&mut self, _prepared: &Value) -> Result<(), Failure> {
        (self.run.borrow_mut())(self.what)
    }

    fn undo(&mut self, _prepared: &Value) -> Result<(), Failure> {
        Ok(())
    }
}
