//! The report of a disaster recovery: the common source of its Markdown, HTML and JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::{Plan, Report, answer::NextCommand};

/// Format that is written.
pub const RECOVERY_SCHEMA: &str = "snapback.recovery/1";

/// The recovery report.
#[derive(Debug, Clone, Serialize)]
pub struct Recovery<'a> {
    /// [`RECOVERY_SCHEMA`].
    pub schema: &'static str,
    /// A one-sentence summary.
    pub summary: String,
    /// True when the task is at the version and every check passed.
    pub recovered: bool,
    /// The exit code.
    pub exit_code: i32,
    /// Time when it began.
    pub began_at: Timestamp,
    /// Time when it ended.
    pub ended_at: Timestamp,
    /// The host.
    pub host: String,
    /// The plan.
    pub plan: &'a Plan,
    /// The result: who, why, duration, steps and checks.
    pub report: &'a Report,
    /// Suggested next steps, beginning with how to undo it.
    pub next: Vec<NextCommand>,
}
