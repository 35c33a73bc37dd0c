//! Removes secrets from URLs: dependency lists are committed for all to read.
//!
//! User names and passwords, query strings and fragments are cut off; the user `git` of ssh stays,
//! because it is no secret and nothing works without it. Local paths are not recorded at all: they
//! are valid on one machine only.

/// Returns a URL without credentials, query and fragment.
pub(super) fn without_credentials(url: &str) -> String {
    // No URL has blanks or control characters. They are removed, because cutting there could leave
    // half a password.
    let url: String = url
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .collect();
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_string();
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    let authority = match authority.rsplit_once('@') {
        Some(("git", host)) if scheme.ends_with("ssh") => format!("git@{host}"),
        Some((_, host)) => host.to_string(),
        None => authority.to_string(),
    };
    // A path may name a revision after `@`; a password containing a slash would precede it.
    let path = if authority.contains(':') && path.contains('@') && !is_port(&authority) {
        ""
    } else {
        path
    };
    let authority = if is_port(&authority) {
        authority.as_str()
    } else {
        authority.split(':').next().unwrap_or_default()
    };
    format!("{scheme}://{authority}{path}")
}

/// Returns true when the part after the colon, if any, is a port number.
fn is_port(authority: &str) -> bool {
    let host_end = authority.rfind(']').unwrap_or(0);
    authority[host_end..]
        .split_once(':')
        .is_none_or(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()))
}

/// Returns true for an address that is fetched by URL.
pub(super) fn is_url(text: &str) -> bool {
    text.contains("://") || text.starts_with("git@")
}

/// Removes the credentials of every URL inside a text, and all control characters.
pub(super) fn clean_text(text: &str) -> String {
    let clean = |word: &str| {
        let start = word
            .find(|c| !matches!(c, '"' | '\'' | '(' | '<'))
            .unwrap_or(0);
        let (open, word) = word.split_at(start);
        if word.contains("://") {
            format!("{open}{}", without_credentials(word))
        } else {
            format!("{open}{word}")
        }
    };
    let text: String = text
        .chars()
        .filter(|c| c.is_whitespace() || !c.is_control())
        .collect();
    text.split_whitespace()
        .map(clean)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Returns the recorded origin of a package that comes from a URL: the suffix of `name==version`.
pub(super) fn origin(url: &str, revision: Option<&str>) -> String {
    if url.starts_with("file:") || !is_url(url) {
        return " @ local".into();
    }
    let revision = revision.filter(|text| {
        text.bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"._-/".contains(&c))
    });
    let revision = revision.map(|text| format!("@{text}")).unwrap_or_default();
    format!(" @ {}{revision}", without_credentials(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_cut_off() {
        for (url, clean) in [
            ("https://user:s3cret@host/a/b.whl", "https://host/a/b.whl"),
            ("https://s3cret@host:8080/a", "https://host:8080/a"),
            ("https://u:p@s3cret@host/a", "https://host/a"),
            ("https://u:s3/cret@host/a", "https://u"),
            ("https://host/a?token=s3cret#s3cret", "https://host/a"),
            ("git+ssh://git@host/a.git@v1", "git+ssh://git@host/a.git@v1"),
            ("git+https://host/a.git@v1", "git+https://host/a.git@v1"),
            ("https://[::1]:80/a", "https://[::1]:80/a"),
            ("git@host:a/b.git", "git@host:a/b.git"),
        ] {
            assert_eq!(without_credentials(url), clean);
        }
        assert_eq!(
            clean_text("-e 'https://u:s3cret@host/x' b"),
            "-e 'https://host/x' b"
        );
        assert_eq!(
            clean_text("a\0\u{1b}[x]  https://u:12\u{1}34@host/x\r\n>=1"),
            "a[x] https://host/x >=1"
        );
        assert_eq!(
            origin("https://u:12 34@host/x\n--index-url=y", None),
            " @ https://host/x--index-url=y"
        );
        assert_eq!(origin("file:///home/me/x", None), " @ local");
        assert_eq!(
            origin("https://t@host/x.git", Some("abc")),
            " @ https://host/x.git@abc"
        );
    }
}
