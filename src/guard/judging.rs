//! Reads the metric of a rule and judges it, without acting on the result.

use super::{Guard, MetricContext, Reading, read};
use crate::{
    base::clock::Moment,
    model::{
        Status, TaskSpec,
        guard::{Cursor, Decision, GuardState, RuleJudgement, RuleLine, RuleSpec, RuleState},
    },
    policy::guard::{Past, VersionSamples, decide, in_a_row, is_since, judge},
    verify::evidence::TaskVariables,
};

/// Most samples that are kept of one rule; the newest are kept.
const SAMPLES: usize = 20_000;

impl Guard<'_> {
    /// Reads and judges one rule.
    pub(super) fn judge_rule(
        &self,
        spec: &TaskSpec,
        rule: &RuleSpec,
        state: &mut GuardState,
        now: &Moment,
    ) -> RuleLine {
        let since = state.since.as_ref().map_or(now.wall, |since| since.wall);
        let before = value_before(state, rule);
        let known = state.rules.entry(rule.name.clone()).or_default();
        if known.metric != rule.metric.describes {
            *known = RuleState {
                metric: rule.metric.describes.clone(),
                ..RuleState::default()
            };
        }
        let reading = self.read_metric(spec, rule, &mut known.cursor, now);
        take_in(known, rule, &reading, since, now);
        let seen = VersionSamples {
            samples: &known.samples,
            since,
            before,
        };
        let mut judgement = judge_reading(rule, seen, &reading, now);
        if state.version.is_none() {
            judgement = RuleJudgement {
                outcome: Status::Inconclusive,
                why: "the task has no version".into(),
                ..judgement
            };
        }
        note_judgement(known, rule, &judgement, now);
        let frozen = state.frozen.as_ref().map(|frozen| frozen.why.as_str());
        let past = Past {
            frozen,
            fired: &state.fired,
            version: state.version.as_ref(),
        };
        let decision = if judgement.outcome == Status::Fail {
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

    /// Reads the metric of a rule from where the last reading ended.
    fn read_metric(
        &self,
        spec: &TaskSpec,
        rule: &RuleSpec,
        cursor: &mut Option<Cursor>,
        now: &Moment,
    ) -> Reading {
        let variables = TaskVariables::read(&self.site.environment, &spec.environment_variables);
        let ca_file = self
            .site
            .settings
            .alerts
            .ca_file
            .as_deref()
            .map(std::path::Path::new);
        let dir = self.site.git.work_tree().join(spec.dir.as_os());
        let place = MetricContext {
            work_tree: self.site.git.work_tree(),
            dir,
            variables: &variables,
            ca_file,
            now: now.wall,
        };
        if self.site.without_commands {
            Reading::Nothing("no metric is read (--no-commands)".into())
        } else {
            read(self.sources, &rule.metric, &place, cursor)
        }
    }
}

/// Returns the value that a rule had with the previous version, if that was a different version.
fn value_before(state: &GuardState, rule: &RuleSpec) -> Option<f64> {
    let before = state
        .before
        .as_ref()
        .filter(|before| Some(&before.version) != state.version.as_ref());
    before.and_then(|before| before.values.get(&rule.name).copied())
}

/// Judges the samples, and includes the reason when nothing could be read.
fn judge_reading(
    rule: &RuleSpec,
    seen: VersionSamples<'_>,
    reading: &Reading,
    now: &Moment,
) -> RuleJudgement {
    let mut judgement = judge(rule, seen, now.wall);
    if let (Status::Inconclusive, Reading::Nothing(why) | Reading::Unread(why)) =
        (judgement.outcome, reading)
    {
        judgement.why = format!("{}; {why}", judgement.why);
    }
    judgement
}

/// Counts a judgement, and keeps it as the last one.
fn note_judgement(known: &mut RuleState, rule: &RuleSpec, judgement: &RuleJudgement, now: &Moment) {
    known.failed = in_a_row(
        known.failed,
        known.last_failed,
        judgement.outcome,
        rule.window,
        now.wall,
    );
    if judgement.outcome == Status::Fail {
        known.last_failed = Some(now.wall);
    }
    (known.judged, known.last) = (Some(now.clone()), Some(judgement.clone()));
}

/// Returns true when a rule is due to be judged again.
pub(super) fn is_due(rule: &RuleSpec, state: &GuardState, now: &Moment) -> bool {
    let judged = state
        .rules
        .get(&rule.name)
        .and_then(|known| known.judged.as_ref());
    judged.is_none_or(|judged| now.since(judged).is_none_or(|passed| passed >= rule.every))
}

/// Keeps the samples of a reading that date from after the active version took over.
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
                    .filter(|sample| !rule.metric.tells_times || is_since(sample, since)),
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
