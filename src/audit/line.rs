//! The format of a line: canonical JSON on one line, fields in the order of [`AuditEntry`], no
//! blanks.
//!
//! `hash` is the SHA-256 of the line without that last field; `prev` is the SHA-256 of the whole
//! previous line, including its `hash`. A line is valid only if it equals, byte for byte, the
//! rendering of its content, so nothing has a second spelling.

use serde::Serialize;

use crate::{
    base::{Digest, secret},
    model::audit::{
        AUDIT_SCHEMA, AuditEntry, AuditResult, AuditStatement, AuditedAction, Identity, Origin,
    },
};

/// Maximum length of a reason, in characters.
const WHY_LIMIT: usize = 2_000;

/// A line without its own digest.
#[derive(Serialize)]
struct UnsealedLine<'a> {
    schema: &'a str,
    seq: u64,
    at: String,
    who: &'a Identity,
    what: &'a AuditedAction,
    why: &'a str,
    from: &'a Origin,
    result: &'a AuditResult,
    prev: Option<Digest>,
}

/// Renders a line, without the line end.
pub fn render(seq: u64, prev: Option<Digest>, said: &AuditStatement) -> String {
    let AuditStatement {
        at,
        who,
        what,
        why,
        from,
        result,
    } = said;
    let body = UnsealedLine {
        schema: AUDIT_SCHEMA,
        seq,
        at: at.to_string(),
        who,
        what,
        why,
        from,
        result,
        prev,
    };
    let mut text = serde_json::to_string(&body).expect("because plain data always renders");
    let hash = Digest::of(text.as_bytes());
    text.pop();
    text + &format!(",\"hash\":\"{hash}\"}}")
}

/// Parses a line, without the line end; the error says what is wrong with it.
pub fn parse(line: &[u8]) -> Result<AuditEntry, String> {
    let text = std::str::from_utf8(line).map_err(|_| "it is not text".to_string())?;
    let entry: AuditEntry =
        serde_json::from_str(text).map_err(|_| "it is no record".to_string())?;
    if entry.schema != AUDIT_SCHEMA {
        return Err("it has a form that this version does not know".into());
    }
    if render(entry.seq, entry.prev, &entry.said) == text {
        Ok(entry)
    } else {
        Err("it was changed after it was written".into())
    }
}

/// Returns the reason in its stored form: truncated, without secrets.
pub fn reason(text: &str) -> String {
    let kept = secret::clean_text(text);
    match kept.char_indices().nth(WHY_LIMIT) {
        Some((cut, _)) => format!("{}…", &kept[..cut]),
        None => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::audit::{AuditEnd, Via};

    fn said() -> AuditStatement {
        AuditStatement {
            at: "2026-02-24T05:10:00Z".parse().unwrap(),
            who: Identity {
                name: Some("Li \"Wei\"\n\u{202e}".into()),
                user: Some("li".into()),
                uid: 1000,
                host: "desk".into(),
                email: None,
            },
            what: AuditedAction {
                id: "000001-00000007".into(),
                kind: "rollback".into(),
                by: None,
                task: Some("T01".parse().unwrap()),
                from: Some("1.1.0".parse().unwrap()),
                to: Some("1.0.0".parse().unwrap()),
                about: None,
            },
            why: "it lost money".into(),
            from: Origin {
                via: Via::Terminal,
                tree: None,
                dir: "tasks/T01".into(),
            },
            result: AuditEnd::Done.into(),
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written_and_no_byte_of_it_can_change() {
        let line = render(3, Some(Digest::of(b"before")), &said());
        assert!(!line.contains('\n'));
        let entry = parse(line.as_bytes()).unwrap();
        assert_eq!(
            (entry.seq, entry.prev, &entry.said),
            (3, Some(Digest::of(b"before")), &said())
        );
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut bad = line.clone().into_bytes();
                bad[at] ^= 1 << bit;
                assert!(parse(&bad).is_err(), "byte {at} bit {bit}");
            }
        }
        for other in [
            format!(" {line}"),
            line.replacen(':', ": ", 1),
            line.replacen("\"seq\":3", "\"seq\":3.0", 1),
            line.replace('}', ",\"x\":1}"),
        ] {
            assert!(parse(other.as_bytes()).is_err(), "{other}");
        }
    }

    #[test]
    fn reasons_lose_logins_and_are_cut() {
        assert_eq!(
            reason("see https://a:b@host/x?y and ftp://t0ken@h"),
            "see https://***@host/x?y and ftp://***@h"
        );
        assert_eq!(
            reason("mail a@b.c, http://host/p@q"),
            "mail a@b.c, http://host/p@q"
        );
        assert_eq!(reason(&"舆".repeat(5_000)).chars().count(), WHY_LIMIT + 1);
    }
}
