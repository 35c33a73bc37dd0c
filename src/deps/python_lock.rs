//! Python lock files: uv.lock, pylock.toml (PEP 751), poetry.lock, pdm.lock and Pipfile.lock.
//!
//! Parsed with limited depth into types that name only the used fields; any unexpected shape is an
//! error message, never a panic. The project's own entry is left out. Requirements files are read
//! by [`super::requirements`].

use std::collections::BTreeMap;

use serde::{Deserialize, de::DeserializeOwned};

use super::{installed::is_plain, installed::normalise, url};

/// Lock file formats, most exact first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PythonLockFormat {
    /// `uv.lock`.
    Uv,
    /// `pylock.toml` and `pylock.<name>.toml`.
    Pylock,
    /// `poetry.lock`.
    Poetry,
    /// `pdm.lock`.
    Pdm,
    /// `Pipfile.lock`.
    Pipfile,
    /// `requirements.lock`, `requirements-lock.txt` and the like.
    Pins,
    /// `requirements.txt`.
    Requirements,
    /// Any other `requirements*.txt`.
    OtherRequirements,
}

impl PythonLockFormat {
    /// Returns the format of a file with this name.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "uv.lock" => Some(Self::Uv),
            "poetry.lock" => Some(Self::Poetry),
            "pdm.lock" => Some(Self::Pdm),
            "Pipfile.lock" => Some(Self::Pipfile),
            "requirements.txt" => Some(Self::Requirements),
            "pylock.toml" => Some(Self::Pylock),
            _ if name.starts_with("pylock.") && name.ends_with(".toml") => Some(Self::Pylock),
            _ if !name.starts_with("requirements") => None,
            _ if name.ends_with(".lock") || (name.contains("lock") && name.ends_with(".txt")) => {
                Some(Self::Pins)
            }
            _ if name.ends_with(".txt") => Some(Self::OtherRequirements),
            _ => None,
        }
    }

    /// Returns the packages of a lock file's text, or why it cannot be parsed.
    pub(super) fn packages(self, text: &str) -> Result<Vec<String>, String> {
        match self {
            Self::Uv => Ok(toml::<UvLock>(text)?
                .package
                .into_iter()
                .filter_map(UvPackage::entry)
                .collect()),
            Self::Pylock => Ok(toml::<Pylock>(text)?
                .packages
                .into_iter()
                .filter_map(PylockPackage::entry)
                .collect()),
            Self::Poetry => Ok(toml::<PoetryLock>(text)?
                .package
                .into_iter()
                .filter_map(PoetryPackage::entry)
                .collect()),
            Self::Pdm => Ok(toml::<PdmLock>(text)?
                .package
                .into_iter()
                .filter_map(PdmPackage::entry)
                .collect()),
            Self::Pipfile => pipfile(text),
            Self::Pins | Self::Requirements | Self::OtherRequirements => {
                Err("it is a requirement file".into())
            }
        }
    }
}

/// Maximum size of TOML, in bytes: the parser needs 70 times as much memory for `[[],[],…`.
const TOML_LIMIT: usize = 8 << 20;

/// Parses TOML; the error message gives the position and quotes nothing of the text.
pub(super) fn toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.len() > TOML_LIMIT {
        return Err("it is larger than 8 MiB".into());
    }
    toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start.min(text.len()));
        format!(
            "not its format, at line {}",
            text.as_bytes()[..at].split(|byte| *byte == b'\n').count()
        )
    })
}

/// Returns the recorded form; `None` for an invalid name.
fn entry(name: &str, version: Option<&str>, origin: &str) -> Option<String> {
    let name = normalise(name);
    let version = version.filter(|version| is_plain(version));
    is_plain(&name).then(|| {
        version.map_or_else(
            || format!("{name}{origin}"),
            |version| format!("{name}=={version}{origin}"),
        )
    })
}

#[derive(Deserialize)]
struct UvLock {
    #[serde(default)]
    package: Vec<UvPackage>,
}

#[derive(Deserialize)]
struct UvPackage {
    name: String,
    version: Option<String>,
    #[serde(default)]
    source: BTreeMap<String, toml::Value>,
}

