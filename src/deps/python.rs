//! Python packages: the installed set of the task's environment, otherwise its lock files.
//!
//! The environment is the configured `venv`, otherwise `.venv`, `venv` or `env` in the task's
//! folder. Lock files are recorded by digest in either case. See [`mod@super::installed`] and
//! [`super::python_lock`] for the two sources.

use crate::base::RelPath;

use super::{
    Collected, CollectedTask, Collector, Error, installed, places, python_lock::PythonLockFormat,
    requirements,
};

/// Collector for Python environments and lock files.
pub(super) struct Python;

impl Collector for Python {
    fn name(&self) -> &'static str {
        "python"
    }

    fn collect(&self, task: &CollectedTask<'_>, found: &mut Collected) -> Result<(), Error> {
        let locks = places::lock_paths(task, |path| format(path).is_some())?;
        for path in &locks {
            found.lock_file(task, path)?;
        }
        requirements::record_includes(task, &locks, found)?;
        if let Some((venv, packages)) = environment(task, found)? {
            found.list.python_source = Some(venv);
            found.list.python_packages = packages;
            return Ok(());
        }
        // Of several formats side by side, use the most exact one.
        let best = locks.iter().filter_map(format).min();
        for path in locks.iter().filter(|path| format(path) == best) {
            read(task, path, found)?;
        }
        Ok(())
    }
}

/// Returns the format of a lock file, by its name and that of its folder.
pub(super) fn format(path: &RelPath) -> Option<PythonLockFormat> {
    let name = std::str::from_utf8(path.name()).ok()?;
    let is_listed = path.parent().name() == b"requirements" && name.ends_with(".txt");
    PythonLockFormat::of(name).or(is_listed.then_some(PythonLockFormat::OtherRequirements))
}

/// Returns the environment and its packages, if there is one.
fn environment(
    task: &CollectedTask<'_>,
    found: &mut Collected,
) -> Result<Option<(RelPath, Vec<String>)>, Error> {
    let usual = [".venv", "venv", "env"].map(|name| task.dir.join(name));
    let candidates = task
        .venv
        .map_or_else(|| usual.iter().collect(), |venv| vec![venv]);
    for venv in candidates {
        if let Some(packages) = installed(task.fs, venv)? {
            return Ok(Some((venv.clone(), packages)));
        }
    }
    if let Some(venv) = task.venv {
        found.warnings.push(format!(
            "{venv} holds no Python environment; lock files are read instead"
        ));
    }
    Ok(None)
}

/// Adds the packages of one lock file.
fn read(task: &CollectedTask<'_>, path: &RelPath, found: &mut Collected) -> Result<(), Error> {
    let Some(format) = format(path) else {
        return Ok(());
    };
    let Some(text) = found.lock_text(task, path)? else {
        return Ok(());
    };
    let packages = match format {
        PythonLockFormat::Pins
        | PythonLockFormat::Requirements
        | PythonLockFormat::OtherRequirements => Ok(requirements::packages(task, path, &text)),
        other => other.packages(&text),
    };
    match packages {
        Ok(packages) => {
            let source = found.file_of(path);
            found.list.python_packages.extend(packages);
            found.list.python_source.get_or_insert(source);
        }
        Err(why) => found.warn(path, &why),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tree;

    const METADATA: &str = "Metadata-Version: 2.1\nName: Ruamel.Yaml\nVersion: 0.18.1\nSummary: x\n\nName: not-this\nVersion: 9\n";

    #[test]
    fn an_environment_beats_lock_files_and_hides_credentials() {
        let site = "t/.venv/lib/python3.12/site-packages";
        let git = r#"{"url":"https://me:s3cret@host/own.git","vcs_info":{"vcs":"git","commit_id":"abc123"}}"#;
        let tree = Tree::new(&[
            (
                &format!("{site}/ruamel.yaml-0.18.1.dist-info/METADATA"),
                METADATA,
            ),
            (
                &format!("{site}/pip-24.0.dist-info/METADATA"),
                "Name: pip\nVersion: 24.0\n",
            ),
            (
                &format!("{site}/own-1.dist-info/METADATA"),
                "Name: own\nVersion: 1\n",
            ),
            (&format!("{site}/own-1.dist-info/direct_url.json"), git),
            (
                &format!("{site}/ed-1.dist-info/METADATA"),
                "Name: ed\nVersion: 1\n",
            ),
            (
                &format!("{site}/ed-1.dist-info/direct_url.json"),
                r#"{"url":"file:///home/me/ed","dir_info":{"editable":true}}"#,
            ),
            (&format!("{site}/broken-1.dist-info/RECORD"), ""),
            (&String::from("t/requirements.txt"), "other==1\n"),
        ]);
        let (list, _) = tree.collect();
        assert_eq!(
            list.python_packages,
            [
                "ed==1 @ editable",
                "own==1 @ https://host/own.git@abc123",
                "ruamel-yaml==0.18.1"
            ]
        );
        assert_eq!(
            list.python_source.expect("it is known").to_text(),
            "t/.venv"
        );
        assert_eq!(list.lockfiles.len(), 1);
    }

    #[test]
    fn a_setting_without_environment_is_a_warning() {
        let tree = Tree::new(&[("t/requirements.txt", "a==1\n")]).with_venv("t/my-env");
        let (list, warnings) = tree.collect();
        assert_eq!(list.python_packages, ["a==1"]);
        assert!(warnings[0].contains("t/my-env"), "{warnings:?}");
    }

    #[test]
    fn the_most_exact_lock_of_the_nearest_folder_is_read() {
        let uv = "version = 1\n[[package]]\nname = \"a\"\nversion = \"2\"\nsource = { registry = \"x\" }\n";
        let (list, _) = Tree::new(&[
            ("t/uv.lock", uv),
            ("t/requirements.txt", "a>=1\n"),
            ("uv.lock", "broken"),
        ])
        .collect();
        assert_eq!(
            (list.python_packages, list.lockfiles.len()),
            (vec!["a==2".to_string()], 2)
        );
        let (list, _) =
            Tree::new(&[("t/main.py", ""), ("requirements.txt", "root==1\n")]).collect();
        assert_eq!(list.python_packages, ["root==1"]);
        assert_eq!(
            list.python_source.expect("it is known").to_text(),
            "requirements.txt"
        );
    }
}
