//! `guard:`: when a task goes back by itself.
//!
//! What is read here only says what a rule is; whether one fires is for `policy::guard` to say.

use std::time::Duration;

use super::{
    Error,
    calls::{SourceBlock, check_url, is_name, to_source},
    place::rule,
    schema::one_of,
    units::{Pause, Timeout},
};
use crate::model::{
    guard::{Condition, LineRule, Metric, Over, RuleSpec},
    settings_block,
};

/// The shortest time between two judgements.
const SHORTEST: Duration = Duration::from_secs(1);

settings_block! {
    /// A rule of the guard, over one metric: exactly one of `run`, `file`, `http` and `prometheus`.
    #[derive(Debug, Clone)]
    #[schemars(extend("oneOf" = one_of(&["run", "file", "http", "prometheus"])))]
    pub(super) struct RuleBlock as "rule" {
        /// The rule's name, unique in its task.
        #[schemars(regex(pattern = "^[A-Za-z0-9._-]{1,60}$"))]
        name: String,
        /// A command; the last line it prints is the number, or JSON that contains it.
        #[schemars(length(min = 1))]
        run: Option<String>,
        /// A log file to which lines are appended, relative to the task's folder.
        file: Option<String>,
        /// The URL of a JSON document.
        #[schemars(regex(pattern = "^https?://"))]
        http: Option<String>,
        /// The URL of a Prometheus server.
        #[schemars(regex(pattern = "^https?://"))]
        prometheus: Option<String>,
        /// The PromQL query for `prometheus`; it must return one number.
        query: Option<String>,
        /// The key of the value in the JSON; dots go deeper.
        value: Option<String>,
        /// For `file`: a line counts 1 when its value (or the whole line) contains this text, else
        /// 0.
        bad: Option<String>,
        /// For `file`: the key of the time in a line of JSON.
        time: Option<String>,
        /// A token, sent as `Authorization: Bearer`.
        token_from: Option<SourceBlock>,
        /// The time limit of one reading.
        timeout: Timeout = Timeout::secs(10),
        /// When the value is bad, such as `"> 0.1"`.
        #[schemars(regex(pattern = r"^\s*[<>]=?\s*[-+0-9.eE]+\s*$"))]
        fail: String,
        /// When the value is good; between the two, the rule is inconclusive.
        #[schemars(regex(pattern = r"^\s*[<>]=?\s*[-+0-9.eE]+\s*$"))]
        pass: Option<String>,
        /// How the samples in the window become one value.
        over: Over = Over::Mean,
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
        warmup: Pause = Pause(Timeout::secs(0)),
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

/// Where a metric comes from.
fn metric(at: &str, block: RuleBlock) -> Result<Metric, Error> {
    let timeout = block.timeout.0;
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
