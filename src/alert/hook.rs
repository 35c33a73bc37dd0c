//! The common part of bots and webhooks: an address that may be a secret, the key of a signature,
//! and a JSON text that is posted.

use std::{fmt, time::Duration};

use super::{RetryAdvice, SendFailure, Surroundings};
use crate::{
    base::{Secret, SecretSource, http},
    model::{
        settings::{SecretBlock, check_url},
        settings_block,
    },
};

/// Most bytes of a server's answer that are read.
const ANSWER: u64 = 64 << 10;

settings_block! {
    /// The address of a bot or a webhook.
    #[derive(Debug)]
    pub(super) struct HookBlock as "hook" {
        /// The URL, for a webhook only, and without a secret in it.
        #[schemars(regex(pattern = "^https?://"))]
        url: Option<String>,
        /// Where the URL is kept.
        url_from: Option<SecretBlock>,
        /// Where the key of the signature is kept.
        secret_from: Option<SecretBlock>,
    }
}

/// The address to which messages are posted, with the key of their signature.
pub(super) struct Hook {
    pub address: Address,
    /// The key of the signature.
    pub secret: Option<SecretSource>,
}

/// An address, which may be a secret.
pub(super) enum Address {
    /// The address itself, written in the configuration.
    Plain(String),
    /// The source of a secret address, as named in the configuration.
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

impl HookBlock {
    /// Resolves the block into a hook.
    pub fn resolve(self) -> Result<Hook, String> {
        let secret = self.secret_from.map(SecretBlock::source).transpose()?;
        let address = match (self.url, self.url_from) {
            (Some(url), None) => check_url(&url).map(|()| Address::Plain(url))?,
            (None, Some(source)) => Address::From(source.source()?),
            _ => return Err("it needs exactly one of `url` and `url_from`".into()),
        };
        Ok(Hook { address, secret })
    }
}

impl Hook {
    /// Reads the address and the key of the signature.
    pub fn secrets(&self, around: &Surroundings) -> Result<(Secret, Option<Secret>), SendFailure> {
        let address = match &self.address {
            Address::Plain(url) => Secret::from(url.as_str()),
            Address::From(source) => around.secret(source)?,
        };
        let secret = self.secret.as_ref().map(|source| around.secret(source));
        Ok((address, secret.transpose()?))
    }
}

/// Shows the address, and which signature is used.
impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        match &self.secret {
            Some(from) => write!(f, ", signed with {from}"),
            None => Ok(()),
        }
    }
}

/// Posts a JSON text. The address is hidden in the description of a failure.
pub(super) fn post(
    url: &Secret,
    body: &[u8],
    headers: &[(&'static str, String)],
    limit: Duration,
    around: &Surroundings,
) -> Result<http::HttpAnswer, SendFailure> {
    let request = http::HttpRequest {
        url: url.expose(),
        body: http::RequestBody::Json(body),
        headers,
        limit,
        most: ANSWER,
        roots: &|| around.roots(),
    };
    http::ask(&request).map_err(|error| {
        let why = url.hide(&error.to_string());
        match error {
            http::Error::Address => SendFailure::never(why),
            _ => SendFailure::later(why),
        }
    })
}

/// Returns the failure for a status that is not a success.
pub(super) fn refused(answer: &http::HttpAnswer) -> SendFailure {
    let why = format!("the server answered with status {}", answer.status);
    let again = match (answer.status, answer.retry_after) {
        (429 | 503, Some(pause)) => RetryAdvice::After(pause),
        (408 | 425 | 429 | 500..=599, _) => RetryAdvice::Later,
        _ => RetryAdvice::Never,
    };
    SendFailure { why, again }
}
