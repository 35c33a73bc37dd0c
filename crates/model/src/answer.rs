//! The one JSON document that `--json` prints, on success and on failure.

use serde::Serialize;
use serde_json::Value;

use super::StateAfterFailure;
use crate::OpId;
use base::Failure;

/// Format of the document.
pub const ANSWER_SCHEMA: &str = "snapback.answer/1";

/// What can be done next, as whoever talks to people says it.
#[derive(Debug, Clone, Serialize)]
pub struct NextCommand {
    /// Its purpose.
    pub why: String,
    /// The command, one element an argument; empty when the words say it.
    pub argv: Vec<String>,
}

/// What went wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Problem {
    /// The exit code as text, `SB06`.
    pub code: String,
    /// The kind of error, a stable word.
    pub kind: String,
    /// What happened.
    pub message: String,
    /// Next steps.
    pub hints: Vec<NextCommand>,
}

/// The JSON document. Fields are only ever added.
#[derive(Debug, Clone, Serialize)]
pub struct Answer {
    /// [`ANSWER_SCHEMA`].
    pub schema: &'static str,
    /// True when the exit code is 0.
    pub ok: bool,
    /// The subcommand.
    pub command: String,
    /// The process exit code.
    pub exit_code: i32,
    /// True when anything was changed.
    pub changed: bool,
    /// True for a dry run: nothing could have been changed.
    pub dry_run: bool,
    /// The operation, if there was one.
    pub op_id: Option<OpId>,
    /// The command's result.
    pub data: Value,
    /// The error.
    pub error: Option<Problem>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Suggested next steps.
    pub next: Vec<NextCommand>,
    /// The state after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<LeftAnswer>,
}

/// The state after a failure, with a sentence that describes it.
#[derive(Debug, Clone, Serialize)]
pub struct LeftAnswer {
    /// The state in words.
    pub sentence: String,
    /// The state as data.
    #[serde(flatten)]
    pub left: StateAfterFailure,
}

impl From<StateAfterFailure> for LeftAnswer {
    fn from(left: StateAfterFailure) -> Self {
        Self {
            sentence: left.sentence(),
            left,
        }
    }
}

impl Answer {
    /// Creates a successful answer without data.
    pub fn new(command: &str) -> Self {
        Self {
            schema: ANSWER_SCHEMA,
            ok: true,
            command: command.into(),
            exit_code: 0,
            changed: false,
            dry_run: false,
            op_id: None,
            data: Value::Null,
            error: None,
            warnings: Vec::new(),
            next: Vec::new(),
            left: None,
        }
    }

    /// The same with what is so after the failure, and what can be done about it.
    pub fn with_left(self, left: StateAfterFailure, more: Vec<NextCommand>) -> Self {
        let (changed, op_id) = (left.is_change(), left.op().cloned());
        let mut next = self.next;
        next.extend(more);
        Self {
            changed,
            op_id,
            next,
            left: Some(left.into()),
            ..self
        }
    }

    /// The answer for a failure, with what can be done about it.
    pub fn failed(command: &str, failure: &Failure, hints: Vec<NextCommand>) -> Self {
        let kind = failure.kind();
        let problem = Problem {
            code: format!("SB{:02}", kind.exit_code()),
            kind: kind.word().into(),
            message: failure.chain().join(": "),
            hints,
        };
        Self {
            ok: false,
            exit_code: kind.exit_code(),
            error: Some(problem),
            ..Self::new(command)
        }
    }
}
