//! Where alerts go: the channels that the configuration names, and how each of them is reached.
//!
//! A secret is only ever where it lies, never its value.

use std::{fmt, time::Duration};

use super::Severity;
use base::SecretSource;

/// Where alerts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSettings {
    /// A page that takes answers, with `{id}`, `{option}` and `{task}`.
    pub link: Option<String>,
    /// The same alert is told again after this at the earliest.
    pub repeat: Duration,
    /// An operation waits no longer than this for the sending.
    pub limit: Duration,
    /// Certificates to trust besides the system's, a PEM file.
    pub ca_file: Option<String>,
    /// The channels, by name.
    pub channels: Vec<ChannelSpec>,
    /// False while the settings of alerts hold a mistake: which channels there are is not known,
    /// and alerts wait.
    pub known: bool,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            link: None,
            repeat: Duration::from_hours(4),
            limit: Duration::from_secs(10),
            ca_file: None,
            channels: Vec::new(),
            known: true,
        }
    }
}

/// One channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelSpec {
    /// Its name.
    pub name: String,
    /// What matters less is not sent.
    pub least: Severity,
    /// Most messages in a minute.
    pub per_minute: u32,
    /// How it is reached.
    pub way: Way,
}

/// An address that may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Written in the configuration.
    Plain(String),
    /// Named there.
    From(SecretSource),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(url) => f.write_str(url),
            Self::From(source) => write!(f, "the address in {source}"),
        }
    }
}

/// How a channel is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A custom bot of a Feishu (Lark) group.
    Feishu {
        /// Its address, which lets anybody write to the group.
        url: Address,
        /// The key of its signature check, when that is on.
        secret: Option<SecretSource>,
    },
    /// E-mail.
    Email(EmailSpec),
    /// A JSON document, signed.
    Webhook {
        /// Its address.
        url: Address,
        /// The key of the signature.
        secret: SecretSource,
    },
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// TLS from the first byte, usually port 465.
    Implicit,
    /// `STARTTLS`, which must be there, usually port 587.
    StartTls,
    /// Not at all; only to this machine.
    None,
}

/// A mail server and who writes to whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailSpec {
    /// The server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: Tls,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// The name to log in with.
    pub user: Option<String>,
    /// The password.
    pub password: Option<SecretSource>,
}

impl ChannelSpec {
    /// Everything that decides where something is sent and which secrets are used: what a person
    /// agrees to.
    pub fn describe(&self) -> String {
        let signed = |secret: &Option<SecretSource>| {
            secret
                .as_ref()
                .map(|from| format!(", signed with {from}"))
                .unwrap_or_default()
        };
        let what = match &self.way {
            Way::Feishu { url, secret } => format!("Feishu card to {url}{}", signed(secret)),
            Way::Webhook { url, secret } => {
                format!("JSON to {url}{}", signed(&Some(secret.clone())))
            }
            Way::Email(mail) => mail.describe(),
        };
        format!("send alerts ({}): {what}", self.name)
    }
}

impl EmailSpec {
    /// The server, who logs in, and who writes to whom.
    fn describe(&self) -> String {
        let tls = match self.tls {
            Tls::Implicit => "TLS",
            Tls::StartTls => "STARTTLS",
            Tls::None => "no TLS",
        };
        let user = self
            .user
            .as_ref()
            .map(|user| format!(", as {user}"))
            .unwrap_or_default();
        let password = self
            .password
            .as_ref()
            .map(|from| format!(" with the password in {from}"))
            .unwrap_or_default();
        format!(
            "mail by {}:{} ({tls}{user}{password}) from {} to {}",
            self.server,
            self.port,
            self.from,
            self.to.join(", ")
        )
    }
}
