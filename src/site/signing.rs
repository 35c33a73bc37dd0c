//! Tests in advance whether signing works.

use super::RepoSite;
use crate::{base::Failure, git};

/// The result of a signing test.
pub enum Signatures {
    /// Nothing is to be signed.
    None,
    /// They work.
    Made(String),
    /// They work, but only where somebody types a passphrase.
    Asks(String),
    /// They do not work.
    Unusable(Failure),
}

impl RepoSite {
    /// Signs throw-away data with each key configured for signing, without prompting. A dry run
    /// skips this.
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
