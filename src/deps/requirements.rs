//! pip's requirements files: pinned lines as `name==version`, other lines as written.
//!
//! Handles continuation lines, comments, hashes, extras, markers and `-r` includes; other options
//! (above all indexes) are never recorded, and no URL keeps its credentials. Includes are followed
//! anywhere in the repository, relative to the including file, as pip does; one that cannot be
//! followed is reported and does not affect the rest.

use std::collections::BTreeMap;

use crate::base::{RelPath, encoding, fs::read_limited};

use super::{
    Collected, CollectedTask, Error, LOCK_LIMIT,
    installed::{is_plain, normalise},
    places, python,
    python_lock::PythonLockFormat,
    url,
};

/// Maximum number of files read by following includes.
const INCLUDES: usize = 100;

/// One relevant logical line.
#[derive(Debug, PartialEq, Eq)]
enum RequirementLine {
    /// A package, as recorded.
    Package(String),
    /// `-r`: another requirement file.
    Include(String),
    /// `-c`: a file of constraints, which holds no packages of its own.
    Constraint(String),
}

/// Returns the packages of a requirements file and its includes.
pub(super) fn packages(task: &CollectedTask<'_>, path: &RelPath, text: &str) -> Vec<String> {
    Included::follow(task, path, text).packages
}

/// Returns the packages of a requirements file without its includes.
#[cfg(feature = "fuzz")]
pub(super) fn packages_of(text: &str) -> Vec<String> {
    let package = |line| {
        if let RequirementLine::Package(package) = line {
            Some(package)
        } else {
            None
        }
    };
    lines(text).into_iter().filter_map(package).collect()
}

/// Records the includes and constraints of requirements files.
pub(super) fn record_includes(
    task: &CollectedTask<'_>,
    locks: &[RelPath],
    found: &mut Collected,
) -> Result<(), Error> {
    for path in locks {
        if !matches!(
            python::format(path),
            Some(
                PythonLockFormat::Pins
                    | PythonLockFormat::Requirements
                    | PythonLockFormat::OtherRequirements
            )
        ) {
            continue;
        }
        // The reader of packages reports a file that is not text.
        let bytes = read_limited(task.fs, &found.file_of(path), LOCK_LIMIT);
        let Some(text) = bytes.ok().and_then(|bytes| encoding::text(&bytes)) else {
            continue;
        };
        let included = Included::follow(task, path, &text);
        for file in included.files.keys().filter(|file| *file != path) {
            let bytes = places::file_at(task, file)?;
            if !found
                .list
                .lockfiles
                .iter()
                .any(|known| Some(&known.path) == bytes.as_ref())
            {
                found.lock_file(task, file)?;
            }
        }
        for problem in included.problems {
            if !found.warnings.contains(&problem) {
                found.warnings.push(problem);
            }
        }
    }
    Ok(())
}

/// The packages, files and problems of a requirements file and all its includes.
#[derive(Default)]
struct Included {
    packages: Vec<String>,
    /// The files that were read, and whether their packages count.
    files: BTreeMap<RelPath, bool>,
    /// Includes that were not followed, with the reason.
    problems: Vec<String>,
}

impl Included {
    /// Follows every include from a file. Constraints contribute no packages, and neither do their
    /// includes.
    fn follow(task: &CollectedTask<'_>, path: &RelPath, text: &str) -> Self {
        let mut all = Self {
            files: BTreeMap::from([(path.clone(), true)]),
            ..Self::default()
        };
        let mut waiting = vec![(path.clone(), text.to_string(), true)];
        while let Some((path, text, counts)) = waiting.pop() {
            for line in lines(&text) {
                let (target, counts) = match line {
                    RequirementLine::Package(package) => {
                        all.packages.extend(counts.then_some(package));
                        continue;
                    }
                    RequirementLine::Include(target) => (target, counts),
                    RequirementLine::Constraint(target) => (target, false),
                };
                match all.open(task, &path, &target, counts) {
                    Ok(Some((target, text))) => waiting.push((target, text, counts)),
                    Ok(None) => {}
                    Err(why) => all.problems.push(format!(
                        "{path} includes {}, which is not read: {why}",
                        url::clean_text(&target)
                    )),
                }
            }
        }
        all
    }

