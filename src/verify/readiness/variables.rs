//! Checks that the configured variables are set and not empty. Others that the sources mention are
//! only listed, because many have a default.

use super::Readiness;
use crate::{
    base::Failure,
    model::{CheckResult, Status},
    verify::{Check, CheckSubject, evidence::bounded, nothing},
};

/// Checks that the configured variables are set.
pub struct VariablesCheck;

impl Check for VariablesCheck {
    fn id(&self) -> &'static str {
        "readiness.variables"
    }

    fn level(&self) -> u8 {
        4
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject.readiness() {
            Some(of) => Ok(vec![self.of(&of)]),
            None => nothing(),
        }
    }
}

impl VariablesCheck {
    fn of(&self, of: &Readiness<'_>) -> CheckResult {
        let run = self.begin();
        let required = &of.task.environment_variables;
        let others = of
            .expected
            .environment_variables
            .iter()
            .filter(|name| !required.contains(name));
        let missing = |name: &&String| {
            let value = of.variables.get(name);
            value.is_none_or(std::ffi::OsStr::is_empty)
        };
        let mut evidence = Vec::new();
        for name in required.iter().filter(missing) {
            let how = if of.variables.get(name).is_some() {
                "empty"
            } else {
                "not set"
            };
            evidence.push(format!("{name} is {how}"));
        }
        let status = match (evidence.is_empty(), required.is_empty()) {
            (false, _) => Status::Fail,
            (true, false) => Status::Pass,
            (true, true) => Status::Skipped,
        };
        if status == Status::Pass {
            evidence.push(format!("{} variables are set", required.len()));
        }
        evidence.extend(
            others
                .filter(missing)
                .map(|name| format!("{name} is not set; the settings do not require it")),
        );
        if evidence.is_empty() {
            evidence.push("the settings name no variables".into());
        }
        let lines = evidence.iter().map(|line| of.variables.line(line));
        run.end(status, bounded(lines.collect()))
    }
}
