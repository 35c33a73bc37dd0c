//! Signatures of releases: requirements and results.
//!
//! There are two kinds. The tag's signature is made and judged by git's own programs. The
//! manifest's signature is ed25519, needs no program, and is a line in the tag's message: it
//! travels with the tag, no push can forget it, and it appears in the same step as the release.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The requirement on a release's signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Demand {
    /// A good signature by a locally trusted key.
    Required,
    /// A bad or revoked one fails; a missing one, or one that cannot be judged here, is a note.
    #[default]
    Optional,
    /// Signatures are not checked.
    None,
}

/// The state of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureState {
    /// Made by a trusted key over exactly these bytes.
    Good,
    /// Not made over these bytes, or made for another tag.
    Bad,
    /// Made by a key that is not trusted here.
    UnknownKey,
    /// The signature or its key has expired.
    Expired,
    /// Its key was revoked.
    Revoked,
    /// There is no signature.
    Missing,
    /// The program that judges it could not be run.
    Unjudged,
}

impl SignatureState {
    /// Returns the word for display.
    pub fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::UnknownKey => "unknown key",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Missing => "missing",
            Self::Unjudged => "not judged",
        }
    }
}

/// The judgement of a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignatureJudgement {
    /// Its state.
    pub state: SignatureState,
    /// The signer, according to the key's owner or the list of allowed signers.
    pub signer: Option<String>,
    /// The key's fingerprint or id.
    pub key: Option<String>,
    /// Why it is not good, or how it was made.
    pub why: String,
}

impl SignatureJudgement {
    /// Creates a judgement without signer and key.
    pub fn only(state: SignatureState, why: impl Into<String>) -> Self {
        Self {
            state,
            signer: None,
            key: None,
            why: why.into(),
        }
    }

    /// Lists the facts about the signature of `what`, one per line.
    pub fn evidence(&self, what: &str) -> Vec<String> {
        let mut lines = vec![format!(
            "{what}signature: {} ({})",
            self.state.word(),
            self.why
        )];
        lines.extend(self.signer.iter().map(|signer| format!("signer: {signer}")));
        lines.extend(self.key.iter().map(|key| format!("key: {key}")));
        lines
    }
}

/// How to sign a release.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signing {
    /// Signs the tag as configured in git (`tag.gpgSign`, `tag.forceSignAnnotated`), and the
    /// manifest as configured in the settings.
    #[default]
    AsConfigured,
    /// Signs nothing.
    Never,
    /// Always signs the tag, with this key instead of `user.signingKey` when given.
    With(Option<String>),
    /// Always signs the manifest, with the user's own key.
    Manifest,
}

impl Signing {
    /// True when the manifest is signed; `usual` is the setting.
    pub fn of_manifest(&self, usual: bool) -> bool {
        match self {
            Self::Never => false,
            Self::Manifest => true,
            Self::AsConfigured | Self::With(_) => usual,
        }
    }
}

/// A public key, identified by itself: `ed25519:<44 characters of base64>`. It includes the
/// algorithm, so no key is ever used with another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct KeyId(pub [u8; 32]);

/// The error for a text that is not a key.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a key of the form ed25519:<44 characters of base64>")]
pub struct NotAKey(pub String);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", STANDARD.encode(self.0))
    }
}

impl FromStr for KeyId {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let bytes = text
            .strip_prefix("ed25519:")
            .and_then(|key| STANDARD.decode(key).ok());
        bytes
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or_else(|| NotAKey(text.to_string()))
    }
}

impl From<KeyId> for String {
    fn from(key: KeyId) -> Self {
        key.to_string()
    }
}

impl TryFrom<String> for KeyId {
    type Error = NotAKey;

    fn try_from(text: String) -> Result<Self, NotAKey> {
        text.parse()
    }
}

/// A signer who is trusted on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signer {
    /// Name of the signer, chosen by the owner of this machine.
    pub name: String,
    /// The signer's key.
    pub key: KeyId,
    /// Releases made at this moment or later are no longer good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// Time when the key was revoked; then none of its signatures is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<Timestamp>,
}

/// Prefix of the line in a tag's message that holds the manifest's signature.
pub const SIGNATURE_TRAILER: &str = "Snapback-Signature: ";

/// A signature of a manifest, as stored in a tag's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestSignature {
    /// The key that it claims to be made with.
    pub key: KeyId,
    /// R and S, RFC 8032, 5.1.6.
    pub bytes: [u8; 64],
}

/// Reasons why a tag's message does not have exactly one readable signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unread {
    /// It has none.
    Missing,
    /// It has one by an unknown algorithm.
    Unknown(String),
    /// It has a malformed one, or more than one; then none of them counts.
    Wrong(&'static str),
}