    /// Returns the path and text of an included file; `None` for one already read.
    fn open(
        &mut self,
        task: &CollectedTask<'_>,
        from: &RelPath,
        target: &str,
        counts: bool,
    ) -> Result<Option<(RelPath, String)>, String> {
        if url::is_url(target) {
            return Err("it is not a file of this repository".into());
        }
        let target =
            places::resolve(&from.parent(), target).ok_or("it is outside the repository")?;
        if self
            .files
            .get(&target)
            .is_some_and(|counted| *counted || !counts)
        {
            return Ok(None);
        }
        if self.files.len() > INCLUDES {
            return Err(format!("{INCLUDES} others were read already"));
        }
        let file = places::file_at(task, &target)
            .map_err(|error| error.to_string())?
            .unwrap_or_else(|| target.clone());
        let bytes = read_limited(task.fs, &file, LOCK_LIMIT).map_err(|error| error.to_string())?;
        let text = encoding::text(&bytes).ok_or("it is no text")?;
        self.files.insert(target.clone(), counts);
        Ok(Some((target, text)))
    }
}

/// Returns the relevant lines. Continuation lines are joined as by pip: without a separator.
fn lines(text: &str) -> Vec<RequirementLine> {
    let mut logical = Vec::new();
    let mut open = String::new();
    for line in text
        .trim_start_matches('\u{feff}')
        .replace("\r\n", "\n")
        .split(['\n', '\r'])
    {
        // A comment ends with its line, even after a backslash.
        let is_comment = line.trim_start().starts_with('#');
        match line.strip_suffix('\\').filter(|_| !is_comment) {
            Some(start) => open.push_str(start),
            None => {
                if is_comment {
                    open.push(' ');
                }
                open.push_str(line);
                logical.push(std::mem::take(&mut open));
            }
        }
    }
    logical.push(open);
    logical.iter().filter_map(|line| understand(line)).collect()
}

/// Parses one logical line.
fn understand(line: &str) -> Option<RequirementLine> {
    let line = without_comment(line).trim();
    for (options, make) in [
        (
            ["-r", "--requirement"],
            RequirementLine::Include as fn(String) -> RequirementLine,
        ),
        (
            ["-c", "--constraint"],
            RequirementLine::Constraint as fn(String) -> RequirementLine,
        ),
    ] {
        for option in options {
            let Some(rest) = line.strip_prefix(option) else {
                continue;
            };
            // pip accepts `-rfile`, `-r file`, `--requirement=file` and `--requirement file`.
            if option.len() == 2 || rest.starts_with([' ', '=', '\t']) {
                return Some(make(
                    rest.trim_start_matches('=')
                        .trim()
                        .trim_matches(['"', '\''])
                        .to_string(),
                ));
            }
        }
    }
    let editable = [
        "--editable=",
        "--editable ",
        "--editable\t",
        "-e ",
        "-e\t",
        "-e=",
    ]
    .iter()
    .find_map(|option| line.strip_prefix(option));
    if let Some(target) = editable {
        let target = target.trim();
        let shown = if url::is_url(target) {
            url::clean_text(target)
        } else {
            "local".into()
        };
        return Some(RequirementLine::Package(format!("-e {shown}")));
    }
    if line.is_empty() || line.starts_with('-') {
        return None;
    }
    // Options after a requirement (`--hash=…`) begin with a dash after white space.
    let is_option = |(at, _): &(usize, &str)| line[..*at].ends_with(char::is_whitespace);
    let end = line
        .match_indices("--")
        .find(is_option)
        .map_or(line.len(), |(at, _)| at);
    let line = line[..end].trim();
    Some(RequirementLine::Package(
        pinned(line).unwrap_or_else(|| url::clean_text(line)),
    ))
}

/// Strips a comment: `#` at the start or after white space.
fn without_comment(line: &str) -> &str {
    let comment = |(at, _): &(usize, &str)| *at == 0 || line[..*at].ends_with(char::is_whitespace);
    line.match_indices('#')
        .find(comment)
        .map_or(line, |(at, _)| &line[..at])
}

