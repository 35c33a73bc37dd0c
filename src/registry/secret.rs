//! What looks like a secret, so that no report, diff or log ever shows one.
//!
//! Names decide: a key with a word such as `token` or `password` hides its value and all that
//! is below it. It is a net, not a proof; too much is hidden rather than too little.

/// What stands for a hidden value.
pub(super) const MASK: &str = "***";

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
/// Pairs of neighbouring words that hide a value.
const PAIRS: [(&str, &str); 7] =
    [("api", "key"), ("api", "keys"), ("access", "key"), ("private", "key"), ("signing", "key"), ("encryption", "key"), ("account", "key")];

/// True when a key names a secret: `api_key`, `dbPassword`, `TUSHARE_TOKEN`.
pub(super) fn is_named(key: &str) -> bool {
    let words = words(key);
    let plural =
        |word: &str| word == "tokens" && !words.iter().any(|word| matches!(word.as_str(), "max" | "min" | "limit" | "num" | "per"));
    words.iter().any(|word| WORDS.contains(&word.as_str()) || plural(word))
        || words.windows(2).any(|pair| PAIRS.contains(&(pair[0].as_str(), pair[1].as_str())))
}

/// How the keys of well-known services begin.
const PREFIXES: [&str; 9] = ["ghp_", "gho_", "github_pat_", "glpat-", "sk-", "xoxb-", "xoxp-", "AKIA", "tvly-"];
/// Parameters of a URL that carry a secret.
const PARAMETERS: [&str; 6] = ["token=", "key=", "secret=", "password=", "signature=", "sig="];

/// True when a value holds a secret whatever its key: a URL with a password or a token, the key
/// of a well-known service, a private key.
pub(super) fn is_held(text: &str) -> bool {
    let url = text.split_once("://").map(|(_, rest)| rest);
    let login = url.and_then(|rest| rest.split('/').next()).and_then(|host| host.rsplit_once('@'));
    let query = url.and_then(|rest| rest.split_once('?')).map(|(_, query)| query.to_ascii_lowercase());
    login.is_some_and(|(user, _)| user.contains(':'))
        || query.is_some_and(|query| PARAMETERS.iter().any(|parameter| query.contains(parameter)))
        || PREFIXES.iter().any(|prefix| text.starts_with(prefix) && text.len() >= prefix.len() + 12)
        || text.contains("PRIVATE KEY-----")
}

/// The words of a key in lower case: split at signs, and where a capital follows a small letter.
fn words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut small = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || (small && c.is_uppercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("because it begins with one").extend(c.to_lowercase());
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
        for key in ["api_key", "apiKey", "API-KEY", "dbPassword", "TUSHARE_TOKEN", "secret", "tokens", "feishu.webhook", "access_key_id"] {
            assert!(is_named(key), "{key}");
        }
        for key in ["max_tokens", "key", "tokenizer", "author", "primary_key", "version", "pattern", "passing"] {
            assert!(!is_named(key), "{key}");
        }
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
