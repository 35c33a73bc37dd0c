//! Reads the packages installed in a Python environment from its `*.dist-info` folders.
//!
//! Does not run Python. Leaves out `pip` itself, as `pip freeze` does: it installs dependencies but
//! is not one. Records the URL of packages installed from one (PEP 610), without credentials.

use std::{collections::BTreeMap, fmt, io};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::base::{Fs, RelPath, Type, fs::read_limited};

use super::{Error, url};

/// Maximum part of a `METADATA` file that is read, in bytes.
const METADATA_LIMIT: u64 = 4 << 20;

/// Returns the packages of the environment in `venv`, sorted: `name==version`, followed by ` @
/// origin` unless installed from an index. `None` when there is no environment.
pub fn installed(fs: &dyn Fs, venv: &RelPath) -> Result<Option<Vec<String>>, Error> {
    let mut found = false;
    let mut packages = Vec::new();
    for site in site_packages(fs, venv)? {
        found = true;
        let names = fs.list(&site).map_err(|source| Error::Read {
            path: site.clone(),
            source,
        })?;
        let infos: Vec<RelPath> = names
            .into_iter()
            .filter(|name| name.ends_with(b".dist-info"))
            .filter_map(|name| RelPath::parse(name).ok())
            .collect();
        let read: Vec<Option<String>> = infos
            .par_iter()
            .map(|info| package(fs, &site.join(info.as_bytes())))
            .collect::<Result<_, _>>()?;
        packages.extend(read.into_iter().flatten());
    }
    packages.sort_unstable();
    packages.dedup();
    Ok(found.then_some(packages))
}

/// Returns the `site-packages` folders of an environment.
fn site_packages(fs: &dyn Fs, venv: &RelPath) -> Result<Vec<RelPath>, Error> {
    let lib = venv.join("lib");
    let is_dir = |path: &RelPath| {
        let stat = fs.stat(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        Ok::<_, Error>(stat.is_some_and(|stat| stat.kind == Type::Dir))
    };
    if !is_dir(&lib)? {
        return Ok(Vec::new());
    }
    let names = fs.list(&lib).map_err(|source| Error::Read {
        path: lib.clone(),
        source,
    })?;
    let mut sites = Vec::new();
    for name in names
        .iter()
        .filter(|name| name.starts_with(b"python3") || name.starts_with(b"pypy3"))
    {
        let site = lib.join(name).join("site-packages");
        if is_dir(&site)? {
            sites.push(site);
        }
    }
    sites.sort_unstable();
    Ok(sites)
}

/// Reads one package; `None` for pip and for folders without a name and version.
fn package(fs: &dyn Fs, info: &RelPath) -> Result<Option<String>, Error> {
    let read = |name: &str| {
        let path = info.join(name);
        match read_limited(fs, &path, METADATA_LIMIT) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::FileTooLarge
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(Error::Read { path, source }),
        }
    };
    let Some(metadata) = read("METADATA")? else {
        return Ok(None);
    };
    let metadata = String::from_utf8_lossy(&metadata);
    let field = |name: &str| {
        let headers = metadata.lines().take_while(|line| !line.trim().is_empty());
        headers
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    };
    let (Some(name), Some(version)) = (field("Name"), field("Version")) else {
        return Ok(None);
    };
    let name = normalise(name);
    if name == "pip" || !is_plain(&name) || !is_plain(version) {
        return Ok(None);
    }
    let origin = read("direct_url.json")?
        .and_then(|bytes| direct_origin(&bytes))
        .unwrap_or_default();
    Ok(Some(format!("{name}=={version}{origin}")))
}

/// The fields of PEP 610's `direct_url.json` that tell where a package came from.
#[derive(Deserialize)]
struct DirectUrl {
    url: String,
    #[serde(default)]
    dir_info: Option<DirInfo>,
    #[serde(default)]
    vcs_info: Option<VcsInfo>,
}

#[derive(Deserialize)]
struct DirInfo {
    #[serde(default)]
    editable: bool,
}

#[derive(Deserialize)]
struct VcsInfo {
    #[serde(default)]
    commit_id: Option<String>,
}

/// Returns the origin of a package that came from a URL or folder.
fn direct_origin(bytes: &[u8]) -> Option<String> {
    let direct: DirectUrl = serde_json::from_slice(bytes).ok()?;
    if direct.dir_info.is_some_and(|info| info.editable) {
        return Some(" @ editable".into());
    }
    Some(url::origin(
        &direct.url,
        direct.vcs_info.and_then(|info| info.commit_id).as_deref(),
    ))
}

/// Normalises a package name (PEP 503): lower case, one `-` for a run of `-`, `_`, `.`.
pub(super) fn normalise(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if out.ends_with('-') => {}
            '-' | '_' | '.' => out.push('-'),
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

/// Returns true when the text consists of characters allowed in package names and versions.
pub(super) fn is_plain(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 256
        && text
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"._-+!".contains(&c))
}

