//! Metrics behind HTTP: a JSON document, or an instant query of Prometheus (its HTTP API, v1).

use std::{fmt::Write, time::Duration};

use serde_json::Value;

use super::{Place, Reading, one, value};
use crate::base::{
    SecretSource,
    http::{Body, Request, Roots, ask},
};

/// Most bytes of an answer.
const MOST: u64 = 4 << 20;

/// A number in a JSON document.
pub(super) fn json(
    url: &str,
    path: &str,
    token: Option<&SecretSource>,
    limit: Duration,
    place: &Place<'_>,
) -> Reading {
    let document = match get(url, token, limit, place) {
        Ok(document) => document,
        Err(why) => return Reading::Unread(why),
    };
    match value::at(&document, path) {
        None | Some(Value::Null) => {
            Reading::Nothing(format!("the document has no value at {path:?}"))
        }
        Some(found) => match value::number(found) {
            Some(number) => one(Some(number), place.now),
            None => Reading::Unread(format!("what stands at {path:?} is no number")),
        },
    }
}

/// The one number of a query.
pub(super) fn prometheus(
    url: &str,
    query: &str,
    token: Option<&SecretSource>,
    limit: Duration,
    place: &Place<'_>,
) -> Reading {
    let document = match get(
        &format!("{url}/api/v1/query?query={}", encoded(query)),
        token,
        limit,
        place,
    ) {
        Ok(document) => document,
        Err(why) => return Reading::Unread(why),
    };
    if value::at(&document, "status").and_then(Value::as_str) != Some("success") {
        let said = value::at(&document, "error")
            .and_then(Value::as_str)
            .unwrap_or("no success");
        return Reading::Unread(format!("Prometheus says: {said:.200}"));
    }
    let kind = value::at(&document, "data.resultType").and_then(Value::as_str);
    let result = value::at(&document, "data.result");
    let found = match (kind, result) {
        (Some("scalar"), Some(scalar)) => value::at(scalar, "1"),
        (Some("vector"), Some(Value::Array(series))) => match &series[..] {
            [] => return Reading::Nothing("the query gives no series".into()),
            [only] => value::at(only, "value.1"),
            many => {
                return Reading::Unread(format!(
                    "the query gives {} series; make it one, with sum or max",
                    many.len()
                ));
            }
        },
        _ => return Reading::Unread("the query gives neither a number nor a vector".into()),
    };
    // A division by zero is written NaN or +Inf: there was nothing to count.
    one(found.and_then(value::number), place.now)
}

/// Asks for a JSON document.
fn get(
    url: &str,
    token: Option<&SecretSource>,
    limit: Duration,
    place: &Place<'_>,
) -> Result<Value, String> {
    let token = token
        .map(|source| source.read(place.work_tree))
        .transpose()
        .map_err(|error| error.to_string())?;
    let mut headers = vec![("Accept", "application/json".to_string())];
    headers.extend(
        token
            .as_ref()
            .map(|token| ("Authorization", format!("Bearer {}", token.expose()))),
    );
    let roots = || Roots::with(place.ca_file);
    let answer = ask(&Request {
        url,
        body: Body::None,
        headers: &headers,
        limit,
        most: MOST,
        roots: &roots,
    });
    let hide = |text: String| {
        token
            .as_ref()
            .map_or(text.clone(), |token| token.hide(&text))
    };
    let answer = answer.map_err(|error| hide(error.to_string()))?;
    let document = serde_json::from_slice(&answer.body);
    match (answer.status, document) {
        // Prometheus says what is wrong with a query in the body of a status 400 or 422.
        (200..300 | 400 | 422, Ok(document)) => Ok(document),
        (200..300, Err(_)) => Err("the answer is no JSON".into()),
        (status, _) => Err(format!("the server answered with status {status}")),
    }
}

/// A text as a part of a URL.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            super::encoded("rate(x{a=\"b\"}[5m]) / 2"),
            "rate%28x%7Ba%3D%22b%22%7D%5B5m%5D%29%20%2F%202"
        );
    }
}
