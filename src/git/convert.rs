//! Between the bytes git stores and those of the work tree: line ends, encodings, Git LFS.
//!
//! Attributes and `core.autocrlf` decide, as in git; gix does the line ends. Filter *programs*
//! are never run, since a configuration may hold any command: Git LFS is done natively
//! (`lfs.rs`), so is `ident` (`ident.rs`), and any other configured driver is an error. So is
//! `working-tree-encoding`: git converts with the system's iconv, whose answers differ from system
//! to system (UTF-16 has another order of bytes on macOS), so nobody could say what is restored.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use gix::{
    attrs::StateRef,
    bstr::ByteSlice,
    filter::plumbing::{
        Pipeline,
        eol::{AutoCrlf, Mode},
        pipeline::convert::to_worktree::{Options, UnknownEncoding},
    },
};

use super::{
    Error, Repo,
    attributes::{Place, Rules},
    error::During,
    ident, lfs,
    repo::git_id,
    walk::entries_at,
};
use crate::{
    base::{Digest, GitId, RelPath},
    model::operation::TreeEntry,
};

/// Where `.gitattributes` are read from.
#[derive(Debug, Clone, Copy)]
pub enum Attributes<'a> {
    /// The work tree, as it is now.
    WorkTree,
    /// The work tree, as it will be when these changes are done.
    After(&'a RuleChanges),
    /// A commit: the target of a restore decides how its files are written.
    Commit(&'a GitId),
}

/// `.gitattributes` files that change, with their new blobs; `None` = the file goes.
pub type RuleChanges = BTreeMap<RelPath, Option<GitId>>;

/// The `.gitattributes` that the index loses: without this the index would still lend its own.
pub fn rules_gone<'a>(
    changes: impl IntoIterator<Item = (&'a RelPath, Option<&'a TreeEntry>)>,
) -> RuleChanges {
    let gone = changes
        .into_iter()
        .filter(|(path, after)| after.is_none() && path.name() == b".gitattributes");
    gone.map(|(path, _)| (path.clone(), None)).collect()
}

/// What the work tree gets for a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worktree {
    /// The blob's own bytes.
    Same(Vec<u8>),
    /// Other bytes.
    Changed(Vec<u8>),
    /// The bytes of a Git LFS object; see [`Repo::lfs_path`].
    Lfs {
        /// Their SHA-256.
        oid: Digest,
        /// Their number.
        size: u64,
    },
}

/// Converts files as one place's attributes ask. Can be shared between threads.
pub struct Converter {
    repo: Repo,
    rules: Rules,
    auto_crlf: bool,
    /// True when text gets CRLF where no attribute says otherwise.
    crlf: bool,
    trivial: bool,
    drivers: Vec<String>,
    idle: Mutex<Vec<Pipeline>>,
    pattern: Pipeline,
}

impl Repo {
    /// Makes a converter that takes the attributes from there.
    pub fn converter(&self, attributes: Attributes<'_>) -> Result<Converter, Error> {
        let place = match attributes {
            Attributes::WorkTree => Place::WorkTree(self.read_index(true)?, RuleChanges::new()),
            Attributes::After(changes) => Place::WorkTree(self.read_index(true)?, changes.clone()),
            Attributes::Commit(commit) => Place::Tree(self.tree_of(commit)?),
        };
        let doing = "reading how to convert files";
        let (mut options, context) = self.with(|repo| {
            let options = gix::filter::Pipeline::options(repo).during(doing)?;
            Ok((options, repo.command_context().during(doing)?))
        })?;
        let drivers = options.drivers.drain(..).filter(|driver| {
            driver.clean.is_some() || driver.smudge.is_some() || driver.process.is_some()
        });
        let drivers = drivers.map(|driver| driver.name.to_string()).collect();
        let auto_crlf = options.eol_config.auto_crlf != AutoCrlf::Disabled;
        let crlf = options.eol_config.auto_crlf == AutoCrlf::Enabled
            || options.eol_config.eol == Some(Mode::CrLf);
        let rules = Rules::new(self, place)?;
        Ok(Converter {
            repo: self.clone(),
            trivial: !auto_crlf && rules.none_anywhere()?,
            rules,
            auto_crlf,
            crlf,
            drivers,
            idle: Mutex::default(),
            pattern: Pipeline::new(context, self.hash(), options),
        })
    }
}

