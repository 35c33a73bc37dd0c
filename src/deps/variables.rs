//! Names of environment variables that a task uses; never a value.
//!
//! They come from the settings, from `.env.example` and the like, and from searching sources and
//! configurations with [`super::scan`]. `.env` itself, under any name, is never opened.

use std::{collections::BTreeSet, io, sync::Arc};

use rayon::prelude::*;

use crate::{
    base::{RelPath, fs::read_limited},
    model::GitId,
};

use super::{
    Collected, CollectedTask, Collector, Error, SOURCE_LIMIT,
    facts::{NewFacts, Says},
    places, scan, shared,
};

/// Collector for names of environment variables.
pub(super) struct VariableCollector;

/// Files that list variables without their values.
const EXAMPLES: [&str; 4] = [".env.example", ".env.sample", ".env.template", ".env.dist"];
/// Variables that every system sets, or that only shells and build tools read.
const EVERYWHERE: [&str; 24] = [
    "COLUMNS", "EDITOR", "EUID", "HOME", "HOSTNAME", "IFS", "LANG", "LANGUAGE", "LINES", "LOGNAME",
    "MAIL", "OLDPWD", "OUT_DIR", "PATH", "PPID", "PWD", "RANDOM", "SECONDS", "SHELL", "SHLVL",
    "TERM", "TMPDIR", "UID", "USER",
];

impl Collector for VariableCollector {
    fn name(&self) -> &'static str {
        "variables"
    }

    fn collect(&self, task: &CollectedTask<'_>, found: &mut Collected) -> Result<(), Error> {
        let mut names: BTreeSet<String> = scan_files(task, found)?
            .into_iter()
            .filter(|name| is_particular(name))
            .collect();
        for example in examples(task)? {
            match read_limited(task.fs, &example, SOURCE_LIMIT) {
                Ok(bytes) => names.extend(example_keys(&bytes)),
                Err(error) if is_passed_over(&error) => {}
                Err(source) => {
                    return Err(Error::Read {
                        path: example,
                        source,
                    });
                }
            }
        }
        names.extend(
            task.variables
                .iter()
                .filter(|name| scan::is_name(name.as_bytes()))
                .cloned(),
        );
        found.list.environment_variables.extend(names);
        Ok(())
    }
}

/// Returns the names in the task's sources and configurations.
fn scan_files<'a>(
    task: &CollectedTask<'a>,
    found: &mut Collected,
) -> Result<BTreeSet<String>, Error> {
    let blobs = task
        .known
        .blobs
        .iter()
        .copied()
        .chain(std::iter::repeat(None));
    let source = |(path, blob): (&'a RelPath, Option<&'a GitId>)| {
        let is_passed = is_environment_file(path.name()) || places::is_installed(path);
        let language = scan::Language::of(path.name()).filter(|_| !is_passed)?;
        Some(SourceFile {
            path,
            blob,
            language,
        })
    };
    let files: Vec<SourceFile<'_>> = task.files.iter().zip(blobs).filter_map(source).collect();
    // Do not collect into one result: rayon would build the list in parts and move them.
    let looked: Vec<Result<Option<SourceVariables>, Error>> =
        files.par_iter().map(|file| look(task, file)).collect();
    found.sources.expect(files.len());
    let (mut names, mut facts, mut is_new) = (
        BTreeSet::<String>::new(),
        Vec::with_capacity(files.len()),
        false,
    );
    for (file, looked) in files.iter().zip(looked) {
        let Some(SourceVariables {
            blob,
            says,
            was_known,
        }) = looked?
        else {
            continue;
        };
        is_new |= !was_known;
        let new: Vec<String> = says
            .names
            .iter()
            .filter(|name| !names.contains(*name))
            .cloned()
            .collect();
        names.extend(new);
        if says.imports.is_some() {
            found.sources.keep(file.path, says.clone());
        }
        facts.extend(blob.map(|blob| (blob, file.kind(), says)));
    }
    found.facts = is_new.then(|| NewFacts::new(facts));
    Ok(names)
}

/// A file to be searched.
struct SourceFile<'a> {
    path: &'a RelPath,
    /// Its blob, if known.
    blob: Option<&'a GitId>,
    language: scan::Language,
}

impl SourceFile<'_> {
    /// Part of the cache key, because the same bytes mean something else in another language.
    fn kind(&self) -> u8 {
        self.language as u8 | u8::from(shared::is_source(self.path)) << 7
    }
}

