//! The result of a command: one value for the text, the JSON document and the exit code.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    advice,
    render::{self, TextStyle},
};
use crate::{
    base::{Hint, Kind},
    model::{
        Answer, OpId, Plan, Report, StateAfterFailure, TaskId, Verification,
        answer::{LeftAnswer, NextCommand, Problem},
        report::Outcome,
    },
};

/// The answer of a command.
#[derive(Debug, Default)]
pub struct Reply {
    /// The process exit code.
    pub exit_code: i32,
    /// True when something was changed.
    pub changed: bool,
    /// True when no change was possible, as in a dry run.
    pub dry_run: bool,
    /// True when an operation failed and was reversed.
    pub undone: bool,
    /// The operation, if there was one.
    pub op: Option<OpId>,
    /// The data for programs.
    pub data: Value,
    /// The text for people; lines end in newlines.
    pub text: String,
    /// The reason for an exit code other than 0.
    pub problem: Option<Problem>,
    /// The possible next steps.
    pub next: Vec<NextCommand>,
    /// The remaining state when the command succeeded here and failed elsewhere.
    pub left: Option<StateAfterFailure>,
}

impl Reply {
    /// Creates a reply that changed nothing.
    pub fn new(text: String, data: impl Serialize) -> Self {
        Self {
            text,
            data: serde_json::to_value(data).expect("because plain data always renders"),
            ..Self::default()
        }
    }

    /// Adds next steps.
    pub fn with_next(mut self, hints: Vec<Hint>) -> Self {
        self.next.extend(hints.into_iter().map(advice::next));
        self
    }

    /// Adds an exit code other than 0, and the reason.
    pub fn with_problem(mut self, kind: Kind, message: impl Into<String>) -> Self {
        self.exit_code = kind.exit_code();
        let code = format!("SB{:02}", kind.exit_code());
        self.problem = Some(Problem {
            code,
            kind: kind.word().into(),
            message: message.into(),
            hints: Vec::new(),
        });
        self
    }

    /// Adds that tasks with unusable settings were left out, because statements about all tasks do
    /// not cover them.
    pub fn without(mut self, left_out: &[TaskId], not_done: &str) -> Self {
        if left_out.is_empty() {
            return self;
        }
        let names: Vec<&str> = left_out.iter().map(TaskId::as_str).collect();
        let text = format!(
            "{not_done}, because their settings cannot be used: {}",
            names.join(", ")
        );
        let _ = writeln!(self.text, "{text}");
        if self.exit_code == 0 {
            self.with_problem(Kind::Missing, text)
        } else {
            self
        }
    }

    /// Adjusts the reply after a signal or the time limit: an operation that was therefore reversed
    /// is no bad version, and a cancellation by the clock counts as the time limit.
    pub fn stopped_by(self, kind: Kind) -> Self {
        let is_cancelled = self
            .problem
            .as_ref()
            .is_some_and(|problem| problem.kind == Kind::Cancelled(0).word());
        if !self.undone && !is_cancelled {
            return self;
        }
        let message = self
            .problem
            .as_ref()
            .map(|problem| problem.message.clone())
            .unwrap_or_default();
        self.with_problem(kind, message)
    }

    /// Marks the reply as changing something.
    pub fn changed(mut self) -> Self {
        self.changed = true;
        self
    }

    /// Creates the reply to a dry run.
    pub fn dry_run(style: TextStyle, plan: &Plan, all: bool) -> Self {
        let end = if plan.nothing_to_do {
            "nothing to do".into()
        } else {
            render::plan::size_of_change(plan)
        };
        let text = format!("{}dry run: {end}\n", render::plan::plan(style, plan, all));
        Self {
            dry_run: true,
            ..Self::new(text, json!({ "plan": plan }))
        }
    }

    /// Creates the reply to a dry run, in one sentence.
    pub fn would(what: &str, data: impl Serialize) -> Self {
        Self {
            dry_run: true,
            ..Self::new(format!("dry run: {what}\n"), data)
        }
    }

    /// Creates the reply for an operation that was attempted.
    pub fn of_report(style: TextStyle, plan: Option<&Plan>, report: &Report) -> Self {
        let text = render::report::report(style, report);
        let data = plan.map_or_else(
            || json!({ "report": report }),
            |plan| json!({ "plan": plan, "report": report }),
        );
        let reply = Self {
            changed: report.changed,
            undone: report.outcome == Outcome::Undone,
            op: report.op.clone(),
            ..Self::new(text, data)
        }
        .with_next(render::report::next(report));
        let sentence = render::report::last_line(TextStyle::default(), report);
        match kind_of_code(render::report::exit_code(report)) {
            None => reply,
            Some(kind) => reply.with_problem(kind, sentence),
        }
    }

