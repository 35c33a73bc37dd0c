//! Collects crates from `Cargo.lock` that come from outside the repository.
//!
//! Crates without a source are the repository's own and change with every release, so they are left
//! out. See [`super::places`] for where the file is looked for.

use serde::Deserialize;

use super::{
    Collected, CollectedTask, Collector, Error, installed::is_plain, places, python_lock::toml,
};

/// Collector for `Cargo.lock`.
pub(super) struct Cargo;

#[derive(Deserialize)]
struct CargoLock {
    #[serde(default)]
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: Option<String>,
}

impl Collector for Cargo {
    fn name(&self) -> &'static str {
        "cargo"
    }

    fn collect(&self, task: &CollectedTask<'_>, found: &mut Collected) -> Result<(), Error> {
        for path in places::lock_files(task, |name| name == "Cargo.lock")? {
            found.lock_file(task, &path)?;
            let Some(text) = found.lock_text(task, &path)? else {
                continue;
            };
            match packages(&text) {
                Ok(packages) => found.list.cargo_packages.extend(packages),
                Err(why) => found.warn(&path, &why),
            }
        }
        Ok(())
    }
}

/// Returns the external crates of a `Cargo.lock`, or why it cannot be parsed.
pub(super) fn packages(text: &str) -> Result<Vec<String>, String> {
    let outside = toml::<CargoLock>(text)?
        .package
        .into_iter()
        .filter(|package| package.source.is_some());
    let outside = outside.filter(|package| is_plain(&package.name) && is_plain(&package.version));
    Ok(outside
        .map(|package| format!("{}@{}", package.name, package.version))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::{super::tests::Tree, packages};

    #[test]
    fn what_is_no_name_or_version_is_not_recorded() {
        let lock = |name: &str, version: &str| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\nsource = \"x\"\n")
        };
        assert_eq!(
            packages(&lock("serde_yaml", "0.9.34+deprecated")).expect("it is one"),
            ["serde_yaml@0.9.34+deprecated"]
        );
        assert!(
            packages(&(lock("a\\nb", "1.0.0") + &lock("a", "1\\n2")))
                .expect("it is one")
                .is_empty()
        );
    }

    #[test]
    fn crates_from_outside_are_listed() {
        let lock = r#"
version = 4
[[package]]
name = "own"
version = "0.1.0"
[[package]]
name = "bstr"
version = "1.0.0"
source = "registry+https://index"
checksum = "00"
[[package]]
name = "bstr"
version = "0.2.1"
source = "git+https://u:s3cret@host/bstr#abc"
"#;
        let (list, warnings) = Tree::new(&[("t/Cargo.lock", lock)]).collect();
        assert_eq!(list.cargo_packages, ["bstr@0.2.1", "bstr@1.0.0"]);
        assert_eq!(list.lockfiles[0].path.to_text(), "t/Cargo.lock");
        assert!(warnings.is_empty());
    }
}