/// A source that was searched.
struct SourceVariables {
    /// Its blob, if it can be determined.
    blob: Option<GitId>,
    says: Arc<Says>,
    was_known: bool,
}

/// Searches a source unless the facts of its blob are known; `None` for a skipped file.
fn look(task: &CollectedTask<'_>, file: &SourceFile<'_>) -> Result<Option<SourceVariables>, Error> {
    let (path, known) = (file.path, &task.known);
    if let Some((blob, says)) = file
        .blob
        .and_then(|blob| Some((blob, known.facts.find(blob, file.kind())?)))
    {
        return Ok(Some(SourceVariables {
            blob: Some(blob.clone()),
            says: says.clone(),
            was_known: true,
        }));
    }
    match read_limited(task.fs, path, SOURCE_LIMIT) {
        Ok(bytes) => {
            let says = Says {
                names: file.language.names(&bytes),
                imports: shared::imports_in(path, &bytes),
            };
            Ok(Some(SourceVariables {
                blob: (known.id)(&bytes),
                says: Arc::new(says),
                was_known: false,
            }))
        }
        // Removed meanwhile, a link, or larger than the limit.
        Err(error) if is_passed_over(&error) => Ok(None),
        Err(source) => Err(Error::Read {
            path: path.clone(),
            source,
        }),
    }
}

/// Returns true when an unreadable file may be skipped.
fn is_passed_over(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, InvalidInput, NotADirectory, NotFound, Other};
    // The port reports a symbolic link on the path as `Other`.
    matches!(
        error.kind(),
        FileTooLarge | InvalidInput | NotADirectory | NotFound | Other
    )
}

/// Returns the example files: those of the release, in any folder; otherwise those in the root.
fn examples(task: &CollectedTask<'_>) -> Result<Vec<RelPath>, Error> {
    places::lock_files(task, |name| EXAMPLES.contains(&name))
}

/// Returns the keys of `KEY=value` and `export KEY=value` lines.
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

/// Returns true for `.env`, `.env.local`, `prod.env`: files that hold values.
fn is_environment_file(name: &[u8]) -> bool {
    name == b".env" || name.starts_with(b".env.") || name.ends_with(b".env") || name == b".envrc"
}

/// Returns true for a variable that is specific to the task.
fn is_particular(name: &str) -> bool {
    !EVERYWHERE.contains(&name)
        && !name.starts_with("BASH_")
        && !name.starts_with("CARGO_")
        && !name.starts_with("LC_")
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
            (
                "t/.env.example",
                "# comment\nexport FROM_EXAMPLE=pl4nted\nTWO=\n\nnot a line\n",
            ),
            (
                "t/main.py",
                "import os\nTOKEN = os.environ['TUSHARE_TOKEN']\nos.getenv(\"DEBUG\", 'pl4nted')\nos.environ['HOME']\n",
            ),
            ("t/config.yaml", "url: https://${DB_HOST:-pl4nted}/x\n"),
            ("t/node_modules/x/index.js", "process.env.NOT_OURS"),
        ]);
        let (list, warnings) = tree.with_variables(&["SETTING", "bad name"]).collect();
        assert_eq!(
            list.environment_variables,
            [
                "DB_HOST",
                "DEBUG",
                "FROM_EXAMPLE",
                "SETTING",
                "TUSHARE_TOKEN",
                "TWO"
            ]
        );
        let all = format!(
            "{} {warnings:?}",
            serde_json::to_string(&list).expect("it renders")
        );
        assert!(!all.contains("pl4nted"), "{all}");
    }

    #[test]
    fn large_files_and_links_are_passed_over() {
        let large = format!("{}os.getenv('LARGE')", " ".repeat(5 << 20));
        let tree = Tree::new(&[
            ("t/large.py", large.as_str()),
            ("t/a.py", "os.getenv('SMALL')"),
        ]);
        std::os::unix::fs::symlink("a.py", tree.path().join("t/link.py")).expect("it links");
        std::os::unix::fs::symlink("../t", tree.path().join("t/dir")).expect("it links");
        let (list, _) = tree
            .with_files(&["t/link.py", "t/dir/a.py", "t/gone.py"])
            .collect();
        assert_eq!(list.environment_variables, ["SMALL"]);
    }
}
