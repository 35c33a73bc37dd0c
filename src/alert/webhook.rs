//! A webhook: the alert as one JSON document, signed, with an id by which a receiver knows it
//! again.
//!
//! `X-Snapback-Signature` is `sha256=` and the HMAC-SHA256 of `<X-Snapback-Timestamp>.<body>` in
//! hex: whoever checks the time too cannot be sent an old message again.

use std::time::Duration;

use jiff::Timestamp;

use super::{Channel, Refusal, Surroundings, post, refused, sign};
use crate::{base::Secret, model::alert::Alert};

/// The receiver.
pub(super) struct Webhook {
    pub url: Secret,
    pub secret: Secret,
    pub around: Surroundings,
}

impl Channel for Webhook {
    fn send(&self, alert: &Alert, now: Timestamp, limit: Duration) -> Result<(), Refusal> {
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
