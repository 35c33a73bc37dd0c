//! Alerts to people, and their answers.

use super::App;
use crate::{
    alert::{Alerts, SendAttempt},
    base::Failure,
    model::alert::{AlertId, AlertOption, Notice, StoredAlert},
};

impl App {
    /// Returns all alerts, newest first, and the number of unreadable ones.
    pub fn alerts(&self) -> Result<(Vec<StoredAlert>, usize), Failure> {
        Alerts::new(&self.site).all()
    }

    /// Finds an alert by its id or a prefix of it.
    pub fn alert(&self, text: &str) -> Result<StoredAlert, Failure> {
        Alerts::new(&self.site).one(text)
    }

    /// Raises an alert: records it and sends what is due. Returns `None` if the same alert was
    /// raised a short while ago. An alert that cannot be sent now causes a warning and stays due.
    ///
    /// # Errors
    /// Fails when the alert cannot even be recorded.
    pub fn raise(&self, notice: Notice) -> Result<Option<AlertId>, Failure> {
        Alerts::new(&self.site).raise(notice)
    }

    /// Passes on the result of an operation, and raises an alert when the operation is stuck.
    pub(super) fn calling<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        Alerts::new(&self.site).calling(done)
    }

    /// Sends every alert that is due, within the time that the settings allow.
    ///
    /// # Errors
    /// Fails when the records cannot be read or written; never because an alert could not be sent.
    pub fn send_alerts(&self) -> Result<Vec<SendAttempt>, Failure> {
        Alerts::new(&self.site).send_due()
    }

    /// Sends a test alert through one channel or all, at once and without a record.
    ///
    /// # Errors
    /// Fails when the channel does not exist, or there are no channels.
    pub fn test_alerts(&self, channel: Option<&str>) -> Result<Vec<SendAttempt>, Failure> {
        Alerts::new(&self.site).test(channel)
    }

    /// Makes dead and waiting deliveries of one alert or all due now, and sends them.
    ///
    /// # Errors
    /// Fails when the records cannot be read or written.
    pub fn retry_alerts(&self, id: Option<&AlertId>) -> Result<Vec<SendAttempt>, Failure> {
        Alerts::new(&self.site).retry(id)
    }

    /// Records an answer with the alert and in the audit log.
    ///
    /// # Errors
    /// Fails when it cannot be recorded.
    pub fn record_answer(&self, kept: &StoredAlert, choice: &AlertOption) -> Result<(), Failure> {
        Alerts::new(&self.site).record_answer(kept, choice)
    }

    /// Refuses when a channel may not be used.
    ///
    /// # Errors
    /// Returns those channels.
    pub fn require_channels(&self) -> Result<(), Failure> {
        Alerts::new(&self.site).require_channels()
    }
}
