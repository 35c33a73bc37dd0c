//! Where alerts go: the channels that the configuration names.
//!
//! Which kinds there are, and what each of them needs, is in `alert` of the main crate. A secret is
//! only ever where it lies, never its value.

use std::time::Duration;

use serde_json::Value;

use super::Severity;

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
    /// Of which kind it is: the key that it has in the configuration.
    pub kind: String,
    /// Where its messages go and which secrets are used.
    pub describes: String,
    /// Its block as it is written; of a secret only where it lies.
    pub settings: Value,
    /// What matters less is not sent.
    pub least: Severity,
    /// Most messages in a minute.
    pub per_minute: u32,
}

impl ChannelSpec {
    /// Everything that decides where something is sent and which secrets are used: what a person
    /// agrees to.
    pub fn describe(&self) -> String {
        format!("send alerts ({}): {}", self.name, self.describes)
    }
}
