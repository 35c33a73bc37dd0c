//! Row 3, the user's own signing key, and the keys whose signatures count on this machine.
//!
//! Both are stored in the user's configuration folder, never in a repository: the contents of a
//! clone vouch for nothing. The secret part of the key is in a file that only its owner can read,
//! and is refused when others can; it is never printed, logged or passed to another program. A list
//! that others can write to, or that is damaged, vouches for nobody.

pub mod dsse;
mod error;

use std::{
    io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ed25519_dalek::SigningKey;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    base::random,
    model::signature::{KeyId, ManifestSignature, SignatureJudgement, SignatureState, Signer},
    records::{
        JsonRecord, LockWait, PrivateFolder, RecordLock,
        private::{AccessRule, OTHERS_DO_NOT_WRITE},
    },
};
pub use error::Error;

/// Record name of the user's key.
const KEY: &str = "signing-key";
/// Record name of the allowed keys.
const SIGNERS: &str = "allowed-signers";
/// Name of the lock held while either is changed.
const LOCK: &str = "keys.lock";
/// Schemas of the two records.
const KEY_SCHEMA: &str = "snapback.signing-key/1";
const SIGNERS_SCHEMA: &str = "snapback.allowed-signers/1";
/// Nobody but the owner may even read the user's key.
const SECRET: AccessRule = AccessRule {
    forbidden: 0o077,
    why: "others can read it, so it may be in other hands by now",
};

/// A key as stored. Has no `Debug`, so that nothing can print it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptKey {
    schema: String,
    algorithm: String,
    public: KeyId,
    secret: String,
}

impl JsonRecord for KeptKey {
    const LIMIT: u64 = 4 << 20;
    const SCHEMA: Option<&'static str> = Some(KEY_SCHEMA);

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }
}

/// The list as stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptSigners {
    schema: String,
    signers: Vec<Signer>,
}

impl JsonRecord for KeptSigners {
    const LIMIT: u64 = 4 << 20;
    const SCHEMA: Option<&'static str> = Some(SIGNERS_SCHEMA);

    fn schema(&self) -> Option<&str> {
        Some(&self.schema)
    }
}

/// The keys of this machine's user.
pub struct Keys<'a> {
    folder: Option<&'a Path>,
    work_tree: &'a Path,
}

impl<'a> Keys<'a> {
    /// Returns the keys in a folder outside the work tree; `None` if the user has none.
    pub fn new(folder: Option<&'a Path>, work_tree: &'a Path) -> Self {
        Self { folder, work_tree }
    }

    /// Signs the bytes of a manifest with the user's key.
    ///
    /// # Errors
    /// Fails when there is no key, or others can read it.
    pub fn sign(&self, manifest: &[u8]) -> Result<ManifestSignature, Error> {
        Ok(dsse::sign(&self.own()?, dsse::MANIFEST, manifest))
    }

    /// Fails as [`Keys::sign`] would.
    ///
    /// # Errors
    /// Fails when there is no key, or others can read it.
    pub fn check(&self) -> Result<(), Error> {
        self.own().map(drop)
    }

