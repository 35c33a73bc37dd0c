//! The record of alerts: a file each below `alerts/` in the state folder, with its ways and
//! answers.
//!
//! An alert is durable before anybody tries to send it. A delivery is claimed before it is tried,
//! so that two processes do not send the same; a claim ends by itself when its process is killed.
//! Every change happens under a kernel lock, which nobody holds while something is sent.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Error, RetryAdvice, SendFailure};
use crate::{
    base::Fs,
    model::alert::{
        Alert, AlertId, AlertSettings, Answered, ChannelSpec, Delivery, DeliveryState, StoredAlert,
    },
    policy::alert::{RetryDecision, folds, is_due, next_attempt, wait},
    records::{JsonRecord, LockWait, RecordFiles, RecordLock, RecordSet, Records},
};

/// Alerts that are kept; older ones go when nothing is to be sent any more.
const MOST: usize = 300;
/// How long alerts of a task belong to one story.
const STORY: Duration = Duration::from_hours(7 * 24);
/// How much longer than the time limit of sending a claim holds.
const MARGIN: Duration = Duration::from_secs(5);

/// What became of an alert that was raised.
#[derive(Debug)]
pub enum Raised {
    /// It is to be sent.
    New(Box<StoredAlert>),
    /// The same was told a short while ago.
    Folded(Box<StoredAlert>),
}

/// A delivery that this process is to try.
#[derive(Debug)]
pub struct DeliveryClaim {
    /// The alert.
    pub alert: Alert,
    /// The channel's name.
    pub channel: String,
}

/// The record of alerts.
#[derive(Clone)]
pub struct Outbox {
    records: Records<'static, StoredAlert>,
}

impl JsonRecord for StoredAlert {
    const LIMIT: u64 = 1 << 20;

    /// A number, which orders them, and the alert's id.
    fn is_key(key: &str) -> bool {
        number_of(key).is_some()
    }
}

/// The deliveries of an alert through those channels that want it.
fn deliveries(alert: &Alert, channels: &[ChannelSpec]) -> Vec<Delivery> {
    let pending = |spec: &ChannelSpec| Delivery {
        channel: spec.name.clone(),
        standing: DeliveryState::Pending,
        attempts: 0,
        at: None,
        next: None,
        claimed: None,
        error: None,
    };
    channels
        .iter()
        .filter(|spec| alert.severity >= spec.least)
        .map(pending)
        .collect()
}

