//! The target of a link as text: unchanged when it is UTF-8 and does not begin with `bytes:`,
//! otherwise `bytes:` and hex digits, so that every target round-trips.

use std::fmt::Write;

/// Encodes a target as text.
pub fn text(target: &[u8]) -> String {
    match std::str::from_utf8(target) {
        Ok(text) if !text.starts_with("bytes:") => text.to_string(),
        _ => target.iter().fold(String::from("bytes:"), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        }),
    }
}

/// Decodes a target; `None` when its digits are not hexadecimal.
pub fn bytes(text: &str) -> Option<Vec<u8>> {
    let Some(hex) = text.strip_prefix("bytes:") else {
        return Some(text.as_bytes().to_vec());
    };
    let digit = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    hex.as_bytes().chunks(2).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_round_trips() {
        for target in [&b"a b"[..], b"\xff\n", b"bytes:61", "舆情".as_bytes(), b""] {
            assert_eq!(bytes(&text(target)).as_deref(), Some(target));
        }
        assert_eq!(bytes("bytes:xx"), None);
    }
}
