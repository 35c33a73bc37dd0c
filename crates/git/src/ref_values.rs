//! The values and names of shared references, and what must hold of them before they move.
//!
//! Values are read from the files themselves, loose and then packed, so that nothing comes between
//! a lock and the check under it. Nothing is written here; `publish.rs` moves references.

use gix::ObjectId;

use super::{Error, Repo, disk, error::During};
use model::{
    GitId,
    operation::{Publication, RefChange},
};

impl Repo {
    /// Reads the value of a reference from the files themselves: loose, then packed.
    pub(super) fn read_ref(&self, name: &str) -> Result<Option<GitId>, Error> {
        let damaged = || Error::RefName {
            name: name.to_string(),
            why: "it is symbolic or damaged",
        };
        let path = self.ref_path(name);
        if !path.is_dir()
            && let Some(bytes) = disk::read(&path)?
        {
            let text = std::str::from_utf8(&bytes).map_err(|_| damaged())?;
            return text.trim_end().parse().map(Some).map_err(|_| damaged());
        }
        let packed = disk::read(&self.common_dir().join("packed-refs"))?.unwrap_or_default();
        let wanted = format!(" {name}");
        let line = packed
            .split(|byte| *byte == b'\n')
            .find(|line| line.ends_with(wanted.as_bytes()) && !line.starts_with(b"#"));
        let Some(line) = line else { return Ok(None) };
        let id = &line[..line.len() - wanted.len()];
        // The name may be the end of a longer one; then the text before it is not an id.
        std::str::from_utf8(id)
            .ok()
            .and_then(|id| id.parse().ok())
            .map(Some)
            .ok_or_else(damaged)
    }

    /// Returns an error if HEAD does not name this branch.
    pub(super) fn check_head_on(&self, branch: &str) -> Result<(), Error> {
        let head = disk::read(&self.git_dir().join("HEAD"))?.unwrap_or_default();
        let is_on = head.trim_ascii_end() == format!("ref: {branch}").as_bytes();
        if is_on {
            Ok(())
        } else {
            Err(Error::HeadMoved {
                branch: branch.into(),
            })
        }
    }

    /// Detects early what would be refused: a reference that cannot exist beside others, or does
    /// not have the expected value. Branches are checked only when publishing, because a branch
    /// that moved may be followed.
    pub fn check_publication(&self, publication: &Publication) -> Result<(), Error> {
        self.check_names(publication)?;
        let fixed = publication
            .refs
            .iter()
            .filter(|change| !change.name.starts_with("refs/heads/"));
        fixed
            .into_iter()
            .try_for_each(|change| self.check_value(change))
    }

    /// Refuses names that are not shared references, or cannot exist beside others.
    pub(super) fn check_names(&self, publication: &Publication) -> Result<(), Error> {
        for change in &publication.refs {
            self.check_name(change)?;
            let folder = format!("{}/", change.name);
            if let Some(other) = publication
                .refs
                .iter()
                .find(|other| other.name.starts_with(&folder))
            {
                return Err(Error::RefClash {
                    name: other.name.clone(),
                    other: change.name.clone(),
                });
            }
        }
        Ok(())
    }

    /// Refuses a name that is not a shared reference, or cannot exist beside others.
    fn check_name(&self, change: &RefChange) -> Result<(), Error> {
        let name = change.name.as_str();
        let refused = |why| Error::RefName {
            name: name.to_string(),
            why,
        };
        let valid =
            name.starts_with("refs/") && gix::validate::reference::name(name.into()).is_ok();
        if !valid || name.split('/').count() < 3 {
            return Err(refused("it is not the full name of a reference"));
        }
        if ["refs/bisect/", "refs/worktree/", "refs/rewritten/"]
            .iter()
            .any(|private| name.starts_with(private))
        {
            return Err(refused("it belongs to one work tree"));
        }
        let clash = |other: &str| Error::RefClash {
            name: name.to_string(),
            other: other.to_string(),
        };
        let folders = name.match_indices('/').map(|(at, _)| &name[..at]).skip(1);
        for folder in folders {
            if self.read_ref(folder)?.is_some() {
                return Err(clash(folder));
            }
        }
        match self.refs_below(&format!("{name}/"))?.first() {
            Some((other, _)) => Err(clash(other)),
            None => Ok(()),
        }
    }

    /// Returns an error unless a reference has the old value, or has moved already.
    pub(super) fn check_value(&self, change: &RefChange) -> Result<(), Error> {
        let found = self.read_ref(&change.name)?;
        if found == change.before || self.has_moved(change)? {
            return Ok(());
        }
        Err(Error::RefChanged {
            name: change.name.clone(),
            expected: change.before.clone(),
            found,
        })
    }

    /// True when a reference has its new value; a branch may also have advanced from there.
    pub(super) fn has_moved(&self, change: &RefChange) -> Result<bool, Error> {
        let Some(now) = self.read_ref(&change.name)? else {
            return Ok(false);
        };
        if now == change.after {
            return Ok(true);
        }
        if !change.name.starts_with("refs/heads/") || Some(&now) == change.before.as_ref() {
            return Ok(false);
        }
        let (now, after) = (self.oid(&now)?, self.oid(&change.after)?);
        let before = change
            .before
            .as_ref()
            .map(|before| self.oid(before))
            .transpose()?;
        self.with(|repo| {
            // Nothing can be built on a commit that is not written yet.
            if !repo.has_object(after) {
                return Ok(false);
            }
            let is_below = |old: ObjectId, new: ObjectId| -> Result<bool, Error> {
                let bases = repo
                    .merge_bases_many(new, &[old])
                    .during("looking whether the branch has moved on")?;
                Ok(bases.iter().any(|base| *base == old))
            };
            if !is_below(after, now)? {
                return Ok(false);
            }
            // A branch that was to move back, but advanced instead, has not moved.
            match before {
                Some(before) if is_below(after, before)? => Ok(!is_below(before, now)?),
                _ => Ok(true),
            }
        })
    }
}
