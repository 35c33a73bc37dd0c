//! Alerts as a use case: raised, sent, listed, tried, answered.
//!
//! Nothing here is called with the operation lock held, nothing waits longer than the settings
//! allow, and no failure to send is a failure of what was done: it is a warning, and the record
//! keeps the alert for the next attempt.

use crate::operate;

use crate::operate::Operator;

use std::time::{Duration, Instant};

use super::App;
use crate::{
    alert::{
        Again, Error, Outbox, Refusal, Surroundings,
        outbox::{Claim, Raised},
        send_within,
    },
    base::{Failure, Kind, cancel},
    journal::history,
    model::{
        TaskId, Version,
        alert::{
            ALERT_SCHEMA, Alert, AlertId, Answered, ChannelSpec, Choice, Kept, Notice, Offer, Topic,
        },
    },
    site,
};

/// What became of one attempt to send.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Attempt {
    /// The alert.
    pub alert: AlertId,
    /// The channel.
    pub channel: String,
    /// Why it did not get through; `None` when it did.
    pub error: Option<String>,
    /// True when that is because nobody agreed to the channel.
    pub untrusted: bool,
}

/// A claim after it was tried.
struct Tried {
    claim: Claim,
    result: Result<(), Refusal>,
    untrusted: bool,
}

impl From<Tried> for Attempt {
    fn from(tried: Tried) -> Self {
        let Claim { alert, channel } = tried.claim;
        Self {
            alert: alert.id,
            channel,
            error: tried.result.err().map(|refusal| refusal.why),
            untrusted: tried.untrusted,
        }
    }
}

/// A little more than an attempt has, so that its own words are heard.
const GRACE: Duration = Duration::from_millis(300);

impl App {
    /// The record of alerts.
    fn outbox(&self) -> Outbox {
        Outbox::new(self.site.state.clone())
    }

    /// All alerts, newest first, and how many cannot be read.
    pub fn alerts(&self) -> Result<(Vec<Kept>, usize), Failure> {
        let (mut all, damaged) = self.outbox().all()?;
        all.reverse();
        Ok((all, damaged))
    }

    /// One alert, by its id or a beginning of it.
    pub fn alert(&self, text: &str) -> Result<Kept, Failure> {
        Ok(self.outbox().find(text)?)
    }

    /// Calls people: writes the alert down, and sends what is due. `None`: the same was told a
    /// short while ago. What cannot be sent now is a warning and stays to be sent.
    ///
    /// # Errors
    /// When it cannot even be written down.
    pub fn raise(&self, notice: Notice) -> Result<Option<AlertId>, Failure> {
        let (settings, now) = (&self.site.settings.alerts, self.site.clock.now());
        let alert = self.alert_of(notice);
        let about = &alert.notice;
        let key = format!(
            "{} {} {:?}",
            about.event.word(),
            about.task.as_ref().map_or("", TaskId::as_str),
            about.from
        );
        if !settings.known {
            self.site.warn(format!(
                "{} (`alerts:` holds a mistake, so this waits to be sent until it is mended)",
                about.title
            ));
        } else if settings.channels.is_empty() {
            self.site.warn(format!(
                "{} (no channel for alerts is configured, so nobody was called)",
                about.title
            ));
        }
        let raised = match self.outbox().raise(alert, &key, settings, now)? {
            Raised::New(kept) => Some(kept.alert.id),
            Raised::Folded(_) => None,
        };
        self.send_alerts()?;
        Ok(raised)
    }

