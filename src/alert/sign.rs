//! Signatures of messages: HMAC-SHA256 (RFC 2104), in the forms that receivers expect.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::base::Secret;

/// Computes the HMAC-SHA256 of a message.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key)
        .expect("because HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Returns the `sign` of a Feishu bot: the key is `<seconds>\n<secret>`, the message is empty.
pub(super) fn feishu(secret: &Secret, at: Timestamp) -> String {
    STANDARD.encode(hmac(
        format!("{}\n{}", at.as_second(), secret.expose()).as_bytes(),
        b"",
    ))
}

/// Returns the signature of a webhook over `<seconds>.<body>`: `sha256=` and hex digits.
pub(super) fn webhook(secret: &Secret, at: Timestamp, body: &[u8]) -> String {
    let message = [format!("{}.", at.as_second()).as_bytes(), body].concat();
    let hex: Vec<String> = hmac(secret.expose().as_bytes(), &message)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256={}", hex.concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        let hex = |bytes: Vec<u8>| {
            bytes
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<Vec<_>>()
                .concat()
        };
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(
            hex(hmac(b"Jefe", b"what do ya want for nothing?")),
            expected
        );
        let at = Timestamp::from_second(1_599_360_473).expect("it is in range");
        // openssl dgst -sha256 -hmac $'1599360473\ndemo' -binary </dev/null | base64
        assert_eq!(feishu(&Secret::from("demo"), at), FEISHU);
        assert!(webhook(&Secret::from("k"), at, b"{}").starts_with("sha256="));
        assert_ne!(
            webhook(&Secret::from("k"), at, b"{}"),
            webhook(&Secret::from("k"), at, b"{} ")
        );
    }

    const FEISHU: &str = "l1N0gAcBjdwBvGm1xMjOF0XSyaLRpR7tuO5dHfhAYc8=";
}
