//! Detects and hides what looks like a secret in reports, diffs and logs.
//!
//! Names decide: a key with a word such as `token` or `password` hides its value and everything
//! below it; an environment variable with such a name hides its value wherever a program printed
//! it. User names and passwords in URLs are always hidden. This is a safety net, not a proof; it
//! prefers to hide too much.

use std::ffi::{OsStr, OsString};

use bstr::ByteSlice;

/// The replacement for a hidden value.
pub const MASK: &str = "***";

/// Words that hide a value, as whole words of its key.
const WORDS: [&str; 18] = [
    "token",
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "secrets",
    "credential",
    "credentials",
    "apikey",
    "apikeys",
    "auth",
    "authorization",
    "cookie",
    "webhook",
    "dsn",
    "pat",
    "salt",
];
/// Pairs of adjacent words that hide a value.
const PAIRS: [(&str, &str); 7] = [
    ("api", "key"),
    ("api", "keys"),
    ("access", "key"),
    ("private", "key"),
    ("signing", "key"),
    ("encryption", "key"),
    ("account", "key"),
];

/// True when a key names a secret: `api_key`, `dbPassword`, `TUSHARE_TOKEN`.
pub fn is_named(key: &str) -> bool {
    let words = words(key);
    let plural = |word: &str| {
        word == "tokens"
            && !words
                .iter()
                .any(|word| matches!(word.as_str(), "max" | "min" | "limit" | "num" | "per"))
    };
    words
        .iter()
        .any(|word| WORDS.contains(&word.as_str()) || plural(word))
        || words
            .windows(2)
            .any(|pair| PAIRS.contains(&(pair[0].as_str(), pair[1].as_str())))
}

/// Prefixes of the keys of well-known services.
const PREFIXES: [&str; 9] = [
    "ghp_",
    "gho_",
    "github_pat_",
    "glpat-",
    "sk-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "tvly-",
];
/// URL parameters that carry a secret.
const PARAMETERS: [&str; 6] = [
    "token=",
    "key=",
    "secret=",
    "password=",
    "signature=",
    "sig=",
];

/// True when a value is a secret by itself: a URL with a password or token, a key of a well-known
/// service, a private key.
pub fn is_held(text: &str) -> bool {
    let url = text.split_once("://").map(|(_, rest)| rest);
    let login = url
        .and_then(|rest| rest.split('/').next())
        .and_then(|host| host.rsplit_once('@'));
    let query = url
        .and_then(|rest| rest.split_once('?'))
        .map(|(_, query)| query.to_ascii_lowercase());
    login.is_some_and(|(user, _)| user.contains(':'))
        || query.is_some_and(|query| PARAMETERS.iter().any(|parameter| query.contains(parameter)))
        || PREFIXES
            .iter()
            .any(|prefix| text.starts_with(prefix) && text.len() >= prefix.len() + 12)
        || text.contains("PRIVATE KEY-----")
}

/// Variables whose names merely resemble those of secrets: folders, sockets.
const HARMLESS: [&str; 3] = ["PWD", "OLDPWD", "SSH_AUTH_SOCK"];
/// Shortest value, or line of a value, that is hidden, in bytes.
const SHORTEST: usize = 4;
/// Shortest one from the environment, in bytes: `AUTH=basic` is not a secret.
const SHORTEST_BY_NAME: usize = 6;

/// Returns the parts of a value to hide: the whole and each line, because a program may print one
/// line of a multi-line key. Shorter ones are not secrets; hiding them would hide everything.
pub fn parts(value: &OsStr) -> Vec<Vec<u8>> {
    let value = value.as_encoded_bytes();
    let lines = value.lines().map(<[u8]>::trim_ascii);
    lines
        .chain([value, value.trim_ascii()])
        .filter(|text| text.len() >= SHORTEST)
        .map(<[u8]>::to_vec)
        .collect()
}

/// Returns the secrets in this process's environment, by the names of its variables.
pub fn of_environment() -> Vec<Vec<u8>> {
    of_variables(std::env::vars_os())
}

/// Returns the secrets among some variables.
fn of_variables(variables: impl Iterator<Item = (OsString, OsString)>) -> Vec<Vec<u8>> {
    let named = |name: &OsStr| {
        name.to_str()
            .is_some_and(|name| is_named(name) && !HARMLESS.contains(&name))
    };
    let held = |value: &OsStr| {
        value
            .to_str()
            .is_some_and(|value| !value.contains("://") && is_held(value))
    };
    variables
        .filter(|(name, value)| named(name) || held(value))
        .flat_map(|(_, value)| parts(&value))
        .filter(|part| part.len() >= SHORTEST_BY_NAME)
        .collect()
}