impl Converter {
    /// What git would store for a file's bytes; for Git LFS, the pointer.
    pub fn to_git(&self, path: &RelPath, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.is_plain(path)? {
            return Ok(bytes);
        }
        if self.is_lfs(path)? {
            // As git-lfs does: nothing stays nothing, and a pointer stays itself.
            let keep = bytes.is_empty() || lfs::parse_pointer(&bytes).is_some();
            return Ok(if keep {
                bytes
            } else {
                Repo::lfs_pointer(&Digest::of(&bytes), bytes.len() as u64)
            });
        }
        self.with_pipeline(|pipeline| {
            let mut failed = None;
            let mut outcome = pipeline
                .convert_to_git(
                    bytes.as_slice(),
                    path.as_os().as_ref(),
                    &mut |_, out| failed = self.rules.matching_without_ident(path, out).err(),
                    &mut |buffer| {
                        Ok(self
                            .stored(path)
                            .map(|bytes| buffer.extend_from_slice(&bytes)))
                    },
                )
                .map_err(|source| convert_error(path, source))?;
            let changed = outcome.is_changed();
            let mut converted = Vec::new();
            if changed {
                std::io::copy(&mut outcome, &mut converted)
                    .map_err(|source| convert_error(path, source))?;
            }
            drop(outcome);
            match failed {
                Some(error) => Err(error),
                None => Ok(changed.then_some(converted)),
            }
        })
        .map(|converted| converted.unwrap_or(bytes))
        .and_then(|bytes| {
            Ok(if self.is_ident(path)? {
                ident::to_git(&bytes)
            } else {
                bytes
            })
        })
    }

    /// What the work tree gets for a blob.
    ///
    /// For Git LFS the blob must be a pointer and its object must be here, with its size;
    /// a blob that is no pointer is taken as it is.
    pub fn to_worktree(&self, path: &RelPath, blob: Vec<u8>) -> Result<Worktree, Error> {
        if self.is_plain(path)? {
            return Ok(Worktree::Same(blob));
        }
        if self.is_lfs(path)? {
            let Some((oid, size)) = lfs::parse_pointer(&blob) else {
                return Ok(Worktree::Same(blob));
            };
            let here = self
                .repo
                .lfs_path(&oid)
                .metadata()
                .is_ok_and(|found| found.is_file() && found.len() == size);
            return if here {
                Ok(Worktree::Lfs { oid, size })
            } else {
                Err(Error::MissingLfs {
                    path: path.clone(),
                    oid,
                })
            };
        }
        let expanded = if self.is_ident(path)? {
            ident::to_worktree(&blob, &self.repo.blob_id(&blob))
        } else {
            blob.clone()
        };
        let converted = self.with_pipeline(|pipeline| {
            let mut failed = None;
            let options = Options {
                unknown_encoding: UnknownEncoding::Fail,
                ..Options::default()
            };
            let outcome = pipeline
                .convert_to_worktree(
                    &expanded,
                    path.as_bstr(),
                    &mut |_, out| failed = self.rules.matching_without_ident(path, out).err(),
                    options,
                )
                .map_err(|source| convert_error(path, source))?;
            let converted = outcome
                .is_changed()
                .then(|| outcome.as_bytes().map(<[u8]>::to_vec))
                .flatten();
            drop(outcome);
            match failed {
                Some(error) => Err(error),
                None => Ok(converted),
            }
        })?;
        let bytes = converted.unwrap_or(expanded);
        Ok(if bytes == blob {
            Worktree::Same(blob)
        } else {
            Worktree::Changed(bytes)
        })
    }

    /// True when a path's keywords `$Id$` are written out in the work tree.
    fn is_ident(&self, path: &RelPath) -> Result<bool, Error> {
        let mut out = self.rules.selection(&["ident"]);
        self.rules.matching(path, &mut out)?;
        Ok(out
            .iter_selected()
            .next()
            .is_some_and(|found| found.assignment.state == StateRef::Set))
    }

