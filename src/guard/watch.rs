//! The guard at work: looks at the rules of a task, and rolls it back when they demand it.
//!
//! An action is durable before it is carried out. A rollback that a kill interrupted is found by
//! the next look, completed, and reported. If the guard cannot help, it freezes the task and calls
//! a person. It does not touch the task again until it is thawed. Read [`Guard::watch`] first.

use super::{METRICS, Memory, MetricSource, calls::notice, judging::is_due};
use crate::{
    base::Failure,
    catalog::tasks,
    model::{
        Status, TaskId, TaskSpec, Version,
        alert::{Notice, Topic},
        guard::{Decision, GuardState, RuleLine, RuleSpec, TaskWatch},
        trust::CommandUse,
    },
    policy::guard::rebase,
    site::{self, RepoSite},
};

/// Options for looking at a task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WatchOptions {
    /// True to look only at rules that are due.
    pub only_due: bool,
    /// True to write nothing and do nothing.
    pub dry_run: bool,
}

/// The guard of a repository.
pub struct Guard<'a> {
    pub(super) site: &'a RepoSite,
    pub(super) memory: Memory,
    pub(super) sources: &'a [&'static dyn MetricSource],
}

impl<'a> Guard<'a> {
    /// Returns the guard of the repository at a site.
    pub fn new(site: &'a RepoSite) -> Self {
        Self {
            site,
            memory: Memory::new(site.state.clone()),
            sources: METRICS,
        }
    }

    /// Replaces the sources of metrics.
    #[must_use]
    pub fn with(self, sources: &'a [&'static dyn MetricSource]) -> Self {
        Self { sources, ..self }
    }

    /// Returns the tasks that have rules.
    pub fn guarded(&self) -> Vec<TaskId> {
        self.site
            .settings
            .tasks
            .iter()
            .filter(|task| !task.guard.is_empty())
            .map(|task| task.id.clone())
            .collect()
    }

    /// Returns the guard's memory of a task; no metric is read or asked for.
    ///
    /// # Errors
    /// When the memory cannot be read.
    pub fn state(&self, task: &TaskId) -> Result<GuardState, Failure> {
        Ok(self.memory.load(&tasks::spec(self.site, task)?.id)?)
    }

    /// Locks this repository against other running guards until dropped.
    ///
    /// # Errors
    /// When another guard runs.
    pub fn lock(&self) -> Result<crate::base::fs::FileLock, Failure> {
        Ok(self.memory.lock_all()?)
    }

    /// Refuses tasks whose metrics were not agreed to, before anything is created or sent.
    ///
    /// # Errors
    /// When there is no such task, or a command that its rules name may not run.
    pub fn check_watched(&self, tasks: &[TaskId]) -> Result<(), Failure> {
        for task in tasks.iter().filter(|_| !self.site.without_commands) {
            site::consent::require(
                self.site
                    .commands_for(&tasks::spec(self.site, task)?.id, &[CommandUse::Metric]),
            )?;
        }
        Ok(())
    }

    /// Looks at a task: reads its metrics, judges them, and rolls it back when a rule demands it.
    ///
    /// # Errors
    /// When its rules cannot be examined. An unreadable metric is not an error, and neither is a
    /// failed rollback: then the task is frozen and a person is called.
    pub fn watch(&self, task: &TaskId, look: WatchOptions) -> Result<TaskWatch, Failure> {
        let spec = tasks::spec(self.site, task)?;
        self.check_watched(std::slice::from_ref(task))?;
        let memory = &self.memory;
        let _lock = (!look.dry_run).then(|| memory.lock(task)).transpose()?;
        let mut state = memory.load(task)?;
        let mut watch = TaskWatch {
            task: task.clone(),
            rules: Vec::new(),
            frozen: None,
            report: None,
            notes: Vec::new(),
        };
        if !look.dry_run {
            self.settle_firing(&mut state, &mut watch)?;
        }
        let now = self.site.clock.moment();
        rebase(&mut state.fired, &now);
        self.turn_to_active(spec, &mut state, &now)?;
        let due: Vec<&RuleSpec> = spec
            .guard
            .iter()
            .filter(|rule| !look.only_due || is_due(rule, &state, &now))
            .collect();
        for rule in due {
            watch
                .rules
                .push(self.judge_rule(spec, rule, &mut state, &now));
        }
        if !look.dry_run {
            memory.save(&state)?;
            self.act(spec, &mut state, &mut watch)?;
        }
        watch.frozen = state.frozen;
        Ok(watch)
    }

    /// Acts on the decision of the first rule that asks for action.
    fn act(
        &self,
        spec: &TaskSpec,
        state: &mut GuardState,
        watch: &mut TaskWatch,
    ) -> Result<(), Failure> {
        self.call_blind(spec, state, watch);
        let acting = |line: &&RuleLine| {
            matches!(
                line.decision,
                Decision::Fire | Decision::Freeze(_) | Decision::Overruled(_)
            )
        };
        if let Some(line) = watch.rules.iter().find(acting).cloned() {
            let reason = format!("{}: {}", line.rule, line.judgement.why);
            match &line.decision {
                Decision::Fire => self.fire(spec, state, watch, &line)?,
                Decision::Freeze(why) => self.freeze_and_call(state, why, &reason)?,
                Decision::Overruled(why) => {
                    let title = format!(
                        "{} fails at {} again",
                        spec.id,
                        Version::or_none(state.version.as_ref())
                    );
                    let reason = format!("{reason}; {why}");
                    self.call(notice(state, Topic::Overruled, title, reason));
                }
                _ => {}
            }
        }
        self.tell_recovery(spec, state, watch)
    }

    /// Raises an alert about a metric that was unreadable as often as its rule allows.
    fn call_blind(&self, spec: &TaskSpec, state: &GuardState, watch: &TaskWatch) {
        for line in &watch.rules {
            let known = &state.rules[&line.rule];
            if spec
                .guard
                .iter()
                .any(|rule| rule.name == line.rule && rule.errors == known.errors)
            {
                let reason = format!(
                    "{} readings of the rule {} failed in a row: {}",
                    known.errors, line.rule, line.judgement.why
                );
                let title = format!("{}: a metric cannot be read", spec.id);
                self.call(notice(state, Topic::Blind, title, reason));
            }
        }
    }

    /// Reports that the version that the guard went back to holds up.
    fn tell_recovery(
        &self,
        spec: &TaskSpec,
        state: &mut GuardState,
        watch: &TaskWatch,
    ) -> Result<(), Failure> {
        let passed = |rule: &str| {
            watch
                .rules
                .iter()
                .any(|line| line.rule == rule && line.judgement.outcome == Status::Pass)
        };
        let failing = watch
            .rules
            .iter()
            .any(|line| line.judgement.outcome == Status::Fail);
        let Some(watching) = state
            .watching
            .clone()
            .filter(|watching| watch.report.is_none() && !failing && passed(&watching.rule))
        else {
            return Ok(());
        };
        let title = format!(
            "{} holds up at {}",
            spec.id,
            Version::or_none(state.version.as_ref())
        );
        let reason = format!(
            "the rule {} passes since it went back from {}",
            watching.rule, watching.from
        );
        self.call(Notice {
            op: watching.op,
            ..notice(state, Topic::Recovered, title, reason)
        });
        state.watching = None;
        Ok(self.memory.save(state)?)
    }
}
