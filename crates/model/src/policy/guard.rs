//! Rules for automatic rollbacks: pure functions, `now` is always an argument.
//!
//! A rule yields pass, fail or inconclusive. Missing data is never a failure: without enough
//! samples of the active version, nothing is decided. A rule that fails often enough in a row
//! fires, unless the task is frozen, cooling down, or was rolled back too often; then an alert is
//! raised. The model was the analysis of Argo Rollouts (three outcomes, errors counted separately).

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    Status, Version,
    guard::{Aggregate, Decision, Fired, RuleJudgement, RuleSpec, Sample},
};
use base::clock::Moment;

mod backtest;
pub use backtest::backtest;

/// Samples of one version, and the context for judging them.
#[derive(Debug, Clone, Copy)]
pub struct VersionSamples<'a> {
    /// The samples, in any order.
    pub samples: &'a [Sample],
    /// Time since which the version is active.
    pub since: Timestamp,
    /// The value of the previous version.
    pub before: Option<f64>,
}

/// Aggregates values into one; `None` when there are none.
pub fn aggregate(over: Aggregate, values: &[f64]) -> Option<f64> {
    let (first, len) = (*values.first()?, values.len());
    #[expect(
        clippy::cast_precision_loss,
        reason = "there are far fewer samples than 2^52"
    )]
    let mean = || values.iter().sum::<f64>() / len as f64;
    let sorted = || {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted
    };
    Some(match over {
        Aggregate::Mean => mean(),
        Aggregate::Sum => values.iter().sum(),
        Aggregate::Max => values.iter().copied().fold(first, f64::max),
        Aggregate::Min => values.iter().copied().fold(first, f64::min),
        Aggregate::Last => values[len - 1],
        Aggregate::Median => {
            let sorted = sorted();
            let (low, high) = (sorted[(len - 1) / 2], sorted[len / 2]);
            low / 2.0 + high / 2.0
        }
        Aggregate::P95 => sorted()[(len * 95).div_ceil(100) - 1],
    })
}

/// Applies a rule to the samples seen so far.
pub fn judge(rule: &RuleSpec, seen: VersionSamples<'_>, now: Timestamp) -> RuleJudgement {
    let inconclusive = |samples, value, why: String| RuleJudgement {
        outcome: Status::Inconclusive,
        value,
        samples,
        why,
    };
    let warm = seen.since.checked_add(rule.warmup).unwrap_or(now);
    if now < warm {
        return inconclusive(0, None, format!("warming up until {warm}"));
    }
    let begin = now
        .checked_sub(rule.window)
        .unwrap_or(Timestamp::MIN)
        .max(warm);
    let values = values_within(seen.samples, begin, now);
    let samples = values.len();
    if samples < rule.min_samples.max(1) {
        return inconclusive(
            samples,
            None,
            format!("{samples} of {} samples", rule.min_samples.max(1)),
        );
    }
    let Some(value) = aggregate(rule.over, &values).filter(|value| value.is_finite()) else {
        return inconclusive(samples, None, "the samples have no finite value".into());
    };
    let (outcome, why) = if rule.fail.holds(value) {
        let why = format!("{} is {} ({samples} samples)", short(value), rule.fail);
        judge_failing(rule, value, why, seen.before)
    } else {
        judge_not_failing(rule, value, samples)
    };
    RuleJudgement {
        outcome,
        value: Some(value),
        samples,
        why,
    }
}

/// Returns the finite values between two moments, oldest first.
fn values_within(samples: &[Sample], begin: Timestamp, end: Timestamp) -> Vec<f64> {
    let mut inside: Vec<Sample> = samples
        .iter()
        .filter(|sample| sample.at >= begin && sample.at <= end && sample.value.is_finite())
        .copied()
        .collect();
    inside.sort_by(|a, b| a.at.cmp(&b.at).then(a.value.total_cmp(&b.value)));
    inside.iter().map(|sample| sample.value).collect()
}

/// Judges a value that meets the failure condition. With a comparison, it fails only when it is
/// worse than the previous version's value.
fn judge_failing(
    rule: &RuleSpec,
    value: f64,
    why: String,
    before: Option<f64>,
) -> (Status, String) {
    let Some(factor) = rule.compare else {
        return (Status::Fail, why);
    };
    let Some(before) = before else {
        return (
            Status::Inconclusive,
            format!("{why}, but there is no value of the version before"),
        );
    };
    let is_worse = if rule.fail.is_upward() {
        value >= factor * before
    } else {
        value * factor <= before
    };
    let compared = format!("{why}; the version before had {}", short(before));
    if is_worse {
        (Status::Fail, compared)
    } else {
        (
            Status::Inconclusive,
            format!("{compared}, so going back does not help"),
        )
    }
}

