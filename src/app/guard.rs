//! The guard as a use case: looks at the rules of a task, and puts it back when they say so.
//!
//! What is about to be done is durable before it is: a rollback that a kill interrupted is found
//! again by the next look, brought to its end, and told. Where the guard cannot help it freezes
//! the task, calls a person, and touches it no more until it is thawed. Read [`App::watch`] first.

mod upkeep;

use super::App;
use crate::{
    base::{Failure, Kind, OpId, TaskId, clock::Moment},
    catalog,
    guard::{self, Memory, Place, Reading},
    journal::{
        history::{self, Listed},
        status::Phase,
    },
    model::{
        Report, Request, TaskSpec, Version,
        alert::{Notice, Topic},
        guard::{
            Before, Decision, Fired, Firing, Frozen, GuardState, Judgement, Outcome, RuleLine,
            RuleSpec, RuleState, TaskWatch, Watching,
        },
        operation::OpKind,
        report,
        request::Rollback,
        settings::OnVerifyFail,
        trust::Role,
    },
    policy::guard::{Past, Seen, decide, in_a_row, is_since, judge, rebase},
    verify::evidence::Variables,
};

/// Most samples that are kept of one rule, the newest.
const SAMPLES: usize = 20_000;
/// How often a rollback is begun that is killed each time before it begins.
const ATTEMPTS: u32 = 3;

/// How a task is looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Look {
    /// Only rules whose time has come.
    pub only_due: bool,
    /// Nothing is written and nothing done.
    pub dry_run: bool,
}

impl App {
    /// The guard's memory.
    fn memory(&self) -> Memory {
        Memory::new(self.ground.state.clone())
    }

    /// The tasks that have rules.
    pub fn guarded(&self) -> Vec<TaskId> {
        self.ground
            .settings
            .tasks
            .iter()
            .filter(|task| !task.guard.is_empty())
            .map(|task| task.id.clone())
            .collect()
    }

    /// What the guard knows of a task; nothing is read or asked.
    ///
    /// # Errors
    /// When its memory cannot be read.
    pub fn guard_state(&self, task: &TaskId) -> Result<GuardState, Failure> {
        Ok(self.memory().load(&self.spec(task)?.id)?)
    }

    /// Keeps other running guards from this repository until dropped.
    ///
    /// # Errors
    /// When another one runs.
    pub fn lock_guard(&self) -> Result<crate::base::fs::FileLock, Failure> {
        Ok(self.memory().lock_all()?)
    }

    /// Refuses a look at tasks whose metrics nobody agreed to, before anything is made or sent.
    ///
    /// # Errors
    /// When there is no such task, or a command that its rules name may not run.
    pub fn check_watched(&self, tasks: &[TaskId]) -> Result<(), Failure> {
        for task in tasks.iter().filter(|_| !self.ground.without_commands) {
            self.require_commands(
                &self
                    .ground
                    .commands_for(&self.spec(task)?.id, &[Role::Metric]),
            )?;
        }
        Ok(())
    }

