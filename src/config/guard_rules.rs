//! Reads `guard:`, the rules that roll a task back by themselves.
//!
//! This file only reads what a rule is; `policy::guard` decides whether it fires. Each source of
//! metrics declares its own keys (`guard/*.rs`).

use std::time::Duration;

use schemars::SchemaGenerator;
use serde_json::{Map, Value};

use super::{
    Error,
    by_schema::required,
    calls::is_name,
    kinds::{Extended, listed},
    place::rule,
    units::{OptionalTimeout, Timeout},
};
use crate::{
    guard::MetricSource,
    model::{
        guard::{Aggregate, Condition, Metric, RuleSpec},
        settings_block,
    },
};

/// The shortest time between two judgements.
const SHORTEST: Duration = Duration::from_secs(1);

settings_block! {
    /// A rule of the guard, over one metric: exactly one of {kinds}.
    #[derive(Debug, Clone)]
    pub(super) struct RuleBlock as "rule" {
        /// The rule's name, unique in its task.
        #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,60}$"))]
        name: String,
        /// The time limit of one reading.
        timeout: Timeout = Timeout::secs(10),
        /// When the value is bad, such as `"> 0.1"`.
        #[schemars(regex(pattern = r"^\s*[<>]=?\s*[-+0-9.eE]+\s*$"))]
        fail: String,
        /// When the value is good; between the two, the rule is inconclusive.
        #[schemars(regex(pattern = r"^\s*[<>]=?\s*[-+0-9.eE]+\s*$"))]
        pass: Option<String>,
        /// How the samples in the window become one value.
        over: Aggregate = Aggregate::Mean,
        /// Older samples do not count.
        window: Timeout = Timeout::secs(600),
        /// With fewer samples, the rule is inconclusive.
        #[schemars(range(min = 1))]
        min_samples: usize = 1,
        /// How many evaluations in a row must fail before it acts.
        #[schemars(range(min = 1))]
        consecutive: u32 = 1,
        /// How long after a version becomes active the rule waits.
        #[schemars(with = "Timeout")]
        warmup: OptionalTimeout = OptionalTimeout(Timeout::secs(0)),
        /// The shortest time between two rollbacks.
        cooldown: Timeout = Timeout::secs(3600),
        /// The most rollbacks in the time that `per` sets.
        #[schemars(range(min = 1))]
        max_rollbacks: usize = 2,
        /// The time in which `max_rollbacks` counts.
        per: Timeout = Timeout::secs(24 * 3600),
        /// The value must also be this many times as bad as that of the version before.
        #[schemars(extend("exclusiveMinimum" = 0))]
        compare: Option<f64>,
        /// How often the rule is evaluated.
        every: Timeout = Timeout::secs(30),
        /// After this many failed readings in a row, an alert is sent.
        #[schemars(range(min = 1))]
        errors: u32 = 5,
        /// The rule only says what it would do.
        dry_run: bool = false,
    }
}

/// Returns the rules of a task.
pub(super) fn rules(
    at: &str,
    blocks: Vec<Extended<RuleBlock>>,
    sources: &[&'static dyn MetricSource],
) -> Result<Vec<RuleSpec>, Error> {
    let mut rules: Vec<RuleSpec> = Vec::new();
    for Extended {
        own: block,
        brought,
    } in blocks
    {
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
        let metric = || metric(brought, block.timeout.0, sources).map_err(|why| rule(&at, why));
        rules.push(to_rule(&at, &block, metric)?);
    }
    Ok(rules)
}

/// Builds one rule.
fn to_rule(
    at: &str,
    block: &RuleBlock,
    metric: impl FnOnce() -> Result<Metric, Error>,
) -> Result<RuleSpec, Error> {
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
    check_numbers(at, block)?;
    Ok(RuleSpec {
        name: block.name.clone(),
        fail,
        pass,
        over: block.over,
        window: block.window.0,
        min_samples: block.min_samples,
        consecutive: block.consecutive,
        warmup: block.warmup.0.0,
        cooldown: block.cooldown.0,
        max_rollbacks: block.max_rollbacks,
        per: block.per.0,
        compare: block.compare,
        every: block.every.0.max(SHORTEST),
        errors: block.errors,
        dry_run: block.dry_run,
        metric: metric()?,
    })
}

/// Refuses numbers that would make a rule meaningless.
fn check_numbers(at: &str, block: &RuleBlock) -> Result<(), Error> {
    if block
        .compare
        .is_some_and(|factor| !factor.is_finite() || factor <= 0.0)
    {
        return Err(rule(at, "`compare` must be a number above 0"));
    }
    let numbers = [
        ("consecutive", block.consecutive == 0),
        ("errors", block.errors == 0),
        ("min_samples", block.min_samples == 0),
        ("max_rollbacks", block.max_rollbacks == 0),
    ];
    match numbers.into_iter().find(|(_, is_zero)| *is_zero) {
        Some((key, _)) => Err(rule(at, format!("`{key}` must be at least 1"))),
        None => Ok(()),
    }
}

/// Returns the metric of a rule, with its source.
fn metric(
    brought: Map<String, Value>,
    timeout: Duration,
    sources: &[&'static dyn MetricSource],
) -> Result<Metric, String> {
    let mut named = sources
        .iter()
        .filter(|source| brought.contains_key(source.word()));
    let (Some(source), None) = (named.next(), named.next()) else {
        return Err(needs_one(sources));
    };
    let schema = schema_of(*source);
    for key in required(&schema) {
        if !brought.contains_key(key) {
            return Err(format!("`{}` needs a `{key}`", source.word()));
        }
    }
    if let Some(key) = brought
        .keys()
        .find(|key| schema["properties"].get(key.as_str()).is_none())
    {
        let why = sources.iter().find_map(|other| other.misplaced(key));
        return Err(why.map_or_else(|| needs_one(sources), String::from));
    }
    let settings = Value::Object(brought);
    Ok(Metric {
        kind: source.word().into(),
        describes: source.describe(&settings)?,
        timeout: if source.has_limit() {
            timeout
        } else {
            Duration::ZERO
        },
        tells_times: source.tells_times(&settings),
        settings,
    })
}

/// Explains that a rule has one source, and which other keys each source needs.
fn needs_one(sources: &[&'static dyn MetricSource]) -> String {
    let word = |source: &&dyn MetricSource| {
        let (word, schema) = (source.word(), schema_of(*source));
        let others = required(&schema).filter(|key| *key != word);
        let others: Vec<String> = others.map(|key| format!("`{key}`")).collect();
        match &others[..] {
            [] => format!("`{word}`"),
            _ => format!("`{word}` (with {})", listed(others)),
        }
    };
    let words = listed(sources.iter().map(word).collect());
    format!("a rule needs exactly one of {words}")
}

/// Returns the schema of a source's keys.
fn schema_of(source: &dyn MetricSource) -> Value {
    (source.block().keys)(&mut SchemaGenerator::default()).to_value()
}