/// Judges a value that does not meet the failure condition.
fn judge_not_failing(rule: &RuleSpec, value: f64, samples: usize) -> (Status, String) {
    let shown = short(value);
    match rule.pass {
        Some(pass) if !pass.holds(value) => (
            Status::Inconclusive,
            format!("{shown} is neither {pass} nor {}", rule.fail),
        ),
        _ => (
            Status::Pass,
            format!("{shown} is not {} ({samples} samples)", rule.fail),
        ),
    }
}

/// True when a sample's own time proves that the version was active then. Log times often have a
/// resolution of a second, so a sample from the second of the switch counts as the previous
/// version's.
pub fn is_since(sample: &Sample, since: Timestamp) -> bool {
    sample.at.as_second() > since.as_second()
}

/// Formats a number for display, with at most four decimal places.
fn short(value: f64) -> String {
    let text = format!("{value:.4}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".into()
    } else {
        text.into()
    }
}

/// Counts judgements that failed in a row. Inconclusive ones count neither way, but failures more
/// than a window apart do not form a row.
pub fn in_a_row(
    failed: u32,
    last_failed: Option<Timestamp>,
    outcome: Status,
    window: Duration,
    now: Timestamp,
) -> u32 {
    let near = last_failed.is_some_and(|last| {
        Duration::try_from(now.duration_since(last)).is_ok_and(|passed| passed <= window)
    });
    match outcome {
        Status::Pass | Status::Skipped => 0,
        Status::Inconclusive => failed,
        Status::Fail if near => failed.saturating_add(1),
        Status::Fail => 1,
    }
}

/// Earlier actions on a task.
#[derive(Debug, Clone, Copy)]
pub struct Past<'a> {
    /// Why the task is frozen, if it is.
    pub frozen: Option<&'a str>,
    /// Earlier rollbacks.
    pub fired: &'a [Fired],
    /// The version that a rollback would leave.
    pub version: Option<&'a Version>,
}

/// Decides what to do after this many failures in a row.
pub fn decide(rule: &RuleSpec, failed: u32, past: Past<'_>, now: &Moment) -> Decision {
    if failed == 0 {
        return Decision::Nothing;
    }
    if let Some(why) = past.frozen.filter(|_| !rule.dry_run) {
        return Decision::Wait(format!("frozen: {why}"));
    }
    if failed < rule.consecutive.max(1) {
        return Decision::Wait(format!(
            "failed {failed} of {} times in a row",
            rule.consecutive
        ));
    }
    if rule.dry_run {
        return Decision::Would("the rule only says what it would do (dry_run)".into());
    }
    if let Some(before) = past
        .fired
        .iter()
        .find(|fired| past.version == Some(&fired.from))
    {
        return Decision::Overruled(format!(
            "the guard left {} at {}, and somebody brought it back",
            before.from, before.at.wall
        ));
    }
    // An unknown age counts as recent.
    let age = |fired: &Fired| now.since(&fired.at).unwrap_or_default();
    if let Some(last) = past
        .fired
        .iter()
        .map(age)
        .min()
        .filter(|age| *age < rule.cooldown)
    {
        return Decision::Wait(format!(
            "cooling down for {} s more",
            rule.cooldown.saturating_sub(last).as_secs()
        ));
    }
    let recent = past
        .fired
        .iter()
        .filter(|fired| age(fired) < rule.per)
        .count();
    if recent >= rule.max_rollbacks.max(1) {
        return Decision::Freeze(format!(
            "it went back {recent} times within {} s already, which is the most",
            rule.per.as_secs()
        ));
    }
    Decision::Fire
}

/// Resets moments that lie in the future (the clock was set back while the machine was off) to now,
/// so that the periods they start end eventually. Returns true when any was reset.
pub fn rebase(fired: &mut [Fired], now: &Moment) -> bool {
    let lost = fired
        .iter_mut()
        .filter(|fired| now.since(&fired.at).is_none());
    lost.map(|fired| fired.at = now.clone()).count() > 0
}

#[cfg(test)]
mod tests;
