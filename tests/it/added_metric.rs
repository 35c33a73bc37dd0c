//! A new source of metrics is one line in a list: a rule may name it, the schema shows its keys,
//! its owner is asked to agree to it, and rules are judged by it.

use serde_json::{Value, json};
use snapback::{
    config::{self, Kinds},
    guard::{Guard, METRICS, MetricContext as Around, MetricSource, Reading, WatchOptions},
    model::{
        Status, TaskId,
        guard::{Cursor, Metric, Sample},
        settings::{Block, Declared},
        settings_block,
        trust::CommandUse,
    },
    site::RepoSite,
};

use super::added_channel::opened_with;
use crate::support::Sandbox;

settings_block! {
    /// A metric that a gauge shows.
    struct GaugeBlock as "gauge" {
        /// The file in which the gauge is, in the task's folder.
        gauge: String,
        /// What its number is multiplied by.
        scale: f64 = 1.0,
        /// The key of the value in the JSON; dots go deeper.
        value: Option<String>,
    }
}

/// `gauge: …`.
struct Gauge;

impl MetricSource for Gauge {
    fn word(&self) -> &'static str {
        "gauge"
    }

    fn block(&self) -> Declared {
        GaugeBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        let block = GaugeBlock::of(block)?;
        Ok(format!("look at {} times {}", block.gauge, block.scale))
    }

    fn read(&self, metric: &Metric, around: &Around<'_>, _: &mut Option<Cursor>) -> Reading {
        let block = GaugeBlock::of(&metric.settings).unwrap();
        let text = std::fs::read_to_string(around.dir.join(block.gauge)).unwrap();
        let shown: f64 = text.trim().parse().unwrap();
        Reading::Samples(vec![Sample {
            at: around.now,
            value: shown * block.scale,
        }])
    }
}

/// A sandbox whose task has a release and a rule.
fn with_rule(rule: &str) -> Sandbox {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    sandbox.write("tasks/T01/gauge", b"3\n");
    let text = format!("tasks: {{T01: {{guard: [{{name: heat, {rule}, fail: \"> 5\"}}]}}}}\n");
    sandbox.write("snapback.yaml", text.as_bytes());
    sandbox
}

/// The repository, opened with these sources.
fn opened(sandbox: &Sandbox, metrics: &[&'static dyn MetricSource]) -> RepoSite {
    let kinds = Kinds {
        metrics,
        ..Kinds::ALL
    };
    opened_with(sandbox, kinds)
}

/// What is said of the mistakes in a file.
fn mistakes(site: &RepoSite) -> String {
    let sentences = site.flaws.iter().map(|flaw| flaw.sentence());
    sentences.collect::<Vec<_>>().join("\n")
}

#[test]
fn an_added_metric() {
    let sandbox = with_rule("gauge: gauge, scale: 2.5");
    let sources = [METRICS, &[&Gauge]].concat();
    let site = opened(&sandbox, &sources);
    assert_eq!(mistakes(&site), "");
    assert!(mistakes(&opened(&sandbox, METRICS)).contains("unknown field `gauge`"));

    let states = site.commands_of(&[]);
    let [state] = &states[..] else {
        panic!("{states:?}")
    };
    let described = "look at gauge times 2.5";
    assert_eq!(
        (state.command.run.as_str(), state.trusted),
        (described, false)
    );
    assert_eq!(
        (state.command.role, state.command.timeout_ms),
        (CommandUse::Metric, 10_000)
    );

    let guard = Guard::new(&site).with(&sources);
    let id: TaskId = "T01".parse().unwrap();
    let look = WatchOptions {
        dry_run: true,
        ..WatchOptions::default()
    };
    guard.watch(&id, look).expect_err("nobody agreed to it");
    let all = site.configured_commands();
    site.consent.agree(&all, &all, site.clock.now()).unwrap();
    let watch = guard.watch(&id, look).unwrap();
    let judgement = &watch.rules[0].judgement;
    assert_eq!(
        (judgement.outcome, judgement.value),
        (Status::Fail, Some(7.5))
    );
}

#[test]
fn an_added_metric_is_in_the_schema() {
    let sources = [METRICS, &[&Gauge]].concat();
    let schema = config::schema_with(Kinds {
        metrics: &sources,
        ..Kinds::ALL
    });
    let rule = &schema["$defs"]["rule"];
    let about = "What its number is multiplied by.";
    let scale = json!({ "type": "number", "description": about, "default": 1.0 });
    assert_eq!(rule["properties"]["scale"], scale);
    assert_eq!(rule["oneOf"][4], json!({ "required": ["gauge"] }));
    assert_eq!(rule["required"], json!(["name", "fail"]));
    let text = rule["description"].as_str().unwrap();
    assert!(text.ends_with("exactly one of `run`, `file`, `http`, `prometheus` and `gauge`."));
}

#[test]
fn a_rule_has_one_source_and_only_its_keys() {
    let sources = [METRICS, &[&Gauge]].concat();
    let one = "a rule needs exactly one of `run`, `file`, `http`, `prometheus` (with `query`) and \
               `gauge`";
    for (rule, why) in [
        ("gauge: gauge, value: 1.50", ""),
        ("gauge: gauge, run: date", one),
        ("run: date, scale: 2", one),
        (
            "gauge: gauge, bad: x",
            "`bad` and `time` are for lines of a `file`",
        ),
        (
            "gauge: gauge, scale: [2]",
            "tasks.T01.guard[0].scale: invalid type: sequence, expected f64 at line 1",
        ),
    ] {
        let site = opened(&with_rule(rule), &sources);
        let told = mistakes(&site);
        assert!(
            told.contains(why) && told.is_empty() == why.is_empty(),
            "{rule}: {told}"
        );
        if let [task] = &site.settings.tasks[..]
            && why.is_empty()
        {
            let settings = json!({ "gauge": "gauge", "value": "1.50" });
            assert_eq!(task.guard[0].metric.settings, settings, "as it is written");
        }
    }
}
