//! Row 9, alerts: how people are called when automation acted or cannot help.
//!
//! A [`Channel`] brings one alert to one place, once, within a time limit; there is a file for each
//! kind. What is to be sent lies in the [`outbox`] before it is sent, so that a crash, a dead
//! server or a wrong password loses nothing: it is tried again with growing pauses, and what is
//! given up stays there as a dead letter. Nothing here decides what is worth an alert, and
//! nothing here may be called with the operation lock held.
//!
//! To add a kind of channel: a file with its [`ChannelKind`], a line in [`CHANNELS`].

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

/// The kinds of channels, in the order in which people are shown them.
pub const CHANNELS: &[&dyn ChannelKind] = &[&feishu::Bot, &webhook::SignedPost, &email::Mail];

/// What can go wrong with alerts as a whole.
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
    /// After the usual pause.
    Later,
    /// After this pause at least.
    After(Duration),
    /// Never by itself: the settings must be corrected first.
    Never,
}

/// Why an alert did not get through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct SendFailure {
    /// In words, without secrets.
    pub why: String,
    /// Whether it is tried again.
    pub again: RetryAdvice,
}

impl SendFailure {
    /// One that may pass.
    fn later(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: RetryAdvice::Later,
        }
    }

    /// One that stays until somebody corrects something.
    fn never(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: RetryAdvice::Never,
        }
    }
}

/// A way to people.
pub trait Channel: Send {
    /// Brings them one alert. Must end within about the limit; may be called again with the same
    /// alert.
    ///
    /// # Errors
    /// When it is not certain that the alert got through.
    fn send(&self, alert: &Alert, now: Timestamp, limit: Duration) -> Result<(), SendFailure>;
}

/// A kind of channel: how it is configured, and how one of it is opened.
pub trait ChannelKind: Sync {
    /// Its key in the block of a channel.
    fn word(&self) -> &'static str;

    /// What the manual says of that key.
    fn about(&self) -> &'static str;

    /// Most messages in a minute, where the configuration does not say it.
    fn per_minute(&self) -> u32;

    /// What may stand at its key: a `settings_block!`.
    fn block(&self) -> Declared;

    /// Everything in a block that decides where something is sent and which secrets are used: what
    /// a person agrees to. The block has the shape that the schema says, without empty keys.
    ///
    /// # Errors
    /// What is wrong with the block, without what may be a secret.
    fn describe(&self, block: &Value) -> Result<String, String>;

    /// Opens the channel of a block that was described: reads its secrets.
    ///
    /// # Errors
    /// When a secret cannot be had.
    fn open(&self, block: &Value, around: &Surroundings) -> Result<Box<dyn Channel>, SendFailure>;
}

/// What channels need to know of their surroundings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The work tree, in which no secret may lie.
    pub work_tree: PathBuf,
    /// Certificates to trust besides the system's.
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

    /// Who may vouch for servers.
    fn roots(&self) -> Result<http::TrustedRoots, http::Error> {
        http::TrustedRoots::with(self.ca_file.as_deref().map(Path::new))
    }
}

/// Opens a channel and sends, in a thread of its own: neither a name look-up nor a server that
/// answers byte by byte holds the caller up for longer than the limit.
fn send_within(
    (kind, spec): (&'static dyn ChannelKind, &ChannelSpec),
    around: &Surroundings,
    alert: &Alert,
    now: Timestamp,
    limit: Duration,
) -> mpsc::Receiver<Result<(), SendFailure>> {
    let (sender, receiver) = mpsc::channel();
    let (block, around, alert) = (spec.settings.clone(), around.clone(), alert.clone());
    // Not joined: it ends by itself when its own time limits pass, or with the process.
    std::thread::spawn(move || {
        let opened = kind.open(&block, &around);
        sender.send(opened.and_then(|channel| channel.send(&alert, now, limit)))
    });
    receiver
}
