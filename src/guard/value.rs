//! Reads numbers and times from JSON documents.

use jiff::Timestamp;
use serde_json::Value;

/// Returns the value at a dotted path. Numbers in it index lists; an empty path is the document.
pub(super) fn at<'v>(document: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.')
        .filter(|part| !part.is_empty())
        .try_fold(document, |value, part| match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?),
            other => other.get(part),
        })
}

/// Returns a number from a number, a truth value (1 or 0), or a text that is a number.
pub(super) fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// Returns a time: RFC 3339, `2026-02-24 05:10:00,123` in UTC, or seconds since 1970 (milliseconds
/// if the number has thirteen digits).
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let text = text.trim();
            let written = text.parse().ok().or_else(|| {
                let civil: jiff::civil::DateTime = text.replacen(',', ".", 1).parse().ok()?;
                Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
            });
            written.or_else(|| seconds(text.parse().ok()?))
        }
        Value::Number(number) => seconds(number.as_f64()?),
        _ => None,
    }
}

/// Returns the moment that many seconds, or milliseconds, after 1970.
fn seconds(number: f64) -> Option<Timestamp> {
    let secs = if number.abs() >= 1e11 {
        number / 1000.0
    } else {
        number
    };
    let duration = jiff::SignedDuration::try_from_secs_f64(secs).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(duration).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_and_times() {
        let document =
            json!({ "a": { "b": [1, { "c": "2.5" }] }, "t": true, "n": null, "nan": "NaN" });
        let of = |path| at(&document, path).and_then(number);
        assert_eq!(
            [of("a.b.0"), of("a.b.1.c"), of("t")],
            [Some(1.0), Some(2.5), Some(1.0)]
        );
        assert_eq!(
            [of("n"), of("a.b.7"), of("a.x"), of("nan"), of("")],
            [None; 5]
        );
        let expected: Timestamp = "2026-02-24T05:10:00Z".parse().expect("it is a time");
        for text in [
            json!("2026-02-24T13:10:00+08:00"),
            json!("2026-02-24 05:10:00,000"),
            json!(1_771_909_800),
            json!(1_771_909_800_000_i64),
        ] {
            assert_eq!(time(&text), Some(expected), "{text}");
        }
        assert_eq!(
            [
                time(&json!("soon")),
                time(&json!(1e300)),
                time(&json!(null))
            ],
            [None; 3]
        );
    }
}
