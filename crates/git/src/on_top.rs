//! Rebuilds a publication on top of a branch that has moved since it was planned.
//!
//! Other people may commit while an operation runs. If they did not touch what the operation is
//! about, its commit and tag are recreated on the new commit, and its index from the current one. A
//! release's commits are kept, because its manifest names them: a merge joins them to the branch.
//! The rebuilt publication is a record in the operation's own folder, durable before the first lock
//! is taken for it, so that crash recovery uses the same values. `publish.rs` does the rest.

use std::{borrow::Cow, collections::BTreeMap, path::Path};

use gix::objs::Kind;
use serde::{Deserialize, Serialize};

use super::{
    Error, NewCommit, NewTag, Repo, Sign,
    disk::{self, Patience, YOUNG_SECS},
    publish::{Barrier, Prepared, StepHook},
};
use base::{Digest, RelPath};
use model::{
    GitId,
    operation::{Publication, RefChange, TreeChange, TreeEntry},
    signature::Signing,
};

/// Name of the record in the operation's folder.
const RECORD: &str = "on-top.json";
/// Name of the staged index in the operation's folder.
pub(super) const STAGED_INDEX: &str = "index.new";
/// How many times a publication follows a moving branch.
const FOLLOWED: u32 = 100;

/// The paths that others must not have changed; otherwise the publication is a conflict.
pub struct Untouched<'a> {
    /// The folders and files to compare.
    pub dirs: Vec<RelPath>,
    /// Tells which paths in them count.
    pub owns: &'a (dyn Fn(&RelPath) -> bool + Sync),
}

/// A publication in its current form: as planned, or rebuilt.
pub(super) struct Current<'a> {
    /// The publication with its current references.
    pub publication: Cow<'a, Publication>,
    /// The data prepared for it.
    pub prepared: Prepared,
    /// How often it was rebuilt; part of the names of staged files.
    pub turn: u32,
}

/// Returns a rebuilt publication's newest commit and the commit below it; `None` if not rebuilt.
pub fn put_on_top_of(scratch: &Path) -> Result<Option<(GitId, GitId)>, Error> {
    let branch = record(scratch)?.and_then(|record| record.refs.into_iter().next_back());
    Ok(branch.and_then(|branch| Some((branch.after, branch.before?))))
}

impl<'a> Current<'a> {
    /// Reads the current form of a publication.
    pub fn of(
        publication: &'a Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
    ) -> Result<Self, Error> {
        let planned = || {
            serde_json::from_value(prepared.clone())
                .map_err(|error| Error::Prepared(error.to_string()))
        };
        Ok(match record(scratch)? {
            None => Self {
                publication: Cow::Borrowed(publication),
                prepared: planned()?,
                turn: 0,
            },
            Some(OnTopRecord {
                turn,
                refs,
                prepared,
            }) => Self {
                publication: Cow::Owned(Publication {
                    refs,
                    ..publication.clone()
                }),
                prepared,
                turn,
            },
        })
    }

    /// Reads only its references.
    pub fn refs(
        publication: &'a Publication,
        scratch: &Path,
    ) -> Result<Cow<'a, [RefChange]>, Error> {
        Ok(
            record(scratch)?.map_or(Cow::Borrowed(publication.refs.as_slice()), |record| {
                Cow::Owned(record.refs)
            }),
        )
    }
}

/// The record of a rebuilt publication.
#[derive(Serialize, Deserialize)]
struct OnTopRecord {
    turn: u32,
    refs: Vec<RefChange>,
    prepared: Prepared,
}

impl Repo {
    /// Like [`Repo::publish`], but on top of what others have committed meanwhile.
    ///
    /// # Errors
    /// [`Error::MovedUnder`] if a path that must be untouched was changed.
    pub fn publish_over(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
        (untouched, barrier): (&Untouched<'_>, Barrier<'_>),
    ) -> Result<(), Error> {
        let over = (untouched, barrier);
        self.publish_over_pausing(publication, prepared, scratch, over, &mut |_| Ok(()))
    }

    /// Like [`Repo::publish_over`], with a pause after each step.
    pub(super) fn publish_over_pausing(
        &self,
        publication: &Publication,
        prepared: &serde_json::Value,
        scratch: &Path,
        (untouched, barrier): (&Untouched<'_>, Barrier<'_>),
        pause: StepHook<'_>,
    ) -> Result<(), Error> {
        let (mut follows, mut patience) = (0, Patience::default());
        loop {
            let error = match self.publish_pausing(publication, prepared, scratch, barrier, pause) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match &error {
                Error::GitLocked {
                    age_secs: Some(0..=YOUNG_SECS),
                    file,
                } if patience.waits_for(file) => {}
                Error::RefChanged { .. } | Error::IndexChanged if follows < FOLLOWED => {
                    follows += 1;
                    let current = Current::of(publication, prepared, scratch)?;
                    self.put_on_top(publication, &current, scratch, untouched)?;
                    pause("put on top")?;
                }
                _ => return Err(error),
            }
        }
    }

