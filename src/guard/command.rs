//! A metric that a command prints: the last line of its output, as a number or as JSON.

use serde_json::Value;

use super::{MetricContext, MetricSource, Reading, one, value};
use crate::{
    base::process::Exit,
    git::child,
    model::{
        guard::{Cursor, Metric},
        settings::{Block, Declared},
        settings_block,
    },
};

/// Most bytes of output that are kept; the first and the last half.
const OUTPUT: usize = 64 << 10;

settings_block! {
    /// A metric that a command prints.
    struct CommandBlock as "metric_run" {
        /// A command; the last line it prints is the number, or JSON that contains it.
        #[schemars(length(min = 1))]
        run: String,
        /// The key of the value in the JSON; dots go deeper.
        value: Option<String>,
    }
}

/// The source of metrics `run: …`.
pub(super) struct CommandMetric;

impl MetricSource for CommandMetric {
    fn word(&self) -> &'static str {
        "run"
    }

    fn block(&self) -> Declared {
        CommandBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        let run = CommandBlock::of(block)?.run;
        if run.trim().is_empty() || run.contains('\0') {
            return Err("the command is empty or holds a NUL byte".into());
        }
        Ok(run)
    }

    fn read(&self, metric: &Metric, place: &MetricContext<'_>, _: &mut Option<Cursor>) -> Reading {
        match CommandBlock::of(&metric.settings) {
            Ok(block) => run(&block, metric, place),
            Err(why) => Reading::Unread(why),
        }
    }
}

/// Runs the command. A failure of the command says nothing about the task.
fn run(block: &CommandBlock, metric: &Metric, place: &MetricContext<'_>) -> Reading {
    let path = block.value.as_deref().unwrap_or_default();
    let ended = match child::shell(&block.run, &place.dir)
        .limit(metric.timeout)
        .output_cap(OUTPUT)
        .run()
    {
        Ok(ended) => ended,
        Err(error) => return Reading::Unread(error.to_string()),
    };
    if ended.status != Exit::Code(0) {
        let said = place.variables.last_lines(&ended.stderr, 3).join("; ");
        return Reading::Unread(format!("the command {}: {said}", ended.status));
    }
    let text = String::from_utf8_lossy(&ended.stdout);
    let Some(line) = text
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty())
    else {
        return Reading::Nothing("the command printed nothing".into());
    };
    let found = match (serde_json::from_str::<Value>(line), line.parse::<f64>()) {
        (Ok(document), _) => match value::at(&document, path) {
            None | Some(Value::Null) => {
                return Reading::Nothing(format!("the last line has no value at {path:?}"));
            }
            Some(found) => value::number(found),
        },
        (Err(_), Ok(number)) => return one(Some(number), place.now),
        (Err(_), Err(_)) => None,
    };
    match found {
        Some(number) => one(Some(number), place.now),
        None => Reading::Unread(format!("the last line is no number: {line:.80}")),
    }
}
