//! The record of alerts: a file each below `alerts/` in the state folder, with its ways and
//! answers.
//!
//! An alert is durable before anybody tries to send it. A delivery is claimed before it is tried,
//! so that two processes do not send the same; a claim ends by itself when its process is killed.
//! Every change happens under a kernel lock, which nobody holds while something is sent.

use std::{io, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{Again, Error, Refusal};
use crate::{
    base::{
        Fs, RelPath,
        fs::{FileLock, Hold, create_dir_all, read_limited, write_durably},
    },
    model::alert::{
        Alert, AlertId, AlertSettings, Answered, ChannelSpec, Delivery, Kept, Standing,
    },
    policy::alert::{Next, folds, is_due, next_attempt, wait},
};

/// Largest record that is read, in bytes.
const LIMIT: u64 = 1 << 20;
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
    New(Box<Kept>),
    /// The same was told a short while ago.
    Folded(Box<Kept>),
}

/// A delivery that this process is to try.
#[derive(Debug)]
pub struct Claim {
    /// The alert.
    pub alert: Alert,
    /// The channel's name.
    pub channel: String,
}

/// The record of alerts.
#[derive(Clone)]
pub struct Outbox {
    fs: Arc<dyn Fs>,
}

/// Its folder below the state folder.
fn folder() -> RelPath {
    RelPath::own("alerts")
}

