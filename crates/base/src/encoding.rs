//! Decodes text that is not UTF-8, as indicated by a byte-order mark or by a declared encoding.
//!
//! Nothing is lost: bytes that are invalid in the declared encoding become `\xd6` and the like, so
//! that they stay visible.

use std::fmt::Write;

use encoding_rs::{Encoding, UTF_8};

/// Decodes a file: UTF-8, or as its byte-order mark says (UTF-8, UTF-16, UTF-32). `None` if the
/// bytes are not valid in that encoding.
pub fn text(bytes: &[u8]) -> Option<String> {
    let wide = |bytes: &[u8], read: fn([u8; 4]) -> u32| -> Option<String> {
        let (units, rest) = bytes.as_chunks::<4>();
        rest.is_empty().then(|| {
            units
                .iter()
                .map(|unit| char::from_u32(read(*unit)))
                .collect()
        })?
    };
    match bytes {
        [0xff, 0xfe, 0, 0, rest @ ..] => wide(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => wide(rest, u32::from_be_bytes),
        _ => {
            let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
            encoding
                .decode_without_bom_handling_and_without_replacement(&bytes[mark..])
                .map(std::borrow::Cow::into_owned)
        }
    }
}

/// Decodes bytes in a declared encoding, under any name that iconv knows for it; a name of `None`
/// means UTF-8.
pub fn named(bytes: &[u8], name: Option<&[u8]>) -> String {
    if let Ok(text) = std::str::from_utf8(bytes)
        && (text.is_ascii() || name.is_none())
    {
        return text.to_string();
    }
    let label = name
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .unwrap_or_default();
    // Browsers read this label as windows-1252, which differs from 0x80 to 0x9f.
    if matches!(
        &label[..],
        b"latin1" | b"latin-1" | b"iso-8859-1" | b"iso8859-1" | b"iso_8859-1" | b"iso88591" | b"l1"
    ) {
        return bytes.iter().map(|byte| char::from(*byte)).collect();
    }
    let label: &[u8] = match &label[..] {
        b"cp936" | b"ms936" | b"windows-936" | b"euccn" | b"euc-cn" => b"gbk",
        b"cp932" | b"ms932" | b"sjis" | b"shift-jis" => b"shift_jis",
        b"cp949" | b"uhc" | b"euckr" => b"euc-kr",
        b"cp950" | b"big-5" => b"big5",
        b"eucjp" | b"ujis" => b"euc-jp",
        b"koi8r" => b"koi8-r",
        other => other,
    };
    let known = Encoding::for_label(label).filter(|encoding| *encoding != UTF_8);
    let decoded = known
        .and_then(|encoding| encoding.decode_without_bom_handling_and_without_replacement(bytes));
    decoded.map_or_else(|| lossless(bytes), std::borrow::Cow::into_owned)
}

/// Decodes the valid UTF-8, and writes every other byte in the form `\xd6`.
fn lossless(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_iconv_are_understood() {
        for (name, bytes, text) in [
            ("GBK", &b"feat: \xd6\xd0\xce\xc4"[..], "feat: 中文"),
            ("cp936", b"\xd6\xd0", "中"),
            ("GB18030", b"\xd6\xd0\x81\x30\x84\x36", "中¥"),
            ("Shift_JIS", b"\x93\xfa\x96\x7b", "日本"),
            ("SJIS", b"\x93\xfa", "日"),
            ("EUC-JP", b"\xc6\xfc", "日"),
            ("EUC-KR", b"\xc7\xd1", "한"),
            ("Big5", b"\xa4\xa4", "中"),
            ("latin1", b"caf\xe9\x80", "café\u{80}"),
            ("ISO-8859-1", b"\xfc", "ü"),
            ("ISO-8859-15", b"\xa4", "€"),
            ("windows-1251", b"\xcf\xf0", "Пр"),
            ("KOI8-R", b"\xf0", "П"),
            ("UTF-8", "中".as_bytes(), "中"),
            ("no such", "中".as_bytes(), "中"),
        ] {
            assert_eq!(named(bytes, Some(name.as_bytes())), text, "{name}");
        }
    }

    #[test]
    fn bytes_that_nobody_knows_are_shown() {
        assert_eq!(named(b"a\xd6b", None), "a\\xd6b");
        assert_eq!(named(b"a\xd6b", Some(b"no such")), "a\\xd6b");
        assert_eq!(named(b"a\xff", Some(b"GBK")), "a\\xff");
        assert_eq!(named("中\u{feff}".as_bytes(), None), "中\u{feff}");
    }

    #[test]
    fn byte_order_marks_are_believed() {
        let wide = |text: &str, little: bool| -> Vec<u8> {
            let unit = |unit: u16| {
                if little {
                    unit.to_le_bytes()
                } else {
                    unit.to_be_bytes()
                }
            };
            std::iter::once(0xfeff)
                .chain(text.encode_utf16())
                .flat_map(unit)
                .collect()
        };
        for bytes in [
            wide("a==1\n舆😀", true),
            wide("a==1\n舆😀", false),
            "a==1\n舆😀".into(),
            "\u{feff}a==1\n舆😀".into(),
        ] {
            assert_eq!(text(&bytes).as_deref(), Some("a==1\n舆😀"));
        }
        assert_eq!(text(b"\xff\xfe\0\0a\0\0\0").as_deref(), Some("a"));
        assert_eq!(text(b"\0\0\xfe\xff\0\0\0a").as_deref(), Some("a"));
        for bad in [
            &b"\xff"[..],
            b"\xff\xfe\x00\xd8",
            b"\xff\xfea",
            b"\xff\xfe\0\0a\0\0",
        ] {
            assert_eq!(text(bad), None, "{bad:?}");
        }
    }
}
