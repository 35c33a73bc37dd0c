//! Raises alerts: composes what people are told and which answers they can give.
//!
//! Nothing here is called with the operation lock held. A failure to send never fails the operation
//! itself: it is a warning, and the record keeps the alert for the next attempt.

use super::{CHANNELS, ChannelKind, Outbox, outbox::Raised};
use crate::{
    base::{Failure, Kind, text},
    journal::history,
    model::{
        Advice, TaskId, Version,
        alert::{
            ALERT_SCHEMA, Alert, AlertId, AlertOption, Answered, Notice, Offer, StoredAlert, Topic,
        },
    },
    operate::{self, Operator},
    site::{self, RepoSite},
};

/// The alerts of a repository.
pub struct Alerts<'a> {
    pub(super) site: &'a RepoSite,
    pub(super) outbox: Outbox,
    pub(super) kinds: &'a [&'static dyn ChannelKind],
}

impl<'a> Alerts<'a> {
    /// Returns the alerts of the repository at a site.
    pub fn new(site: &'a RepoSite) -> Self {
        Self {
            site,
            outbox: Outbox::new(site.state.clone()),
            kinds: CHANNELS,
        }
    }

    /// Replaces the kinds of channels.
    #[must_use]
    pub fn with(self, kinds: &'a [&'static dyn ChannelKind]) -> Self {
        Self { kinds, ..self }
    }

    /// Returns all alerts, newest first, and the number of alerts that cannot be read.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn all(&self) -> Result<(Vec<StoredAlert>, usize), Failure> {
        let (mut all, damaged) = self.outbox.all()?;
        all.reverse();
        Ok((all, damaged))
    }

    /// Returns one alert, by its id or a prefix of it.
    ///
    /// # Errors
    /// When there is no such alert, or the record cannot be read.
    pub fn one(&self, text: &str) -> Result<StoredAlert, Failure> {
        Ok(self.outbox.find(text)?)
    }

    /// Records an alert and sends what is due. Returns `None` when the same alert was raised a
    /// short while ago. A failure to send is only a warning, and the alert stays pending.
    ///
    /// # Errors
    /// When the alert cannot be recorded.
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
        let raised = match self.outbox.raise(alert, &key, settings, now)? {
            Raised::New(kept) => Some(kept.alert.id),
            Raised::Folded(_) => None,
        };
        self.send_due()?;
        Ok(raised)
    }

    /// Passes on the result of an operation, and raises an alert when the operation is stuck. The
    /// user who gave the command may not look, and nothing else can be changed until a person acts.
    /// Without a channel, only that user is told.
    pub fn calling<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        let Err(failure) = &done else { return done };
        if failure.kind() == Kind::Stuck
            && (!self.site.settings.alerts.channels.is_empty() || !self.site.settings.alerts.known)
            && let Err(unsent) = self.call_for(failure)
        {
            self.site.warn(format!("nobody could be called: {unsent}"));
        }
        done
    }

    /// Raises an alert for an operation that is stuck.
    fn call_for(&self, failure: &Failure) -> Result<(), Failure> {
        // An unreadable journal says nothing about its operation.
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
            .filter_map(|hint| Some((self.site.command_of(&hint)?, hint.why)))
            .map(|(command, why)| (why, command));
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

    /// Builds the alert of a notice, with the possible answers.
    pub(super) fn alert_of(&self, notice: Notice) -> Alert {
        let id = AlertId::new(u32::from_be_bytes(crate::base::random()));
        let work_tree = self.site.git.work_tree();
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

    /// Returns the three possible answers: last good, a chosen version, hold.
    fn offers(&self, id: &AlertId, task: Option<&TaskId>) -> Vec<Offer> {
        let of = |option: &str, typed: &str, label: &str| {
            let link = self.site.settings.alerts.link.as_ref().map(|link| {
                let task = task.map_or("", TaskId::as_str);
                link.replace("{id}", &id.to_string())
                    .replace("{option}", option)
                    .replace("{task}", &text::url_part(task))
            });
            Offer {
                option: option.into(),
                label: label.into(),
                command: self.site.spelled(&Advice::AnswerAlert {
                    alert: id.to_string(),
                    answer: typed.into(),
                }),
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

    /// Records an answer in the record of alerts and in the audit log.
    ///
    /// # Errors
    /// When the answer cannot be recorded.
    pub fn record_answer(&self, kept: &StoredAlert, choice: &AlertOption) -> Result<(), Failure> {
        let who = self.site.git.identity()?;
        let (alert, about) = (&kept.alert, &kept.alert.notice);
        let answered = Answered {
            choice: choice.clone(),
            who: who.to_string(),
            at: self.site.clock.now(),
        };
        let mut what = operate::action_about("alert answer", &format!("{} {choice}", alert.id));
        what.task.clone_from(&about.task);
        Operator::new(self.site).audited(what, &format!("answer to: {}", about.title), || {
            Ok(self.outbox.answer(&alert.id, answered)?)
        })
    }

    /// Refuses when there are channels that may not be used.
    ///
    /// # Errors
    /// The failure names those channels.
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