    /// Creates the reply for verifications; the worst one determines the exit code.
    pub fn of_verifications(style: TextStyle, all: &[Verification], verbose: bool) -> Self {
        let text = match all {
            [_, _, ..] if !verbose => render::verification::verifications(style, all),
            _ => all
                .iter()
                .map(|one| render::verification::verification(style, one, verbose))
                .collect(),
        };
        let reply = Self::new(text, json!({ "verifications": all }));
        // Damage counts more than a branch with another release of the same number.
        let is_bad =
            |one: &Verification| render::verification::exit_code(one) == Kind::Bad.exit_code();
        let worst = all.iter().max_by_key(|one| (one.status(), is_bad(one)));
        match worst.and_then(|worst| {
            kind_of_code(render::verification::exit_code(worst)).map(|kind| (kind, worst))
        }) {
            None => reply,
            Some((kind, worst)) => reply.with_problem(
                kind,
                render::verification::verdict(TextStyle::default(), worst),
            ),
        }
    }

    /// Returns the JSON document.
    pub fn answer(&self, command: &str, warnings: Vec<String>) -> Answer {
        Answer {
            ok: self.exit_code == 0,
            exit_code: self.exit_code,
            changed: self.changed,
            dry_run: self.dry_run,
            op_id: self.op.clone(),
            data: self.data.clone(),
            error: self.problem.clone(),
            warnings,
            next: self.next.clone(),
            left: self.left.clone().map(LeftAnswer::from),
            ..Answer::new(command)
        }
    }

    /// Returns the text, without next steps when `quiet`.
    pub fn page(&self, style: TextStyle, quiet: bool) -> String {
        let next = if quiet {
            String::new()
        } else {
            render::error::next_steps(style, &self.next)
        };
        format!("{}{next}", self.text)
    }
}

/// Returns the kind behind the exit code of a report or verification; `None` for success.
fn kind_of_code(code: i32) -> Option<Kind> {
    use Kind::{
        Bad, Bug, Conflict, Denied, Locked, Missing, Network, NoRepository, NotFound, Partial,
        Refused, Stuck, TimeLimit, Usage,
    };
    let plain = [
        Bug,
        Usage,
        Partial,
        Bad,
        NotFound,
        Refused,
        Conflict,
        Missing,
        Network,
        NoRepository,
        Locked,
        Denied,
        Stuck,
        TimeLimit,
    ];
    plain
        .into_iter()
        .chain([Kind::Cancelled(2), Kind::Cancelled(15)])
        .find(|kind| kind.exit_code() == code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CheckResult, Status};

    #[test]
    fn one_object_behind_text_json_and_exit_code() {
        let report = render::report::tests::sample();
        let reply = Reply::of_report(TextStyle::default(), None, &report);
        insta::assert_snapshot!(reply.page(TextStyle::default(), false), @"
        T01 is at 1.2.0, verified.  1.3.0 is held.  (1.9 s, 4 files changed, 4.0 MB saved, operation 9f3c21aa)
          take it back:  snapback undo
          share it:  git push --atomic origin main T01-v1.2.0-rollback-from-v1.3.0
        ");
        let answer = reply.answer("rollback", vec!["w".into()]);
        assert_eq!(
            (answer.ok, answer.exit_code, answer.changed, answer.op_id),
            (true, 0, true, report.op)
        );
        assert_eq!(answer.data["report"]["to"], "1.2.0");
        assert_eq!(answer.next[0].argv, ["snapback", "undo"]);
    }

    #[test]
    fn a_rollback_that_was_put_back_is_not_ok() {
        let report = Report {
            outcome: Outcome::Undone,
            changed: false,
            ..render::report::tests::sample()
        };
        let answer =
            Reply::of_report(TextStyle::default(), None, &report).answer("rollback", Vec::new());
        assert_eq!(
            (answer.ok, answer.exit_code, answer.changed),
            (false, 4, false)
        );
        assert_eq!(answer.error.expect("it failed").code, "SB04");
        let stopped =
            Reply::of_report(TextStyle::default(), None, &report).stopped_by(Kind::Cancelled(2));
        assert_eq!(
            (stopped.exit_code, stopped.problem.expect("it failed").kind),
            (130, "cancelled".into())
        );
        let done = Reply::of_report(TextStyle::default(), None, &render::report::tests::sample())
            .stopped_by(Kind::Cancelled(2));
        assert_eq!(done.exit_code, 0);
    }

    #[test]
    fn the_worst_verification_counts() {
        let bad = render::verification::tests::sample();
        let mut good = bad.clone();
        good.checks.truncate(2);
        let mut other = bad.clone();
        other
            .checks
            .iter_mut()
            .filter(|check| check.status == Status::Fail)
            .for_each(|check| check.id = CheckResult::NUMBER.into());
        let reply =
            Reply::of_verifications(TextStyle::default(), &[other.clone(), good.clone()], false);
        assert_eq!(
            reply.exit_code, 7,
            "the branch has another release of the number"
        );
        let reply = Reply::of_verifications(
            TextStyle::default(),
            &[good.clone(), bad, good, other],
            false,
        );
        assert_eq!(reply.exit_code, 4);
        assert_eq!(
            reply.problem.expect("it failed").message,
            "T01 1.3.0 does not hold: smoke failed."
        );
    }
}
