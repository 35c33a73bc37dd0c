//! `alerts:`: how people are called.
//!
//! A secret is never a value here, only where it lies: `{env: NAME}` or `{file: ~/path}`. What
//! looks like a secret all the same (a login or a token in a URL) is refused without being shown.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Error, place::rule, schema::one_of, task_block::is_variable, units::Timeout};
use crate::{
    base::{SecretSource, secret},
    model::{
        alert::{Address, AlertSettings, ChannelSpec, EmailSpec, Severity, Tls, Way},
        settings_block,
    },
};

/// The longest that an operation may wait for alerts.
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
        channels: Option<BTreeMap<String, ChannelBlock>>,
    }
}

settings_block! {
    /// A channel: exactly one of `feishu`, `webhook` and `email`.
    #[derive(Debug)]
    #[schemars(extend("oneOf" = one_of(&["feishu", "webhook", "email"])))]
    pub(super) struct ChannelBlock as "channel" {
        /// The custom bot of a Feishu group.
        feishu: Option<HookBlock>,
        /// A signed JSON document, sent by POST.
        webhook: Option<HookBlock>,
        /// A mail, sent by SMTP.
        email: Option<EmailBlock>,
        /// Alerts of a lower severity are not sent.
        least: Severity = Severity::Good,
        /// The most messages a minute. Without it, 100 for `feishu`, 60 for `webhook` and 20 for
        /// `email`.
        #[schemars(range(min = 1))]
        per_minute: Option<u32>,
    }
}

settings_block! {
    /// The address of a bot or a webhook.
    #[derive(Debug)]
    pub(super) struct HookBlock as "hook" {
        /// The URL, for a webhook only, and without a secret in it.
        #[schemars(regex(pattern = "^https?://"))]
        url: Option<String>,
        /// Where the URL is kept.
        url_from: Option<SourceBlock>,
        /// Where the key of the signature is kept.
        secret_from: Option<SourceBlock>,
    }
}

settings_block! {
    /// A mail server, and who writes to whom.
    #[derive(Debug)]
    pub(super) struct EmailBlock as "email" {
        /// The server's name or address.
        server: String,
        /// The server's port. Without it, 465 for `implicit`, 587 for `starttls` and 25 for `none`.
        port: Option<u16>,
        /// How the connection is encrypted. Without it, `starttls`, or `none` to this machine.
        tls: Option<TlsWord>,
        /// The sender's address.
        from: String,
        /// The recipients' addresses.
        #[schemars(length(min = 1))]
        to: Vec<String>,
        /// The user name for the login.
        user: Option<String>,
        /// Where the password is kept.
        password_from: Option<SourceBlock>,
    }
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum TlsWord {
    /// TLS from the first byte.
    Implicit,
    /// The connection is upgraded to TLS before anything is sent.
    Starttls,
    /// Only to this machine.
    None,
}

settings_block! {
    /// Where a secret is kept, never its value: exactly one of `env` and `file`.
    #[derive(Debug, Clone)]
    pub(super) struct SourceBlock as "secret" {
        /// The name of an environment variable.
        #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
        env: Option<String>,
        /// A file outside the work tree that only its owner can read: an absolute path, or one that
        /// begins with `~/`.
        #[schemars(regex(pattern = "^(/|~/)"))]
        file: Option<String>,
    }
}

/// Where alerts go.
pub(super) fn alerts(block: AlertsBlock) -> Result<AlertSettings, Error> {
    if let Some(link) = &block.link {
        check_url("alerts.link", link)?;
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
        .map(|(name, block)| channel(name, block));
    Ok(AlertSettings {
        link: block.link,
        repeat: block.repeat.0,
        limit: block.limit.0,
        ca_file: block.ca_file,
        channels: channels.collect::<Result<_, _>>()?,
        known: true,
    })
}

/// One channel.
fn channel(name: String, block: ChannelBlock) -> Result<ChannelSpec, Error> {
    let at = format!("alerts.channels.{name}");
    if !is_name(&name) {
        return Err(rule(
            "alerts.channels",
            format!("{name:?} is no name: use letters, digits, '-' and '_'"),
        ));
    }
    let (usual, way) = match (block.feishu, block.webhook, block.email) {
        (Some(hook), None, None) => {
            if hook.url.is_some() {
                return Err(rule(
                    &at,
                    "the address of a Feishu bot lets anybody write to the group: name where it lies, `url_from: {env: …}`",
                ));
            }
            let secret = hook
                .secret_from
                .clone()
                .map(|source| to_source(&at, source))
                .transpose()?;
            (
                100,
                Way::Feishu {
                    url: address(&at, hook)?,
                    secret,
                },
            )
        }
        (None, Some(hook), None) => {
            let secret = hook
                .secret_from
                .clone()
                .ok_or_else(|| rule(&at, "a webhook is signed: add `secret_from: {env: …}`"))?;
            (
                60,
                Way::Webhook {
                    secret: to_source(&at, secret)?,
                    url: address(&at, hook)?,
                },
            )
        }
        (None, None, Some(mail)) => (20, Way::Email(email(&at, mail)?)),
        _ => {
            return Err(rule(
                &at,
                "each channel needs exactly one of `feishu`, `email` and `webhook`",
            ));
        }
    };
    let per_minute = block.per_minute.unwrap_or(usual);
    if per_minute == 0 {
        return Err(rule(&at, "`per_minute: 0` would send nothing"));
    }
    Ok(ChannelSpec {
        name,
        least: block.least,
        per_minute,
        way,
    })
}

/// The address of a hook.
fn address(at: &str, hook: HookBlock) -> Result<Address, Error> {
    match (hook.url, hook.url_from) {
        (Some(url), None) => check_url(at, &url).map(|()| Address::Plain(url)),
        (None, Some(source)) => Ok(Address::From(to_source(at, source)?)),
        _ => Err(rule(at, "it needs exactly one of `url` and `url_from`")),
    }
}

/// Refuses what is no URL, and a URL with a secret in it.
pub(super) fn check_url(at: &str, url: &str) -> Result<(), Error> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    // The text is not shown, because it may hold a secret.
    match authority {
        None | Some("") => Err(rule(
            at,
            "the address does not begin with http:// or https:// and a host",
        )),
        Some(authority) if authority.contains('@') || secret::is_held(url) => Err(rule(
            at,
            "the address holds a secret: name where it lies, with `…_from: {env: NAME}`",
        )),
        Some(_) if url.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            Err(rule(at, "the address holds white space"))
        }
        Some(_) => Ok(()),
    }
}