    /// True when a path is stored with Git LFS; a path with another conversion than
    /// line ends is an error.
    pub fn is_lfs(&self, path: &RelPath) -> Result<bool, Error> {
        if self.rules.none_for(path)? {
            return Ok(false);
        }
        let mut out = self.rules.selection(&["filter", "working-tree-encoding"]);
        self.rules.matching(path, &mut out)?;
        let refused = |driver: String| {
            Err(Error::Filter {
                path: path.clone(),
                driver,
            })
        };
        let value = |state: Option<StateRef<'_>>| match state {
            Some(StateRef::Value(name)) => Some(name.as_bstr().to_str_lossy().into_owned()),
            _ => None,
        };
        let mut states = out.iter_selected().map(|found| found.assignment.state);
        let driver = value(states.next());
        match value(states.next()) {
            Some(encoding) if !encoding.eq_ignore_ascii_case("utf-8") => {
                let attribute = format!("working-tree-encoding={encoding}");
                return Err(Error::Attribute {
                    path: path.clone(),
                    attribute,
                });
            }
            _ => {}
        }
        match driver {
            None => Ok(false),
            Some(name) if name == "lfs" => Ok(true),
            // A driver that is not configured does nothing, in git too.
            Some(name) if !self.drivers.contains(&name) => Ok(false),
            Some(driver) => refused(driver),
        }
    }

    /// True when this path's bytes are the same in git and in the work tree, whatever they are.
    pub fn is_plain(&self, path: &RelPath) -> Result<bool, Error> {
        Ok(!self.auto_crlf && self.rules.none_for(path)?)
    }

    /// True when a file would be written back as it is, but for keywords: with its bytes, or only
    /// their number where nobody read them, and the bytes that git keeps of it, read when they are
    /// needed.
    pub fn comes_back(
        &self,
        path: &RelPath,
        (size, bytes): (u64, Option<&[u8]>),
        (size_in_git, in_git): (u64, &dyn Fn() -> Result<Vec<u8>, Error>),
    ) -> Result<bool, Error> {
        if self.is_plain(path)? || self.is_lfs(path)? {
            return Ok(true);
        }
        let is_ident = self.is_ident(path)?;
        // git takes CR away on the way in, and adds some only where CRLF is asked for.
        if !self.may_write_crlf(path)? && !is_ident {
            return Ok(size == size_in_git);
        }
        let in_git = in_git()?;
        let (keywords, id) = (
            if is_ident { ident::count(&in_git) } else { 0 },
            self.repo.blob_id(&in_git),
        );
        // What a keyword says of a file that was edited is of the blob before; git writes it anew.
        let bare = |bytes: &[u8]| {
            if is_ident {
                ident::to_git(bytes)
            } else {
                bytes.to_vec()
            }
        };
        Ok(match self.to_worktree(path, in_git)? {
            Worktree::Same(back) | Worktree::Changed(back) => bytes.map_or_else(
                || ident::is_size(size, back.len(), keywords, &id),
                |bytes| bare(bytes) == bare(&back),
            ),
            Worktree::Lfs { .. } => true,
        })
    }

    /// True when a path may get CRLF line ends.
    fn may_write_crlf(&self, path: &RelPath) -> Result<bool, Error> {
        let mut out = self.rules.selection(&["eol"]);
        self.rules.matching(path, &mut out)?;
        let eol = out
            .iter_selected()
            .next()
            .map(|found| found.assignment.state);
        Ok(match eol {
            Some(StateRef::Value(name)) => !name.as_bstr().eq_ignore_ascii_case(b"lf"),
            _ => self.crlf,
        })
    }

    /// True when that is known to hold for every path.
    ///
    /// Known only for [`Attributes::Commit`]: in a work tree any folder may hold a
    /// `.gitattributes`, so ask [`Converter::is_plain`] there, which looks once a folder.
    pub fn is_trivial(&self) -> bool {
        self.trivial
    }

    /// What git has for a path now: line ends that are already wrong there are kept, as in git.
    fn stored(&self, path: &RelPath) -> Option<Vec<u8>> {
        let id = match self.rules.place() {
            Place::WorkTree(index, _) => entries_at(index, path).0.first().map(|entry| entry.id),
            Place::Tree(tree) => self
                .repo
                .find_in_tree(*tree, path)
                .ok()?
                .filter(|(mode, _)| mode.is_blob())
                .map(|(_, id)| id),
        };
        self.repo.read_blob(&git_id(&id?)).ok()
    }

    /// Lends a pipeline to one call.
    fn with_pipeline<T>(&self, call: impl FnOnce(&mut Pipeline) -> T) -> T {
        let idle = self
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let mut pipeline = idle.unwrap_or_else(|| self.pattern.clone());
        let result = call(&mut pipeline);
        self.idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(pipeline);
        result
    }
}

