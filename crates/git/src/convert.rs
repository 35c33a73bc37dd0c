//! Conversion between git's blobs and work-tree files: line endings, encodings, Git LFS.
//!
//! Attributes and `core.autocrlf` decide, as in git; gix converts line endings. Filter *programs*
//! are never run, since a configuration may contain any command: Git LFS (`lfs.rs`) and `ident`
//! (`ident.rs`) are implemented natively, and any other configured driver is an error. So is
//! `working-tree-encoding`: git uses the system's iconv, whose results differ between systems
//! (UTF-16 has another byte order on macOS), so the restored bytes would be unpredictable.

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
    attributes::{RuleSource, Rules},
    error::During,
    ident, lfs,
    repo::git_id,
    walk::entries_at,
};
use base::{Digest, RelPath};
use model::{GitId, operation::TreeEntry};

/// The source of `.gitattributes`.
#[derive(Debug, Clone, Copy)]
pub enum Attributes<'a> {
    /// The work tree, in its current state.
    WorkTree,
    /// The work tree, as it will be after these changes.
    After(&'a RuleChanges),
    /// A commit: a restore writes files by the rules of its target.
    Commit(&'a GitId),
}

/// Changes to `.gitattributes` files, with their new blobs; `None` = the file is removed.
pub type RuleChanges = BTreeMap<RelPath, Option<GitId>>;

/// Returns the removed `.gitattributes`, whose rules would otherwise still come from the index.
pub fn rules_gone<'a>(
    changes: impl IntoIterator<Item = (&'a RelPath, Option<&'a TreeEntry>)>,
) -> RuleChanges {
    let gone = changes
        .into_iter()
        .filter(|(path, after)| after.is_none() && path.name() == b".gitattributes");
    gone.map(|(path, _)| (path.clone(), None)).collect()
}

/// The work-tree form of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worktree {
    /// The blob's own bytes.
    Same(Vec<u8>),
    /// Converted bytes.
    Changed(Vec<u8>),
    /// The bytes of a Git LFS object; see [`Repo::lfs_path`].
    Lfs {
        /// The SHA-256 of the bytes.
        oid: Digest,
        /// The number of bytes.
        size: u64,
    },
}

/// A converter of files by the attributes of one place. Can be shared between threads.
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
    /// Makes a converter with these attributes.
    pub fn converter(&self, attributes: Attributes<'_>) -> Result<Converter, Error> {
        let place = match attributes {
            Attributes::WorkTree => {
                RuleSource::WorkTree(self.read_index(true)?, RuleChanges::new())
            }
            Attributes::After(changes) => {
                RuleSource::WorkTree(self.read_index(true)?, changes.clone())
            }
            Attributes::Commit(commit) => RuleSource::Tree(self.tree_of(commit)?),
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
    /// Returns what git would store for a file's bytes; for Git LFS, the pointer.
    pub fn to_git(&self, path: &RelPath, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
        if self.is_plain(path)? {
            return Ok(bytes);
        }
        if self.is_lfs(path)? {
            // As in git-lfs: an empty file stays empty, and a pointer is kept as it is.
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

    /// Returns the work-tree form of a blob.
    ///
    /// For Git LFS, the object that a pointer names must be in the local store and have the stated
    /// size; a blob that is not a pointer is used unchanged.
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

    /// True when the keyword `$Id$` is expanded in a path's work-tree form.
    fn is_ident(&self, path: &RelPath) -> Result<bool, Error> {
        let mut out = self.rules.selection(&["ident"]);
        self.rules.matching(path, &mut out)?;
        Ok(out
            .iter_selected()
            .next()
            .is_some_and(|found| found.assignment.state == StateRef::Set))
    }

    /// True when a path is stored with Git LFS. A conversion other than LFS, `ident` and line
    /// endings is an error.
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
            // A driver that is not configured has no effect, as in git.
            Some(name) if !self.drivers.contains(&name) => Ok(false),
            Some(driver) => refused(driver),
        }
    }

    /// True when this path's bytes are the same in git and in the work tree, whatever they are.
    pub fn is_plain(&self, path: &RelPath) -> Result<bool, Error> {
        Ok(!self.auto_crlf && self.rules.none_for(path)?)
    }

    /// True when writing the file back from git would reproduce it, apart from keywords. Takes its
    /// size, its bytes if they were read, and git's bytes, which are read only if needed.
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
        // git removes CR when storing, and adds CR only where CRLF is asked for.
        if !self.may_write_crlf(path)? && !is_ident {
            return Ok(size == size_in_git);
        }
        let in_git = in_git()?;
        let (keywords, id) = (
            if is_ident { ident::count(&in_git) } else { 0 },
            self.repo.blob_id(&in_git),
        );
        // In an edited file a keyword's id is that of the previous blob; git writes it anew.
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

    /// True when a path may get CRLF line endings.
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

    /// True when every path is known to be plain.
    ///
    /// This is known only for [`Attributes::Commit`]: in a work tree any folder may hold a
    /// `.gitattributes`, so ask [`Converter::is_plain`] there, which looks once per folder.
    pub fn is_trivial(&self) -> bool {
        self.trivial
    }

    /// Returns git's current bytes of a path: wrong line endings there are kept, as in git.
    fn stored(&self, path: &RelPath) -> Option<Vec<u8>> {
        let id = match self.rules.place() {
            RuleSource::WorkTree(index, _) => {
                entries_at(index, path).0.first().map(|entry| entry.id)
            }
            RuleSource::Tree(tree) => self
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

/// Makes the error for a path that cannot be converted.
fn convert_error(path: &RelPath, source: impl Into<super::error::Cause>) -> Error {
    Error::Convert {
        path: path.clone(),
        source: source.into(),
    }
}

#[cfg(test)]
mod tests;
