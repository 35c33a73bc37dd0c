//! Support for hooks: their folder, whether git runs configured ones, and edits of a configuration
//! file under git's own lock.

use std::{
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use gix::bstr::ByteSlice;

use super::{Error, Repo, disk, error::During, locks::LockPlan};
use base::RelPath;
use model::GitId;

/// A tree's entry at a path: whether it is a folder, and its object.
type PathEntry = (bool, gix::ObjectId);

/// The setting that determines the hooks folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaidBy {
    /// None: the folder is `hooks` in the git directory.
    Nobody,
    /// `core.hooksPath` in this file of the repository.
    File(PathBuf),
    /// `core.hooksPath` of the user, the system, an included file or the environment.
    Elsewhere,
}

/// The folder in which git looks for hooks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HooksFolder {
    /// The folder, as git starts hooks from it: a relative one is below the work tree.
    pub said: PathBuf,
    /// The setting that determines it.
    pub by: SaidBy,
}

/// A path of the index that differs from HEAD: its object in HEAD and in the index; `None` =
/// absent.
pub type StagedChange = (RelPath, Option<GitId>, Option<GitId>);

impl Repo {
    /// Returns the folder in which git looks for hooks in this repository.
    pub fn hooks_folder(&self) -> HooksFolder {
        self.with(|repo| {
            let config = repo.config_snapshot();
            let said = config.trusted_path("core.hooksPath").ok().flatten();
            let Some(said) = said else {
                return HooksFolder {
                    said: self.common_dir().join("hooks"),
                    by: SaidBy::Nobody,
                };
            };
            let sections = config
                .plumbing()
                .sections_by_name("core")
                .into_iter()
                .flatten();
            let last = sections
                .filter(|section| section.value("hooksPath").is_some())
                .last();
            let by = match last.map(|section| section.meta()) {
                Some(meta)
                    if meta.level == 0
                        && matches!(
                            meta.source,
                            gix::config::Source::Local | gix::config::Source::Worktree
                        ) =>
                {
                    meta.path.clone().map_or(SaidBy::Elsewhere, SaidBy::File)
                }
                _ => SaidBy::Elsewhere,
            };
            HooksFolder { said, by }
        })
    }

    /// Returns the configuration file that all work trees share.
    pub fn config_path(&self) -> PathBuf {
        self.common_dir().join("config")
    }

    /// Reads a configuration file; empty if it does not exist.
    pub fn read_config(&self, file: &Path) -> Result<Vec<u8>, Error> {
        Ok(disk::read(file)?.unwrap_or_default())
    }

    /// Replaces a configuration file under git's own lock, durably, keeping its mode. An error if
    /// its contents are no longer `before`.
    pub fn replace_config(&self, file: &Path, before: &[u8], after: &[u8]) -> Result<(), Error> {
        let failed = |source| Error::File {
            doing: "changing",
            path: file.to_path_buf(),
            source,
        };
        if std::fs::symlink_metadata(file).is_ok_and(|found| !found.is_file()) {
            return Err(failed(std::io::Error::other(
                "it is no regular file, and would be replaced by one",
            )));
        }
        self.clear_config_lock(file)?;
        let staged = self.staged_config();
        disk::create_dirs(&self.common_dir().join("snapback"))?;
        let lock = LockPlan {
            target: file.to_path_buf(),
            staged: staged.clone(),
            bytes: after.to_vec(),
        };
        lock.stage()?;
        if let Ok(found) = std::fs::metadata(file) {
            std::fs::set_permissions(
                &staged,
                std::fs::Permissions::from_mode(found.permissions().mode() & 0o7777),
            )
            .map_err(failed)?;
        }
        disk::sync(&staged)?;
        lock.take_staged()?;
        if self.read_config(file)? != before {
            lock.release()?;
            disk::remove(&staged)?;
            return Err(failed(std::io::Error::other(
                "somebody else changed it at the same moment",
            )));
        }
        lock.publish().inspect_err(|_| drop(lock.release()))?;
        disk::remove(&staged)?;
        disk::sync(file.parent().unwrap_or(self.common_dir()))
    }

