//! The location of a secret, which a configuration may name but not contain: a variable or a file.
//!
//! The value is read at the moment it is used, and is never written or shown: [`Secret`] prints as
//! a mask. A file is accepted only if it belongs to the user, nobody else can read it, and it lies
//! outside the work tree, where it could be committed.

use std::{
    io::Read,
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::secret;

/// Largest secret file that is read, in bytes.
const LIMIT: u64 = 64 << 10;

/// The location of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file: an absolute path, or one in the home folder with `~/`.
    File(String),
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Env(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {path}"),
        }
    }
}

/// A secret that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{from} cannot be used: {why}")]
pub struct Error {
    from: SecretSource,
    why: String,
}

/// A value that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(secret::MASK)
    }
}

impl Secret {
    /// Returns the value, for the code that uses it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Hides the value wherever it occurs in a text.
    pub fn hide(&self, text: &str) -> String {
        let parts = secret::parts(self.0.as_ref());
        String::from_utf8_lossy(&secret::without(text.as_bytes(), &parts)).into_owned()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl SecretSource {
    /// Reads the secret, without surrounding white space.
    ///
    /// # Errors
    /// If it is missing, empty, or in a file that others can read.
    pub fn read(&self, work_tree: &Path) -> Result<Secret, Error> {
        let failed = |why: String| Error {
            from: self.clone(),
            why,
        };
        let text = match self {
            Self::Env(name) => std::env::var_os(name)
                .ok_or_else(|| failed("it is not set".into()))?
                .into_string()
                .ok(),
            Self::File(path) => {
                String::from_utf8(read_private(path, work_tree).map_err(failed)?).ok()
            }
        };
        match text.as_deref().map(str::trim) {
            None => Err(failed("it is not UTF-8".into())),
            Some("") => Err(failed("it is empty".into())),
            Some(text) if text.contains(['\n', '\r', '\0']) => {
                Err(failed("it has more than one line".into()))
            }
            Some(text) => Ok(Secret(text.into())),
        }
    }
}

/// Reads a file that only this user can read.
fn read_private(path: &str, work_tree: &Path) -> Result<Vec<u8>, String> {
    let home = || {
        std::env::var_os("HOME")
            .map(PathBuf::from)
            .filter(|home| home.is_absolute())
    };
    let path = match path.strip_prefix("~/") {
        Some(rest) => home().ok_or("HOME is not set")?.join(rest),
        None => PathBuf::from(path),
    };
    if !path.is_absolute() {
        return Err("write its whole path, or ~/…".into());
    }
    if path
        .canonicalize()
        .map_err(|error| error.to_string())?
        .starts_with(work_tree)
    {
        return Err("it is inside the work tree, where it could be committed".into());
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(&path)
        .map_err(|error| error.to_string())?;
    let meta = file.metadata().map_err(|error| error.to_string())?;
    match meta {
        _ if !meta.is_file() => return Err("it is no regular file".into()),
        _ if meta.uid() != rustix::process::geteuid().as_raw() => {
            return Err("it belongs to somebody else".into());
        }
        _ if meta.mode() & 0o077 != 0 => return Err("others can read it: chmod 600".into()),
        _ if meta.len() > LIMIT => return Err(format!("it has more than {LIMIT} bytes")),
        _ => {}
    }
    let mut bytes = Vec::new();
    file.take(LIMIT)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn only_private_files_outside_the_work_tree_count() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let tree = dir.path().join("tree");
        std::fs::create_dir(&tree).expect("it makes");
        let file = |path: &Path, mode: u32| {
            use std::io::Write as _;
            std::fs::File::create(path)
                .and_then(|mut file| file.write_all(b"s3cret-value\n"))
                .expect("it writes");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("it sets");
            SecretSource::File(path.to_str().expect("it is text").into()).read(&tree)
        };
        let good = file(&dir.path().join("a"), 0o600).expect("it is private");
        assert_eq!(
            (good.expose(), format!("{good:?}").as_str()),
            ("s3cret-value", "***")
        );
        assert_eq!(good.hide("POST /s3cret-value failed"), "POST /*** failed");
        assert!(
            file(&dir.path().join("b"), 0o640)
                .expect_err("others read")
                .to_string()
                .contains("chmod 600")
        );
        assert!(
            file(&tree.join("c"), 0o600)
                .expect_err("it is inside")
                .to_string()
                .contains("committed")
        );
        std::os::unix::fs::symlink(dir.path().join("a"), dir.path().join("link"))
            .expect("it links");
        let link = SecretSource::File(dir.path().join("link").to_str().expect("it is text").into());
        assert!(link.read(&tree).is_err(), "no link is followed");
        assert!(SecretSource::File("secret".into()).read(&tree).is_err());
        assert!(
            SecretSource::Env("SNAPBACK_NO_SUCH_VARIABLE".into())
                .read(&tree)
                .expect_err("not set")
                .to_string()
                .contains("not set")
        );
    }
}
