//! `guard:`: when a task goes back by itself.
//!
//! What is read here only says what a rule is; whether one fires is for `policy::guard` to say.

use std::time::Duration;

use serde::Deserialize;

use super::{
    Error,
    calls::{SourceBlock, check_url, is_name, to_source},
    place::rule,
    units::{Pause, Timeout},
};
use crate::model::guard::{Condition, LineRule, Metric, Over, RuleSpec};

/// Time limit of a metric that names none.
const METRIC: Duration = Duration::from_secs(10);
/// One rule of the guard; exactly one of `run`, `file`, `http` and `prometheus`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleBlock {
    name: String,
    run: Option<String>,
    file: Option<String>,
    http: Option<String>,
    prometheus: Option<String>,
    query: Option<String>,
    value: Option<String>,
    bad: Option<String>,
    time: Option<String>,
    token_from: Option<SourceBlock>,
    timeout: Option<Timeout>,
    fail: String,
    pass: Option<String>,
    over: Option<Over>,
    window: Option<Timeout>,
    min_samples: Option<usize>,
    consecutive: Option<u32>,
    warmup: Option<Pause>,
    cooldown: Option<Timeout>,
    max_rollbacks: Option<usize>,
    per: Option<Timeout>,
    compare: Option<f64>,
    every: Option<Timeout>,
    errors: Option<u32>,
    dry_run: Option<bool>,
}

/// The rules of a task.
pub(super) fn rules(at: &str, blocks: Vec<RuleBlock>) -> Result<Vec<RuleSpec>, Error> {
    let mut rules: Vec<RuleSpec> = Vec::new();
    for block in blocks {
        let at = format!("{at}.{}", block.name.escape_default());
        if !is_name(&block.name) {
            return Err(rule(
                &at,
                "the name of a rule has letters, digits, '-' and '_'",
            ));
        }
        if rules.iter().any(|other| other.name == block.name) {
            return Err(rule(&at, "the name is there twice"));
        }
        rules.push(to_rule(&at, block)?);
    }
    Ok(rules)
}

/// One rule.
fn to_rule(at: &str, block: RuleBlock) -> Result<RuleSpec, Error> {
    let condition = |key: &str, text: &str| {
        Condition::parse(text).ok_or_else(|| {
            rule(
                at,
                format!("{key}: {text:?} is no comparison; write \"> 0.1\" or \"<= 5\""),
            )
        })
    };
    let fail = condition("fail", &block.fail)?;
    let pass = block
        .pass
        .as_deref()
        .map(|text| condition("pass", text))
        .transpose()?;
    if let Some(pass) = pass.filter(|pass| pass.is_upward() == fail.is_upward()) {
        return Err(rule(
            at,
            format!("`pass: {pass}` and `fail: {fail}` point the same way"),
        ));
    }
    check_numbers(at, &block)?;
    let time = |given: Option<Timeout>, usual: Duration| given.map_or(usual, |given| given.0);
    Ok(RuleSpec {
        name: block.name.clone(),
        fail,
        pass,
        over: block.over.unwrap_or(Over::Mean),
        window: time(block.window, Duration::from_mins(10)),
        min_samples: block.min_samples.unwrap_or(1),
        consecutive: block.consecutive.unwrap_or(1),
        warmup: block.warmup.map_or(Duration::ZERO, |pause| pause.0),
        cooldown: time(block.cooldown, Duration::from_hours(1)),
        max_rollbacks: block.max_rollbacks.unwrap_or(2),
        per: time(block.per, Duration::from_hours(24)),
        compare: block.compare,
        every: time(block.every, Duration::from_secs(30)).max(Duration::from_secs(1)),
        errors: block.errors.unwrap_or(5),
        dry_run: block.dry_run.unwrap_or(false),
        metric: metric(at, block)?,
    })
}

/// Numbers that would make a rule mean nothing are refused.
fn check_numbers(at: &str, block: &RuleBlock) -> Result<(), Error> {
    if block
        .compare
        .is_some_and(|factor| !factor.is_finite() || factor <= 0.0)
    {
        return Err(rule(at, "`compare` must be a number above 0"));
    }
    let numbers = [
        ("consecutive", block.consecutive == Some(0)),
        ("errors", block.errors == Some(0)),
        ("min_samples", block.min_samples == Some(0)),
        ("max_rollbacks", block.max_rollbacks == Some(0)),
    ];
    match numbers.into_iter().find(|(_, is_zero)| *is_zero) {
        Some((key, _)) => Err(rule(at, format!("`{key}` must be at least 1"))),
        None => Ok(()),
    }
}

/// Where a metric comes from.
fn metric(at: &str, block: RuleBlock) -> Result<Metric, Error> {
    let timeout = block.timeout.map_or(METRIC, |timeout| timeout.0);
    let token = block
        .token_from
        .map(|source| to_source(at, source))
        .transpose()?;
    let value = block.value.unwrap_or_default();
    let is_file = block.file.is_some();
    let metric = match (
        block.run,
        block.file,
        block.http,
        block.prometheus,
        block.query,
    ) {
        (Some(run), None, None, None, None) if token.is_none() => {
            if run.trim().is_empty() || run.contains('\0') {
                return Err(rule(at, "the command is empty or holds a NUL byte"));
            }
            Metric::Command {
                run,
                value,
                timeout,
            }
        }
        (None, Some(path), None, None, None)
            if token.is_none() && !path.is_empty() && !path.contains('\0') =>
        {
            Metric::File {
                path,
                line: LineRule {
                    value,
                    bad: block.bad.clone(),
                    time: block.time.clone(),
                },
            }
        }
        (None, None, Some(url), None, None) => {
            check_url(at, &url)?;
            Metric::Http {
                url,
                value,
                token,
                timeout,
            }
        }
        (None, None, None, Some(url), Some(query)) => {
            check_url(at, &url)?;
            Metric::Prometheus {
                url: url.trim_end_matches('/').into(),
                query,
                token,
                timeout,
            }
        }
        (None, None, None, Some(_), None) => return Err(rule(at, "`prometheus` needs a `query`")),
        _ => {
            return Err(rule(
                at,
                "a rule needs exactly one of `run`, `file`, `http` and `prometheus` (with `query`)",
            ));
        }
    };
    if !is_file && (block.bad.is_some() || block.time.is_some()) {
        return Err(rule(at, "`bad` and `time` are for lines of a `file`"));
    }
    Ok(metric)
}
