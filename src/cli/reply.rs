//! What a command returns: one value behind the text, the JSON document and the exit code.

use std::fmt::Write;

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    advice,
    render::{self, Style},
};
use crate::{
    base::{Hint, Kind},
    model::{
        Answer, Left, OpId, Plan, Report, TaskId, Verification,
        answer::{LeftAnswer, Next, Problem},
        report::Outcome,
    },
};

/// The answer of a command.
#[derive(Debug, Default)]
pub struct Reply {
    /// The process exit code.
    pub exit_code: i32,
    /// True when anything was changed.
    pub changed: bool,
    /// True when nothing could have been changed.
    pub dry_run: bool,
    /// True when an operation failed and was put back.
    pub undone: bool,
    /// The operation, if there was one.
    pub op: Option<OpId>,
    /// For programs.
    pub data: Value,
    /// For people, lines ending in newlines.
    pub text: String,
    /// Why the exit code is not 0.
    pub problem: Option<Problem>,
    /// What can be done next.
    pub next: Vec<Next>,
    /// What is so, when it was done here and failed elsewhere.
    pub left: Option<Left>,
}

impl Reply {
    /// An answer that changed nothing.
    pub fn new(text: String, data: impl Serialize) -> Self {
        Self {
            text,
            data: serde_json::to_value(data).expect("because plain data always renders"),
            ..Self::default()
        }
    }

    /// The same with next steps.
    pub fn with_next(mut self, hints: Vec<Hint>) -> Self {
        self.next.extend(hints.into_iter().map(advice::next));
        self
    }

    /// The same with an exit code that is not 0, and why.
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

    /// The same without tasks whose settings cannot be used: what is said of all is not said of
    /// them.
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

    /// The same after somebody, or the clock, said stop: an operation that was put back for that is
    /// no bad version, and what was cancelled by the clock has passed its time limit.
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

    /// The same as something that changed the world.
    pub fn changed(mut self) -> Self {
        self.changed = true;
        self
    }

    /// The answer of a dry run.
    pub fn dry_run(style: Style, plan: &Plan, all: bool) -> Self {
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

    /// The answer of a dry run, in one sentence.
    pub fn would(what: &str, data: impl Serialize) -> Self {
        Self {
            dry_run: true,
            ..Self::new(format!("dry run: {what}\n"), data)
        }
    }

    /// The answer for an operation that was tried.
    pub fn of_report(style: Style, plan: Option<&Plan>, report: &Report) -> Self {
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
        let sentence = render::report::last_line(Style::default(), report);
        match kind_of_code(render::report::exit_code(report)) {
            None => reply,
            Some(kind) => reply.with_problem(kind, sentence),
        }
    }

    /// The answer for verifications; the worst one fixes the exit code.
    pub fn of_verifications(style: Style, all: &[Verification], verbose: bool) -> Self {
        let text = match all {
            [_, _, ..] if !verbose => render::verification::verifications(style, all),
            _ => all
                .iter()
                .map(|one| render::verification::verification(style, one, verbose))
                .collect(),
        };
        let reply = Self::new(text, json!({ "verifications": all }));
        // What is damaged counts more than a branch that has another release of a number.
        let is_bad =
            |one: &Verification| render::verification::exit_code(one) == Kind::Bad.exit_code();
        let worst = all.iter().max_by_key(|one| (one.status(), is_bad(one)));
        match worst.and_then(|worst| {
            kind_of_code(render::verification::exit_code(worst)).map(|kind| (kind, worst))
        }) {
            None => reply,
            Some((kind, worst)) => {
                reply.with_problem(kind, render::verification::verdict(Style::default(), worst))
            }
        }
    }

    /// The JSON document.
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

    /// The text; without next steps when `quiet`.
    pub fn page(&self, style: Style, quiet: bool) -> String {
        let next = if quiet {
            String::new()
        } else {
            render::error::next_steps(style, &self.next)
        };
        format!("{}{next}", self.text)
    }
}

/// The kind behind the exit code of a report or a verification; `None` for success.
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
        let reply = Reply::of_report(Style::default(), None, &report);
        insta::assert_snapshot!(reply.page(Style::default(), false), @"
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
            Reply::of_report(Style::default(), None, &report).answer("rollback", Vec::new());
        assert_eq!(
            (answer.ok, answer.exit_code, answer.changed),
            (false, 4, false)
        );
        assert_eq!(answer.error.expect("it failed").code, "SB04");
        let stopped =
            Reply::of_report(Style::default(), None, &report).stopped_by(Kind::Cancelled(2));
        assert_eq!(
            (stopped.exit_code, stopped.problem.expect("it failed").kind),
            (130, "cancelled".into())
        );
        let done = Reply::of_report(Style::default(), None, &render::report::tests::sample())
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
            Reply::of_verifications(Style::default(), &[other.clone(), good.clone()], false);
        assert_eq!(
            reply.exit_code, 7,
            "the branch has another release of the number"
        );
        let reply =
            Reply::of_verifications(Style::default(), &[good.clone(), bad, good, other], false);
        assert_eq!(reply.exit_code, 4);
        assert_eq!(
            reply.problem.expect("it failed").message,
            "T01 1.3.0 does not hold: smoke failed."
        );
    }
}
