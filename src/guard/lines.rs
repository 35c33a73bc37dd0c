//! Turns lines into samples: lines of a growing file, and of a whole log for a back-test.

use std::{
    io::{BufRead, BufReader, Read},
    path::Path,
};

use bstr::ByteSlice;
use jiff::Timestamp;
use serde_json::Value;

use super::{Error, LogReader, value};
use crate::model::guard::Sample;

/// Longest line that is examined, in bytes.
pub(super) const LINE: usize = 1 << 20;
/// Most samples of a log.
const MOST: usize = 5_000_000;

/// A rule that makes a sample of a line of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LineRule {
    /// Path of the value in a JSON line; empty for the whole line.
    pub value: String,
    /// A text: the sample is 1 when the value (or line) contains it, else 0.
    pub bad: Option<String>,
    /// Path of the time in a JSON line: RFC 3339, or seconds since 1970.
    pub time: Option<String>,
}

/// Returns the sample of a line; `None` for a line without one.
pub(super) fn sample(line: &[u8], rule: &LineRule, now: Timestamp) -> Option<Sample> {
    let line = line.trim();
    if line.is_empty() || line.len() > LINE {
        return None;
    }
    let document: Option<Value> = if rule.value.is_empty() && rule.time.is_none() {
        None
    } else {
        Some(serde_json::from_slice(line).ok()?)
    };
    let at = match (&rule.time, &document) {
        (Some(path), Some(document)) => value::time(value::at(document, path)?)?,
        _ => now,
    };
    let value = match (&rule.bad, &document) {
        (Some(bad), Some(document)) if !rule.value.is_empty() => {
            let text = match value::at(document, &rule.value)? {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            f64::from(u8::from(text.contains(bad.as_str())))
        }
        (Some(bad), _) => f64::from(u8::from(line.contains_str(bad))),
        (None, Some(document)) if !rule.value.is_empty() => {
            value::number(value::at(document, &rule.value)?)?
        }
        (None, _) => line
            .to_str()
            .ok()?
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())?,
    };
    Some(Sample { at, value })
}

/// Returns the sample of a line of a plain log: `{"at": …, "value": …}`, or `TIME VALUE`, separated
/// by a blank or a comma.
pub(super) fn plain(line: &[u8]) -> Option<Sample> {
    let line = line.trim();
    if let Ok(document) = serde_json::from_slice::<Value>(line)
        && document.is_object()
    {
        let at = ["at", "time", "timestamp"]
            .iter()
            .find_map(|key| value::time(document.get(key)?))?;
        return Some(Sample {
            at,
            value: value::number(document.get("value")?)?,
        });
    }
    let text = line.to_str().ok()?;
    let (time, number) = text.rsplit_once([',', ' ', '\t'])?;
    let time = time.trim_end_matches([',', ' ', '\t']);
    Some(Sample {
        at: value::time(&Value::String(time.into()))?,
        value: number
            .parse()
            .ok()
            .filter(|value: &f64| value.is_finite())?,
    })
}

/// Returns all samples of a log, and the number of lines without one.
///
/// # Errors
/// When the log cannot be read.
pub(super) fn of_log(path: &Path, sample: &LogReader) -> Result<(Vec<Sample>, usize), Error> {
    let failed = |source| Error::Log {
        path: path.to_path_buf(),
        source,
    };
    let mut reader = BufReader::new(std::fs::File::open(path).map_err(failed)?);
    let (mut samples, mut unreadable, mut line) = (Vec::new(), 0, Vec::new());
    loop {
        line.clear();
        let read = (&mut reader)
            .take(LINE as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(failed)?;
        if read == 0 || samples.len() >= MOST {
            return Ok((samples, unreadable));
        }
        if line.trim().is_empty() {
            continue;
        }
        match sample(&line) {
            Some(sample) => samples.push(sample),
            None => unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(value: &str, bad: Option<&str>, time: Option<&str>) -> LineRule {
        LineRule {
            value: value.into(),
            bad: bad.map(String::from),
            time: time.map(String::from),
        }
    }

    #[test]
    fn lines_become_samples() {
        let now: Timestamp = "2026-02-24T05:10:00Z".parse().expect("it is a time");
        let of = |line: &str, rule: &LineRule| {
            sample(line.as_bytes(), rule, now).map(|sample| (sample.at == now, sample.value))
        };
        assert_eq!(of("0.25\n", &rule("", None, None)), Some((true, 0.25)));
        assert_eq!(
            of("all well", &rule("", Some("ERROR"), None)),
            Some((true, 0.0))
        );
        assert_eq!(
            of("an ERROR", &rule("", Some("ERROR"), None)),
            Some((true, 1.0))
        );
        let json = r#"{"ts": "2026-02-24T05:00:00Z", "level": "error", "m": {"ms": 3}}"#;
        assert_eq!(
            of(json, &rule("level", Some("error"), Some("ts"))),
            Some((false, 1.0))
        );
        assert_eq!(of(json, &rule("m.ms", None, None)), Some((true, 3.0)));
        for torn in ["", "{\"ts\": \"2026", "{}", "null", "NaN", "\u{0}\u{0}"] {
            assert_eq!(of(torn, &rule("m.ms", None, Some("ts"))), None, "{torn}");
        }
        assert_eq!(of("NaN", &rule("", None, None)), None);
        for line in [
            "2026-02-24T05:10:00Z 0.5",
            "2026-02-24 05:10:00,0.5",
            "1771909800\t0.5",
            r#"{"at": 1771909800, "value": 0.5}"#,
        ] {
            assert_eq!(
                plain(line.as_bytes()),
                Some(Sample {
                    at: now,
                    value: 0.5
                }),
                "{line}"
            );
        }
    }
}