/// The error for a path that cannot be converted.
fn convert_error(path: &RelPath, source: impl Into<super::error::Cause>) -> Error {
    Error::Convert {
        path: path.clone(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Sandbox, rel};
    use super::*;
    use crate::base::{Fault, Kind};

    /// Every file, as a fresh checkout of git writes it, must be what the converter says; and back.
    fn assert_like_git(sandbox: &Sandbox, names: &[&str]) {
        let repo = sandbox.repo();
        let commit = sandbox.id("HEAD");
        let of_commit = repo.converter(Attributes::Commit(&commit)).unwrap();
        for name in names {
            sandbox.remove(name);
        }
        sandbox.git(&["checkout", "-q", "--", "."]);
        for name in names {
            let in_tree = std::fs::read(sandbox.path(name)).unwrap();
            let blob = repo
                .read_blob(&sandbox.id(&format!("HEAD:{name}")))
                .unwrap();
            let written = match of_commit.to_worktree(&rel(name), blob.clone()).unwrap() {
                Worktree::Same(bytes) | Worktree::Changed(bytes) => bytes,
                Worktree::Lfs { .. } => panic!("{name} is not a large file"),
            };
            assert_eq!(
                written.as_bstr(),
                in_tree.as_bstr(),
                "{name} to the work tree"
            );
            let hashed = sandbox.text(&["hash-object", "--path", name, name]);
            let of_tree = repo.converter(Attributes::WorkTree).unwrap();
            let back = of_tree.to_git(&rel(name), in_tree).unwrap();
            assert_eq!(repo.blob_id(&back).as_str(), hashed, "{name} to git");
        }
    }

    #[test]
    fn line_ends_are_those_of_git() {
        for config in [
            &[][..],
            &["core.autocrlf", "true"],
            &["core.autocrlf", "input"],
            &["core.eol", "crlf"],
        ] {
            let sandbox = Sandbox::new();
            let attributes = "*.txt text\n*.win text eol=crlf\n*.unix text eol=lf\n*.bin binary\n*.auto text=auto\n";
            sandbox.write(".gitattributes", attributes.as_bytes());
            sandbox.write("sub/.gitattributes", b"*.txt -text\n");
            let names = [
                "a.txt",
                "b.win",
                "c.unix",
                "d.bin",
                "e.auto",
                "sub/a.txt",
                "other",
            ];
            for name in names {
                sandbox.write(name, b"one\ntwo\nthree\n");
            }
            sandbox.write("g.bin", b"one\r\ntwo\n\0");
            sandbox.write("h.auto", b"one\n\0two\n");
            sandbox.write("i.auto", b"one\r\ntwo\r\nthree\n");
            sandbox.commit("all");
            if let [name, value] = config {
                sandbox.git(&["config", name, value]);
            }
            assert_like_git(
                &sandbox,
                &[&names[..], &["g.bin", "h.auto", "i.auto"]].concat(),
            );
        }
    }

    #[test]
    fn keywords_are_those_of_git() {
        let texts: [&[u8]; 14] = [
            b"$Id$\n",
            b"a $Id$ b $Id$ c\n$Id$",
            b"$Id: 0123 $\n",
            b"$Id:$ $Id: $ $Id:  $\n",
            b"$Id: notes.c 7 2020 $ $Id$\n",
            b"$Id: line\nbreak $ $Id$\n",
            b"$Id: never closed\n",
            b"$Id\n$$Id$$\n$id$ $Idx$",
            b"$Id: foreign words $Id$\n",
            b"$I$Id$ $Id:a b$ $Id: a\tb$ $Id: a $ $Id:\n$Id$",
            b"$Id: open\n$Id:",
            b"$",
            b"no keyword\n",
            b"$Id$\r\nb\r\n",
        ];
        for rule in ["ident", "ident text eol=crlf", "ident text=auto"] {
            let is_odd = |text: &[u8]| {
                [&b"$$Id$"[..], b"words $Id$", b"$I$Id$"]
                    .iter()
                    .any(|odd| text.windows(odd.len()).any(|part| part == *odd))
            };
            let texts: Vec<&[u8]> = texts
                .into_iter()
                .filter(|text| !rule.contains("auto") || !is_odd(text))
                .collect();
            let sandbox = Sandbox::new();
            sandbox.write(".gitattributes", format!("*.k {rule}\n").as_bytes());
            let names: Vec<String> = (0..texts.len())
                .map(|nth| format!("deep/{nth}.k"))
                .collect();
            names
                .iter()
                .zip(&texts)
                .for_each(|(name, text)| sandbox.write(name, text));
            // Blobs with keywords that are written out, too: nobody converted them.
            let raw = sandbox.text(&["hash-object", "-w", "--no-filters", "deep/2.k"]);
            sandbox.commit("all");
            sandbox.git(&[
                "update-index",
                "--cacheinfo",
                &format!("100644,{raw},deep/2.k"),
            ]);
            sandbox.git(&["commit", "-qm", "raw"]);
            assert_like_git(
                &sandbox,
                &names.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
    }

    #[test]
    fn the_targets_attributes_decide_and_none_is_trivial() {
        let sandbox = Sandbox::new();
        sandbox.write("a.txt", b"1\n");
        let before = sandbox.commit("plain");
        sandbox.write("deep/er/.gitattributes", b"*.txt eol=crlf\n");
        sandbox.write("deep/er/a.txt", b"1\n");
        let after = sandbox.commit("rules");
        let repo = sandbox.repo();
        let (old, new) = (
            repo.converter(Attributes::Commit(&before)).unwrap(),
            repo.converter(Attributes::Commit(&after)).unwrap(),
        );
        assert!(old.is_trivial() && !new.is_trivial());
        let path = rel("deep/er/a.txt");
        assert_eq!(
            old.to_worktree(&path, b"1\n".to_vec()).unwrap(),
            Worktree::Same(b"1\n".to_vec())
        );
        assert_eq!(
            new.to_worktree(&path, b"1\n".to_vec()).unwrap(),
            Worktree::Changed(b"1\r\n".to_vec())
        );
        assert!(new.is_plain(&rel("a.txt")).unwrap() && !new.is_plain(&path).unwrap());
    }

    #[test]
    fn filter_programs_are_refused_and_info_attributes_win() {
        let sandbox = Sandbox::new();
        sandbox.write(
            ".gitattributes",
            b"*.x filter=evil\n*.y filter=unknown\n*.u working-tree-encoding=UTF-16\n",
        );
        sandbox.write("a.x", b"1\n");
        sandbox.commit("filter");
        sandbox.git(&["config", "filter.evil.clean", "touch pwned; cat"]);
        let repo = sandbox.repo();
        let converter = repo.converter(Attributes::WorkTree).unwrap();
        let error = converter
            .to_git(&rel("a.x"), b"1\n".to_vec())
            .expect_err("a program would run");
        assert_eq!(error.kind(), Kind::Refused);
        assert!(error.to_string().contains("evil"), "{error}");
        assert!(converter.to_worktree(&rel("a.x"), b"1\n".to_vec()).is_err());
        assert_eq!(
            converter.to_git(&rel("a.y"), b"1\n".to_vec()).unwrap(),
            b"1\n"
        );
        assert!(
            matches!(
                converter.to_git(&rel("a.u"), b"1".to_vec()),
                Err(Error::Attribute { .. })
            ),
            "it depends on the system"
        );
        assert!(!sandbox.path("pwned").exists());

        sandbox.write(".git/info/attributes", b"*.x -filter eol=crlf\n");
        let converter = sandbox.repo().converter(Attributes::WorkTree).unwrap();
        assert_eq!(
            converter.to_git(&rel("a.x"), b"1\r\n".to_vec()).unwrap(),
            b"1\n"
        );
    }
}