    /// Removes a configuration file's lock left over from a killed [`Repo::replace_config`].
    pub fn clear_config_lock(&self, file: &Path) -> Result<(), Error> {
        let (staged, lock) = (self.staged_config(), disk::lock_of(file));
        if disk::same_file(&staged, &lock) {
            disk::remove(&lock)?;
        }
        disk::remove(&staged).map(drop)
    }

    /// Returns the path at which a configuration file's new contents are staged.
    fn staged_config(&self) -> PathBuf {
        self.common_dir().join("snapback").join("config.new")
    }

    /// True when the git program runs configured hooks (git 2.54). The program is asked, because
    /// distributions may patch it without changing its version.
    pub fn runs_configured_hooks(&self) -> bool {
        let probe = [
            "-c",
            "hook.snapback-probe.event=post-commit",
            "-c",
            "hook.snapback-probe.command=true",
            "hook",
            "list",
            "post-commit",
        ];
        self.program(&probe)
            .run()
            .is_ok_and(|ended| ended.succeeded() && ended.stdout.contains_str("snapback-probe"))
    }

    /// Returns the names of an event's configured hooks, as listed by git.
    pub fn listed_hooks(&self, event: &str) -> Vec<String> {
        let ended = self.program(&["hook", "list", event]).run();
        let text = ended
            .map(|ended| String::from_utf8_lossy(&ended.stdout).into_owned())
            .unwrap_or_default();
        text.lines().map(|line| line.trim().to_string()).collect()
    }

