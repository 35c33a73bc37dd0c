//! Checks the references and verdicts of plans that are read back against what their kind allows.
//!
//! An operation may move the tag of its own version, that tag's second reference, its own safety
//! reference, a verdict on its own task, and the branch of this work tree, which may receive only
//! the content that the plan gives its paths. See `paths.rs` for the paths.

use super::{Error, Operator};
use crate::{
    base::Failure,
    journal::history,
    model::{
        Operation, TagName, VerdictRecord,
        operation::{NamedRef, OpKind, Publication, RefChange, Step},
        tag::MARKERS,
        tag_form::could_name,
    },
    steps::publish,
    verdict::refs,
};

/// The prefix of branches.
const BRANCHES: &str = "refs/heads/";

/// The direction in which a plan that is read back will go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It is resumed.
    Forward,
    /// It is reversed, or resumed where that is impossible.
    Back,
    /// It is finished, and its inverse is planned.
    Over,
}

/// A reference or verdict that does not belong to an operation, with the reason.
pub(super) struct Foreign {
    /// The reference, or the task and version of a verdict.
    pub name: String,
    /// The reason.
    pub why: &'static str,
}

impl Operator<'_> {
    /// Returns the first foreign reference or verdict of a plan.
    ///
    /// # Errors
    /// Returns [`Error::OtherBranch`]; fails when git, or the operation to undo, cannot be read.
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
                Step::Proven(record) => foreign_verdict(operation, std::slice::from_ref(record)),
                _ => None,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Returns the first foreign one among the references it moves.
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

    /// Returns why an operation may not move a reference; `None` when it may.
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
        let tag = name
            .strip_prefix("refs/tags/")
            .or_else(|| name.strip_prefix(MARKERS));
        if let Some(tag) = tag {
            let own = match self.site.settings.tag_of(task, tag) {
                Some(TagName::Release { version, .. }) => Some(&version) == released,
                Some(TagName::Marker { to, .. }) => !is_release && Some(&to) == about.to.as_ref(),
                // The form of tags was changed since it was made.
                None => released.is_some_and(|version| {
                    self.site.settings.tag_readings(tag).is_empty() && could_name(tag, version)
                }),
            };
            return (!own).then_some("which is no tag of its version");
        }
        let is_verdict = name
            .strip_prefix(refs::PREFIX)
            .and_then(|rest| rest.split('/').next())
            .is_some_and(|id| id == task.as_str());
        (!is_verdict).then_some("which is no name of it")
    }

    /// Returns true when a branch receives the plan's content, or returns to before the release
    /// that is undone.
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

    /// Returns the first foreign removal: only references made by the undone release may go.
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

/// Returns the first foreign verdict: own ones are on the task's versions and name the operation.
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
