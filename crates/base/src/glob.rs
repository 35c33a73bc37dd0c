//! Globs over safe relative paths, with git's meaning of `*` and `**`.
//!
//! `*` and `?` stop at `/`, `**` does not; `{a,b}` and `[a-z]` work; `\` takes the next character
//! literally. Paths are bytes: a name that is not UTF-8 is matched by wildcards like any other.
//! Nothing here touches files; [`Globs::literal_prefixes`] tells where a walk has to begin.

use std::path::Path;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use super::{Fault, Kind, RelPath};

/// The characters that make a pattern a wildcard.
const WILD: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A compiled list of patterns; a path matches if any of them does.
#[derive(Debug, Clone)]
pub struct Globs {
    /// Folders whose entire contents match: the patterns of the form `folder/**`, kept apart
    /// because they are tested for every file.
    below: Vec<RelPath>,
    /// The other patterns.
    set: GlobSet,
    prefixes: Vec<RelPath>,
}

/// A pattern that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{pattern:?} is not a usable pattern: {why}")]
pub struct BadGlob {
    /// The pattern.
    pub pattern: String,
    /// The reason.
    pub why: String,
}

impl Fault for BadGlob {
    fn kind(&self) -> Kind {
        Kind::Usage
    }
}

impl Globs {
    /// Compiles patterns, relative to the same root as the paths to be matched.
    pub fn new(patterns: &[String]) -> Result<Self, BadGlob> {
        let mut builder = GlobSetBuilder::new();
        let mut prefixes = Vec::with_capacity(patterns.len());
        let mut below = Vec::new();
        for pattern in patterns {
            let (glob, prefix) = compile(pattern)?;
            match pattern.strip_suffix("/**") {
                Some(folder) if prefix.as_bytes() == folder.as_bytes() => {
                    below.push(prefix.clone());
                }
                _ => _ = builder.add(glob),
            }
            prefixes.push(prefix);
        }
        let whole = |error: globset::Error| BadGlob {
            pattern: patterns.join(" "),
            why: error.kind().to_string(),
        };
        Ok(Self {
            below,
            set: builder.build().map_err(whole)?,
            prefixes,
        })
    }

    /// Checks one pattern without building a matcher, which is a hundred times cheaper.
    pub fn check(pattern: &str) -> Result<(), BadGlob> {
        compile(pattern).map(drop)
    }

    /// True when any of the patterns matches the whole path.
    pub fn matches(&self, path: &RelPath) -> bool {
        self.below
            .iter()
            .any(|folder| path != folder && path.is_in(folder))
            || self.set.is_match(Path::new(path.as_os()))
    }

    /// Returns, for each pattern, the deepest folder whose name has no wildcard: nothing outside it
    /// can match. The root if the first name is a wildcard or the only name.
    pub fn literal_prefixes(&self) -> Vec<RelPath> {
        self.prefixes.clone()
    }

    /// True when there are no patterns, so that nothing ever matches.
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }
}

/// True when a pattern, or a part of one, contains a wildcard.
pub fn is_wild(pattern: &str) -> bool {
    pattern.contains(WILD)
}

/// Returns the pattern that matches exactly this text.
pub fn escape(text: &str) -> String {
    globset::escape(text)
}

/// Compiles one pattern; returns the glob and the literal folder that it begins with.
fn compile(pattern: &str) -> Result<(Glob, RelPath), BadGlob> {
    let wrong = |why: String| BadGlob {
        pattern: pattern.to_string(),
        why,
    };
    let prefix = literal_prefix(pattern).map_err(|why| wrong(why.to_string()))?;
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    Ok((
        glob.map_err(|error| wrong(error.kind().to_string()))?,
        prefix,
    ))
}

/// Returns a pattern's literal folder; refuses patterns that can never match a safe path.
fn literal_prefix(pattern: &str) -> Result<RelPath, &'static str> {
    if pattern.is_empty() {
        return Err("it is empty");
    }
    if pattern.starts_with('/') {
        return Err("it begins with '/'");
    }
    let names: Vec<&str> = pattern.split('/').collect();
    if names.iter().any(|name| matches!(*name, "" | "." | "..")) {
        return Err("it holds an empty name, '.' or '..'");
    }
    let literal = names[..names.len() - 1]
        .iter()
        .take_while(|name| !is_wild(name));
    let prefix = literal.copied().collect::<Vec<_>>().join("/");
    if prefix.is_empty() {
        return Ok(RelPath::root());
    }
    RelPath::parse(prefix).map_err(|refusal| refusal.why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(patterns: &[&str]) -> Globs {
        Globs::new(&patterns.iter().map(ToString::to_string).collect::<Vec<_>>())
            .expect("they are patterns")
    }

    fn path(bytes: &[u8]) -> RelPath {
        RelPath::parse(bytes).expect("it is honest")
    }

    #[test]
    fn stars_mean_what_git_means() {
        let globs = globs(&["tasks/T01/**", "*.md", "lib/{a,b}?.py"]);
        for hit in [
            &b"tasks/T01/x"[..],
            b"tasks/T01/a/b/c",
            b"tasks/T01/.hidden",
            b"README.md",
            b"lib/a1.py",
        ] {
            assert!(globs.matches(&path(hit)), "{hit:?}");
        }
        for miss in [
            &b"tasks/T01"[..],
            b"tasks/T010/x",
            b"docs/README.md",
            b"lib/a/.py",
            b"lib/c1.py",
        ] {
            assert!(!globs.matches(&path(miss)), "{miss:?}");
        }
    }

    #[test]
    fn names_that_are_not_text_match_wildcards() {
        let globs = globs(&["tasks/T01/**", "d/*.bin"]);
        assert!(globs.matches(&path(b"tasks/T01/\xff\xfe/x")));
        assert!(globs.matches(&path(b"d/\xff.bin")));
        assert!(!globs.matches(&path(b"d/\xff.bim")));
    }

    #[test]
    fn a_walk_begins_at_the_deepest_literal_folder() {
        let globs = globs(&["tasks/T01/**", "a/b*/c", "**/x", "lib/util.py", "top"]);
        let prefixes: Vec<_> = globs
            .literal_prefixes()
            .iter()
            .map(RelPath::to_text)
            .collect();
        assert_eq!(prefixes, ["tasks/T01", "a", "", "lib", ""]);
    }

    #[test]
    fn escaped_text_matches_only_itself() {
        let globs = globs(&[&escape("a[1]*{x}?")]);
        assert!(globs.matches(&path(b"a[1]*{x}?")));
        assert!(!globs.matches(&path(b"a1yxz")));
    }

    #[test]
    fn patterns_that_leave_the_tree_or_do_not_compile_are_refused() {
        for pattern in [
            "",
            "/a",
            "a/../b",
            "a//b",
            "./a",
            "a/",
            "[",
            "{a",
            ".git/x/**",
        ] {
            assert!(Globs::new(&[pattern.to_string()]).is_err(), "{pattern:?}");
        }
    }
}
