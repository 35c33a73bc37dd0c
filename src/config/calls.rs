//! Reads `alerts:`, how people are called. Each kind of channel declares its own keys
//! (`alert/*.rs`).
//!
//! A secret is never a value here, only its location: `{env: NAME}` or `{file: ~/path}`. A value
//! that looks like a secret (a login or a token in a URL) is refused without being shown.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    Error,
    kinds::{Extended, listed},
    place::rule,
    units::Timeout,
};
use crate::{
    alert::ChannelKind,
    model::{
        alert::{AlertSettings, ChannelSpec, Severity},
        settings::check_url,
        settings_block,
    },
};

/// The longest time that an operation may wait for alerts.
const LONGEST: Duration = Duration::from_mins(1);

settings_block! {
    /// Where alerts are sent.
    #[derive(Debug)]
    pub(super) struct AlertsBlock as "alerts" {
        /// The URL of a page that takes answers; `{id}`, `{option}` and `{task}` are filled in.
        #[schemars(regex(pattern = "^https?://"))]
        link: Option<String>,
        /// After this time, the same alert is sent again.
        repeat: Timeout = Timeout(AlertSettings::default().repeat),
        /// How long an operation waits for alerts to be sent; at most `1m`.
        limit: Timeout = Timeout(AlertSettings::default().limit),
        /// A file of certificates (PEM) to trust besides those of the system.
        ca_file: Option<String>,
        /// The channels, by name.
        channels: Option<BTreeMap<String, Extended<ChannelBlock>>>,
    }
}

settings_block! {
    /// A channel: exactly one of {kinds}.
    #[derive(Debug)]
    pub(super) struct ChannelBlock as "channel" {
        /// Alerts of a lower severity are not sent.
        least: Severity = Severity::Good,
        /// The most messages a minute. Without it, {usual}.
        #[schemars(range(min = 1))]
        per_minute: Option<u32>,
    }
}

/// Builds the settings of alerts.
pub(super) fn alerts(
    block: AlertsBlock,
    kinds: &[&'static dyn ChannelKind],
) -> Result<AlertSettings, Error> {
    if let Some(link) = &block.link {
        check_url(link).map_err(|why| rule("alerts.link", why))?;
    }
    if block.limit.0 > LONGEST {
        return Err(rule(
            "alerts.limit",
            "at most 1m: an operation waits so long",
        ));
    }
    let channels = block
        .channels
        .unwrap_or_default()
        .into_iter()
        .map(|(name, block)| channel(name, block, kinds));
    Ok(AlertSettings {
        link: block.link,
        repeat: block.repeat.0,
        limit: block.limit.0,
        ca_file: block.ca_file,
        channels: channels.collect::<Result<_, _>>()?,
        known: true,
    })
}

/// Builds one channel.
fn channel(
    name: String,
    Extended { own, brought }: Extended<ChannelBlock>,
    kinds: &[&'static dyn ChannelKind],
) -> Result<ChannelSpec, Error> {
    let at = format!("alerts.channels.{name}");
    if !is_name(&name) {
        return Err(rule(
            "alerts.channels",
            format!("{name:?} is no name: use letters, digits, '-' and '_'"),
        ));
    }
    let (kind, settings) = kind_of(brought, kinds).map_err(|why| rule(&at, why))?;
    let describes = kind.describe(&settings).map_err(|why| rule(&at, why))?;
    let per_minute = own.per_minute.unwrap_or(kind.per_minute());
    if per_minute == 0 {
        return Err(rule(&at, "`per_minute: 0` would send nothing"));
    }
    Ok(ChannelSpec {
        name,
        kind: kind.word().into(),
        describes,
        settings,
        least: own.least,
        per_minute,
    })
}

/// Returns the kind of a channel, and its block.
fn kind_of(
    brought: serde_json::Map<String, Value>,
    kinds: &[&'static dyn ChannelKind],
) -> Result<(&'static dyn ChannelKind, Value), String> {
    let mut brought = brought.into_iter();
    if let (Some((word, block)), None) = (brought.next(), brought.next())
        && let Some(kind) = kinds.iter().find(|kind| kind.word() == word)
    {
        return Ok((*kind, block));
    }
    let words = kinds.iter().map(|kind| format!("`{}`", kind.word()));
    let words = listed(words.collect());
    Err(format!("each channel needs exactly one of {words}"))
}

/// Returns true for valid names of channels and rules.
pub(super) fn is_name(name: &str) -> bool {
    (1..=60).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}
