//! Text for people: untrusted bytes are escaped before they reach a terminal, a log or a report.

use std::fmt::{Display, Write};

/// Escapes control characters, bidirectional overrides and bytes that are not UTF-8.
pub fn escape(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_unsafe(c) {
                let _ = write!(out, "{}", c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Returns a word as it is typed into a shell: in quotes when the shell would take a sign in it for
/// something else, such as the `!` in `2!1.0`.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_=+./:@,%^~".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('~') {
        word.into()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Encodes a text as a part of a URL.
pub fn url_part(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// The colours that snapback itself uses (SGR sequences).
const COLOURS: [&str; 7] = [
    "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m",
];

/// Sanitizes a whole page just before it is printed to a terminal. Newlines, tabs and snapback's
/// own colours pass; other characters that move the cursor, set a title, write the clipboard or
/// change the text direction are escaped, in case they were not escaped before.
pub fn for_terminal(page: &str) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(c) = rest.chars().next() {
        if let Some(colour) = COLOURS
            .iter()
            .find(|colour| c == '\x1b' && rest.starts_with(**colour))
        {
            out.push_str(colour);
            rest = &rest[colour.len()..];
            continue;
        }
        if is_unsafe(c) && !matches!(c, '\n' | '\t') {
            let _ = write!(out, "{}", c.escape_default());
        } else {
            out.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// True for characters that move the cursor, end a line or change the text direction.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// Returns up to three candidates that resemble what was typed, closest first; ASCII case is
/// ignored.
pub fn did_you_mean<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Vec<&'a str> {
    let typed = typed.to_ascii_lowercase();
    let limit = 1 + typed.chars().count() / 4;
    let mut near: Vec<_> = candidates
        .into_iter()
        .map(|c| (strsim::levenshtein(&typed, &c.to_ascii_lowercase()), c))
        .filter(|(d, _)| *d <= limit)
        .collect();
    near.sort_unstable();
    near.into_iter().take(3).map(|(_, c)| c).collect()
}

/// Formats a count with its noun: `1 file`, `2 files`.
pub fn count<N: From<u8> + PartialEq + Display + Copy>(number: N, word: &str) -> String {
    let s = if number == N::from(1) { "" } else { "s" };
    format!("{number} {word}{s}")
}

/// Formats a number of bytes for display: `812 B`, `4.0 MB`, `2.1 GB` (powers of 1000).
pub fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_urls_are_encoded() {
        assert_eq!(
            url_part("rate(x{a=\"b\"}[5m]) / 2"),
            "rate%28x%7Ba%3D%22b%22%7D%5B5m%5D%29%20%2F%202"
        );
        assert_eq!(url_part("T01_策"), "T01_%E7%AD%96");
    }

    #[test]
    fn words_that_a_shell_would_take_for_something_else_are_quoted() {
        for plain in ["--to=1.2.0", "策略一", "1.0+local.1", "T01-v1.2.0"] {
            assert_eq!(shell_word(plain), plain);
        }
        for (word, quoted) in [
            ("2!1.0", "'2!1.0'"),
            ("", "''"),
            ("a b", "'a b'"),
            ("it's", "'it'\\''s'"),
            ("~x", "'~x'"),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }

    #[test]
    fn terminal_escapes_and_foreign_bytes_are_defused() {
        assert_eq!(escape(b"a\x1b[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(escape("舆情 \u{202e}x".as_bytes()), "舆情 \\u{202e}x");
        assert_eq!(escape(b"\xffok"), "\\xffok");
    }

    /// Characters that untrusted text must never send to a terminal.
    fn is_harmful(c: char) -> bool {
        matches!(c, '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
    }

    /// Generates strings that are rich in harmful sequences.
    fn hostile() -> impl proptest::strategy::Strategy<Value = String> {
        use proptest::prelude::*;
        let piece = prop_oneof![
            any::<String>(),
            proptest::sample::select(vec![
                "\x1b]8;;http://x\x1b\\",
                "\x1b]52;c;eA==\x07",
                "\x1b[2J",
                "\x1b[31m",
                "\x1b[0m",
                "\x1b[",
                "\x1b",
                "\r",
                "\u{9b}31m",
                "\u{202e}",
                "\u{2066}",
                "\u{61c}",
                "\x7f",
                "\x08",
                "\u{2028}",
            ])
            .prop_map(String::from),
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest::proptest! {
        #[test]
        fn no_text_reaches_a_terminal_unescaped(text in hostile()) {
            let line = escape(text.as_bytes());
            proptest::prop_assert!(!line.contains(|c: char| is_harmful(c) || c == '\n' || c == '\t'), "{:?}", line);
            let page = for_terminal(&text);
            let own = COLOURS.iter().fold(page.clone(), |page, colour| page.replace(colour, ""));
            proptest::prop_assert!(!own.contains(is_harmful), "{:?}", page);
            // Harmless text is left unchanged, and escaping is idempotent.
            proptest::prop_assert_eq!(for_terminal(&page), page);
            let plain: String = text.chars().filter(|c| !is_harmful(*c)).collect();
            proptest::prop_assert_eq!(for_terminal(&plain), plain);
        }
    }

    #[test]
    fn suggestions_are_near() {
        assert_eq!(
            did_you_mean("1.2.1", ["1.2.0", "1.3.1", "9.9.9"]),
            ["1.2.0", "1.3.1"]
        );
        assert_eq!(
            did_you_mean("t01", ["T01", "T02", "momentum"]),
            ["T01", "T02"]
        );
        assert!(did_you_mean("xyz", ["momentum"]).is_empty());
    }

    #[test]
    fn sizes() {
        assert_eq!(
            [size(0), size(999), size(4_000_000), size(2_147_483_648)],
            ["0 B", "999 B", "4.0 MB", "2.1 GB"]
        );
    }
}
