//! Row 9, alerts: how people are called when automation acted or cannot help.
//!
//! A [`Channel`] brings one alert to one place, once, within a time limit; there is a file for each
//! kind. What is to be sent lies in the [`outbox`] before it is sent, so that a crash, a dead
//! server or a wrong password loses nothing: it is tried again with growing pauses, and what is
//! given up stays there as a dead letter. Nothing here decides what is worth an alert, and
//! nothing here may be called with the operation lock held.
//!
//! To add a channel: a file with its `send`, a variant of [`Way`], a line in [`open`].

mod email;
mod feishu;
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

use crate::{
    base::{Fault, Hint, Kind, Secret, http},
    model::{
        Advice,
        alert::{Address, Alert, ChannelSpec, Way},
    },
};

pub use outbox::Outbox;
pub use raise::Alerts;
pub use send::Attempt;

/// Most bytes of a server's answer that are read.
const ANSWER: u64 = 64 << 10;

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
pub enum Again {
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
pub struct Refusal {
    /// In words, without secrets.
    pub why: String,
    /// Whether it is tried again.
    pub again: Again,
}

impl Refusal {
    /// One that may pass.
    fn later(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: Again::Later,
        }
    }

    /// One that stays until somebody corrects something.
    fn never(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            again: Again::Never,
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
    fn send(&self, alert: &Alert, now: Timestamp, limit: Duration) -> Result<(), Refusal>;
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
    /// Who may vouch for servers.
    fn roots(&self) -> Result<http::Roots, http::Error> {
        http::Roots::with(self.ca_file.as_deref().map(Path::new))
    }
}

/// Opens a channel: reads its secrets.
///
/// # Errors
/// When a secret cannot be had.
pub fn open(spec: &ChannelSpec, around: &Surroundings) -> Result<Box<dyn Channel>, Refusal> {
    let read = |source: &crate::base::SecretSource| {
        source
            .read(&around.work_tree)
            .map_err(|error| Refusal::later(error.to_string()))
    };
    let address = |address: &Address| match address {
        Address::Plain(url) => Ok(Secret::from(url.as_str())),
        Address::From(source) => read(source),
    };
    Ok(match &spec.way {
        Way::Feishu { url, secret } => Box::new(feishu::Feishu {
            url: address(url)?,
            secret: secret.as_ref().map(read).transpose()?,
            around: around.clone(),
        }),
        Way::Webhook { url, secret } => Box::new(webhook::Webhook {
            url: address(url)?,
            secret: read(secret)?,
            around: around.clone(),
        }),
        Way::Email(mail) => {
            let password = mail.password.as_ref().map(read).transpose()?;
            Box::new(email::Email {
                spec: mail.clone(),
                password,
                around: around.clone(),
            })
        }
    })
}

/// Opens a channel and sends, in a thread of its own: neither a name look-up nor a server that
/// answers byte by byte holds the caller up for longer than the limit.
///
/// # Errors
/// When it is not certain that the alert got through in time.
pub fn send_within(
    spec: &ChannelSpec,
    around: &Surroundings,
    alert: &Alert,
    now: Timestamp,
    limit: Duration,
) -> mpsc::Receiver<Result<(), Refusal>> {
    let (sender, receiver) = mpsc::channel();
    let (spec, around, alert) = (spec.clone(), around.clone(), alert.clone());
    // Not joined: it ends by itself when its own time limits pass, or with the process.
    std::thread::spawn(move || {
        sender.send(open(&spec, &around).and_then(|channel| channel.send(&alert, now, limit)))
    });
    receiver
}

/// Posts a JSON text; `hidden` are secrets that must not stand in an error.
fn post(
    url: &Secret,
    body: &[u8],
    headers: &[(&'static str, String)],
    limit: Duration,
    around: &Surroundings,
) -> Result<http::Answer, Refusal> {
    let request = http::Request {
        url: url.expose(),
        body: http::Body::Json(body),
        headers,
        limit,
        most: ANSWER,
        roots: &|| around.roots(),
    };
    http::ask(&request).map_err(|error| {
        let why = url.hide(&error.to_string());
        match error {
            http::Error::Address => Refusal::never(why),
            _ => Refusal::later(why),
        }
    })
}

/// A status that is no success.
fn refused(answer: &http::Answer) -> Refusal {
    let why = format!("the server answered with status {}", answer.status);
    let again = match (answer.status, answer.retry_after) {
        (429 | 503, Some(pause)) => Again::After(pause),
        (408 | 425 | 429 | 500..=599, _) => Again::Later,
        _ => Again::Never,
    };
    Refusal { why, again }
}