    /// Removes the staged files of a finished publication; any that cannot be removed are harmless.
    pub fn clear_staged(&self, scratch: &Path) {
        for entry in std::fs::read_dir(scratch).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let is_staged = |name: &str| {
                name == STAGED_INDEX || name.starts_with("ref-") || name.starts_with("turn-")
            };
            if name.to_str().is_some_and(is_staged) {
                let _ = disk::remove(&entry.path());
            }
        }
    }

    /// Rebuilds the publication on top of the branch's current commit.
    fn put_on_top(
        &self,
        planned: &Publication,
        current: &Current<'_>,
        scratch: &Path,
        untouched: &Untouched<'_>,
    ) -> Result<(), Error> {
        let is_past = self.is_past_return(planned, scratch)?;
        let refs = match planned.refs.last() {
            Some(_) if is_past => current.publication.refs.clone(),
            Some(branch) => {
                self.take_all_back(current, scratch)?;
                self.refs_on_top(planned, branch, untouched)?
            }
            None => Vec::new(),
        };
        let turn = current.turn + 1;
        let changes = if is_past {
            self.lagging(planned)?
        } else {
            planned.index.clone()
        };
        let index = if changes.is_empty() {
            None
        } else {
            Some(self.prepare_index(&changes, scratch, turn)?)
        };
        self.sync_objects(&[])?;
        let prepared = Prepared {
            index,
            on_branch: current.prepared.on_branch,
        };
        write_record(
            scratch,
            &OnTopRecord {
                turn,
                refs,
                prepared,
            },
        )
    }

    /// True when the branch has the published value but the index does not, because it was
    /// rewritten (as by `git status`) between a crash and the recovery.
    pub(super) fn index_lags(&self, publication: &Publication) -> Result<bool, Error> {
        let Some(branch) = publication.refs.last() else {
            return Ok(false);
        };
        Ok(self.read_ref(&branch.name)?.as_ref() == Some(&branch.after)
            && !self.lagging(publication)?.is_empty())
    }

    /// Returns the index changes that were not made, apart from entries that others have staged.
    fn lagging(&self, publication: &Publication) -> Result<Vec<TreeChange>, Error> {
        let index = self.read_index(true)?;
        let stands = |change: &&TreeChange| {
            let now = index
                .entry_by_path(change.path.as_bstr())
                .map(super::scan::index_entry);
            change.before != change.after && now == change.before
        };
        Ok(publication.index.iter().filter(stands).cloned().collect())
    }

    /// Returns the references of a publication, with its commit recreated on top of its branch.
    fn refs_on_top(
        &self,
        planned: &Publication,
        branch: &RefChange,
        untouched: &Untouched<'_>,
    ) -> Result<Vec<RefChange>, Error> {
        let changed = |found| Error::RefChanged {
            name: branch.name.clone(),
            expected: branch.before.clone(),
            found,
        };
        let now = self.read_ref(&branch.name)?;
        let (Some(now), Some(before)) = (now.clone(), &branch.before) else {
            return Err(changed(now));
        };
        if now == *before {
            return Ok(planned.refs.clone());
        }
        // A branch that moves back past a release (two commits) cannot be rebuilt on another tip.
        if self
            .commits_between(&[], before, 4)?
            .contains(&branch.after)
        {
            return Err(changed(Some(now)));
        }
        self.check_untouched(&branch.name, before, &now, untouched)?;
        let made = self.commit(&branch.after)?;
        let is_one = made.parents == [before.clone()];
        let parents = if is_one {
            vec![now.clone()]
        } else {
            vec![now.clone(), branch.after.clone()]
        };
        let draft = NewCommit {
            tree: self.write_tree(&now, &planned.tree)?,
            parents,
            message: made.message,
            who: made.author,
            at: made.time,
            sign: Sign::default(),
        };
        let commit = self.commit_on_top(&draft, &branch.after, is_one)?;
        let again = |change: &RefChange| -> Result<RefChange, Error> {
            if change.name == branch.name {
                return Ok(RefChange {
                    before: Some(now.clone()),
                    after: commit.clone(),
                    ..change.clone()
                });
            }
            match change.name.strip_prefix("refs/tags/").filter(|_| is_one) {
                Some(name) => Ok(RefChange {
                    after: self.tag_on_top(name, &change.after, &branch.after, &commit)?,
                    ..change.clone()
                }),
                None => Ok(change.clone()),
            }
        };
        planned.refs.iter().map(again).collect()
    }

    /// Writes the commit that replaces an old one, signed if that was; with `may_lack`, a signature
    /// that cannot be made is omitted.
    fn commit_on_top(
        &self,
        draft: &NewCommit,
        old: &GitId,
        may_lack: bool,
    ) -> Result<GitId, Error> {
        signed_as(self.is_signed(old)?, may_lack, |sign| {
            self.write_commit(&NewCommit {
                sign,
                ..draft.clone()
            })
        })
    }

    /// Recreates a tag on the recreated commit; a tag on anything else is kept.
    fn tag_on_top(
        &self,
        name: &str,
        tag: &GitId,
        old: &GitId,
        new: &GitId,
    ) -> Result<GitId, Error> {
        let peeled = self.peel_tag(tag)?;
        match (peeled.commit == *old, peeled.at) {
            (true, Some(at)) => {
                let (name, target) = (name.to_string(), new.clone());
                let draft = NewTag {
                    name,
                    target,
                    message: peeled.message,
                    at,
                    sign: Sign::default(),
                };
                signed_as(self.is_signed(tag)?, true, |sign| {
                    self.write_tag(&NewTag {
                        sign,
                        ..draft.clone()
                    })
                })
            }
            (true, None) => Ok(new.clone()),
            (false, _) => Ok(tag.clone()),
        }
    }

    /// True for a commit or tag that has a signature.
    fn is_signed(&self, id: &GitId) -> Result<bool, Error> {
        if self.header(id)?.is_some_and(|(kind, _)| kind == Kind::Tag) {
            let bytes = self.read_object(id, Kind::Tag)?;
            return Ok(gix::objs::TagRefIter::signature(&bytes).is_some());
        }
        let bytes = self.read_object(id, Kind::Commit)?;
        let headers = bytes
            .split(|byte| *byte == b'\n')
            .take_while(|line| !line.is_empty());
        Ok(headers.into_iter().any(|line| line.starts_with(b"gpgsig")))
    }

    /// Returns an error if a path that must be untouched differs between two commits.
    fn check_untouched(
        &self,
        branch: &str,
        before: &GitId,
        now: &GitId,
        untouched: &Untouched<'_>,
    ) -> Result<(), Error> {
        if untouched.dirs.is_empty() {
            return Ok(());
        }
        let entries = |commit| -> Result<BTreeMap<RelPath, TreeEntry>, Error> {
            let all = self.entries(commit, &untouched.dirs)?;
            Ok(all
                .into_iter()
                .filter(|(path, _)| (untouched.owns)(path))
                .collect())
        };
        let (before, now) = (entries(before)?, entries(now)?);
        let differs = |path: &&RelPath| before.get(*path) != now.get(*path);
        match before.keys().chain(now.keys()).find(differs) {
            None => Ok(()),
            Some(path) => Err(Error::MovedUnder {
                branch: branch.to_string(),
                path: path.clone(),
            }),
        }
    }
}