impl UvPackage {
    fn entry(self) -> Option<String> {
        let text = |key: &str| self.source.get(key).and_then(toml::Value::as_str);
        if text("virtual").is_some() || text("editable") == Some(".") {
            return None;
        }
        let origin = if text("editable").is_some() {
            " @ editable".into()
        } else if text("directory").or(text("path")).is_some() {
            " @ local".into()
        } else if let Some(git) = text("git") {
            // uv writes the commit as the fragment: <url>?rev=<asked>#<commit>.
            url::origin(git, git.split_once('#').map(|(_, commit)| commit))
        } else {
            text("url")
                .map(|at| url::origin(at, None))
                .unwrap_or_default()
        };
        entry(&self.name, self.version.as_deref(), &origin)
    }
}

#[derive(Deserialize)]
struct Pylock {
    #[serde(default)]
    packages: Vec<PylockPackage>,
}

#[derive(Deserialize)]
struct PylockPackage {
    name: String,
    version: Option<String>,
    vcs: Option<PylockSource>,
    directory: Option<PylockSource>,
    archive: Option<PylockSource>,
}

#[derive(Deserialize)]
struct PylockSource {
    url: Option<String>,
    #[serde(rename = "commit-id")]
    commit: Option<String>,
    #[serde(default)]
    editable: bool,
}

impl PylockPackage {
    fn entry(self) -> Option<String> {
        let origin = match (self.vcs.or(self.archive), self.directory) {
            (Some(source), _) => source.url.map_or_else(
                || " @ local".into(),
                |at| url::origin(&at, source.commit.as_deref()),
            ),
            (None, Some(dir)) => if dir.editable {
                " @ editable"
            } else {
                " @ local"
            }
            .into(),
            (None, None) => String::new(),
        };
        entry(&self.name, self.version.as_deref(), &origin)
    }
}

#[derive(Deserialize)]
struct PoetryLock {
    #[serde(default)]
    package: Vec<PoetryPackage>,
}

#[derive(Deserialize)]
struct PoetryPackage {
    name: String,
    version: Option<String>,
    source: Option<PoetrySource>,
}

#[derive(Deserialize)]
struct PoetrySource {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    url: String,
    resolved_reference: Option<String>,
}

impl PoetryPackage {
    fn entry(self) -> Option<String> {
        // Sources of type `legacy` are package indexes.
        let outside = self.source.filter(|source| {
            matches!(
                source.kind.as_deref(),
                Some("git" | "url" | "file" | "directory")
            )
        });
        let origin = outside
            .map(|source| url::origin(&source.url, source.resolved_reference.as_deref()))
            .unwrap_or_default();
        entry(&self.name, self.version.as_deref(), &origin)
    }
}

#[derive(Deserialize)]
struct PdmLock {
    #[serde(default)]
    package: Vec<PdmPackage>,
}

#[derive(Deserialize)]
struct PdmPackage {
    name: String,
    version: Option<String>,
    git: Option<String>,
    revision: Option<String>,
    url: Option<String>,
    path: Option<String>,
    #[serde(default)]
    editable: bool,
}

impl PdmPackage {
    fn entry(self) -> Option<String> {
        let origin = match (self.git, self.url, self.path) {
            _ if self.editable => " @ editable".into(),
            (Some(git), ..) => url::origin(&git, self.revision.as_deref()),
            (None, Some(at), _) => url::origin(&at, None),
            (None, None, Some(_)) => " @ local".into(),
            (None, None, None) => String::new(),
        };
        entry(&self.name, self.version.as_deref(), &origin)
    }
}

#[derive(Deserialize)]
struct PipfileLock {
    #[serde(default)]
    default: BTreeMap<String, PipfilePackage>,
    #[serde(default)]
    develop: BTreeMap<String, PipfilePackage>,
}

#[derive(Deserialize)]
struct PipfilePackage {
    version: Option<String>,
    git: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    file: Option<String>,
    path: Option<String>,
    #[serde(default)]
    editable: bool,
}

