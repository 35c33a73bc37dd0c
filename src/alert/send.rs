//! Sends alerts: all that are due at once, each through its channel, within the configured time.
//! Alerts that do not get through stay in the record and are sent again.

use std::time::{Duration, Instant};

use super::{
    Alerts, Error, RetryAdvice, SendFailure, Surroundings, outbox::DeliveryClaim, send_within,
};
use crate::{
    base::{Failure, cancel},
    model::alert::{AlertId, ChannelSpec, Notice, Topic},
};

/// The outcome of one attempt to send.
#[derive(Debug, Clone, serde::Serialize)]
pub struct SendAttempt {
    /// The alert.
    pub alert: AlertId,
    /// The channel.
    pub channel: String,
    /// Why the alert did not get through; `None` when it did.
    pub error: Option<String>,
    /// True when it failed because nobody agreed to the channel.
    pub untrusted: bool,
}

/// A claim after its attempt.
struct Tried {
    claim: DeliveryClaim,
    result: Result<(), SendFailure>,
    untrusted: bool,
}

impl From<Tried> for SendAttempt {
    fn from(tried: Tried) -> Self {
        let DeliveryClaim { alert, channel } = tried.claim;
        Self {
            alert: alert.id,
            channel,
            error: tried.result.err().map(|refusal| refusal.why),
            untrusted: tried.untrusted,
        }
    }
}

/// Extra time beyond the limit of an attempt, so that its own error message arrives.
const GRACE: Duration = Duration::from_millis(300);

impl Alerts<'_> {
    /// Sends every alert that is due, within the configured time.
    ///
    /// # Errors
    /// When the record cannot be read or written. A failure to send is not an error.
    pub fn send_due(&self) -> Result<Vec<SendAttempt>, Failure> {
        let settings = &self.site.settings.alerts;
        let outbox = &self.outbox;
        if !settings.known {
            return Ok(Vec::new());
        }
        let claims = outbox.claim(&settings.channels, settings.limit, self.site.clock.now())?;
        let mut lines = Vec::new();
        for tried in self.send(claims) {
            outbox.settle(
                &tried.claim.alert.id,
                &tried.claim.channel,
                &tried.result,
                self.site.clock.now(),
            )?;
            let attempt = SendAttempt::from(tried);
            if let Some(why) = &attempt.error {
                self.site.warn(format!(
                    "the alert {} did not get through {}: {why}",
                    attempt.alert, attempt.channel
                ));
            }
            lines.push(attempt);
        }
        Ok(lines)
    }

    /// Sends all claims at once, and waits no longer than the settings allow.
    fn send(&self, claims: Vec<DeliveryClaim>) -> Vec<Tried> {
        let limit = self.site.settings.alerts.limit;
        let (now, channels) = (self.site.clock.now(), self.site.alert_channels());
        let around = Surroundings {
            work_tree: self.site.git.work_tree().to_path_buf(),
            ca_file: self.site.settings.alerts.ca_file.clone(),
            host: self.site.host.clone(),
        };
        let kind_of = |spec: &ChannelSpec| {
            let mut kinds = self.kinds.iter().copied();
            kinds.find(|kind| kind.word() == spec.kind)
        };
        let start = |claim: &DeliveryClaim| match channels
            .iter()
            .find(|(spec, _)| spec.name == claim.channel)
        {
            Some((spec, state)) if state.trusted => {
                let kind = kind_of(spec)
                    .ok_or((RetryAdvice::Never, "channels of this kind are not known"))?;
                let to = (kind, spec);
                Ok(send_within(to, &around, &claim.alert, now, limit))
            }
            Some(_) => Err((
                RetryAdvice::Later,
                "nobody agreed to this channel on this machine: snapback trust",
            )),
            None => Err((RetryAdvice::Never, "the channel is not configured")),
        };
        let started: Vec<_> = claims.iter().map(start).collect();
        let until = Instant::now() + limit + GRACE;
        let wait = |started: Result<
            std::sync::mpsc::Receiver<Result<(), SendFailure>>,
            (RetryAdvice, &str),
        >| match started {
            Ok(receiver) => (heard(&receiver, until, limit), false),
            Err((again, why)) => (
                Err(SendFailure {
                    why: why.into(),
                    again,
                }),
                again == RetryAdvice::Later,
            ),
        };
        let ended: Vec<_> = started.into_iter().map(wait).collect();
        let tried = |(claim, (result, untrusted))| Tried {
            claim,
            result,
            untrusted,
        };
        claims.into_iter().zip(ended).map(tried).collect()
    }

    /// Sends a test through one channel or all, immediately and without a record.
    ///
    /// # Errors
    /// When there is no such channel, or no channel at all.
    pub fn test(&self, channel: Option<&str>) -> Result<Vec<SendAttempt>, Failure> {
        cancel::end_by_itself();
        self.require_known_channels()?;
        let channels = &self.site.settings.alerts.channels;
        let wanted: Vec<&ChannelSpec> = channels
            .iter()
            .filter(|spec| channel.is_none_or(|name| spec.name == name))
            .collect();
        match channel {
            Some(name) if wanted.is_empty() => {
                return Err(Error::NoChannel(crate::base::text::escape(name.as_bytes())).into());
            }
            None if wanted.is_empty() => return Err(Error::NoChannels.into()),
            _ => {}
        }
        let alert = self.alert_of(Notice {
            event: Topic::Test,
            task: None,
            title: "This is a test of the alerts".into(),
            reason:
                "somebody ran `snapback alert test`; nothing is wrong and nothing needs an answer"
                    .into(),
            from: None,
            to: None,
            facts: Vec::new(),
            op: None,
        });
        let claims = wanted
            .iter()
            .map(|spec| DeliveryClaim {
                alert: alert.clone(),
                channel: spec.name.clone(),
            })
            .collect();
        Ok(self
            .send(claims)
            .into_iter()
            .map(SendAttempt::from)
            .collect())
    }

    /// Makes dead and waiting deliveries due now, of one alert or all, and sends them.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn retry(&self, id: Option<&AlertId>) -> Result<Vec<SendAttempt>, Failure> {
        self.require_known_channels()?;
        self.outbox.again(id)?;
        self.send_due()
    }

    /// Refuses requests about channels while a mistake in the settings hides which channels exist.
    fn require_known_channels(&self) -> Result<(), Failure> {
        if self.site.settings.alerts.known {
            Ok(())
        } else {
            Ok(self.site.refuse_flaws()?)
        }
    }
}

/// Returns the result of a sending thread, if it arrives in time.
fn heard(
    receiver: &std::sync::mpsc::Receiver<Result<(), SendFailure>>,
    until: Instant,
    limit: Duration,
) -> Result<(), SendFailure> {
    use std::sync::mpsc::RecvTimeoutError;
    let later = |why: String| {
        Err(SendFailure {
            why,
            again: RetryAdvice::Later,
        })
    };
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match receiver.recv_timeout(left.min(Duration::from_millis(100))) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return later("the channel itself failed".into());
            }
            Err(RecvTimeoutError::Timeout) if left.is_zero() => {
                return later(format!("no answer within {limit:?}"));
            }
            Err(RecvTimeoutError::Timeout) if cancel::requested().is_some() => {
                return later("stopped by a signal".into());
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}
