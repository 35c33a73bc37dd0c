//! The guard as text: results of rules, actions taken, and back-tests.

use std::fmt::Write;

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::{TextStyle, count, moment, report, safe, verification::sign};
use crate::model::guard::{Backtest, Decision, GuardState, RuleJudgement, RuleSpec, TaskWatch};

/// Renders the part of a line that describes the decision.
fn decided(decision: &Decision) -> String {
    match decision {
        Decision::Nothing => String::new(),
        Decision::Wait(why) => format!("; waits: {}", safe(why)),
        Decision::Would(why) => format!("; would go back: {}", safe(why)),
        Decision::Fire => "; goes back".into(),
        Decision::Overruled(why) => format!("; only calls a person: {}", safe(why)),
        Decision::Freeze(why) => format!("; cannot help: {}", safe(why)),
    }
}

/// Renders one task after a check.
pub fn watch(style: TextStyle, watch: &TaskWatch) -> String {
    let mut text = String::new();
    for line in &watch.rules {
        let version = line
            .version
            .as_ref()
            .map_or_else(|| "-".into(), ToString::to_string);
        let said = judgement(&line.judgement);
        let _ = writeln!(
            text,
            "{} {} {version}  {}: {said}{}",
            sign(style, line.judgement.outcome),
            line.task,
            safe(&line.rule),
            decided(&line.decision)
        );
    }
    for note in &watch.notes {
        let _ = writeln!(text, "  {}", safe(note));
    }
    if let Some(report) = &watch.report {
        text.push_str(&report::report(style, report));
    }
    if let Some(frozen) = &watch.frozen {
        let _ = writeln!(
            text,
            "{} {} is frozen: {}",
            style.fail(),
            watch.task,
            safe(&frozen.why)
        );
    }
    text
}

/// Renders a judgement in one line.
fn judgement(judgement: &RuleJudgement) -> String {
    format!("{}, {}", judgement.outcome.word(), safe(&judgement.why))
}

/// Renders the known state of one task.
pub fn state(style: TextStyle, zone: &TimeZone, state: &GuardState, rules: &[RuleSpec]) -> String {
    let version = state
        .version
        .as_ref()
        .map_or_else(|| "not looked at yet".into(), ToString::to_string);
    let mut text = format!("{} {version}\n", state.task);
    for rule in rules {
        let known = state.rules.get(&rule.name);
        let dry = if rule.dry_run { " (dry run)" } else { "" };
        let what = format!(
            "{}: bad is {} of {}{dry}",
            safe(&rule.name),
            rule.fail,
            safe(&rule.metric.describes)
        );
        let _ = match known
            .and_then(|known| Some((known, known.last.as_ref()?, known.judged.as_ref()?)))
        {
            None => writeln!(text, "  {} {what}; never judged", style.left_out()),
            Some((_, last, at)) => {
                writeln!(
                    text,
                    "  {} {what}; {} at {}",
                    sign(style, last.outcome),
                    judgement(last),
                    moment(at.wall, zone)
                )
            }
        };
    }
    for fired in &state.fired {
        let _ = writeln!(
            text,
            "  went back {} -> {} at {}: {}",
            fired.from,
            fired.to,
            moment(fired.at.wall, zone),
            safe(&fired.why)
        );
    }
    if let Some(frozen) = &state.frozen {
        let _ = writeln!(
            text,
            "  {} frozen since {}: {}",
            style.fail(),
            moment(frozen.at, zone),
            safe(&frozen.why)
        );
    }
    text
}

/// Returns the state as JSON, without the samples.
pub fn brief(state: &GuardState) -> Value {
    let mut value = serde_json::to_value(state).expect("because plain data always renders");
    for rule in value["rules"]
        .as_object_mut()
        .into_iter()
        .flat_map(|rules| rules.values_mut())
    {
        rule["samples"] = json!(rule["samples"].as_array().map_or(0, Vec::len));
        if let Some(rule) = rule.as_object_mut() {
            rule.remove("cursor");
        }
    }
    value
}

/// Renders what rules would have done with a log.
pub fn backtests(style: TextStyle, zone: &TimeZone, all: &[(String, Backtest)]) -> String {
    let mut text = String::new();
    for (rule, found) in all {
        let span = found.span.map_or_else(String::new, |(first, last)| {
            format!(", {} to {}", moment(first, zone), moment(last, zone))
        });
        let _ = writeln!(
            text,
            "{}: {}{span}",
            safe(rule),
            count(found.samples, "sample")
        );
        let [pass, open, fail] = found.outcomes;
        let _ = writeln!(
            text,
            "  judged {}: {pass} pass, {open} inconclusive, {fail} fail",
            count(found.judged, "time")
        );
        for (at, judgement) in &found.fired {
            let _ = writeln!(
                text,
                "  {} would have gone back at {}: {}",
                style.fail(),
                moment(*at, zone),
                safe(&judgement.why)
            );
        }
        if found.fired.is_empty() {
            let _ = writeln!(text, "  {} would never have gone back", style.ok());
        }
        if let Some((at, why)) = &found.frozen {
            let _ = writeln!(
                text,
                "  {} would have called a person at {}: {}",
                style.fail(),
                moment(*at, zone),
                safe(why)
            );
        }
        if found.waited > 0 {
            let _ = writeln!(
                text,
                "  {} would have waited {}",
                style.left_out(),
                count(found.waited, "time")
            );
        }
        if found.unreadable > 0 {
            let _ = writeln!(
                text,
                "  {} {} without a value",
                style.attention(),
                count(found.unreadable, "line")
            );
        }
        for note in &found.notes {
            let _ = writeln!(text, "  {} {}", style.attention(), safe(note));
        }
    }
    text
}