/// Writes an object, signed if the one that it replaces was; with `may_lack`, it is left unsigned
/// if the key cannot sign now.
fn signed_as(
    was_signed: bool,
    may_lack: bool,
    write: impl Fn(Sign) -> Result<GitId, Error>,
) -> Result<GitId, Error> {
    let never = Sign {
        wanted: Signing::Never,
        ask: false,
    };
    if !was_signed {
        return write(never);
    }
    match write(Sign::default()) {
        Err(Error::Unsigned { .. }) if may_lack => write(never),
        written => written,
    }
}

/// Returns the name of a staged file for the n-th form of a publication.
pub(super) fn staged(turn: u32, name: &str) -> String {
    if turn == 0 {
        name.to_string()
    } else {
        format!("turn-{turn}-{name}")
    }
}

/// Reads the record, if there is one.
fn record(scratch: &Path) -> Result<Option<OnTopRecord>, Error> {
    let path = scratch.join(RECORD);
    let Some(bytes) = disk::read(&path)? else {
        return Ok(None);
    };
    let bad = || Error::Prepared(format!("{} is damaged", path.display()));
    let cut = bytes
        .iter()
        .position(|byte| *byte == b'\n')
        .ok_or_else(bad)?;
    let (sum, text) = (&bytes[..cut], &bytes[cut + 1..]);
    if sum != Digest::of(text).hex().as_bytes() {
        return Err(bad());
    }
    serde_json::from_slice(text).map(Some).map_err(|_| bad())
}

/// Writes the record durably; the previous one is kept until then.
fn write_record(scratch: &Path, record: &OnTopRecord) -> Result<(), Error> {
    let text = serde_json::to_vec(record).map_err(|error| Error::Prepared(error.to_string()))?;
    let new = scratch.join(format!(".tmp-{RECORD}"));
    disk::write_synced(
        &new,
        &[Digest::of(&text).hex().as_bytes(), b"\n", &text].concat(),
    )?;
    disk::rename(&new, &scratch.join(RECORD))?;
    disk::sync(scratch)
}
