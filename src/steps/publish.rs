//! The commit point: references and index move, and the operation can only go forward.

use std::{borrow::Cow, path::PathBuf};

use serde_json::Value;

use super::verify::ProvenSoFar;
use crate::{
    base::{Due, Failure, RelPath},
    catalog::Scope,
    git::{self, Barrier, Untouched},
    journal::JournalStep,
    model::{
        GitId, OpId, Operation, TaskSpec,
        operation::{Publication, Step},
    },
    site::RepoSite,
    verdict::refs,
    verify::findings,
};

/// The key of the references, in what was prepared, that do not move: the verification did not
/// prove what they say.
const UNPROVEN: &str = "unproven";

/// The step that publishes.
pub struct Publish<'a> {
    site: &'a RepoSite,
    scratch: PathBuf,
    publication: &'a Publication,
    task: Option<&'a TaskSpec>,
    op: &'a OpId,
    operation: &'a Operation,
    verified: &'a ProvenSoFar,
    /// True when this process staged the objects, and they reached the disk.
    is_new: bool,
    is_fresh: bool,
}

/// Returns where an operation's publication is staged.
fn scratch(site: &RepoSite, op: &OpId) -> PathBuf {
    site.git
        .common_dir()
        .join("snapback")
        .join("ops")
        .join(op.to_string())
}

/// Returns the commit of an operation that was put on top of commits others made meanwhile, and the
/// commit of theirs below it.
///
/// # Errors
/// When the record of it is damaged.
pub fn put_on_top(site: &RepoSite, op: &OpId) -> Result<Option<(GitId, GitId)>, Failure> {
    Ok(git::put_on_top_of(&scratch(site, op))?)
}

/// Returns true when the publication of an operation can only be finished.
///
/// # Errors
/// When a reference or the record of where it was put on top cannot be read.
pub fn is_past_return(
    site: &RepoSite,
    op: &OpId,
    publication: &Publication,
) -> Result<bool, Failure> {
    Ok(site.git.is_past_return(publication, &scratch(site, op))?)
}

/// Removes what an ended operation staged: its files are git's now, with git's modes.
pub fn clear_staged(site: &RepoSite, op: &OpId) {
    site.git.clear_staged(&scratch(site, op));
}

/// Returns a publication without some references.
fn without<'a>(publication: &'a Publication, names: &[impl AsRef<str>]) -> Cow<'a, Publication> {
    if names.is_empty() {
        return Cow::Borrowed(publication);
    }
    let mut rest = publication.clone();
    let stays = |name: &str| names.iter().any(|other| other.as_ref() == name);
    rest.refs.retain(|change| !stays(&change.name));
    Cow::Owned(rest)
}

impl<'a> Publish<'a> {
    /// Creates the step for one operation; its folder serves as scratch space. `verified` is what
    /// was proven by the time that it is prepared.
    pub fn new(
        (site, operation): (&'a RepoSite, &'a Operation),
        publication: &'a Publication,
        task: Option<&'a TaskSpec>,
        verified: &'a ProvenSoFar,
    ) -> Self {
        Self {
            site,
            scratch: scratch(site, &operation.about.id),
            publication,
            task,
            op: &operation.about.id,
            operation,
            verified,
            is_new: false,
            is_fresh: false,
        }
    }

    /// Returns the names of the references that do not move, because they say that the version is
    /// proven and it was not.
    fn unproven(&self) -> Vec<String> {
        let verified = self.verified.borrow();
        let is_proof = |found| findings::is_proof(self.site, self.operation, found);
        if verified.as_ref().is_some_and(is_proof) {
            return Vec::new();
        }
        let steps = self.operation.steps.iter();
        let records = steps.filter_map(|step| match step {
            Step::Proven(record) => Some(record),
            _ => None,
        });
        records
            .map(|record| refs::reference(&self.site.git, record))
            .collect()
    }

