//! The record of alerts, with their deliveries and answers: one file for each alert below `alerts/`
//! in the state folder.
//!
//! An alert is durable before any attempt to send it. A delivery is claimed before it is tried,
//! so that two processes do not send the same one. A claim expires by itself if its process is
//! killed. Every change happens under a kernel lock, which is never held during sending.

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

/// Most alerts that are kept. Older ones are removed once they have nothing left to send.
const MOST: usize = 300;
/// Time during which alerts of a task belong to the same story.
const STORY: Duration = Duration::from_hours(7 * 24);
/// Time that a claim holds beyond the time limit of sending.
const MARGIN: Duration = Duration::from_secs(5);

/// The outcome of raising an alert.
#[derive(Debug)]
pub enum Raised {
    /// The alert is new and is to be sent.
    New(Box<StoredAlert>),
    /// The same alert was raised a short while ago.
    Folded(Box<StoredAlert>),
}

/// A delivery that this process has claimed and is to try.
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

    /// Returns true for a key made of a number, which orders the records, and the alert's id.
    fn is_key(key: &str) -> bool {
        number_of(key).is_some()
    }
}

/// Returns the deliveries of an alert, through the channels that want it.
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
    /// Returns the record below a state folder, without reading or creating anything.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self {
            records: Records::new(RecordFiles::new(state), "alerts"),
        }
    }

    /// Returns all alerts, oldest first, and the number of alerts that cannot be read.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(&self) -> Result<(Vec<StoredAlert>, usize), Error> {
        let RecordSet { whole, damaged } = self.records.all()?;
        let all = whole.into_iter().map(|(_, kept)| kept).collect();
        Ok((all, damaged.len()))
    }

    /// Returns one alert, by its id or a prefix of it.
    ///
    /// # Errors
    /// When no alert matches, or more than one does.
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

    /// Records an alert, to be sent through the configured channels. While these are not known, the
    /// alert waits for them. The same alert again within `repeat` is only counted. The record is
    /// durable when this returns.
    ///
    /// # Errors
    /// When the alert cannot be written.
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
        // Alerts that are still pending stay, and so do unreadable records.
        let is_over = |key: &str| all.iter().any(|(of, kept)| of == key && !kept.is_pending());
        let _ = self.records.prune(MOST + damaged.len(), is_over);
        Ok(Raised::New(Box::new(kept)))
    }

    /// Claims every delivery that is due. Gives up deliveries to channels that no longer exist.
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

    /// Records how an attempt ended.
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

    /// Makes given-up and waiting deliveries due now, of all alerts or of one.
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

    /// Records an answer to an alert.
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

    /// Takes the lock of the record, and waits while another process holds it.
    fn lock(&self) -> Result<RecordLock, Error> {
        let lock = self.records.lock("lock", LockWait::Forever)?;
        lock.ok_or_else(|| Error::Io(io::ErrorKind::WouldBlock.into()))
    }
}

/// Returns when alerts were sent, and through which channel.
fn sent_times(all: &[(String, StoredAlert)]) -> Vec<(String, Timestamp)> {
    all.iter()
        .flat_map(|(_, kept)| &kept.deliveries)
        .filter(|delivery| delivery.standing == DeliveryState::Sent)
        .filter_map(|delivery| Some((delivery.channel.clone(), delivery.at?)))
        .collect()
}

/// Returns the number in a record's key.
fn number_of(key: &str) -> Option<u64> {
    let (number, id) = key.split_once('-')?;
    id.parse::<AlertId>().ok()?;
    number.parse().ok()
}

#[cfg(test)]
mod tests;
