//! The report of a disaster recovery: one value behind its Markdown, HTML and JSON.

use jiff::Timestamp;
use serde::Serialize;

use super::{Plan, Report, answer::Next};

/// The format that is written.
pub const RECOVERY_SCHEMA: &str = "snapback.recovery/1";

/// The report.
#[derive(Debug, Clone, Serialize)]
pub struct Recovery<'a> {
    /// [`RECOVERY_SCHEMA`].
    pub schema: &'static str,
    /// The one sentence that says it all.
    pub summary: String,
    /// True when the task is at the version and every check holds.
    pub recovered: bool,
    /// The exit code.
    pub exit_code: i32,
    /// When it began.
    pub began_at: Timestamp,
    /// When it was over.
    pub ended_at: Timestamp,
    /// On which host.
    pub host: String,
    /// What was going to be done.
    pub plan: &'a Plan,
    /// What was done: who, why, how long, the steps, the checks.
    pub report: &'a Report,
    /// What can be done next; how to take it back comes first.
    pub next: Vec<Next>,
}
