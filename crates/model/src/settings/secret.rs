//! Where secrets lie, as the configuration says it, and addresses without one in them.
//!
//! What looks like a secret all the same is refused without being shown.

use base::{SecretSource, secret};

crate::settings_block! {
    /// Where a secret is kept, never its value: exactly one of `env` and `file`.
    #[derive(Debug, Clone)]
    pub struct SecretBlock as "secret" {
        /// The name of an environment variable.
        #[schemars(regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
        env: Option<String>,
        /// A file outside the work tree that only its owner can read: an absolute path, or one that
        /// begins with `~/`.
        #[schemars(regex(pattern = "^(/|~/)"))]
        file: Option<String>,
    }
}

impl SecretBlock {
    /// Where the secret lies.
    ///
    /// # Errors
    /// What is wrong with the block, without its text, which may be the value.
    pub fn source(self) -> Result<SecretSource, String> {
        match (self.env, self.file) {
            (Some(name), None) if is_variable(&name) => Ok(SecretSource::Env(name)),
            (Some(_), None) => Err("`env` must be the name of a variable, never a value".into()),
            (None, Some(path)) if path.starts_with('/') || path.starts_with("~/") => {
                Ok(SecretSource::File(path))
            }
            (None, Some(_)) => Err("`file` must be a whole path, or begin with ~/".into()),
            _ => Err("a secret needs exactly one of `env` and `file`".into()),
        }
    }
}

/// Refuses what is no URL, and a URL with a secret in it.
///
/// # Errors
/// What is wrong, without the text, which may hold a secret.
pub fn check_url(url: &str) -> Result<(), String> {
    let rest = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    let authority = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let wrong = match authority {
        None | Some("") => "the address does not begin with http:// or https:// and a host",
        Some(authority) if authority.contains('@') || secret::is_held(url) => {
            "the address holds a secret: name where it lies, with `…_from: {env: NAME}`"
        }
        Some(_) if url.chars().any(|c| c.is_whitespace() || c.is_control()) => {
            "the address holds white space"
        }
        Some(_) => return Ok(()),
    };
    Err(wrong.into())
}

/// True for what can be the name of an environment variable.
pub fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