    /// Hands on how an operation ended, and calls a person when it is stuck: whoever gave the
    /// command may not look, and nothing else can be changed before somebody does. Without a
    /// channel whoever gave the command is told, and nobody else.
    pub(super) fn calling<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        let Err(failure) = &done else { return done };
        if failure.kind() == Kind::Stuck
            && (!self.site.settings.alerts.channels.is_empty() || !self.site.settings.alerts.known)
            && let Err(unsent) = self.call_for(failure)
        {
            self.site.warn(format!("nobody could be called: {unsent}"));
        }
        done
    }

    /// Calls a person for an operation that is stuck.
    fn call_for(&self, failure: &Failure) -> Result<(), Failure> {
        // A journal that cannot be read tells nothing of its operation.
        let about = history::unfinished(&self.site.state)
            .ok()
            .flatten()
            .map(|found| found.operation.about);
        let title = match &about {
            Some(about) => format!(
                "{}: the {} {} -> {} is stuck and needs a person",
                about.task.as_ref().map_or("the repository", TaskId::as_str),
                about.kind.word(),
                Version::or_none(about.from.as_ref()),
                Version::or_none(about.to.as_ref())
            ),
            None => "an operation is stuck and needs a person".into(),
        };
        let todo = failure
            .hints()
            .into_iter()
            .map(|hint| (hint.why, hint.argv.join(" ")))
            .filter(|(_, command)| !command.is_empty());
        let notice = Notice {
            event: Topic::Stuck,
            task: about.as_ref().and_then(|about| about.task.clone()),
            title,
            reason: failure.chain().join(": "),
            from: about.as_ref().and_then(|about| about.from.clone()),
            to: about.as_ref().and_then(|about| about.to.clone()),
            facts: todo.collect(),
            op: about.map(|about| about.id),
        };
        self.raise(notice).map(drop)
    }

    /// The alert of a notice, with what can be answered.
    fn alert_of(&self, notice: Notice) -> Alert {
        let id = AlertId::new(u32::from_be_bytes(crate::base::random()));
        let work_tree = self.work_tree();
        let repository = work_tree
            .file_name()
            .unwrap_or(work_tree.as_os_str())
            .to_string_lossy()
            .into_owned();
        Alert {
            schema: ALERT_SCHEMA.into(),
            severity: notice.event.severity(),
            offers: self.offers(&id, notice.task.as_ref()),
            notice,
            repository,
            host: self.site.host.clone(),
            at: self.site.clock.now(),
            thread: None,
            folded: 0,
            id,
        }
    }

    /// The three answers: last good, a chosen version, hold.
    fn offers(&self, id: &AlertId, task: Option<&TaskId>) -> Vec<Offer> {
        let of = |option: &str, typed: &str, label: &str| {
            let link = self.site.settings.alerts.link.as_ref().map(|link| {
                let task = task.map_or("", TaskId::as_str);
                link.replace("{id}", &id.to_string())
                    .replace("{option}", option)
                    .replace("{task}", task)
            });
            Offer {
                option: option.into(),
                label: label.into(),
                command: format!("snapback alert answer {id} {typed}"),
                link,
            }
        };
        vec![
            of(
                "last-good",
                "last-good",
                "Back to the last good version / 自动回退到上一个稳定版本",
            ),
            of(
                "version",
                "VERSION",
                "Back to a chosen version / 人工决策回退到指定版本",
            ),
            of("hold", "hold", "Hold as it is / 保持现状，等待修复"),
        ]
    }

    /// Sends every alert that is due, within the time that the settings allow.
    ///
    /// # Errors
    /// When the record cannot be read or written; never because something could not be sent.
    pub fn send_alerts(&self) -> Result<Vec<Attempt>, Failure> {
        let settings = &self.site.settings.alerts;
        let outbox = self.outbox();
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
            let attempt = Attempt::from(tried);
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

    /// Sends all of these at once, and waits for them no longer than the settings allow.
    fn send(&self, claims: Vec<Claim>) -> Vec<Tried> {
        let limit = self.site.settings.alerts.limit;
        let (now, channels) = (self.site.clock.now(), self.site.alert_channels());
        let around = Surroundings {
            work_tree: self.work_tree().to_path_buf(),
            ca_file: self.site.settings.alerts.ca_file.clone(),
            host: self.site.host.clone(),
        };
        let start =
            |claim: &Claim| match channels.iter().find(|(spec, _)| spec.name == claim.channel) {
                Some((spec, state)) if state.trusted => {
                    Ok(send_within(spec, &around, &claim.alert, now, limit))
                }
                Some(_) => Err((
                    Again::Later,
                    "nobody agreed to this channel on this machine: snapback trust",
                )),
                None => Err((Again::Never, "the channel is not configured")),
            };
        let started: Vec<_> = claims.iter().map(start).collect();
        let until = Instant::now() + limit + GRACE;
        let wait = |started: Result<
            std::sync::mpsc::Receiver<Result<(), Refusal>>,
            (Again, &str),
        >| match started {
            Ok(receiver) => (heard(&receiver, until, limit), false),
            Err((again, why)) => (
                Err(Refusal {
                    why: why.into(),
                    again,
                }),
                again == Again::Later,
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

    /// Sends a test through one channel or all, at once and without a record.
    ///
    /// # Errors
    /// When there is no such channel, or none at all.
    pub fn test_alerts(&self, channel: Option<&str>) -> Result<Vec<Attempt>, Failure> {
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
            .map(|spec| Claim {
                alert: alert.clone(),
                channel: spec.name.clone(),
            })
            .collect();
        Ok(self.send(claims).into_iter().map(Attempt::from).collect())
    }

    /// Makes dead and waiting deliveries due now, of one alert or all, and sends them.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn retry_alerts(&self, id: Option<&AlertId>) -> Result<Vec<Attempt>, Failure> {
        self.require_known_channels()?;
        self.outbox().again(id)?;
        self.send_alerts()
    }

    /// Refuses what is about the channels while a mistake hides which ones there are.
    fn require_known_channels(&self) -> Result<(), Failure> {
        if self.site.settings.alerts.known {
            Ok(())
        } else {
            self.refuse_flaws()
        }
    }

    /// Records an answer, in the record of alerts and in the audit log.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn record_answer(&self, kept: &Kept, choice: &Choice) -> Result<(), Failure> {
        let who = self.site.git.identity()?;
        let (alert, about) = (&kept.alert, &kept.alert.notice);
        let answered = Answered {
            choice: choice.clone(),
            who: format!("{} <{}>", who.name, who.email),
            at: self.site.clock.now(),
        };
        let mut what = operate::deed_about("alert answer", &format!("{} {choice}", alert.id));
        what.task.clone_from(&about.task);
        Operator::new(&self.site).witnessed(what, &format!("answer to: {}", about.title), || {
            Ok(self.outbox().answer(&alert.id, answered)?)
        })
    }

    /// Refuses when a channel may not be used.
    ///
    /// # Errors
    /// Those channels.
    pub fn require_channels(&self) -> Result<(), Failure> {
        Ok(site::consent::require(
            self.site
                .alert_channels()
                .into_iter()
                .map(|(_, state)| state)
                .collect(),
        )?)
    }
}

/// What a sending thread says, if it says it in time.
fn heard(
    receiver: &std::sync::mpsc::Receiver<Result<(), Refusal>>,
    until: Instant,
    limit: Duration,
) -> Result<(), Refusal> {
    use std::sync::mpsc::RecvTimeoutError;
    let later = |why: String| {
        Err(Refusal {
            why,
            again: Again::Later,
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
