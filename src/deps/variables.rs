//! Names of environment variables that a task uses; never a value.
//!
//! They come from the settings, from `.env.example` and its like, and from reading sources and
//! configurations with [`super::scan`]. `.env` itself, under any name, is never opened.

use std::{collections::BTreeSet, io};

use rayon::prelude::*;

use crate::base::{RelPath, fs::read_limited};

use super::{Collector, Error, Found, SOURCE_LIMIT, Task, places, scan, shared::Sources};

/// Finds names of environment variables.
pub(super) struct Variables;

/// Files that show which variables there are, without their values.
const EXAMPLES: [&str; 4] = [".env.example", ".env.sample", ".env.template", ".env.dist"];
/// Variables that every system sets, or that only shells and build tools read.
const EVERYWHERE: [&str; 24] = [
    "COLUMNS", "EDITOR", "EUID", "HOME", "HOSTNAME", "IFS", "LANG", "LANGUAGE", "LINES", "LOGNAME", "MAIL", "OLDPWD", "OUT_DIR", "PATH",
    "PPID", "PWD", "RANDOM", "SECONDS", "SHELL", "SHLVL", "TERM", "TMPDIR", "UID", "USER",
];

impl Collector for Variables {
    fn name(&self) -> &'static str {
        "variables"
    }

    fn collect(&self, task: &Task<'_>, found: &mut Found) -> Result<(), Error> {
        let mut names: BTreeSet<String> = scan_files(task, &mut found.sources)?.into_iter().filter(|name| is_particular(name)).collect();
        for example in examples(task)? {
            match read_limited(task.fs, &example, SOURCE_LIMIT) {
                Ok(bytes) => names.extend(example_keys(&bytes)),
                Err(error) if is_passed_over(&error) => {}
                Err(source) => return Err(Error::Read { path: example, source }),
            }
        }
        names.extend(task.variables.iter().filter(|name| scan::is_name(name.as_bytes())).cloned());
        found.list.environment_variables.extend(names);
        Ok(())
    }
}

/// The names in the task's sources and configurations.
fn scan_files(task: &Task<'_>, sources: &mut Sources) -> Result<BTreeSet<String>, Error> {
    let scannable = |path: &&RelPath| !is_environment_file(path.name()) && !places::is_installed(path);
    let files: Vec<_> =
        task.files.iter().filter(scannable).filter_map(|path| scan::Language::of(path.name()).map(|language| (path, language))).collect();
    let scan = |(path, language): &(&RelPath, scan::Language)| match read_limited(task.fs, path, SOURCE_LIMIT) {
        Ok(bytes) => Ok((language.names(&bytes), Sources::imports_in(path, &bytes))),
        // Removed in the meantime, a link, or larger than what is searched.
        Err(error) if is_passed_over(&error) => Ok((BTreeSet::new(), None)),
        Err(source) => Err(Error::Read { path: (*path).clone(), source }),
    };
    let mut names = BTreeSet::new();
    for ((path, _), (found, imports)) in files.iter().zip(files.par_iter().map(scan).collect::<Result<Vec<_>, Error>>()?) {
        names.extend(found);
        if let Some(imports) = imports {
            sources.keep(path, imports);
        }
    }
    Ok(names)
}

/// True when a file that cannot be read is no reason to stop.
fn is_passed_over(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, NotADirectory, NotFound, Other};
    // `Other` is what the port says of a symbolic link on the way.
    matches!(error.kind(), FileTooLarge | InvalidInput | NotADirectory | NotFound | Other)
}

/// The example files: those of the release, in any folder; else those in the root.
fn examples(task: &Task<'_>) -> Result<Vec<RelPath>, Error> {
    places::lock_files(task, |name| EXAMPLES.contains(&name))
}

/// The keys of `KEY=value` and `export KEY=value` lines.
fn example_keys(bytes: &[u8]) -> Vec<String> {
    let key = |line: &[u8]| {
        let line = line.trim_ascii_start();
        let line = line.strip_prefix(b"export ").unwrap_or(line);
        let end = line.iter().position(|byte| *byte == b'=')?;
        let name = line[..end].trim_ascii();
        scan::is_name(name).then(|| String::from_utf8_lossy(name).into_owned())
    };
    bytes.split(|byte| *byte == b'\n').filter_map(key).collect()
}

/// True for `.env`, `.env.local`, `prod.env`: files that hold values.
fn is_environment_file(name: &[u8]) -> bool {
    name == b".env" || name.starts_with(b".env.") || name.ends_with(b".env") || name == b".envrc"
}

/// True for a variable that says something about the task.
fn is_particular(name: &str) -> bool {
    !EVERYWHERE.contains(&name) && !name.starts_with("BASH_") && !name.starts_with("CARGO_") && !name.starts_with("LC_")
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tree;

    #[test]
    fn names_come_from_everywhere_and_values_from_nowhere() {
        let tree = Tree::new(&[
            ("t/.env", "FROM_ENV=pl4nted\nTUSHARE_TOKEN=pl4nted\n"),
            ("t/.env.local", "FROM_LOCAL=pl4nted\n"),
            ("t/prod.env", "FROM_PROD=pl4nted\n"),
            ("t/.env.example", "# comment\nexport FROM_EXAMPLE=pl4nted\nTWO=\n\nnot a line\n"),
            ("t/main.py", "import os\nTOKEN = os.environ['TUSHARE_TOKEN']\nos.getenv(\"DEBUG\", 'pl4nted')\nos.environ['HOME']\n"),
            ("t/config.yaml", "url: https://${DB_HOST:-pl4nted}/x\n"),
            ("t/node_modules/x/index.js", "process.env.NOT_OURS"),
        ]);
        let (list, warnings) = tree.with_variables(&["SETTING", "bad name"]).collect();
        assert_eq!(list.environment_variables, ["DB_HOST", "DEBUG", "FROM_EXAMPLE", "SETTING", "TUSHARE_TOKEN", "TWO"]);
        let all = format!("{} {warnings:?}", serde_json::to_string(&list).expect("it renders"));
        assert!(!all.contains("pl4nted"), "{all}");
    }

    #[test]
    fn large_files_and_links_are_passed_over() {
        let large = format!("{}os.getenv('LARGE')", " ".repeat(5 << 20));
        let tree = Tree::new(&[("t/large.py", large.as_str()), ("t/a.py", "os.getenv('SMALL')")]);
        std::os::unix::fs::symlink("a.py", tree.path().join("t/link.py")).expect("it links");
        std::os::unix::fs::symlink("../t", tree.path().join("t/dir")).expect("it links");
        let (list, _) = tree.with_files(&["t/link.py", "t/dir/a.py", "t/gone.py"]).collect();
        assert_eq!(list.environment_variables, ["SMALL"]);
    }
}