/// A mail server.
fn email(at: &str, block: EmailBlock) -> Result<EmailSpec, Error> {
    let local =
        block.server == "localhost" || block.server == "::1" || block.server.starts_with("127.");
    let tls = match block.tls {
        None if local => Tls::None,
        Some(TlsWord::None) => Tls::None,
        None | Some(TlsWord::Starttls) => Tls::StartTls,
        Some(TlsWord::Implicit) => Tls::Implicit,
    };
    if tls == Tls::None && !local {
        return Err(rule(
            at,
            "without TLS only a server of this machine can be used: `tls: starttls` or `implicit`",
        ));
    }
    if tls == Tls::None && block.password_from.is_some() {
        return Err(rule(
            at,
            "a password needs TLS: `tls: starttls` or `implicit`",
        ));
    }
    if block.user.is_some() != block.password_from.is_some() {
        return Err(rule(at, "`user` and `password_from` belong together"));
    }
    if block.to.is_empty()
        || !std::iter::once(&block.from)
            .chain(&block.to)
            .all(|address| address.contains('@'))
    {
        return Err(rule(
            at,
            "`from` and each of `to` must be an address such as ops@example.org",
        ));
    }
    let port = block.port.unwrap_or(match tls {
        Tls::Implicit => 465,
        Tls::StartTls => 587,
        Tls::None => 25,
    });
    let password = block
        .password_from
        .map(|source| to_source(at, source))
        .transpose()?;
    Ok(EmailSpec {
        server: block.server,
        port,
        tls,
        from: block.from,
        to: block.to,
        user: block.user,
        password,
    })
}

/// Where a secret lies.
pub(super) fn to_source(at: &str, block: SourceBlock) -> Result<SecretSource, Error> {
    match (block.env, block.file) {
        (Some(name), None) if is_variable(&name) => Ok(SecretSource::Env(name)),
        // The text is not shown, because it may be the value.
        (Some(_), None) => Err(rule(
            at,
            "`env` must be the name of a variable, never a value",
        )),
        (None, Some(path)) if path.starts_with('/') || path.starts_with("~/") => {
            Ok(SecretSource::File(path))
        }
        (None, Some(_)) => Err(rule(at, "`file` must be a whole path, or begin with ~/")),
        _ => Err(rule(at, "a secret needs exactly one of `env` and `file`")),
    }
}

/// True for names of channels and rules.
pub(super) fn is_name(name: &str) -> bool {
    (1..=60).contains(&name.len())
        && name
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'))
}
