//! A metric in a JSON document that is fetched over HTTP.

use std::time::Duration;

use serde_json::Value;

use super::{MetricContext, MetricSource, Reading, one, value};
use crate::{
    base::{
        SecretSource,
        http::{HttpRequest, RequestBody, TrustedRoots, ask},
    },
    model::{
        guard::{Cursor, Metric},
        settings::{Block, Declared, SecretBlock, check_url},
        settings_block,
    },
};

/// Most bytes of an answer.
const MOST: u64 = 4 << 20;

settings_block! {
    /// A metric in a JSON document.
    struct DocumentBlock as "metric_http" {
        /// The URL of a JSON document.
        #[schemars(regex(pattern = "^https?://"))]
        http: String,
        /// The key of the value in the JSON; dots go deeper.
        value: Option<String>,
        /// A token, sent as `Authorization: Bearer`.
        token_from: Option<SecretBlock>,
    }
}

/// The source of metrics `http: …`.
pub(super) struct Document;

impl MetricSource for Document {
    fn word(&self) -> &'static str {
        "http"
    }

    fn block(&self) -> Declared {
        DocumentBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        let block = DocumentBlock::of(block)?;
        let token = block.token_from.map(SecretBlock::source).transpose()?;
        check_url(&block.http)?;
        Ok(format!("GET {}{}", block.http, with(token.as_ref())))
    }

    fn read(&self, metric: &Metric, place: &MetricContext<'_>, _: &mut Option<Cursor>) -> Reading {
        json(metric, place).unwrap_or_else(Reading::Unread)
    }
}

/// Describes in words that a token is sent.
pub(super) fn with(token: Option<&SecretSource>) -> String {
    token.map_or_else(String::new, |from| format!(", with the token in {from}"))
}

/// Reads a number from a JSON document.
fn json(metric: &Metric, place: &MetricContext<'_>) -> Result<Reading, String> {
    let block = DocumentBlock::of(&metric.settings)?;
    let path = block.value.unwrap_or_default();
    let document = get(&block.http, block.token_from, metric.timeout, place)?;
    Ok(match value::at(&document, &path) {
        None | Some(Value::Null) => {
            Reading::Nothing(format!("the document has no value at {path:?}"))
        }
        Some(found) => match value::number(found) {
            Some(number) => one(Some(number), place.now),
            None => Reading::Unread(format!("what stands at {path:?} is no number")),
        },
    })
}

/// Fetches a JSON document.
pub(super) fn get(
    url: &str,
    token: Option<SecretBlock>,
    limit: Duration,
    place: &MetricContext<'_>,
) -> Result<Value, String> {
    let token = token.map(SecretBlock::source).transpose()?;
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
    let roots = || TrustedRoots::with(place.ca_file);
    let answer = ask(&HttpRequest {
        url,
        body: RequestBody::None,
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
        // Prometheus explains a bad query in the body of a status 400 or 422.
        (200..300 | 400 | 422, Ok(document)) => Ok(document),
        (200..300, Err(_)) => Err("the answer is no JSON".into()),
        (status, _) => Err(format!("the server answered with status {status}")),
    }
}