/// Replaces each of the `hidden` values in a text with `***`.
pub fn without(text: &[u8], hidden: &[Vec<u8>]) -> Vec<u8> {
    hidden.iter().fold(text.to_vec(), |text, value| {
        if text.contains_str(value) {
            text.replace(value, MASK)
        } else {
            text
        }
    })
}

/// Removes user names and passwords from the URLs in a text: `https://***@host/path`. The user
/// `git` of ssh is kept, because it is not a secret.
pub fn without_logins(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(b"://") {
        let (before, after) = rest.split_at(at + 3);
        out.extend_from_slice(before);
        let end = after
            .iter()
            .position(|byte| byte.is_ascii_whitespace() || b"/?#\"'<>".contains(byte))
            .unwrap_or(after.len());
        match after[..end].rfind_byte(b'@') {
            Some(login) if &after[..login] == b"git" => rest = after,
            Some(login) => {
                out.extend_from_slice(MASK.as_bytes());
                rest = &after[login..];
            }
            None => rest = after,
        }
    }
    out.extend_from_slice(rest);
    out
}

/// Makes a text from another program or the user safe to show and store.
pub fn clean(text: &[u8]) -> Vec<u8> {
    without_logins(&without(text, &of_environment()))
}

/// Like [`clean`], for a string.
pub fn clean_text(text: &str) -> String {
    String::from_utf8_lossy(&clean(text.as_bytes())).into_owned()
}

/// Splits a key into lower-case words: at punctuation, and where a capital follows a small letter.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || (small && c.is_uppercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words
                .last_mut()
                .expect("because it begins with one")
                .extend(c.to_lowercase());
        }
        small = c.is_lowercase() || c.is_numeric();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets() {
        for key in [
            "api_key",
            "apiKey",
            "API-KEY",
            "dbPassword",
            "TUSHARE_TOKEN",
            "secret",
            "tokens",
            "feishu.webhook",
            "access_key_id",
        ] {
            assert!(is_named(key), "{key}");
        }
        for key in [
            "max_tokens",
            "key",
            "tokenizer",
            "author",
            "primary_key",
            "version",
            "pattern",
            "passing",
        ] {
            assert!(!is_named(key), "{key}");
        }
    }

    #[test]
    fn logins_in_urls_are_hidden_and_the_rest_stays() {
        for (text, clean) in [
            (
                "fatal: unable to access 'https://li:s3cret@host/a.git/': no",
                "fatal: unable to access 'https://***@host/a.git/': no",
            ),
            (
                "https://s3cret@host:8080/a https://u:p@s3cret@host",
                "https://***@host:8080/a https://***@host",
            ),
            (
                "ssh://git@host/a ssh://li:s3cret@host",
                "ssh://git@host/a ssh://***@host",
            ),
            ("https://host/a@b and x@y", "https://host/a@b and x@y"),
            ("https://", "https://"),
        ] {
            assert_eq!(
                without_logins(text.as_bytes()).as_bstr(),
                clean.as_bytes().as_bstr()
            );
        }
    }

    #[test]
    fn the_environment_is_searched_by_names() {
        let variables = [
            ("API_TOKEN", "s3cret-a"),
            ("PWD", "/folder"),
            ("KEY_FILE", "/file"),
            ("X", "ghp_abcdefghijklmnop"),
            ("DB_AUTH", "basic"),
        ];
        let variables =
            variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let mut found = of_variables(variables.into_iter());
        found.sort();
        found.dedup();
        assert_eq!(
            found,
            [b"ghp_abcdefghijklmnop".to_vec(), b"s3cret-a".to_vec()]
        );
    }

    #[test]
    fn values_that_are_secrets_by_themselves() {
        assert!(is_held("postgres://user:pw@db/x"));
        assert!(is_held("-----BEGIN RSA PRIVATE KEY-----\nMII"));
        assert!(is_held("https://example.com/hook?a=1&access_token=xyz"));
        assert!(is_held("ghp_abcdefghijklmnop"));
        assert!(!is_held("sk-learn") && !is_held("https://example.com/q?page=2"));
        assert!(!is_held("https://example.com:8080/a@b:c"));
        assert!(!is_held("li:wei@example.com"));
    }
}
