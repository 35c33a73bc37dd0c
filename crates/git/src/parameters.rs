//! The settings that `git -c key=value` passes to child processes: `GIT_CONFIG_PARAMETERS`.
//!
//! gix reads every other source of settings, but not this one. The text is a sequence of words in
//! single quotes as in a shell: `'key=value'` before git 2.31, `'key'='value'` and `'key'=` (true)
//! since. As in git, any other text is an error.

use std::os::unix::ffi::OsStrExt;

use super::Error;

/// The variable.
pub(super) const VARIABLE: &str = "GIT_CONFIG_PARAMETERS";

/// Returns the settings of the environment, `key=value` or `key` (which is true).
pub(super) fn of_environment() -> Result<Vec<Vec<u8>>, Error> {
    match std::env::var_os(VARIABLE) {
        None => Ok(Vec::new()),
        Some(text) => parse(text.as_bytes()).ok_or(Error::Parameters),
    }
}

/// Parses the text; `None` where git would report a bogus format.
fn parse(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut found = Vec::new();
    let mut rest = text.trim_ascii_start();
    while !rest.is_empty() {
        let (word, after) = word(rest)?;
        rest = after;
        let setting = match rest.strip_prefix(b"=") {
            // No setting read here has a key with `=`; written in the old form, it would name
            // another setting.
            Some(after) => {
                let value = if after.starts_with(b"'") {
                    Some(self::word(after)?)
                } else {
                    None
                };
                rest = value.as_ref().map_or(after, |(_, after)| after);
                let setting = value.map_or_else(
                    || word.clone(),
                    |(value, _)| [&word[..], b"=", &value].concat(),
                );
                (!word.contains(&b'=')).then_some(setting)
            }
            None => Some(word),
        };
        if !rest.is_empty() && !rest[0].is_ascii_whitespace() {
            return None;
        }
        if let Some(setting) = setting {
            let key = setting
                .split(|byte| *byte == b'=')
                .next()
                .unwrap_or_default();
            // A key is a section and a name.
            let dot = key.iter().position(|byte| *byte == b'.')?;
            if dot == 0 || key.ends_with(b".") {
                return None;
            }
            found.push(setting);
        }
        rest = rest.trim_ascii_start();
    }
    Some(found)
}

/// Parses a single-quoted word, as written by git's `sq_quote_buf`; returns it and the rest.
fn word(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"'")?;
    let mut word = Vec::new();
    loop {
        let end = rest.iter().position(|byte| *byte == b'\'')?;
        word.extend_from_slice(&rest[..end]);
        rest = &rest[end + 1..];
        match rest {
            [b'\\', sign @ (b'\'' | b'!'), b'\'', after @ ..] => {
                word.push(*sign);
                rest = after;
            }
            _ => return Some((word, rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nothing_else() {
        let read = |text: &str| {
            parse(text.as_bytes()).map(|found| {
                found
                    .into_iter()
                    .map(|one| String::from_utf8(one).unwrap())
                    .collect::<Vec<_>>()
            })
        };
        let some = |all: &[&str]| Some(all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read(""), some(&[]));
        assert_eq!(
            read("'user.name=A B' 'a.b'"),
            some(&["user.name=A B", "a.b"])
        );
        assert_eq!(
            read(r"'user.name'='O'\''B'\!'' 'a.b'='c=d' 'e.f'="),
            some(&["user.name=O'B!", "a.b=c=d", "e.f"])
        );
        assert_eq!(read("  'a.b'=''  "), some(&["a.b="]));
        assert_eq!(read("'url.x=y.insteadOf'='z' 'a.b=c'"), some(&["a.b=c"]));
        for bogus in [
            "user.name=A",
            "'a.b",
            "'a.b'x",
            "'a.b'=c",
            "'a.b'='c'd",
            "'a.b' c",
            "'nodot=1'",
            "'.a=1'",
            "'a.=1'",
            r"'a.b=\'",
        ] {
            let wanted = if bogus == r"'a.b=\'" {
                some(&[r"a.b=\"])
            } else {
                None
            };
            assert_eq!(read(bogus), wanted, "{bogus}");
        }
    }
}