/// Returns the packages of a `Pipfile.lock`.
fn pipfile(text: &str) -> Result<Vec<String>, String> {
    let lock: PipfileLock = serde_json::from_str(text).map_err(|error| {
        format!(
            "not its format, at line {} column {}",
            error.line(),
            error.column()
        )
    })?;
    let packages = lock
        .default
        .into_iter()
        .chain(lock.develop)
        .filter_map(|(name, package)| {
            let origin = match (package.git, package.file, package.path) {
                _ if package.editable => " @ editable".into(),
                (Some(git), _, _) => url::origin(&git, package.reference.as_deref()),
                (None, Some(file), _) => url::origin(&file, None),
                (None, None, Some(_)) => " @ local".into(),
                (None, None, None) => String::new(),
            };
            entry(
                &name,
                package
                    .version
                    .as_deref()
                    .map(|version| version.trim_start_matches('=')),
                &origin,
            )
        });
    Ok(packages.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uv_lock_is_read_without_credentials() {
        let uv = r#"
[[package]]
name = "project"
version = "0.1"
source = { editable = "." }
[[package]]
name = "Typing_Extensions"
version = "4.1"
source = { registry = "https://u:s3cret@index/simple" }
[[package]]
name = "g"
version = "1"
source = { git = "https://s3cret@host/g?rev=v1#0abc" }
"#;
        assert_eq!(
            PythonLockFormat::Uv.packages(uv).expect("it is one"),
            ["typing-extensions==4.1", "g==1 @ https://host/g@0abc"]
        );
    }

    #[test]
    fn pylock_is_read_without_credentials() {
        let pylock = r#"
lock-version = "1.0"
[[packages]]
name = "attrs"
version = "25.1.0"
[[packages]]
name = "v"
vcs = { type = "git", url = "https://u:s3cret@host/v", commit-id = "abc" }
[[packages]]
name = "d"
directory = { path = "d", editable = true }
"#;
        assert_eq!(
            PythonLockFormat::Pylock
                .packages(pylock)
                .expect("it is one"),
            ["attrs==25.1.0", "v @ https://host/v@abc", "d @ editable"]
        );
    }

    #[test]
    fn poetry_lock_is_read_without_credentials() {
        let poetry = r#"
[[package]]
name = "a"
version = "1.0"
optional = false
[[package]]
name = "p"
version = "1.0"
[package.source]
type = "legacy"
url = "https://u:s3cret@index/simple"
reference = "x"
"#;
        assert_eq!(
            PythonLockFormat::Poetry
                .packages(poetry)
                .expect("it is one"),
            ["a==1.0", "p==1.0"]
        );
    }

    #[test]
    fn pdm_lock_is_read_without_credentials() {
        let pdm = r#"
[metadata]
lock_version = "4.5.0"
[[package]]
name = "Num_Py"
version = "1.26.4"
extras = ["x"]
[[package]]
name = "g"
version = "1"
git = "https://u:s3cret@host/g.git"
revision = "abc"
"#;
        assert_eq!(
            PythonLockFormat::Pdm.packages(pdm).expect("it is one"),
            ["num-py==1.26.4", "g==1 @ https://host/g.git@abc"]
        );
    }

    #[test]
    fn pipfile_lock_is_read_without_credentials() {
        let pipfile = r#"{"_meta":{"sources":[{"url":"https://u:s3cret@x"}]},
            "default":{"a":{"version":"==1.0","hashes":[]},"g":{"git":"https://s3cret@host/g.git","ref":"abc"}},"develop":{"b":{"version":"==2"}}}"#;
        assert_eq!(
            PythonLockFormat::Pipfile
                .packages(pipfile)
                .expect("it is one"),
            ["a==1.0", "g @ https://host/g.git@abc", "b==2"]
        );
    }

    #[test]
    fn names_tell_formats() {
        assert_eq!(
            PythonLockFormat::of("pylock.dev.toml"),
            Some(PythonLockFormat::Pylock)
        );
        assert_eq!(
            PythonLockFormat::of("requirements-dev.txt"),
            Some(PythonLockFormat::OtherRequirements)
        );
        assert_eq!(
            PythonLockFormat::of("requirements.lock"),
            Some(PythonLockFormat::Pins)
        );
        assert_eq!(PythonLockFormat::of("my-requirements.txt"), None);
        assert!(PythonLockFormat::Uv < PythonLockFormat::Requirements);
    }
}
