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
    model::alert::{Address, AlertSettings, ChannelSpec, EmailSpec, Severity, Tls, Way},
};

/// The longest that an operation may wait for alerts.
const LONGEST: Duration = Duration::from_mins(1);

crate::model::settings_block! {
    /// Where alerts go.
    #[derive(Debug)]
    pub(super) struct AlertsBlock as "alerts" {
        /// A page that takes answers; {id}, {option} and {task} are filled in.
        #[schemars(regex(pattern = "^https?://"))]
        link: Option<String>,
        /// The same is told again after this.
        repeat: Timeout = Timeout(AlertSettings::default().repeat),
        /// An operation waits no longer for the sending; at most 1m.
        limit: Timeout = Timeout(AlertSettings::default().limit),
        /// Certificates to trust besides the system's (PEM).
        ca_file: Option<String>,
        /// The channels, by name.
        channels: Option<BTreeMap<String, ChannelBlock>>,
    }
}

crate::model::settings_block! {
    /// One channel; exactly one of the three ways.
    #[derive(Debug)]
    #[schemars(extend("oneOf" = one_of(&["feishu", "webhook", "email"])))]
    pub(super) struct ChannelBlock as "channel" {
        /// A custom bot of a Feishu group.
        feishu: Option<HookBlock>,
        /// A JSON document, signed.
        webhook: Option<HookBlock>,
        /// A mail, by SMTP.
        email: Option<EmailBlock>,
        /// What matters less is not sent.
        least: Severity = Severity::Good,
        /// Most messages; default 100, 60 and 20.
        #[schemars(range(min = 1))]
        per_minute: Option<u32>,
    }
}

/// A bot or a webhook.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "hook")]
pub(super) struct HookBlock {
    /// Of a webhook only, and without a secret in it.
    #[schemars(regex(pattern = "^https?://"))]
    url: Option<String>,
    /// Where the address lies.
    url_from: Option<SourceBlock>,
    /// The key of the signature.
    secret_from: Option<SourceBlock>,
}

/// A mail server.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "email")]
pub(super) struct EmailBlock {
    /// The server's name or address.
    server: String,
    /// Default 465, 587 or 25.
    port: Option<u16>,
    /// Default starttls; none only to this machine.
    tls: Option<TlsWord>,
    /// The sender's address.
    from: String,
    /// The addresses that it is sent to.
    #[schemars(length(min = 1))]
    to: Vec<String>,
    /// The name to log in with.
    user: Option<String>,
    /// Where the password lies.
    password_from: Option<SourceBlock>,
}

/// The words of `tls`.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum TlsWord {
    Implicit,
    Starttls,
    None,
}

/// Where a secret lies; never its value.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "secret")]
pub(super) struct SourceBlock {
    /// The name of a variable.
    #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    env: Option<String>,
    /// A file that only its owner can read, outside the work tree.
    #[schemars(regex(pattern = "^(/|~/)"))]
    file: Option<String>,
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
