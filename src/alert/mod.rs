//! Row 9, alerts: how people are called when automation acted or cannot help.
//!
//! A [`Channel`] delivers one alert to one place, once, within a time limit. Each kind has its own
//! file. An alert is stored in the [`outbox`] before it is sent, so that a crash, an unreachable
//! server or a wrong password loses nothing. Sending is retried with growing pauses, and deliveries
//! that are given up stay there as dead letters. This room does not decide what is worth an alert.
//! Nothing in it may be called with the operation lock held.
//!
//! To add a kind of channel, add a file with its [`ChannelKind`] and a line in [`CHANNELS`].

mod email;
mod feishu;
mod hook;
pub mod outbox;
mod raise;
mod send;
mod sign;
mod webhook;
mod words;

use std::{
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use jiff::Timestamp;
use serde_json::Value;

use crate::{
    base::{Fault, Hint, Kind, Secret, SecretSource, http},
    model::{
        Advice,
        alert::{Alert, ChannelSpec},
        settings::Declared,
    },
};

pub use outbox::Outbox;
pub use raise::Alerts;
pub use send::SendAttempt;

/// The kinds of channels, in the order in which they are shown.
pub const CHANNELS: &[&dyn ChannelKind] = &[&feishu::Bot, &webhook::SignedPost, &email::Mail];

/// Errors of alerts as a whole.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The record of alerts cannot be read or written.
    #[error("cannot use the record of alerts")]
    Io(#[from] std::io::Error),
    /// There is no such alert.
    #[error("there is no alert {0:?}")]
    NotFound(String),
    /// There is no such channel.
    #[error("there is no channel {0:?}")]
    NoChannel(String),
    /// No channel is configured.
    #[error("no channel for alerts is configured")]
    NoChannels,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Io(_) => Kind::Missing,
            Self::NotFound(_) | Self::NoChannel(_) => Kind::NotFound,
            Self::NoChannels => Kind::Usage,
        }
    }

    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Io(_) => Vec::new(),
            Self::NotFound(_) => vec![Advice::ListAlerts.because("see all alerts")],
            Self::NoChannel(_) | Self::NoChannels => {
                vec![Hint::say(
                    "add it to `alerts: {channels: …}` in snapback.yaml; docs/guard.md has an example of each kind",
                )]
            }
        }
    }
}

/// When a refused alert may be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAdvice {
    /// It may be tried again after the usual pause.
    Later,
    /// It may be tried again after at least this pause.
    After(Duration),
    /// It is not retried by itself: the settings must be corrected first.
    Never,
}

/// The reason why an alert did not get through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SendFailure {
    /// The reason in words, without secrets.
    pub why: String,
    /// When the alert may be tried again.
    pub again: RetryAdvice,
}

impl SendFailure {
    /// Returns a failure that may pass by itself.
    fn later(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: RetryAdvice::Later,
        }
    }

    /// Returns a failure that lasts until a person corrects something.
    fn never(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: RetryAdvice::Never,
        }
    }
}

/// An open channel through which alerts reach people.
pub trait Channel: Send {
    /// Sends one alert. Must end within about the limit. May be called again with the same
    /// alert.
    ///
    /// # Errors
    /// When it is not certain that the alert got through.
    fn send(&self, alert: &Alert, now: Timestamp, limit: Duration) -> Result<(), SendFailure>;
}

/// A kind of channel: how it is configured, and how a channel of this kind is opened.
pub trait ChannelKind: Sync {
    /// Returns its key in the block of a channel.
    fn word(&self) -> &'static str;

    /// Returns the manual's description of that key.
    fn about(&self) -> &'static str;

    /// Returns the most messages in a minute, used when the configuration does not set it.
    fn per_minute(&self) -> u32;

    /// Returns the shape of the value at its key: a `settings_block!`.
    fn block(&self) -> Declared;

    /// Describes everything in a block that decides where an alert is sent and which secrets are
    /// used. A person agrees to this text. The block matches the schema and has no empty keys.
    ///
    /// # Errors
    /// The mistake in the block, without anything that may be secret.
    fn describe(&self, block: &Value) -> Result<String, String>;

    /// Opens the channel of a described block, and reads its secrets.
    ///
    /// # Errors
    /// When a secret cannot be read.
    fn open(&self, block: &Value, around: &Surroundings) -> Result<Box<dyn Channel>, SendFailure>;
}

/// The surroundings that channels need to know.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The work tree, which must not contain any secret.
    pub work_tree: PathBuf,
    /// Certificates to trust in addition to the system's.
    pub ca_file: Option<String>,
    /// This host's name.
    pub host: String,
}

impl Surroundings {
    /// Reads a secret.
    fn secret(&self, source: &SecretSource) -> Result<Secret, SendFailure> {
        source
            .read(&self.work_tree)
            .map_err(|error| SendFailure::later(error.to_string()))
    }

    /// Returns the certificate authorities to trust.
    fn roots(&self) -> Result<http::TrustedRoots, http::Error> {
        http::TrustedRoots::with(self.ca_file.as_deref().map(Path::new))
    }
}

/// Opens a channel and sends, in a thread of its own. Neither a name look-up nor a server that
/// answers byte by byte blocks the caller for longer than the limit.
fn send_within(
    (kind, spec): (&'static dyn ChannelKind, &ChannelSpec),
    around: &Surroundings,
    alert: &Alert,
    now: Timestamp,
    limit: Duration,
) -> mpsc::Receiver<Result<(), SendFailure>> {
    let (sender, receiver) = mpsc::channel();
    let (block, around, alert) = (spec.settings.clone(), around.clone(), alert.clone());
    // Not joined: the thread ends when its own time limits pass, or with the process.
    std::thread::spawn(move || {
        let opened = kind.open(&block, &around);
        sender.send(opened.and_then(|channel| channel.send(&alert, now, limit)))
    });
    receiver
}