    /// Looks at a task: reads its metrics, judges them, and puts it back when a rule says so.
    ///
    /// # Errors
    /// When its rules cannot be looked at. That a metric cannot be read is no error, and neither is
    /// a rollback that fails: then the task is frozen and a person called.
    pub fn watch(&self, task: &TaskId, look: Look) -> Result<TaskWatch, Failure> {
        let spec = self.spec(task)?;
        self.check_watched(std::slice::from_ref(task))?;
        let memory = self.memory();
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
        let now = self.ground.clock.moment();
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

    /// When another version is active than before, everything begins anew but what was done.
    fn turn_to_active(
        &self,
        spec: &TaskSpec,
        state: &mut GuardState,
        now: &Moment,
    ) -> Result<(), Failure> {
        let catalog::registry::Active {
            version: active,
            trouble,
        } = catalog::registry::active(&*self.ground.tree, &self.ground.settings, spec);
        let is_unknown = active.is_none() && !trouble.is_empty();
        for line in trouble {
            self.ground.warn(line);
        }
        // While nobody can tell, it is taken to be the one that it was.
        if is_unknown || active == state.version {
            // What the clock says is still to come began now.
            if state
                .since
                .as_ref()
                .is_some_and(|since| now.since(since).is_none())
            {
                state.since = Some(now.clone());
            }
            return Ok(());
        }
        // Until it was judged last the version before was active.
        let judged = state
            .rules
            .values()
            .filter_map(|rule| rule.judged.as_ref())
            .map(|judged| judged.wall)
            .max();
        let judged = judged.filter(|_| state.version.is_some());
        let value = |state: &RuleState| state.last.as_ref().and_then(|judgement| judgement.value);
        if let Some(version) = state.version.take() {
            let values = state
                .rules
                .iter()
                .filter_map(|(name, rule)| Some((name.clone(), value(rule)?)))
                .collect();
            state.before = Some(Before { version, values });
        }
        for rule in state.rules.values_mut() {
            // Lines that were not read yet are the other version's: a file is begun where it ends.
            *rule = RuleState {
                metric: std::mem::take(&mut rule.metric),
                ..RuleState::default()
            };
        }
        let since = active
            .as_ref()
            .map(|version| self.active_since(&spec.id, version))
            .transpose()?
            .flatten();
        state.since = Some(
            since
                .max(judged.filter(|_| since.is_some()))
                .filter(|then| *then <= now.wall)
                .map_or(now.clone(), Moment::at),
        );
        if state
            .watching
            .as_ref()
            .is_some_and(|watching| active.as_ref() == Some(&watching.from))
        {
            state.watching = None;
        }
        state.version = active;
        Ok(())
    }

    /// When the operation that made this version active was over; `None` when that was none, or
    /// another one came after it: then nobody knows since when the version is active.
    fn active_since(
        &self,
        task: &TaskId,
        version: &Version,
    ) -> Result<Option<jiff::Timestamp>, Failure> {
        let newest = self.newest(task, 0, |listed| {
            is_done(listed) && listed.summary.about.to.is_some()
        })?;
        let Some(listed) =
            newest.filter(|listed| listed.summary.about.to.as_ref() == Some(version))
        else {
            return Ok(None);
        };
        let about = &listed.summary.about;
        // A clock that stands still, or was set back since, says nothing of the end.
        let ended = history::written(&*self.ground.state, &about.id)?
            .filter(|ended| *ended <= self.ground.clock.now());
        Ok(ended.max(Some(about.at)))
    }

    /// The newest operation of a task that is so, of those after the one with this number.
    pub(super) fn newest(
        &self,
        task: &TaskId,
        after: u64,
        wanted: impl Fn(&Listed) -> bool,
    ) -> Result<Option<Listed>, Failure> {
        for id in history::ids(&*self.ground.state)?
            .iter()
            .rev()
            .take_while(|id| id.counter() > after)
        {
            if let Some(listed) = history::summary(&self.ground.state, id)?
                && listed.summary.about.task.as_ref() == Some(task)
                && wanted(&listed)
            {
                return Ok(Some(listed));
            }
        }
        Ok(None)
    }

    /// Reads and judges one rule.
    fn judge_rule(
        &self,
        spec: &TaskSpec,
        rule: &RuleSpec,
        state: &mut GuardState,
        now: &Moment,
    ) -> RuleLine {
        let known = state.rules.entry(rule.name.clone()).or_default();
        if known.metric != rule.metric.describe() {
            *known = RuleState {
                metric: rule.metric.describe(),
                ..RuleState::default()
            };
        }
        let variables = Variables::read(&spec.environment_variables);
        let ca_file = self
            .ground
            .settings
            .alerts
            .ca_file
            .as_deref()
            .map(std::path::Path::new);
        let dir = self.work_tree().join(spec.dir.as_os());
        let place = Place {
            work_tree: self.work_tree(),
            dir,
            variables: &variables,
            ca_file,
            now: now.wall,
        };
        let reading = if self.ground.without_commands {
            Reading::Nothing("no metric is read (--no-commands)".into())
        } else {
            guard::read(&rule.metric, &place, &mut known.cursor)
        };
        let since = state.since.as_ref().map_or(now.wall, |since| since.wall);
        let before = state
            .before
            .as_ref()
            .filter(|before| Some(&before.version) != state.version.as_ref());
        let before = before.and_then(|before| before.values.get(&rule.name).copied());
        take_in(known, rule, &reading, since, now);
        let mut judgement = judge(
            rule,
            Seen {
                samples: &known.samples,
                since,
                before,
            },
            now.wall,
        );
        if let (Outcome::Inconclusive, Reading::Nothing(why) | Reading::Unread(why)) =
            (judgement.outcome, &reading)
        {
            judgement.why = format!("{}; {why}", judgement.why);
        }
        if state.version.is_none() {
            judgement = Judgement {
                outcome: Outcome::Inconclusive,
                why: "the task has no version".into(),
                ..judgement
            };
        }
        known.failed = in_a_row(
            known.failed,
            known.last_failed,
            judgement.outcome,
            rule.window,
            now.wall,
        );
        if judgement.outcome == Outcome::Fail {
            known.last_failed = Some(now.wall);
        }
        (known.judged, known.last) = (Some(now.clone()), Some(judgement.clone()));
        let frozen = state.frozen.as_ref().map(|frozen| frozen.why.as_str());
        let past = Past {
            frozen,
            fired: &state.fired,
            version: state.version.as_ref(),
        };
        let decision = if judgement.outcome == Outcome::Fail {
            decide(rule, known.failed, past, now)
        } else {
            Decision::Nothing
        };
        RuleLine {
            task: spec.id.clone(),
            rule: rule.name.clone(),
            version: state.version.clone(),
            judgement,
            decision,
        }
    }

    /// Does what the rules decided, the first that is for acting.
    fn act(
        &self,
        spec: &TaskSpec,
        state: &mut GuardState,
        watch: &mut TaskWatch,
    ) -> Result<(), Failure> {
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
                self.call(
                    state,
                    Topic::Blind,
                    format!("{}: a metric cannot be read", spec.id),
                    reason,
                    None,
                );
            }
        }
        let acting = |line: &&RuleLine| {
            matches!(
                line.decision,
                Decision::Fire | Decision::Freeze(_) | Decision::Overruled(_)
            )
        };
        if let Some(line) = watch.rules.iter().find(acting).cloned() {
            match &line.decision {
                Decision::Fire => self.fire(spec, state, watch, &line)?,
                Decision::Freeze(why) => {
                    self.freeze_and_call(
                        state,
                        why,
                        &format!("{}: {}", line.rule, line.judgement.why),
                    )?;
                }
                Decision::Overruled(why) => {
                    let title = format!(
                        "{} fails at {} again",
                        spec.id,
                        Version::or_none(state.version.as_ref())
                    );
                    self.call(
                        state,
                        Topic::Overruled,
                        title,
                        format!("{}: {}; {why}", line.rule, line.judgement.why),
                        None,
                    );
                }
                _ => {}
            }
        }
        self.tell_recovery(spec, state, watch)
    }

    /// Says that the version that the guard went back to holds up.
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
                .any(|line| line.rule == rule && line.judgement.outcome == Outcome::Pass)
        };
        let failing = watch
            .rules
            .iter()
            .any(|line| line.judgement.outcome == Outcome::Fail);
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
        self.call(state, Topic::Recovered, title, reason, watching.op);
        state.watching = None;
        Ok(self.memory().save(state)?)
    }

    /// Puts the task back to its last good version.
    fn fire(
        &self,
        spec: &TaskSpec,
        state: &mut GuardState,
        watch: &mut TaskWatch,
        line: &RuleLine,
    ) -> Result<(), Failure> {
        let Some(from) = state.version.clone() else {
            return Ok(());
        };
        let why = format!("{}: {}", line.rule, line.judgement.why);
        let to = match self.resolve_version(&spec.id, "last-good") {
            Ok(to) => to,
            Err(failure) => return self.freeze_and_call(state, &failure.to_string(), &why),
        };
        let after = history::ids(&*self.ground.state)?
            .last()
            .map_or(0, OpId::counter);
        let fired = Fired {
            at: self.ground.clock.moment(),
            rule: line.rule.clone(),
            from,
            to,
            why,
        };
        state.fired.push(fired.clone());
        state.firing = Some(Firing {
            fired,
            after,
            attempts: 0,
        });
        self.roll_back(state, watch)
    }

    /// Begins the rollback that is written down.
    fn roll_back(&self, state: &mut GuardState, watch: &mut TaskWatch) -> Result<(), Failure> {
        let Some(firing) = &mut state.firing else {
            return Ok(());
        };
        firing.attempts += 1;
        let fired = firing.fired.clone();
        self.memory().save(state)?;
        let wanted = Rollback::plain(
            state.task.clone(),
            fired.to.clone(),
            format!("guard {}", fired.why),
        );
        let request = Request::Rollback(Rollback {
            from: Some(fired.from.clone()),
            on_verify_fail: Some(OnVerifyFail::Undo),
            ..wanted
        });
        match self.apply_quietly(&request, |_| Ok(())) {
            Ok(report) => self.rolled_back(state, watch, report),
            Err(failure)
                if matches!(
                    failure.kind(),
                    Kind::Locked | Kind::Cancelled(_) | Kind::TimeLimit
                ) =>
            {
                // Nothing was changed; the next look tries again.
                state.fired.pop();
                state.firing = None;
                watch.notes.push(format!("not now: {failure}"));
                Ok(self.memory().save(state)?)
            }
            Err(failure) => self.freeze_and_call(
                state,
                &format!("the rollback to {} failed: {failure}", fired.to),
                &fired.why,
            ),
        }
    }

    /// Tells how a rollback ended.
    fn rolled_back(
        &self,
        state: &mut GuardState,
        watch: &mut TaskWatch,
        report: Report,
    ) -> Result<(), Failure> {
        let Some(Firing { fired, .. }) = state.firing.clone() else {
            return Ok(());
        };
        let (op, done) = (report.op.clone(), report.outcome == report::Outcome::Done);
        let notes = report.notes.join("; ");
        watch.report = Some(report);
        if !done {
            return self.freeze_and_call(
                state,
                &format!("the rollback to {} was put back: {notes}", fired.to),
                &fired.why,
            );
        }
        let title = format!(
            "{} went back {} -> {}, verified",
            state.task, fired.from, fired.to
        );
        let facts = vec![(
            "held".into(),
            format!("{} is held: it does not come back by itself", fired.from),
        )];
        self.call_with(
            state,
            Topic::RolledBack,
            title,
            fired.why.clone(),
            op.clone(),
            (Some(&fired.from), Some(&fired.to)),
            facts,
        );
        // Told before it is forgotten: a kill in between only tells it twice, which folds into one.
        state.firing = None;
        state.watching = Some(Watching {
            rule: fired.rule,
            from: fired.from,
            op,
        });
        let now = self.ground.clock.moment();
        self.turn_to_active(self.spec(&state.task)?, state, &now)?;
        Ok(self.memory().save(state)?)
    }

    /// Brings a rollback to its end that a kill interrupted.
    fn settle_firing(&self, state: &mut GuardState, watch: &mut TaskWatch) -> Result<(), Failure> {
        let Some(Firing {
            fired,
            after,
            attempts,
        }) = state.firing.clone()
        else {
            return Ok(());
        };
        let is_ours = |listed: &Listed| {
            let about = &listed.summary.about;
            about.kind == OpKind::Rollback && about.to.as_ref() == Some(&fired.to)
        };
        let ours = self.newest(&state.task, after, is_ours)?;
        let op = ours.as_ref().map(|listed| listed.summary.about.id.clone());
        let end = match ours.as_ref().map(|listed| &listed.phase) {
            Some(Phase::Finished { done }) => Some((
                *done,
                op.as_ref()
                    .and_then(|op| self.operation(&op.to_string()).ok()?.2),
            )),
            Some(_) => match self.resume_quietly() {
                Ok(report) => Some((report.outcome == report::Outcome::Done, Some(report))),
                Err(failure) if matches!(failure.kind(), Kind::Locked | Kind::Cancelled(_)) => {
                    return Err(failure);
                }
                Err(failure) => {
                    return self.freeze_and_call(
                        state,
                        &format!("the rollback to {} did not end: {failure}", fired.to),
                        &fired.why,
                    );
                }
            },
            None => None,
        };
        watch.notes.push(format!(
            "a rollback {} -> {} had been interrupted",
            fired.from, fired.to
        ));
        match end {
            Some((done, report)) => {
                let ended = if done {
                    report::Outcome::Done
                } else {
                    report::Outcome::Undone
                };
                let report = report.unwrap_or_else(|| interrupted(state, &fired, op, ended));
                self.rolled_back(
                    state,
                    watch,
                    Report {
                        outcome: ended,
                        ..report
                    },
                )
            }
            None if attempts < ATTEMPTS => self.roll_back(state, watch),
            None => self.freeze_and_call(
                state,
                &format!(
                    "the rollback to {} was interrupted {attempts} times before it began",
                    fired.to
                ),
                &fired.why,
            ),
        }
    }

    /// Stops touching a task, and calls a person.
    fn freeze_and_call(
        &self,
        state: &mut GuardState,
        why: &str,
        reason: &str,
    ) -> Result<(), Failure> {
        let title = format!(
            "{} needs a person: {} fails and the guard cannot help",
            state.task,
            Version::or_none(state.version.as_ref())
        );
        let facts = vec![
            ("cannot help".into(), why.to_string()),
            (
                "frozen".into(),
                format!(
                    "the guard leaves it alone until `snapback guard thaw -t {}`",
                    state.task
                ),
            ),
        ];
        // Called before it is written down: a kill in between only calls twice, which folds into
        // one.
        self.call_with(
            state,
            Topic::NeedsPerson,
            title,
            reason.into(),
            None,
            (state.version.as_ref(), None),
            facts,
        );
        state.firing = None;
        state.frozen = Some(Frozen {
            why: why.into(),
            at: self.ground.clock.now(),
            by: "guard".into(),
        });
        Ok(self.memory().save(state)?)
    }

    /// Calls people about a task.
    fn call(
        &self,
        state: &GuardState,
        topic: Topic,
        title: String,
        reason: String,
        op: Option<OpId>,
    ) {
        self.call_with(
            state,
            topic,
            title,
            reason,
            op,
            (state.version.as_ref(), None),
            Vec::new(),
        );
    }

    /// The same with more facts. What cannot be told must not stop what is done.
    #[expect(clippy::too_many_arguments, reason = "an alert says many things")]
    fn call_with(
        &self,
        state: &GuardState,
        topic: Topic,
        title: String,
        reason: String,
        op: Option<OpId>,
        (from, to): (Option<&Version>, Option<&Version>),
        facts: Vec<(String, String)>,
    ) {
        let notice = Notice {
            event: topic,
            task: Some(state.task.clone()),
            title,
            reason,
            from: from.cloned(),
            to: to.cloned(),
            facts,
            op,
        };
        if let Err(failure) = self.raise(notice) {
            self.ground
                .warn(format!("nobody could be called: {failure}"));
        }
    }
}

