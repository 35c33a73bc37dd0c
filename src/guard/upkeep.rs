//! Manual operations on the guard: freeze and thaw a task, try a rule on a log.

use super::{
    Error, Guard, LogReader,
    lines::{of_log, plain},
    source_of,
};
use crate::{
    base::Failure,
    catalog::tasks,
    model::{
        TaskId,
        guard::{Backtest, Frozen, GuardState, RuleSpec},
    },
    operate::{self, Operator},
    policy::guard::backtest,
};

impl Guard<'_> {
    /// Freezes a task on behalf of a person: the guard no longer touches it.
    ///
    /// # Errors
    /// When the change cannot be recorded.
    pub fn freeze(&self, task: &TaskId, why: &str) -> Result<(), Failure> {
        let who = self.site.git.identity()?;
        self.change_memory(task, "guard freeze", why, |state, at| {
            state.frozen = Some(Frozen {
                why: why.into(),
                at,
                by: who.to_string(),
            });
        })
    }

    /// Lets the guard touch a task again, with nothing counted against it. Returns false when the
    /// task was not frozen.
    ///
    /// # Errors
    /// When the change cannot be recorded.
    pub fn thaw(&self, task: &TaskId, why: &str) -> Result<bool, Failure> {
        if self.state(task)?.frozen.is_none() {
            return Ok(false);
        }
        self.change_memory(task, "guard thaw", why, |state, _| {
            state.frozen = None;
            state.fired.clear();
            for rule in state.rules.values_mut() {
                (rule.failed, rule.last_failed, rule.errors) = (0, None, 0);
                rule.samples.clear();
            }
        })?;
        Ok(true)
    }

    /// Changes the memory of a task, and adds a line to the audit log.
    fn change_memory(
        &self,
        task: &TaskId,
        kind: &str,
        why: &str,
        change: impl FnOnce(&mut GuardState, jiff::Timestamp),
    ) -> Result<(), Failure> {
        let memory = &self.memory;
        let _lock = memory.lock(&tasks::spec(self.site, task)?.id)?;
        let mut state = memory.load(task)?;
        change(&mut state, self.site.clock.now());
        let what = operate::action_on(kind, task, None, state.version.as_ref());
        Operator::new(self.site).audited(what, why, || Ok(memory.save(&state)?))
    }

    /// Returns what a rule would have done with a log.
    ///
    /// # Errors
    /// When there is no such rule, or the log cannot be read.
    pub fn backtest(
        &self,
        task: &TaskId,
        rule: Option<&str>,
        log: &std::path::Path,
    ) -> Result<Vec<(String, Backtest)>, Failure> {
        let spec = tasks::spec(self.site, task)?;
        let rules: Vec<&RuleSpec> = spec
            .guard
            .iter()
            .filter(|one| rule.is_none_or(|name| one.name == name))
            .collect();
        match rule {
            Some(name) if rules.is_empty() => {
                return Err(Error::NoRule {
                    task: task.clone(),
                    rule: crate::base::text::escape(name.as_bytes()),
                }
                .into());
            }
            None if rules.is_empty() => return Err(Error::NoRules.into()),
            _ => {}
        }
        let test = |rule: &RuleSpec| -> Result<(String, Backtest), Failure> {
            let metric = &rule.metric;
            let sample: LogReader = source_of(self.sources, &metric.kind)
                .map_or(Box::new(plain), |source| {
                    source.log_reader(&metric.settings)
                });
            let (samples, unreadable) = of_log(log, &sample)?;
            let mut found = Backtest {
                unreadable,
                ..backtest(rule, samples)
            };
            if rule.compare.is_some() {
                found
                    .notes
                    .push("`compare` is left out: the log knows no version before".into());
            }
            Ok((rule.name.clone(), found))
        };
        rules.into_iter().map(test).collect()
    }
}
