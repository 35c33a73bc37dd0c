//! A metric from an instant query of Prometheus (its HTTP API, v1).

use serde_json::Value;

use super::{
    MetricContext, MetricSource, Reading,
    http::{get, with},
    one, value,
};
use crate::{
    base::text,
    model::{
        guard::{Cursor, Metric},
        settings::{Block, Declared, SecretBlock, check_url},
        settings_block,
    },
};

settings_block! {
    /// A metric that Prometheus gives.
    struct QueryBlock as "metric_prometheus" {
        /// The URL of a Prometheus server.
        #[schemars(regex(pattern = "^https?://"))]
        prometheus: String,
        /// The PromQL query for `prometheus`; it must return one number.
        query: String,
        /// Nothing: the query gives one number. It is taken because it always was.
        value: Option<String>,
        /// A token, sent as `Authorization: Bearer`.
        token_from: Option<SecretBlock>,
    }
}

/// The source of metrics `prometheus: …, query: …`.
pub(super) struct Query;

impl MetricSource for Query {
    fn word(&self) -> &'static str {
        "prometheus"
    }

    fn block(&self) -> Declared {
        QueryBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        let block = QueryBlock::of(block)?;
        let token = block.token_from.map(SecretBlock::source).transpose()?;
        check_url(&block.prometheus)?;
        let (url, token) = (server(&block.prometheus), with(token.as_ref()));
        Ok(format!("ask Prometheus at {url}{token}: {}", block.query))
    }

    fn read(&self, metric: &Metric, place: &MetricContext<'_>, _: &mut Option<Cursor>) -> Reading {
        ask(metric, place).unwrap_or_else(Reading::Unread)
    }
}

/// Returns the address of the server in a form to which a path can be added.
fn server(url: &str) -> &str {
    url.trim_end_matches('/')
}

/// Returns the one number of a query.
fn ask(metric: &Metric, place: &MetricContext<'_>) -> Result<Reading, String> {
    let block = QueryBlock::of(&metric.settings)?;
    let (server, query) = (server(&block.prometheus), text::url_part(&block.query));
    let url = format!("{server}/api/v1/query?query={query}");
    let document = get(&url, block.token_from, metric.timeout, place)?;
    if value::at(&document, "status").and_then(Value::as_str) != Some("success") {
        let said = value::at(&document, "error")
            .and_then(Value::as_str)
            .unwrap_or("no success");
        return Err(format!("Prometheus says: {said:.200}"));
    }
    let kind = value::at(&document, "data.resultType").and_then(Value::as_str);
    let result = value::at(&document, "data.result");
    let found = match (kind, result) {
        (Some("scalar"), Some(scalar)) => value::at(scalar, "1"),
        (Some("vector"), Some(Value::Array(series))) => match &series[..] {
            [] => return Ok(Reading::Nothing("the query gives no series".into())),
            [only] => value::at(only, "value.1"),
            many => {
                return Err(format!(
                    "the query gives {} series; make it one, with sum or max",
                    many.len()
                ));
            }
        },
        _ => return Err("the query gives neither a number nor a vector".into()),
    };
    // A division by zero appears as NaN or +Inf: there was nothing to count.
    Ok(one(found.and_then(value::number), place.now))
}
