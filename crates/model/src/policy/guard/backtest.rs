//! A backtest: what a rule would have done with a log, judged step by step like a guard.
//!
//! A log has no versions, so each rollback only begins a new warm-up. Nothing is remembered between
//! two backtests.

use std::time::Duration;

use jiff::Timestamp;

use super::{Past, VersionSamples, decide, in_a_row, judge};
use crate::{
    Status, Version,
    guard::{Backtest, Decision, Fired, RuleJudgement, RuleSpec, Sample},
};
use base::clock::Moment;

/// Largest number of judgements of a backtest; a longer log is judged less often.
const MOST_STEPS: i64 = 200_000;

/// Returns what a rule would have done with these samples. The log has no versions, so each
/// rollback only begins a new warm-up.
pub fn backtest(rule: &RuleSpec, mut samples: Vec<Sample>) -> Backtest {
    samples.retain(|sample| sample.value.is_finite());
    samples.sort_by_key(|sample| sample.at);
    let mut found = Backtest {
        samples: samples.len(),
        ..Backtest::default()
    };
    let (Some(first), Some(last)) = (
        samples.first().map(|sample| sample.at),
        samples.last().map(|sample| sample.at),
    ) else {
        return found;
    };
    found.span = Some((first, last));
    let rule = RuleSpec {
        dry_run: false,
        compare: None,
        ..rule.clone()
    };
    let step = step_secs(&rule, first, last, &mut found.notes);
    let mut replay = Replay {
        rule,
        samples,
        since: first,
        failed: 0,
        last_failed: None,
        fired: Vec::new(),
        found,
    };
    let mut now = first;
    loop {
        replay.judge_at(now);
        if now >= last {
            return replay.found;
        }
        now = now
            .checked_add(Duration::from_secs(step.unsigned_abs()))
            .map_or(last, |next| next.min(last));
    }
}

/// Returns the number of seconds between two judgements.
fn step_secs(rule: &RuleSpec, first: Timestamp, last: Timestamp, notes: &mut Vec<String>) -> i64 {
    let every = i64::try_from(rule.every.as_secs())
        .unwrap_or(i64::MAX)
        .max(1);
    let span = last.duration_since(first).as_secs();
    let step = every.max(span / MOST_STEPS + 1);
    if step > every {
        notes.push(format!(
            "the log is long, so it was judged every {step} s instead of {every} s"
        ));
    }
    step
}

/// A log being replayed, and the state that a guard would keep.
struct Replay {
    rule: RuleSpec,
    /// The samples, oldest first.
    samples: Vec<Sample>,
    /// Time when the warm-up began.
    since: Timestamp,
    failed: u32,
    last_failed: Option<Timestamp>,
    fired: Vec<Fired>,
    found: Backtest,
}

impl Replay {
    /// Judges the samples known at a moment, and acts on the result.
    fn judge_at(&mut self, now: Timestamp) {
        let begin = self.samples.partition_point(|sample| {
            now.duration_since(sample.at).as_secs_f64() > self.rule.window.as_secs_f64()
        });
        let end = self.samples.partition_point(|sample| sample.at <= now);
        let judgement = judge(
            &self.rule,
            VersionSamples {
                samples: &self.samples[begin..end],
                since: self.since,
                before: None,
            },
            now,
        );
        self.found.judged += 1;
        let outcome = match judgement.outcome {
            Status::Pass | Status::Skipped => 0,
            Status::Inconclusive => 1,
            Status::Fail => 2,
        };
        self.found.outcomes[outcome] += 1;
        self.failed = in_a_row(
            self.failed,
            self.last_failed,
            judgement.outcome,
            self.rule.window,
            now,
        );
        if judgement.outcome == Status::Fail {
            self.last_failed = Some(now);
            self.act(judgement, now);
        }
    }

    /// Acts on a failure.
    fn act(&mut self, judgement: RuleJudgement, now: Timestamp) {
        let past = Past {
            frozen: self.found.frozen.as_ref().map(|(_, why)| why.as_str()),
            fired: &self.fired,
            version: None,
        };
        match decide(&self.rule, self.failed, past, &Moment::at(now)) {
            Decision::Fire => {
                let no_version: Version = "0.0.0".parse().expect("because it is a version");
                self.fired.push(Fired {
                    at: Moment::at(now),
                    rule: self.rule.name.clone(),
                    from: no_version.clone(),
                    to: no_version,
                    why: judgement.why.clone(),
                });
                self.found.fired.push((now, judgement));
                (self.since, self.failed) = (now, 0);
            }
            Decision::Freeze(why) => self.found.frozen = Some((now, why)),
            Decision::Wait(_) => self.found.waited += 1,
            _ => {}
        }
    }
}
