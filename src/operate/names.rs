//! The names and verdicts of plans that are read back, held against what a plan of their kind
//! gives.
//!
//! A reference that an operation moves is the tag of its own version, the second reference of that,
//! its own safety reference, a verdict on its own task, or the branch of this work tree, which gets
//! what the plan says of paths and nothing else. See `paths.rs` for the paths.

use super::{Error, Operator};
use crate::{
    base::Failure,
    journal::history,
    model::{
        Operation, TagName, TaskId, VerdictRecord,
        operation::{NamedRef, OpKind, Publication, RefChange, Step},
    },
    steps::publish,
    verdict::refs,
};

/// The names of branches.
const BRANCHES: &str = "refs/heads/";

/// Which way a plan that is read back will go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It is carried on.
    Forward,
    /// It is taken back, or carried on where that cannot be.
    Back,
    /// It is over, and its inverse is planned.
    Over,
}

/// A name or verdict that an operation has no business with, and why.
pub(super) struct Foreign {
    /// The reference, or the task and version that a verdict is on.
    pub name: String,
    /// Why it is none of its own.
    pub why: &'static str,
}

impl Operator<'_> {
    /// The first name or verdict of a plan that is not its own.
    ///
    /// # Errors
    /// [`Error::OtherBranch`]; when git or the operation that this one takes back cannot be read.
    pub(super) fn foreign_name(
        &self,
        operation: &Operation,
        goes: Direction,
    ) -> Result<Option<Foreign>, Failure> {
        for step in &operation.steps {
            let found = match step {
                Step::Publish(publication) => self.foreign_ref(operation, publication, goes)?,
                Step::RemoveRefs(refs) => self.foreign_removal(operation, refs)?,
                Step::Verdicts(records) => foreign_verdict(operation, records),
                _ => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The same among the references that it moves.
    fn foreign_ref(
        &self,
        operation: &Operation,
        publication: &Publication,
        goes: Direction,
    ) -> Result<Option<Foreign>, Failure> {
        let foreign = |change: &RefChange, why| {
            Ok(Some(Foreign {
                name: change.name.clone(),
                why,
            }))
        };
        let (last, others) = match publication.refs.split_last() {
            Some((last, others)) if last.name.starts_with(BRANCHES) => (Some(last), others),
            _ => (None, publication.refs.as_slice()),
        };
        for change in others {
            if let Some(why) = self.why_no_name(operation, &change.name) {
                return foreign(change, why);
            }
        }
        let Some(branch) = last.filter(|_| goes == Direction::Forward) else {
            return Ok(None);
        };
        if publish::is_past_return(self.site, &operation.about.id, publication)? {
            return Ok(None);
        }
        if self.site.git.head().ok().map(|head| head.branch).as_ref() != Some(&branch.name) {
            return Err(Error::OtherBranch {
                op: operation.about.id.short(),
                branch: branch.name.clone(),
            }
            .into());
        }
        if self.is_its_content(operation, publication, branch)? {
            Ok(None)
        } else {
            foreign(branch, "to another content than it planned")
        }
    }

    /// Why a name is none that this operation moves; `None` when it is.
    fn why_no_name(&self, operation: &Operation, name: &str) -> Option<&'static str> {
        let about = &operation.about;
        if *name == format!("refs/snapback/safety/{}", about.id) {
            return None;
        }
        let Some(task) = &about.task else {
            return Some("which is no name of it");
        };
        let is_release = about.kind == OpKind::CreateSnapshot;
        let released = about.to.as_ref().filter(|_| is_release);
        if released.is_some_and(|version| name == TagName::keep_reference(task, version)) {
            return None;
        }
        if let Some(tag) = name.strip_prefix("refs/tags/") {
            let is_task = |id: &TaskId| id == task;
            let own = TagName::readings(tag, &is_task).any(|reading| match reading {
                TagName::Release { version, .. } => Some(&version) == released,
                TagName::Marker { to, .. } => !is_release && Some(&to) == about.to.as_ref(),
            });
            return (!own).then_some("which is no tag of its version");
        }
        let is_verdict = name
            .strip_prefix(refs::PREFIX)
            .and_then(|rest| rest.split('/').next())
            .is_some_and(|id| id == task.as_str());
        (!is_verdict).then_some("which is no name of it")
    }

    /// True when a branch gets what the plan says of its paths, or goes back to before the release
    /// that is taken back.
    fn is_its_content(
        &self,
        operation: &Operation,
        publication: &Publication,
        branch: &RefChange,
    ) -> Result<bool, Failure> {
        let git = &self.site.git;
        if publication.tree.is_empty()
            && let Some(id) = &operation.about.undoes
            && let Some(undone) = history::open(&self.site.state, id)?
        {
            let before = undone
                .operation
                .publication()
                .and_then(|done| done.refs.last())
                .and_then(|done| done.before.clone());
            if before.as_ref() == Some(&branch.after) {
                return Ok(true);
            }
        }
        let Some(before) = &branch.before else {
            return Ok(false);
        };
        Ok(git.write_tree(before, &publication.tree)? == git.commit(&branch.after)?.tree)
    }

    /// The same among the names that go: only those go that the release made which is taken back.
    fn foreign_removal(
        &self,
        operation: &Operation,
        refs: &[NamedRef],
    ) -> Result<Option<Foreign>, Failure> {
        let undone = match &operation.about.undoes {
            Some(id) => history::open(&self.site.state, id)?.map(|found| found.operation),
            None => None,
        };
        let made = |named: &NamedRef| {
            let refs = undone
                .as_ref()
                .and_then(Operation::publication)
                .map(|publication| publication.refs.as_slice());
            refs.unwrap_or_default()
                .iter()
                .any(|change| change.name == named.name && change.after == named.value)
        };
        let foreign = refs.iter().find(|named| !made(named));
        Ok(foreign.map(|named| Foreign {
            name: named.name.clone(),
            why: "which the release did not make",
        }))
    }
}

/// The same among its verdicts: they are on versions of its own task, and say whose they are.
fn foreign_verdict(operation: &Operation, records: &[VerdictRecord]) -> Option<Foreign> {
    let about = &operation.about;
    let is_own = |record: &VerdictRecord| {
        let is_version = about
            .from
            .iter()
            .chain(&about.to)
            .any(|version| *version == record.version);
        about.task.as_ref() == Some(&record.task)
            && is_version
            && record.op.as_ref() == Some(&about.id)
    };
    let foreign = records.iter().find(|record| !is_own(record))?;
    Some(Foreign {
        name: format!("the verdict on {} {}", foreign.task, foreign.version),
        why: "which is no version of it",
    })
}