/// Differences between installed and wanted packages. Each list is sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PackageDifference {
    /// Wanted but not installed: `name==version`.
    pub missing: Vec<String>,
    /// Installed but not wanted: `name==version`.
    pub extra: Vec<String>,
    /// Installed in another version: name, wanted, installed.
    pub different: Vec<(String, String, String)>,
}

impl PackageDifference {
    /// Returns true when there is no difference.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Renders one line per package.
    pub fn lines(&self) -> Vec<String> {
        let missing = self
            .missing
            .iter()
            .map(|package| format!("{package} is missing"));
        let different = self
            .different
            .iter()
            .map(|(name, wanted, installed)| format!("{name} is {installed}, not {wanted}"));
        let extra = self
            .extra
            .iter()
            .map(|package| format!("{package} is extra"));
        missing.chain(different).chain(extra).collect()
    }
}

impl fmt::Display for PackageDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = self.lines();
        let shown = lines.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
        let more = lines.len().saturating_sub(5);
        write!(f, "{shown}")?;
        if more > 0 {
            write!(f, "; and {more} more")
        } else {
            Ok(())
        }
    }
}

/// Compares two lists of packages, `name==version` with or without an origin.
pub fn difference(wanted: &[String], installed: &[String]) -> PackageDifference {
    let by_name = |list: &[String]| -> BTreeMap<String, String> {
        let split = |package: &String| {
            package
                .split_once("==")
                .map_or((package.clone(), String::new()), |(a, b)| {
                    (a.into(), b.into())
                })
        };
        list.iter().map(split).collect()
    };
    let text = |name: &str, version: &str| {
        if version.is_empty() {
            name.to_string()
        } else {
            format!("{name}=={version}")
        }
    };
    let (wanted, installed) = (by_name(wanted), by_name(installed));
    let mut found = PackageDifference::default();
    for (name, version) in &wanted {
        match installed.get(name) {
            None => found.missing.push(text(name, version)),
            Some(other) if !is_same_version(other, version) => {
                found
                    .different
                    .push((name.clone(), version.clone(), other.clone()));
            }
            Some(_) => {}
        }
    }
    found.extra = installed
        .iter()
        .filter(|(name, _)| !wanted.contains_key(*name))
        .map(|(name, version)| text(name, version))
        .collect();
    found
}

/// Returns true for two spellings of one version (PEP 440): case, a leading `v`, trailing zeros of
/// the release, separators before a suffix.
fn is_same_version(a: &str, b: &str) -> bool {
    let normal = |version: &str| {
        let version = version.trim().trim_start_matches(['v', 'V']).to_lowercase();
        let end = version
            .find(|c: char| c != '.' && !c.is_ascii_digit())
            .unwrap_or(version.len());
        let (mut release, suffix) = version.split_at(end);
        release = release.trim_end_matches('.');
        while let Some(shorter) = release.strip_suffix(".0") {
            release = shorter;
        }
        // After `+` or ` @ ` every character counts.
        let local = suffix.find(['+', ' ']).unwrap_or(suffix.len());
        (
            release.to_string(),
            suffix[..local].replace(['-', '_', '.'], ""),
            suffix[local..].to_string(),
        )
    };
    a == b || normal(a) == normal(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalised() {
        assert_eq!(normalise("Foo._-Bar"), "foo-bar");
        assert_eq!(normalise("ruamel.yaml"), "ruamel-yaml");
    }

    #[test]
    fn differences_are_told_apart() {
        let list = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let found = difference(
            &list(&["a==1", "b==1", "c==1"]),
            &list(&["b==2", "c==1", "d==1"]),
        );
        assert_eq!(
            (found.missing.clone(), found.extra.clone()),
            (list(&["a==1"]), list(&["d==1"]))
        );
        assert_eq!(found.different, [("b".into(), "1".into(), "2".into())]);
        assert_eq!(
            found.to_string(),
            "a==1 is missing; b is 2, not 1; d==1 is extra"
        );
        assert!(difference(&list(&["a==1"]), &list(&["a==1"])).is_empty());
    }

    #[test]
    fn versions_have_several_spellings() {
        for (a, b) in [
            ("1.0", "1"),
            ("1.0.0", "1"),
            ("1.0-rc1", "1.0rc1"),
            ("V2.0.Post1", "2.post1"),
            ("1.0+cu118", "1+cu118"),
        ] {
            assert!(is_same_version(a, b), "{a} {b}");
        }
        for (a, b) in [
            ("1.0", "1.1"),
            ("10", "1"),
            ("1.0+cu118", "1.0+cu121"),
            ("1", "1 @ local"),
            ("1.0rc1", "1.0"),
        ] {
            assert!(!is_same_version(a, b), "{a} {b}");
        }
    }
}