/// Returns `name==version` of a line that pins exactly one version.
fn pinned(line: &str) -> Option<String> {
    let requirement = line.split(';').next().unwrap_or_default();
    let (name, version) = requirement.split_once("==")?;
    let version = version.trim_start_matches('=').trim();
    let name = normalise(name.split('[').next().unwrap_or_default());
    (is_plain(&name) && is_plain(version)).then(|| format!("{name}=={version}"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Tree;
    use super::*;

    #[test]
    fn lines_are_understood() {
        let text = "\u{feff}# c\n--index-url https://u:s3cret@host/simple\nA_b[x,y] == 1.0 ; python_version > '3' # why\n\
            c==2 \\\n    --hash=sha256:00 \\\n    --hash=sha256:11\nd>=1,<2\ne==1.*\nf @ https://u:s3cret@host/f.whl#sha256=0\n\
            -e git+https://s3cret@host/g.git@v1#egg=g\n-e .\n-r more.txt\n--requirement=b.txt\n-cc.txt\n--no-index\n\n";
        let package = |text: &str| RequirementLine::Package(text.into());
        assert_eq!(
            lines(text),
            [
                package("a-b==1.0"),
                package("c==2"),
                package("d>=1,<2"),
                package("e==1.*"),
                package("f @ https://host/f.whl"),
                package("-e git+https://host/g.git@v1"),
                package("-e local"),
                RequirementLine::Include("more.txt".into()),
                RequirementLine::Include("b.txt".into()),
                RequirementLine::Constraint("c.txt".into()),
            ]
        );
    }

    #[test]
    fn includes_are_followed_in_the_whole_repository() {
        let tree = Tree::new(&[
            (
                "t/requirements.txt",
                "-r req/base.txt\n-c req/limits.txt\na==1\n",
            ),
            ("t/req/base.txt", "-r ../requirements.txt\nb==1\n"),
            ("t/req/limits.txt", "z==9\n"),
        ]);
        let (list, warnings) = tree.collect();
        assert_eq!(list.python_packages, ["a==1", "b==1"]);
        let paths: Vec<_> = list
            .lockfiles
            .iter()
            .map(|file| file.path.to_text())
            .collect();
        assert_eq!(
            paths,
            ["t/req/base.txt", "t/req/limits.txt", "t/requirements.txt"]
        );
        assert!(warnings.is_empty(), "{warnings:?}");
        let tree = Tree::new(&[
            (
                "t/requirements.txt",
                "a==1\n-r ../common/all.txt\n-c ../limits.txt\nz==1\n",
            ),
            (
                "common/all.txt",
                "-r deep/../deep/more.txt\nb==1\n-r all.txt\n",
            ),
            (
                "common/deep/more.txt",
                "c==1\n-r ../../t/requirements.txt\n",
            ),
            ("limits.txt", "y==9\n-r common/both.txt\n"),
            ("common/both.txt", "x==9\n"),
        ]);
        let (list, warnings) = tree.collect();
        assert_eq!(list.python_packages, ["a==1", "b==1", "c==1", "z==1"]);
        let paths: Vec<_> = list
            .lockfiles
            .iter()
            .map(|file| file.path.to_text())
            .collect();
        assert_eq!(
            paths,
            [
                "common/all.txt",
                "common/both.txt",
                "common/deep/more.txt",
                "limits.txt",
                "t/requirements.txt"
            ]
        );
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn what_is_not_followed_is_named_and_drops_nothing() {
        for (target, why) in [
            ("../../secret", "outside the repository"),
            ("/etc/secret", "outside the repository"),
            (
                "https://u:s3cret@host/r.txt",
                "not a file of this repository",
            ),
            ("absent.txt", "not read"),
            ("${HOME}/r.txt", "not read"),
            ("wide.txt", "no text"),
        ] {
            let text = format!("-r {target}\na==1\n");
            let tree = Tree::new(&[
                ("t/requirements.txt", text.as_bytes()),
                ("t/wide.txt", b"\xff\xfea"),
            ]);
            let (list, warnings) = tree.collect();
            assert_eq!(list.python_packages, ["a==1"], "{target}");
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(
                warnings[0].contains(why) && !warnings[0].contains("s3cret"),
                "{warnings:?}"
            );
        }
    }

    #[test]
    fn bytes_and_lines_are_read_as_pip_reads_them() {
        let wide: Vec<u8> = std::iter::once(0xfeff)
            .chain("a==1.0\r\nb==2\r\n".encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(
            Tree::new(&[("t/requirements.txt", wide)])
                .collect()
                .0
                .python_packages,
            ["a==1.0", "b==2"]
        );
        let text = "a==1.0\t--hash=sha256:00\nb==1.\\\n0\nc==1 ; python_version < '3.8' \\\n  --hash=sha256:00\nd[x]==2;sys_platform=='win32'\n\
            e===3\r# f==1\\\ng==1 # why\\\n--hash=x\nh==1\\\n# c\n-r\t../more.txt\n";
        let tree = Tree::new(&[("t/requirements.txt", text), ("more.txt", "i==1\n")]);
        let (list, warnings) = tree.collect();
        assert_eq!(
            list.python_packages,
            [
                "a==1.0", "b==1.0", "c==1", "d==2", "e==3", "g==1", "h==1", "i==1"
            ]
        );
        assert!(warnings.is_empty(), "{warnings:?}");
        let files = [
            ("t/requirements/base.txt", "a==1\n"),
            ("t/requirements/dev.txt", "-r base.txt\nb==1\n"),
        ];
        assert_eq!(
            Tree::new(&files).collect().0.python_packages,
            ["a==1", "b==1"]
        );
    }
}
