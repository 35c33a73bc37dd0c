//! A metric that a command prints: the last line of its output, as a number or as JSON.

use std::time::Duration;

use serde_json::Value;

use super::{Place, Reading, one, value};
use crate::{base::process::Exit, git::child};

/// Bytes of output that are kept; the first and the last half.
const OUTPUT: usize = 64 << 10;

/// Runs it. That it failed says nothing of the task.
pub(super) fn read(run: &str, path: &str, timeout: Duration, place: &Place<'_>) -> Reading {
    let ended = match child::shell(run, &place.dir)
        .limit(timeout)
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
