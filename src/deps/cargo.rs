//! Crates from `Cargo.lock`: those that come from outside the repository.
//!
//! Crates without a source are the repository's own and change with every release, so they
//! are left out. Read [`super::places`] for where the file is looked for.

use serde::Deserialize;

use super::{Collector, Error, Found, Task, places, python_lock::toml};

/// Reads `Cargo.lock`.
pub(super) struct Cargo;

#[derive(Deserialize)]
struct Lock {
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

    fn collect(&self, task: &Task<'_>, found: &mut Found) -> Result<(), Error> {
        for path in places::lock_files(task, |name| name == "Cargo.lock")? {
            found.lock_file(task, &path)?;
            let Some(text) = found.lock_text(task, &path)? else { continue };
            match toml::<Lock>(&text) {
                Ok(lock) => {
                    let outside = lock.package.into_iter().filter(|package| package.source.is_some());
                    found.list.cargo_packages.extend(outside.map(|package| format!("{}@{}", package.name, package.version)));
                }
                Err(why) => found.warn(&path, &why),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tree;

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