/// True when an operation ended as done.
fn is_done(listed: &Listed) -> bool {
    listed.phase == Phase::Finished { done: true }
}

/// True when a rule is to be judged again.
fn is_due(rule: &RuleSpec, state: &GuardState, now: &Moment) -> bool {
    let judged = state
        .rules
        .get(&rule.name)
        .and_then(|known| known.judged.as_ref());
    judged.is_none_or(|judged| now.since(judged).is_none_or(|passed| passed >= rule.every))
}

/// Keeps what a reading brought of the version that is active since then.
fn take_in(
    known: &mut RuleState,
    rule: &RuleSpec,
    reading: &Reading,
    since: jiff::Timestamp,
    now: &Moment,
) {
    match reading {
        Reading::Samples(samples) => {
            known.samples.extend(
                samples
                    .iter()
                    .filter(|sample| !rule.metric.tells_times() || is_since(sample, since)),
            );
            known.errors = 0;
        }
        Reading::Nothing(_) => known.errors = 0,
        Reading::Unread(_) => known.errors = known.errors.saturating_add(1),
    }
    let begin = now
        .wall
        .checked_sub(rule.window)
        .unwrap_or(jiff::Timestamp::MIN);
    known.samples.retain(|sample| sample.at >= begin);
    let more = known.samples.len().saturating_sub(SAMPLES);
    known.samples.drain(..more);
}

/// The report of a rollback whose report was never written.
fn interrupted(
    state: &GuardState,
    fired: &Fired,
    op: Option<OpId>,
    outcome: report::Outcome,
) -> Report {
    Report {
        op,
        kind: OpKind::Rollback,
        task: Some(state.task.clone()),
        from: Some(fired.from.clone()),
        to: Some(fired.to.clone()),
        outcome,
        changed: outcome == report::Outcome::Done,
        message: format!("guard {}", fired.why),
        who: String::new(),
        at: fired.at.wall,
        duration_ms: 0,
        commit: None,
        tag: None,
        files_changed: 0,
        saved_bytes: 0,
        verification: None,
        exit_code: None,
        timeline: Vec::new(),
        share: Vec::new(),
        kept: Vec::new(),
        of_release: false,
        notes: vec!["it was interrupted and brought to its end".into()],
    }
}