    /// Returns the public part of the user's key; `None` when there is no key.
    ///
    /// # Errors
    /// Fails when it cannot be used.
    pub fn own_id(&self) -> Result<Option<KeyId>, Error> {
        match self.own() {
            Ok(key) => Ok(Some(KeyId(key.verifying_key().to_bytes()))),
            Err(Error::NoKey(_) | Error::NoPlace) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Loads the user's key.
    fn own(&self) -> Result<SigningKey, Error> {
        let place = self.folder.ok_or(Error::NoPlace)?;
        let no_key = || Error::NoKey(place.join(format!("{KEY}.json")));
        let folder = self.look()?.ok_or_else(no_key)?;
        let kept: KeptKey = folder.load(KEY, SECRET)?.ok_or_else(no_key)?;
        let not_safe = |why| Error::NotSafe {
            path: folder.path(KEY),
            why,
            mode: "600",
        };
        let secret: Option<[u8; 32]> = STANDARD
            .decode(&kept.secret)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        let key = secret
            .map(|secret| SigningKey::from_bytes(&secret))
            .ok_or_else(|| not_safe("it is damaged"))?;
        let fits = kept.schema == KEY_SCHEMA
            && kept.algorithm == "ed25519"
            && kept.public.0 == key.verifying_key().to_bytes();
        if fits {
            Ok(key)
        } else {
            Err(not_safe(
                "it is damaged, or of another version or algorithm",
            ))
        }
    }

    /// Creates the user's key and allows it under a name. Returns the public part and the path.
    ///
    /// # Errors
    /// Fails when a key exists, or there is no private folder outside the work tree.
    pub fn create(&self, name: &str) -> Result<(KeyId, PathBuf), Error> {
        let name = checked(name)?;
        let (folder, _lock) = self.open()?;
        let (path, records) = (folder.path(KEY), folder.records());
        let failed = |source| Error::File {
            path: path.clone(),
            source,
        };
        if records.list().map_err(failed)?.iter().any(|key| key == KEY) {
            return Err(Error::KeyThere(path));
        }
        let mut signers = self.signers()?;
        let key = SigningKey::from_bytes(&random::<32>());
        let public = KeyId(key.verifying_key().to_bytes());
        let kept = KeptKey {
            schema: KEY_SCHEMA.into(),
            algorithm: "ed25519".into(),
            public,
            secret: STANDARD.encode(key.to_bytes()),
        };
        signers.push(Signer {
            name,
            key: public,
            valid_until: None,
            revoked: None,
        });
        // In this order: a key that exists but is not allowed would sign what its owner cannot
        // verify.
        keep(&folder, signers)?;
        records.save(KEY, &kept).map_err(failed)?;
        Ok((public, path))
    }

    /// Returns the allowed keys, including revoked ones.
    ///
    /// # Errors
    /// Fails when the list exists and cannot be trusted.
    pub fn signers(&self) -> Result<Vec<Signer>, Error> {
        let Some(folder) = self.look()? else {
            return Ok(Vec::new());
        };
        let Some(kept): Option<KeptSigners> = folder.load(SIGNERS, OTHERS_DO_NOT_WRITE)? else {
            return Ok(Vec::new());
        };
        let mut seen = std::collections::BTreeSet::new();
        if kept.schema != SIGNERS_SCHEMA
            || !kept.signers.iter().all(|signer| seen.insert(signer.key))
        {
            return Err(Error::NotSafe {
                path: folder.path(SIGNERS),
                why: "it is of another version, or names a key twice",
                mode: "600",
            });
        }
        Ok(kept.signers)
    }

    /// Allows a key from now on; a known key gets the new name and expiry.
    ///
    /// # Errors
    /// Fails when the key was revoked, or is not sound.
    pub fn allow(&self, signer: &Signer) -> Result<(), Error> {
        let signer = Signer {
            name: checked(&signer.name)?,
            ..signer.clone()
        };
        if !dsse::is_sound(&signer.key) {
            return Err(Error::Weak(signer.key));
        }
        let (folder, _lock) = self.open()?;
        let mut signers = self.signers()?;
        if signers
            .iter()
            .any(|known| known.key == signer.key && known.revoked.is_some())
        {
            return Err(Error::Revoked(signer.key));
        }
        signers.retain(|known| known.key != signer.key);
        signers.push(signer);
        keep(&folder, signers)
    }

    /// Revokes a key, or all keys of a name; returns those not revoked before.
    ///
    /// # Errors
    /// Fails when no key has the given id or name.
    pub fn revoke(&self, which: &str, now: Timestamp) -> Result<Vec<Signer>, Error> {
        let (folder, _lock) = self.open()?;
        let mut signers = self.signers()?;
        let is_meant = |signer: &Signer| signer.name == which || signer.key.to_string() == which;
        if !signers.iter().any(is_meant) {
            return Err(Error::Unknown(which.to_string()));
        }
        let mut revoked = Vec::new();
        for signer in signers
            .iter_mut()
            .filter(|signer| is_meant(signer) && signer.revoked.is_none())
        {
            signer.revoked = Some(now);
            revoked.push(signer.clone());
        }
        keep(&folder, signers)?;
        Ok(revoked)
    }

    /// Judges a signature over exact bytes, before they are parsed, and returns its signer. The
    /// caller still has to check whether a key with an expiry had expired.
    pub fn judge(
        &self,
        signature: &ManifestSignature,
        manifest: &[u8],
    ) -> (SignatureJudgement, Option<Signer>) {
        let signers = match self.signers() {
            Ok(signers) => signers,
            Err(error) => {
                return (
                    SignatureJudgement::only(
                        SignatureState::Unjudged,
                        crate::base::Failure::from(error).chain().join(": "),
                    ),
                    None,
                );
            }
        };
        let key = Some(signature.key.to_string());
        let judgement = |state, signer: Option<&Signer>, why: &str| SignatureJudgement {
            state,
            signer: signer.map(|signer| crate::base::text::escape(signer.name.as_bytes())),
            key: key.clone(),
            why: why.into(),
        };
        let Some(signer) = signers
            .into_iter()
            .find(|signer| signer.key == signature.key)
        else {
            return (
                judgement(
                    SignatureState::UnknownKey,
                    None,
                    "its key is not among those allowed here: `snapback keys list`",
                ),
                None,
            );
        };
        let found = if !dsse::holds(&signer.key, signature, dsse::MANIFEST, manifest) {
            judgement(
                SignatureState::Bad,
                Some(&signer),
                "it was not made over these bytes",
            )
        } else if signer.revoked.is_some() {
            judgement(
                SignatureState::Revoked,
                Some(&signer),
                "its key was revoked",
            )
        } else {
            judgement(SignatureState::Good, Some(&signer), "ed25519")
        };
        (found, Some(signer))
    }

    /// Opens the folder for reading; `None` when it does not exist.
    fn look(&self) -> Result<Option<PrivateFolder>, Error> {
        let found = self.folder;
        let found = found.map(|folder| PrivateFolder::look(folder, self.work_tree));
        Ok(found.transpose()?.flatten())
    }

    /// Opens the folder for writing, exclusively, creating it if needed.
    fn open(&self) -> Result<(PrivateFolder, RecordLock), Error> {
        let place = self.folder.ok_or(Error::NoPlace)?;
        let failed = |source| Error::File {
            path: place.to_path_buf(),
            source,
        };
        let folder = PrivateFolder::make(place, self.work_tree)?;
        let lock = folder
            .records::<KeptSigners>()
            .lock(LOCK, LockWait::Forever)
            .map_err(failed)?
            .ok_or_else(|| failed(io::ErrorKind::WouldBlock.into()))?;
        Ok((folder, lock))
    }
}

/// Saves the list of keys.
fn keep(folder: &PrivateFolder, signers: Vec<Signer>) -> Result<(), Error> {
    let kept = KeptSigners {
        schema: SIGNERS_SCHEMA.into(),
        signers,
    };
    folder
        .records()
        .save(SIGNERS, &kept)
        .map_err(|source| Error::File {
            path: folder.path(SIGNERS),
            source,
        })
}

/// Checks that a name fits on one line, and trims it.
fn checked(name: &str) -> Result<String, Error> {
    let name = name.trim();
    let fits = (1..=200).contains(&name.chars().count()) && !name.chars().any(char::is_control);
    if fits {
        Ok(name.to_string())
    } else {
        Err(Error::Name)
    }
}

#[cfg(test)]
mod tests;
