//! Signatures of release tags: what is demanded of them, and what was found.

/// What is demanded of a release's signature.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Demand {
    /// A good one by a key that is trusted here.
    Required,
    /// A bad or revoked one fails; a missing one, or one that nobody here can judge, is a note.
    #[default]
    Optional,
    /// It is not looked at.
    None,
}

/// What a signature is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Made by a trusted key over exactly these bytes.
    Good,
    /// Not made over these bytes, or made for another tag.
    Bad,
    /// Made by a key that nothing here vouches for.
    UnknownKey,
    /// It, or its key, has expired.
    Expired,
    /// Its key was revoked.
    Revoked,
    /// There is none.
    Missing,
    /// The program that judges it could not be run.
    Unjudged,
}

impl State {
    /// The word for people.
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

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagSignature {
    /// What it is worth.
    pub state: State,
    /// Who made it, as the key's owner or the list of allowed signers says.
    pub signer: Option<String>,
    /// The key's fingerprint, or its id.
    pub key: Option<String>,
    /// Why it is not good, or how it was made.
    pub why: String,
}

impl TagSignature {
    /// One without signer and key.
    pub fn only(state: State, why: impl Into<String>) -> Self {
        Self { state, signer: None, key: None, why: why.into() }
    }

    /// What was seen, one fact a line.
    pub fn evidence(&self) -> Vec<String> {
        let mut lines = vec![format!("signature: {} ({})", self.state.word(), self.why)];
        lines.extend(self.signer.iter().map(|signer| format!("signer: {signer}")));
        lines.extend(self.key.iter().map(|key| format!("key: {key}")));
        lines
    }
}

/// How a tag is signed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Signing {
    /// As git is set up: `tag.gpgSign`, `tag.forceSignAnnotated`.
    #[default]
    AsConfigured,
    /// Not at all.
    Never,
    /// Always; with this key instead of `user.signingKey`.
    With(Option<String>),
}