    /// Returns the publication that was prepared: without what was not proven.
    fn publication(&self, prepared: &Value) -> Cow<'a, Publication> {
        let names = prepared.get(UNPROVEN).and_then(Value::as_array);
        let names = names.into_iter().flatten().filter_map(Value::as_str);
        without(self.publication, &names.collect::<Vec<_>>())
    }

    /// Names the objects; durable after the barrier. What another process began is named durably at
    /// once. A publication that can only be finished has its objects, or needs them no more.
    fn name_objects(&self, due: &Due) -> Result<(), Failure> {
        let git = &self.site.git;
        if self.is_new {
            return Ok(git.name_objects(due)?);
        }
        if self.is_passed()? {
            return Ok(());
        }
        let now = Due::default();
        git.name_objects(&now)?;
        now.pass()?;
        let refs = self.publication.refs.iter();
        let ids: Vec<GitId> = refs.map(|change| change.after.clone()).collect();
        Ok(git.sync_objects(&ids)?)
    }
}

impl JournalStep for Publish<'_> {
    fn name(&self) -> &'static str {
        "publish"
    }

    fn stage(&mut self, due: &Due) -> Result<(), Failure> {
        self.is_new = true;
        Ok(self.site.git.stage_objects(&self.op.to_string(), due)?)
    }

    fn abandon(&mut self) {
        self.site.git.drop_objects();
    }

    fn prepare(&mut self, due: &Due) -> Result<Value, Failure> {
        self.name_objects(due)?;
        self.is_fresh = true;
        let unproven = self.unproven();
        let publication = without(self.publication, &unproven);
        let git = &self.site.git;
        let mut prepared = git.prepare_publication(&publication, &self.scratch, due)?;
        if !unproven.is_empty() {
            prepared[UNPROVEN] = unproven.into();
        }
        Ok(prepared)
    }

    fn apply(&mut self, prepared: &Value, due: &Due) -> Result<(), Failure> {
        if !self.is_fresh {
            self.name_objects(due)?;
        }
        self.site.git.remove_replaced()?;
        let scope = self
            .task
            .map(|task| Scope::new(&self.site.settings, task))
            .transpose()?;
        let dirs = scope.as_ref().map(Scope::dirs).unwrap_or_default();
        let owns = |path: &RelPath| scope.as_ref().is_some_and(|scope| scope.owns(path));
        let untouched = Untouched { dirs, owns: &owns };
        let barrier = Barrier {
            due,
            is_fresh: self.is_fresh,
        };
        let over = (&untouched, barrier);
        let publication = self.publication(prepared);
        self.site
            .git
            .publish_over(&publication, prepared, &self.scratch, over)?;
        let on_top = git::put_on_top_of(&self.scratch)?;
        if let Some(branch) = self.publication.refs.last() {
            let (commit, under) = on_top
                .as_ref()
                .map_or((&branch.after, None), |(commit, under)| {
                    (commit, Some(under))
                });
            let text = self
                .publication
                .log_message
                .trim_start_matches("snapback: ");
            let under = under.map_or_else(String::new, |under| {
                format!("  (on top of {}, made meanwhile)", under.short())
            });
            self.site
                .say("committed", format!("{}  {text}{under}", commit.short()));
        }
        Ok(())
    }

    fn undo(&mut self, prepared: &Value, _due: &Due) -> Result<(), Failure> {
        let publication = self.publication(prepared);
        let git = &self.site.git;
        Ok(git.unpublish(&publication, prepared, &self.scratch)?)
    }

    fn is_still_prepared(&self, prepared: &Value) -> Result<bool, Failure> {
        let publication = self.publication(prepared);
        let git = &self.site.git;
        Ok(git.is_still_prepared(&publication, prepared, &self.scratch)?)
    }

    fn is_commit_point(&self) -> bool {
        true
    }

    /// The index alone proves nothing: anybody may have staged the same.
    fn shows_unstarted(&self) -> Result<bool, Failure> {
        let moves = self.publication.refs.last();
        let is_new = moves.is_some_and(|last| last.before.as_ref() != Some(&last.after));
        Ok(is_new && self.is_passed()?)
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(self
            .site
            .git
            .is_past_return(self.publication, &self.scratch)?)
    }
}
