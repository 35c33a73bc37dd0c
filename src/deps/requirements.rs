//! pip's requirement files: pinned lines as `name==version`, other lines as they are written.
//!
//! Continuation lines, comments, hashes, extras, markers and `-r` includes are understood; other
//! options (indexes above all) are never recorded, and no URL keeps its credentials. Includes
//! are followed only below the folder of the first file.

use std::collections::BTreeSet;

use crate::base::{RelPath, fs::read_limited};

use super::{
    Error, Found, LOCK_LIMIT, Task,
    installed::{is_plain, normalise},
    places,
    python_lock::Format,
    url,
};

/// Most files that are read by following includes.
const INCLUDES: usize = 100;

/// One logical line that matters.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// A package, as recorded.
    Package(String),
    /// `-r`: another requirement file.
    Include(String),
    /// `-c`: a file of constraints, which holds no packages of its own.
    Constraint(String),
}

/// The packages of a requirement file and of those that it includes.
pub(super) fn packages(task: &Task<'_>, path: &RelPath, text: &str) -> Result<Vec<String>, String> {
    let mut packages = Vec::new();
    follow(task, path, text, &mut |line| {
        if let Line::Package(package) = line {
            packages.push(package);
        }
    })?;
    Ok(packages)
}

/// The packages of a requirement file, without those that it includes.
#[cfg(fuzzing)]
pub(super) fn packages_of(text: &str) -> Vec<String> {
    let package = |line| if let Line::Package(package) = line { Some(package) } else { None };
    lines(text).into_iter().filter_map(package).collect()
}

/// The files that requirement files include or are constrained by.
pub(super) fn includes(task: &Task<'_>, locks: &[RelPath], found: &mut Found) -> Result<BTreeSet<RelPath>, Error> {
    let mut all = BTreeSet::new();
    for path in locks {
        let format = std::str::from_utf8(path.name()).ok().and_then(Format::of);
        if !matches!(format, Some(Format::Pins | Format::Requirements | Format::OtherRequirements)) {
            continue;
        }
        let Some(text) = found.lock_text(task, path)? else { continue };
        match follow(task, path, &text, &mut |_| {}) {
            Ok(files) => all.extend(files),
            Err(why) => found.warnings.push(format!("{path}: {why}")),
        }
    }
    for path in locks {
        all.remove(path);
    }
    Ok(all)
}

/// Gives every line of a file and of those it includes to `each`; returns the other files.
fn follow(task: &Task<'_>, path: &RelPath, text: &str, each: &mut dyn FnMut(Line)) -> Result<BTreeSet<RelPath>, String> {
    let home = path.parent();
    let mut seen = BTreeSet::from([path.clone()]);
    let mut waiting = vec![(path.clone(), text.to_string())];
    while let Some((path, text)) = waiting.pop() {
        for line in lines(&text) {
            if let Line::Include(target) | Line::Constraint(target) = &line {
                let Some(target) = places::resolve(&path.parent(), target).filter(|path| path.is_in(&home)) else {
                    return Err("it includes a file outside its folder".into());
                };
                if seen.len() > INCLUDES {
                    return Err(format!("it includes more than {INCLUDES} files"));
                }
                if seen.insert(target.clone()) {
                    let bytes = read_limited(task.fs, &target, LOCK_LIMIT).map_err(|error| format!("cannot read {target}: {error}"))?;
                    if matches!(line, Line::Include(_)) {
                        waiting.push((target, String::from_utf8_lossy(&bytes).into_owned()));
                    }
                }
            }
            each(line);
        }
    }
    seen.remove(path);
    Ok(seen)
}

/// The lines that matter.
fn lines(text: &str) -> Vec<Line> {
    let mut logical = Vec::new();
    let mut open = String::new();
    for line in text.trim_start_matches('\u{feff}').lines() {
        // A comment ends at its line's end, even when that is a backslash.
        let (line, continued) = match line.strip_suffix('\\') {
            Some(start) if !line.trim_start().starts_with('#') => (start, true),
            _ => (line, false),
        };
        open.push_str(line);
        open.push(' ');
        if !continued {
            logical.push(std::mem::take(&mut open));
        }
    }
    logical.push(open);
    logical.iter().filter_map(|line| understand(line)).collect()
}

/// One logical line.
fn understand(line: &str) -> Option<Line> {
    let line = without_comment(line).trim();
    for (options, make) in
        [(["-r", "--requirement"], Line::Include as fn(String) -> Line), (["-c", "--constraint"], Line::Constraint as fn(String) -> Line)]
    {
        for option in options {
            let Some(rest) = line.strip_prefix(option) else { continue };
            // pip takes `-rfile`, `-r file`, `--requirement=file` and `--requirement file`.
            if option.len() == 2 || rest.starts_with([' ', '=', '\t']) {
                return Some(make(rest.trim_start_matches('=').trim().trim_matches(['"', '\'']).to_string()));
            }
        }
    }
    let editable = ["--editable=", "--editable ", "-e "].iter().find_map(|option| line.strip_prefix(option));
    if let Some(target) = editable {
        let target = target.trim();
        let shown = if url::is_url(target) { url::clean_text(target) } else { "local".into() };
        return Some(Line::Package(format!("-e {shown}")));
    }
    if line.is_empty() || line.starts_with('-') {
        return None;
    }
    // Options behind a requirement (`--hash=…`) begin with a dash after white space.
    let end = line.find(" --").unwrap_or(line.len());
    let line = line[..end].trim();
    Some(Line::Package(pinned(line).unwrap_or_else(|| url::clean_text(line))))
}

/// Cuts a comment off: `#` at the start or after white space.
fn without_comment(line: &str) -> &str {
    let comment = |(at, _): &(usize, &str)| *at == 0 || line[..*at].ends_with(char::is_whitespace);
    line.match_indices('#').find(comment).map_or(line, |(at, _)| &line[..at])
}

/// `name==version` of a line that pins exactly one version.
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
        let package = |text: &str| Line::Package(text.into());
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
                Line::Include("more.txt".into()),
                Line::Include("b.txt".into()),
                Line::Constraint("c.txt".into()),
            ]
        );
    }

    #[test]
    fn includes_are_followed_inside_the_folder_only() {
        let tree = Tree::new(&[
            ("t/requirements.txt", "-r req/base.txt\n-c req/limits.txt\na==1\n"),
            ("t/req/base.txt", "-r ../requirements.txt\nb==1\n"),
            ("t/req/limits.txt", "z==9\n"),
        ]);
        let (list, warnings) = tree.collect();
        assert_eq!(list.python_packages, ["a==1", "b==1"]);
        let paths: Vec<_> = list.lockfiles.iter().map(|file| file.path.to_text()).collect();
        assert_eq!(paths, ["t/req/base.txt", "t/req/limits.txt", "t/requirements.txt"]);
        assert!(warnings.is_empty(), "{warnings:?}");
        let (list, warnings) = Tree::new(&[("t/requirements.txt", "-r ../../secret\na==1\n")]).collect();
        assert!(list.python_packages.is_empty() && !warnings.is_empty());
    }
}
