//! People called, and what they answer.

use super::App;
use crate::{
    alert::{Alerts, Attempt},
    base::Failure,
    model::alert::{AlertId, Choice, Kept, Notice},
};

impl App {
    /// All alerts, newest first, and how many cannot be read.
    pub fn alerts(&self) -> Result<(Vec<Kept>, usize), Failure> {
        Alerts::new(&self.site).all()
    }

    /// One alert, by its id or a beginning of it.
    pub fn alert(&self, text: &str) -> Result<Kept, Failure> {
        Alerts::new(&self.site).one(text)
    }

    /// Calls people: writes the alert down, and sends what is due. `None`: the same was told a
    /// short while ago. What cannot be sent now is a warning and stays to be sent.
    ///
    /// # Errors
    /// When it cannot even be written down.
    pub fn raise(&self, notice: Notice) -> Result<Option<AlertId>, Failure> {
        Alerts::new(&self.site).raise(notice)
    }

    /// Hands on how an operation ended, and calls a person when it is stuck.
    pub(super) fn calling<T>(&self, done: Result<T, Failure>) -> Result<T, Failure> {
        Alerts::new(&self.site).calling(done)
    }

    /// Sends every alert that is due, within the time that the settings allow.
    ///
    /// # Errors
    /// When the record cannot be read or written; never because something could not be sent.
    pub fn send_alerts(&self) -> Result<Vec<Attempt>, Failure> {
        Alerts::new(&self.site).send_due()
    }

    /// Sends a test through one channel or all, at once and without a record.
    ///
    /// # Errors
    /// When there is no such channel, or none at all.
    pub fn test_alerts(&self, channel: Option<&str>) -> Result<Vec<Attempt>, Failure> {
        Alerts::new(&self.site).test(channel)
    }

    /// Makes dead and waiting deliveries due now, of one alert or all, and sends them.
    ///
    /// # Errors
    /// When the record cannot be read or written.
    pub fn retry_alerts(&self, id: Option<&AlertId>) -> Result<Vec<Attempt>, Failure> {
        Alerts::new(&self.site).retry(id)
    }

    /// Records an answer, in the record of alerts and in the audit log.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub fn record_answer(&self, kept: &Kept, choice: &Choice) -> Result<(), Failure> {
        Alerts::new(&self.site).record_answer(kept, choice)
    }

    /// Refuses when a channel may not be used.
    ///
    /// # Errors
    /// Those channels.
    pub fn require_channels(&self) -> Result<(), Failure> {
        Alerts::new(&self.site).require_channels()
    }
}
