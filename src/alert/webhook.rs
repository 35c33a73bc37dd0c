//! A webhook: the alert as one signed JSON document, with an id by which a receiver recognizes
//! repeats.
//!
//! `X-Snapback-Signature` is `sha256=` and the HMAC-SHA256 of `<X-Snapback-Timestamp>.<body>` in
//! hex. A receiver that also checks the time is safe from replays of old messages.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    Channel, ChannelKind, SendFailure, Surroundings,
    hook::{Hook, HookBlock, post, refused},
    sign,
};
use crate::{
    base::Secret,
    model::{
        alert::Alert,
        settings::{Block, Declared},
    },
};

/// The kind of channel `webhook: {url: …, secret_from: …}`.
pub(super) struct SignedPost;

impl ChannelKind for SignedPost {
    fn word(&self) -> &'static str {
        "webhook"
    }

    fn about(&self) -> &'static str {
        "A signed JSON document, sent by POST."
    }

    fn per_minute(&self) -> u32 {
        60
    }

    fn block(&self) -> Declared {
        HookBlock::declared()
    }

    fn describe(&self, block: &Value) -> Result<String, String> {
        Ok(format!("JSON to {}", read(block)?))
    }

    fn open(&self, block: &Value, around: &Surroundings) -> Result<Box<dyn Channel>, SendFailure> {
        let (url, secret) = read(block).map_err(SendFailure::never)?.secrets(around)?;
        let secret = secret.ok_or_else(|| SendFailure::never(UNSIGNED))?;
        Ok(Box::new(Webhook {
            url,
            secret,
            around: around.clone(),
        }))
    }
}

/// The error for a webhook without a key.
const UNSIGNED: &str = "a webhook is signed: add `secret_from: {env: …}`";

/// Reads the block of a webhook.
fn read(block: &Value) -> Result<Hook, String> {
    let block = HookBlock::of(block)?;
    if block.secret_from.is_none() {
        return Err(UNSIGNED.into());
    }
    block.resolve()
}

/// An opened channel to a receiver.
struct Webhook {
    url: Secret,
    secret: Secret,
    around: Surroundings,
}

impl Channel for Webhook {
    fn send(&self, alert: &Alert, now: Timestamp, limit: Duration) -> Result<(), SendFailure> {
        let body = serde_json::to_vec(alert).expect("because plain data always renders");
        let headers = [
            ("X-Snapback-Event", alert.notice.event.word().to_string()),
            ("X-Snapback-Id", alert.id.to_string()),
            ("X-Snapback-Timestamp", now.as_second().to_string()),
            (
                "X-Snapback-Signature",
                sign::webhook(&self.secret, now, &body),
            ),
        ];
        let answer = post(&self.url, &body, &headers, limit, &self.around)?;
        if (200..300).contains(&answer.status) {
            Ok(())
        } else {
            Err(refused(&answer))
        }
    }
}