    /// Returns the hooks folder according to the git program, if configured.
    pub fn told_hooks_path(&self) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt;
        let ended = self
            .program(&["config", "--type=path", "--get", "core.hooksPath"])
            .run()
            .ok()
            .filter(|ended| ended.succeeded())?;
        Some(PathBuf::from(OsStr::from_bytes(
            ended.stdout.trim_end_with(|c| c == '\n'),
        )))
    }

    /// Returns HEAD's commit before the last merge, rebase or reset.
    pub fn former_head(&self) -> Result<Option<GitId>, Error> {
        let bytes = disk::read(&self.git_dir().join("ORIG_HEAD"))?.unwrap_or_default();
        Ok(std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| text.trim().parse().ok()))
    }

    /// Adds a trailer to a commit message file, as git would, unless it already has one of that
    /// name.
    pub fn add_trailer(&self, file: &Path, name: &str, value: &str) -> Result<(), Error> {
        let trailer = format!("{name}: {value}");
        let command = self.program(&[
            "interpret-trailers",
            "--in-place",
            "--if-exists",
            "doNothing",
            "--trailer",
            &trailer,
            "--",
        ]);
        let ended = command.arg(file).run().map_err(Error::Program)?;
        if ended.succeeded() {
            Ok(())
        } else {
            Err(Error::Failed {
                what: "add a line to the message of the commit",
                output: super::program::printed(&ended),
            })
        }
    }

    /// Returns the staged changes below some paths, in the index that a hook was given.
    pub fn staged(
        &self,
        index: Option<&OsStr>,
        paths: &[&RelPath],
    ) -> Result<Vec<StagedChange>, Error> {
        let mut command = self.program(&[
            "diff-index",
            "--cached",
            "--raw",
            "-z",
            "--no-renames",
            "--no-abbrev",
            "HEAD",
            "--",
        ]);
        if let Some(index) = index {
            command = command.env("GIT_INDEX_FILE", index);
        }
        let ended = command
            .args(paths.iter().map(|path| path.as_os()))
            .output_cap(64 << 20)
            .run()
            .map_err(Error::Program)?;
        if !ended.succeeded() {
            return Err(Error::Failed {
                what: "list what is staged",
                output: super::program::printed(&ended),
            });
        }
        let mut parts = ended.stdout.split(|byte| *byte == 0);
        let mut found = Vec::new();
        while let (Some(about), Some(path)) = (parts.next(), parts.next()) {
            let ids: Vec<&[u8]> = about.split(|byte| *byte == b' ').collect();
            let id = |nth: usize| {
                let text = std::str::from_utf8(ids.get(nth)?).ok()?;
                text.parse::<GitId>()
                    .ok()
                    .filter(|_| text.bytes().any(|digit| digit != b'0'))
            };
            if let Ok(path) = RelPath::parse(path) {
                found.push((path, id(2), id(3)));
            }
        }
        Ok(found)
    }

    /// Returns the files below some folders that differ between two commits, or all of them without
    /// a first commit. Identical folders are not read.
    pub fn changed_paths(
        &self,
        before: Option<&GitId>,
        after: &GitId,
        dirs: &[RelPath],
    ) -> Result<Vec<RelPath>, Error> {
        let Some(before) = before else {
            return Ok(self
                .entries(after, dirs)?
                .into_iter()
                .map(|(path, _)| path)
                .collect());
        };
        let (old, new) = (self.tree_of(before)?, self.tree_of(after)?);
        let mut found = Vec::new();
        for dir in dirs {
            let both = if dir.is_root() {
                (Some((true, old)), Some((true, new)))
            } else {
                let slot = |tree| {
                    Ok::<_, Error>(
                        self.find_in_tree(tree, dir)?
                            .map(|(mode, id)| (mode.is_tree(), id)),
                    )
                };
                (slot(old)?, slot(new)?)
            };
            self.compare(dir, both, &mut found, 0)?;
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    /// Compares two entries of the same path; each is a folder or not, and has an object.
    fn compare(
        &self,
        path: &RelPath,
        (old, new): (Option<PathEntry>, Option<PathEntry>),
        found: &mut Vec<RelPath>,
        depth: usize,
    ) -> Result<(), Error> {
        /// No path of a release is deeper; this bounds the recursion.
        const DEEPEST: usize = 256;
        /// The search ends after so many differences.
        const MOST: usize = 100_000;
        if old == new || depth > DEEPEST || found.len() > MOST {
            return Ok(());
        }
        let folder =
            |entry: Option<PathEntry>| entry.filter(|(is_tree, _)| *is_tree).map(|(_, id)| id);
        if old.or(new).is_some()
            && (old.is_some_and(|(is_tree, _)| !is_tree)
                || new.is_some_and(|(is_tree, _)| !is_tree))
        {
            found.push(path.clone());
        }
        let list = |id: Option<gix::ObjectId>| {
            id.map(|id| self.folder_entries(id))
                .transpose()
                .map(Option::unwrap_or_default)
        };
        let (a, b) = (list(folder(old))?, list(folder(new))?);
        for name in a
            .keys()
            .chain(b.keys().filter(|name| !a.contains_key(*name)))
        {
            let Ok(below) = path.child(name) else {
                continue;
            };
            let both = (a.get(name).copied(), b.get(name).copied());
            self.compare(&below, both, found, depth + 1)?;
        }
        Ok(())
    }

    /// Returns up to `most` commits that `newer` reaches and `older` does not, newest first.
    pub fn commits_between(
        &self,
        older: &[GitId],
        newer: &GitId,
        most: usize,
    ) -> Result<Vec<GitId>, Error> {
        let doing = "listing commits";
        let (hidden, tip) = (
            older
                .iter()
                .map(|id| self.oid(id))
                .collect::<Result<Vec<_>, _>>()?,
            self.oid(newer)?,
        );
        self.with(|repo| {
            let walk = repo
                .rev_walk([tip])
                .with_hidden(hidden)
                .all()
                .during(doing)?;
            walk.take(most)
                .map(|found| Ok(super::repo::git_id(&found.during(doing)?.id)))
                .collect()
        })
    }

    /// Counts the commits along the first parents, from `newest` to the one that `is_there`
    /// accepts, for which `touches` is true; `None` if it is not found within `most` commits.
    pub fn count_since(
        &self,
        newest: &GitId,
        most: usize,
        mut is_there: impl FnMut(&GitId) -> bool,
        mut touches: impl FnMut(Option<&GitId>, &GitId) -> Result<bool, Error>,
    ) -> Result<Option<usize>, Error> {
        let (mut at, mut count) = (newest.clone(), 0);
        for _ in 0..most {
            if is_there(&at) {
                return Ok(Some(count));
            }
            let parent = self.commit(&at)?.parents.into_iter().next();
            count += usize::from(touches(parent.as_ref(), &at)?);
            let Some(parent) = parent else {
                return Ok(None);
            };
            at = parent;
        }
        Ok(None)
    }
}