/// The deliveries of an alert through those channels that want it.
fn deliveries(alert: &Alert, channels: &[ChannelSpec]) -> Vec<Delivery> {
    let pending = |spec: &ChannelSpec| Delivery {
        channel: spec.name.clone(),
        standing: Standing::Pending,
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

/// A file's number and record.
type Numbered = (u64, Kept);

impl Outbox {
    /// The record below a state folder; nothing is read or made yet.
    pub fn new(state: Arc<dyn Fs>) -> Self {
        Self { fs: state }
    }

    /// All alerts, oldest first, and how many cannot be read.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(&self) -> Result<(Vec<Kept>, usize), Error> {
        let (found, damaged) = self.load()?;
        Ok((found.into_iter().map(|(_, kept)| kept).collect(), damaged))
    }

    /// One alert by its id, or a beginning of it.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn find(&self, text: &str) -> Result<Kept, Error> {
        let all = self.all()?.0;
        let mut hits = all
            .into_iter()
            .filter(|kept| text.len() >= 2 && kept.alert.id.to_string().starts_with(text));
        match (hits.next(), hits.next()) {
            (Some(kept), None) => Ok(kept),
            _ => Err(Error::NotFound(text.into())),
        }
    }

    /// True when there is an alert that is to be sent; cheap when there is no alert at all.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn has_pending(&self) -> Result<bool, Error> {
        Ok(self.all()?.0.iter().any(Kept::is_pending))
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
        let (all, _) = self.load()?;
        let earlier = all.iter().rev().find(|(_, kept)| kept.key == key);
        if let Some((number, earlier)) = earlier {
            if folds(earlier, alert.severity, settings.repeat, now) {
                let kept = Kept {
                    repeats: earlier.repeats.saturating_add(1),
                    last: now,
                    ..earlier.clone()
                };
                self.write(*number, &kept)?;
                return Ok(Raised::Folded(Box::new(kept)));
            }
            alert.folded = earlier.repeats;
        }
        let same_story = |kept: &Kept| {
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
        let kept = Kept {
            alert,
            key: key.into(),
            repeats: 0,
            last: now,
            deliveries,
            unaddressed,
            answers: Vec::new(),
        };
        self.write(all.last().map_or(1, |(number, _)| number + 1), &kept)?;
        self.prune(&all);
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
    ) -> Result<Vec<Claim>, Error> {
        let _lock = self.lock()?;
        let (mut all, _) = self.load()?;
        let mut sent = sent_times(&all);
        let claim = limit + MARGIN;
        let mut claims = Vec::new();
        for (number, kept) in &mut all {
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
                        Standing::Dead,
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
                claims.push(Claim {
                    alert: kept.alert.clone(),
                    channel: spec.name.clone(),
                });
            }
            if *kept != before {
                self.write(*number, kept)?;
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
        result: &Result<(), Refusal>,
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
                        delivery.standing = Standing::Sent;
                        continue;
                    }
                    Err(Again::Never) => Next::Never,
                    Err(Again::Later) => next_attempt(since, delivery.attempts, None, now),
                    Err(Again::After(pause)) => {
                        next_attempt(since, delivery.attempts, Some(pause), now)
                    }
                };
                match again {
                    Next::At(then) => delivery.next = Some(then),
                    Next::Never => delivery.standing = Standing::Dead,
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
        for (number, mut kept) in self.load()?.0 {
            if id.is_some_and(|id| kept.alert.id != *id) {
                continue;
            }
            let open = kept
                .deliveries
                .iter_mut()
                .filter(|delivery| delivery.standing != Standing::Sent);
            let before = count;
            for delivery in open {
                (delivery.standing, delivery.next, delivery.claimed) =
                    (Standing::Pending, None, None);
                count += 1;
            }
            if count > before {
                self.write(number, &kept)?;
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
    fn change(&self, id: &AlertId, change: impl FnOnce(&mut Kept)) -> Result<(), Error> {
        let _lock = self.lock()?;
        let found = self
            .load()?
            .0
            .into_iter()
            .find(|(_, kept)| kept.alert.id == *id);
        let (number, mut kept) = found.ok_or_else(|| Error::NotFound(id.to_string()))?;
        change(&mut kept);
        Ok(self.write(number, &kept)?)
    }

    /// Reads everything, in order; what cannot be read is counted.
    fn load(&self) -> Result<(Vec<Numbered>, usize), Error> {
        if self.fs.stat(&folder())?.is_none() {
            return Ok((Vec::new(), 0));
        }
        let (mut found, mut damaged) = (Vec::new(), 0);
        for name in self.fs.list(&folder())? {
            let Some(number) = number_of(&name) else {
                continue;
            };
            let bytes = match read_limited(&*self.fs, &folder().join(&name), LIMIT) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                bytes => bytes,
            };
            match bytes
                .ok()
                .and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).ok())
            {
                Some(kept) => found.push((number, kept)),
                None => damaged += 1,
            }
        }
        found.sort_by_key(|(number, _)| *number);
        Ok((found, damaged))
    }

    /// Writes one record, durably.
    fn write(&self, number: u64, kept: &Kept) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(kept).expect("because plain data always renders");
        let path = folder().join(format!("{number:06}-{}.json", kept.alert.id));
        write_durably(
            &*self.fs,
            &path,
            &bytes,
            0o600,
            (crate::records::files::FILE, crate::records::files::DIR),
        )
    }

    /// Removes the oldest records with nothing to send; one that cannot be removed stays.
    fn prune(&self, all: &[Numbered]) {
        for (number, kept) in all
            .iter()
            .filter(|(_, kept)| !kept.is_pending())
            .take((all.len() + 1).saturating_sub(MOST))
        {
            let _ = self
                .fs
                .remove_file(&folder().join(format!("{number:06}-{}.json", kept.alert.id)));
        }
    }

    /// Waits for whoever changes a record.
    fn lock(&self) -> Result<FileLock, Error> {
        if !create_dir_all(&*self.fs, &folder(), 0o700)?.is_empty() {
            self.fs
                .sync_dir(&RelPath::root(), crate::records::files::DIR)?;
        }
        let lock = self
            .fs
            .lock(&folder().join("lock"), Hold::Exclusive, true)?;
        lock.ok_or_else(|| Error::Io(io::ErrorKind::WouldBlock.into()))
    }
}

/// When something was sent through which channel.
fn sent_times(all: &[Numbered]) -> Vec<(String, Timestamp)> {
    all.iter()
        .flat_map(|(_, kept)| &kept.deliveries)
        .filter(|delivery| delivery.standing == Standing::Sent)
        .filter_map(|delivery| Some((delivery.channel.clone(), delivery.at?)))
        .collect()
}

/// The number in a record's name.
fn number_of(name: &[u8]) -> Option<u64> {
    let name = std::str::from_utf8(name).ok()?.strip_suffix(".json")?;
    let (number, id) = name.split_once('-')?;
    id.parse::<AlertId>().ok()?;
    number.parse().ok()
}

#[cfg(test)]
mod tests;