impl ManifestSignature {
    /// Returns the line, including the line end.
    pub fn trailer(&self) -> String {
        format!(
            "{SIGNATURE_TRAILER}{} {}\n",
            self.key,
            STANDARD.encode(self.bytes)
        )
    }

    /// Reads the signature in the last paragraph of a tag's message; the text above is the user's.
    ///
    /// # Errors
    /// The reason why no signature can be judged.
    pub fn in_message(message: &str) -> Result<Self, Unread> {
        let last = message
            .trim_end_matches('\n')
            .rsplit("\n\n")
            .next()
            .unwrap_or_default();
        let mut lines = last
            .lines()
            .filter_map(|line| line.strip_prefix(SIGNATURE_TRAILER));
        let line = lines.next().ok_or(Unread::Missing)?;
        if lines.next().is_some() {
            return Err(Unread::Wrong(
                "there is more than one, and a release has one",
            ));
        }
        let wrong = Unread::Wrong("it is not written as one is");
        let (key, signature) = line.split_once(' ').ok_or(wrong.clone())?;
        match key.split_once(':') {
            Some(("ed25519", _)) => {}
            Some((algorithm, _)) => return Err(Unread::Unknown(algorithm.to_string())),
            None => return Err(wrong),
        }
        let bytes = STANDARD
            .decode(signature)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        match (key.parse(), bytes) {
            (Ok(key), Some(bytes)) => Ok(Self { key, bytes }),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature() -> ManifestSignature {
        ManifestSignature {
            key: KeyId([7; 32]),
            bytes: [9; 64],
        }
    }

    #[test]
    fn a_signature_comes_back_from_the_last_paragraph_only() {
        let line = signature().trailer();
        assert_eq!(
            ManifestSignature::in_message(&format!("why\n\nSnapback-Task: T01\n{line}")),
            Ok(signature())
        );
        assert_eq!(
            ManifestSignature::in_message(&format!("why\n\n{line}\nSnapback-Task: T01\n")),
            Err(Unread::Missing)
        );
        assert_eq!(ManifestSignature::in_message(""), Err(Unread::Missing));
    }

    #[test]
    fn two_are_none_even_when_they_are_the_same() {
        let line = signature().trailer();
        assert!(matches!(
            ManifestSignature::in_message(&format!("why\n\n{line}{line}")),
            Err(Unread::Wrong(_))
        ));
        let other = ManifestSignature {
            key: KeyId([8; 32]),
            ..signature()
        }
        .trailer();
        assert!(matches!(
            ManifestSignature::in_message(&format!("why\n\n{line}{other}")),
            Err(Unread::Wrong(_))
        ));
    }

    #[test]
    fn every_other_way_to_write_one_is_refused() {
        let line = signature().trailer();
        let (key, bytes) = line
            .trim_end()
            .strip_prefix(SIGNATURE_TRAILER)
            .unwrap()
            .split_once(' ')
            .unwrap();
        let read = |text: String| {
            ManifestSignature::in_message(&format!("x\n\n{SIGNATURE_TRAILER}{text}\n"))
        };
        assert_eq!(read(format!("{key} {bytes}")), Ok(signature()));
        for text in [
            key.to_string(),
            format!("{key}  {bytes}"),
            format!("{key} {bytes} "),
            format!("{key} {bytes}AAAA"),
            format!("{key} {}", &bytes[..bytes.len() - 4]),
            format!("{key} {}", bytes.trim_end_matches('=')),
            format!("{} {bytes}", key.trim_end_matches('=')),
            // The last character has unused bits.
            format!("{key} {}", bytes.replace("CQ==", "CR==")),
            format!("{key}AAAA {bytes}"),
            format!("{} {bytes}", &key["ed25519:".len()..]),
            format!("ed25519: {bytes}"),
            String::new(),
        ] {
            assert!(
                matches!(read(text.clone()), Err(Unread::Wrong(_))),
                "{text}"
            );
        }
        for algorithm in ["hmac-sha256", "ED25519", "ed25519ph", "none", ""] {
            let text = format!("{algorithm}{} {bytes}", &key["ed25519".len()..]);
            assert_eq!(read(text), Err(Unread::Unknown(algorithm.into())));
        }
    }

    #[test]
    fn a_key_is_written_in_one_way() {
        let text = KeyId([7; 32]).to_string();
        assert_eq!(text.parse::<KeyId>().unwrap(), KeyId([7; 32]));
        for text in [
            text.to_uppercase(),
            text.trim_end_matches('=').into(),
            format!("{text} "),
            text.replace("ed25519", "rsa"),
            String::new(),
        ] {
            assert!(text.parse::<KeyId>().is_err(), "{text}");
        }
    }
}
