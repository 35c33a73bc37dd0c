//! Whether what is to be signed can be signed, tried before it is needed.

use super::RepoSite;
use crate::{base::Failure, git};

/// What a trial of the keys showed.
pub enum Signatures {
    /// Nothing is to be signed.
    None,
    /// They can be made.
    Made(String),
    /// They can be made where somebody types a passphrase, and only there.
    Asks(String),
    /// They cannot be made.
    Unusable(Failure),
}

impl RepoSite {
    /// Signs something that is thrown away with each key that is set to sign; asks nobody. A dry
    /// run does not.
    pub fn signing(&self) -> Signatures {
        if self.dry_run {
            return Signatures::Made("not tried: a dry run signs nothing".into());
        }
        let mut seen = Vec::new();
        let mut asks = false;
        match self.git.try_signing() {
            Ok(said) => seen.extend(said),
            Err(
                error @ git::Error::Unsigned {
                    needs_person: true, ..
                },
            ) => {
                asks = true;
                seen.push(format!("{error}; without somebody who types it releases are refused and rollbacks go unsigned"));
            }
            Err(error) => return Signatures::Unusable(error.into()),
        }
        if self.settings.releases.sign {
            match self.keys().check() {
                Ok(()) => seen.push("manifests are signed with your own key".into()),
                Err(error) => return Signatures::Unusable(error.into()),
            }
        }
        match () {
            () if seen.is_empty() => Signatures::None,
            () if asks => Signatures::Asks(seen.join("; ")),
            () => Signatures::Made(seen.join("; ")),
        }
    }
}