impl Outbox {
    /// The record below a state folder; nothing is read or made yet.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self {
            records: Records::new(RecordFiles::new(state), "alerts"),
        }
    }

    /// All alerts, oldest first, and how many cannot be read.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(&self) -> Result<(Vec<StoredAlert>, usize), Error> {
        let RecordSet { whole, damaged } = self.records.all()?;
        let all = whole.into_iter().map(|(_, kept)| kept).collect();
        Ok((all, damaged.len()))
    }

    /// One alert by its id, or a beginning of it.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, text: &str) -> Result<StoredAlert, Error> {
        let all = self.all()?.0;
        let mut hits = all
            .into_iter()
            .filter(|kept| text.len() >= 2 && kept.alert.id.to_string().starts_with(text));
        match (hits.next(), hits.next()) {
            (Some(kept), None) => Ok(kept),
            _ => Err(Error::NotFound(text.into())),
        }
    }

    /// Takes an alert in, to be sent through the channels of the settings; while these are not
    /// known it waits for them. The same again within `repeat` is only counted. Durable when this
    /// returns.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn raise(
        &self,
        mut alert: Alert,
        key: &str,
        settings: &AlertSettings,
        now: Timestamp,
    ) -> Result<Raised, Error> {
        let _lock = self.lock()?;
        let RecordSet {
            whole: all,
            damaged,
        } = self.records.all()?;
        let earlier = all.iter().rev().find(|(_, kept)| kept.key == key);
        if let Some((key, earlier)) = earlier {
            if folds(earlier, alert.severity, settings.repeat, now) {
                let kept = StoredAlert {
                    repeats: earlier.repeats.saturating_add(1),
                    last: now,
                    ..earlier.clone()
                };
                self.records.save(key, &kept)?;
                return Ok(Raised::Folded(Box::new(kept)));
            }
            alert.folded = earlier.repeats;
        }
        let same_story = |kept: &StoredAlert| {
            let age = Duration::try_from(now.duration_since(kept.alert.at));
            kept.alert.notice.task == alert.notice.task && age.is_ok_and(|age| age < STORY)
        };
        let before = all
            .iter()
            .rev()
            .find(|(_, kept)| same_story(kept))
            .map(|(_, kept)| &kept.alert);
        alert.thread =
            before.map(|before| before.thread.clone().unwrap_or_else(|| before.id.clone()));
        let (deliveries, unaddressed) = (deliveries(&alert, &settings.channels), !settings.known);
        let kept = StoredAlert {
            alert,
            key: key.into(),
            repeats: 0,
            last: now,
            deliveries,
            unaddressed,
            answers: Vec::new(),
        };
        let last = all.last().and_then(|(key, _)| number_of(key)).unwrap_or(0);
        let number = last + 1;
        self.records
            .save(&format!("{number:06}-{}", kept.alert.id), &kept)?;
        // What still waits stays, and so do those that nobody can read.
        let is_over = |key: &str| all.iter().any(|(of, kept)| of == key && !kept.is_pending());
        let _ = self.records.prune(MOST + damaged.len(), is_over);
        Ok(Raised::New(Box::new(kept)))
    }

    /// Claims every delivery that is due. What goes to a channel that is gone is given up.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn claim(
        &self,
        channels: &[ChannelSpec],
        limit: Duration,
        now: Timestamp,
    ) -> Result<Vec<DeliveryClaim>, Error> {
        let _lock = self.lock()?;
        let mut all = self.records.all()?.whole;
        let mut sent = sent_times(&all);
        let claim = limit + MARGIN;
        let mut claims = Vec::new();
        for (key, kept) in &mut all {
            let before = kept.clone();
            if std::mem::take(&mut kept.unaddressed) {
                kept.deliveries = deliveries(&kept.alert, channels);
            }
            for nth in 0..kept.deliveries.len() {
                if !is_due(kept, nth, claim, now) {
                    continue;
                }
                let delivery = &mut kept.deliveries[nth];
                let Some(spec) = channels.iter().find(|spec| spec.name == delivery.channel) else {
                    (delivery.standing, delivery.error) = (
                        DeliveryState::Dead,
                        Some("the channel is not configured any more".into()),
                    );
                    continue;
                };
                let of_channel: Vec<Timestamp> = sent
                    .iter()
                    .filter(|(name, _)| *name == spec.name)
                    .map(|(_, at)| *at)
                    .collect();
                if let Some(pause) = wait(&of_channel, spec.per_minute, now) {
                    delivery.next = now.checked_add(pause).ok();
                    continue;
                }
                sent.push((spec.name.clone(), now));
                delivery.claimed = now.checked_add(claim).ok();
                claims.push(DeliveryClaim {
                    alert: kept.alert.clone(),
                    channel: spec.name.clone(),
                });
            }
            if *kept != before {
                self.records.save(key, kept)?;
            }
        }
        Ok(claims)
    }

    /// Writes down how an attempt ended.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn settle(
        &self,
        id: &AlertId,
        channel: &str,
        result: &Result<(), SendFailure>,
        now: Timestamp,
    ) -> Result<(), Error> {
        self.change(id, |kept| {
            let since = kept.alert.at;
            for delivery in kept
                .deliveries
                .iter_mut()
                .filter(|delivery| delivery.channel == channel)
            {
                (delivery.claimed, delivery.next, delivery.at) = (None, None, Some(now));
                delivery.attempts = delivery.attempts.saturating_add(1);
                delivery.error = result.as_ref().err().map(ToString::to_string);
                let again = match result.as_ref().map_err(|refusal| refusal.again) {
                    Ok(()) => {
                        delivery.standing = DeliveryState::Sent;
                        continue;
                    }
                    Err(RetryAdvice::Never) => RetryDecision::Never,
                    Err(RetryAdvice::Later) => next_attempt(since, delivery.attempts, None, now),
                    Err(RetryAdvice::After(pause)) => {
                        next_attempt(since, delivery.attempts, Some(pause), now)
                    }
                };
                match again {
                    RetryDecision::At(then) => delivery.next = Some(then),
                    RetryDecision::Never => delivery.standing = DeliveryState::Dead,
                }
            }
        })
    }

    /// Makes what was given up, or waits, due now; all alerts, or one.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn again(&self, id: Option<&AlertId>) -> Result<usize, Error> {
        let _lock = self.lock()?;
        let mut count = 0;
        for (key, mut kept) in self.records.all()?.whole {
            if id.is_some_and(|id| kept.alert.id != *id) {
                continue;
            }
            let open = kept
                .deliveries
                .iter_mut()
                .filter(|delivery| delivery.standing != DeliveryState::Sent);
            let before = count;
            for delivery in open {
                (delivery.standing, delivery.next, delivery.claimed) =
                    (DeliveryState::Pending, None, None);
                count += 1;
            }
            if count > before {
                self.records.save(&key, &kept)?;
            }
        }
        Ok(count)
    }

    /// Records an answer.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn answer(&self, id: &AlertId, answered: Answered) -> Result<(), Error> {
        self.change(id, |kept| kept.answers.push(answered))
    }

    /// Changes one record.
    fn change(&self, id: &AlertId, change: impl FnOnce(&mut StoredAlert)) -> Result<(), Error> {
        let _lock = self.lock()?;
        let all = self.records.all()?.whole;
        let found = all.into_iter().find(|(_, kept)| kept.alert.id == *id);
        let (key, mut kept) = found.ok_or_else(|| Error::NotFound(id.to_string()))?;
        change(&mut kept);
        Ok(self.records.save(&key, &kept)?)
    }

    /// Waits for whoever changes a record.
    fn lock(&self) -> Result<RecordLock, Error> {
        let lock = self.records.lock("lock", LockWait::Forever)?;
        lock.ok_or_else(|| Error::Io(io::ErrorKind::WouldBlock.into()))
    }
}

/// When something was sent through which channel.
fn sent_times(all: &[(String, StoredAlert)]) -> Vec<(String, Timestamp)> {
    all.iter()
        .flat_map(|(_, kept)| &kept.deliveries)
        .filter(|delivery| delivery.standing == DeliveryState::Sent)
        .filter_map(|delivery| Some((delivery.channel.clone(), delivery.at?)))
        .collect()
}

/// The number in a record's key.
fn number_of(key: &str) -> Option<u64> {
    let (number, id) = key.split_once('-')?;
    id.parse::<AlertId>().ok()?;
    number.parse().ok()
}

#[cfg(test)]
mod tests;
