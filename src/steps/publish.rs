//! The commit point: references and index move, and the operation can only go forward.

use std::path::PathBuf;

use serde_json::Value;

use crate::{
    base::{Due, Failure, RelPath},
    catalog::Scope,
    git::{self, Barrier, Untouched},
    journal::JournalStep,
    model::{GitId, OpId, Operation, TaskSpec, operation::Publication},
    site::RepoSite,
};

/// The step that publishes.
pub struct Publish<'a> {
    site: &'a RepoSite,
    scratch: PathBuf,
    publication: &'a Publication,
    task: Option<&'a TaskSpec>,
    op: &'a OpId,
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

impl<'a> Publish<'a> {
    /// Creates the step for one operation; its folder serves as scratch space.
    pub fn new(
        site: &'a RepoSite,
        operation: &'a Operation,
        publication: &'a Publication,
        task: Option<&'a TaskSpec>,
    ) -> Self {
        Self {
            site,
            scratch: scratch(site, &operation.about.id),
            publication,
            task,
            op: &operation.about.id,
            is_new: false,
            is_fresh: false,
        }
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
        Ok(self
            .site
            .git
            .prepare_publication(self.publication, &self.scratch, due)?)
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
        self.site
            .git
            .publish_over(self.publication, prepared, &self.scratch, over)?;
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
        Ok(self
            .site
            .git
            .unpublish(self.publication, prepared, &self.scratch)?)
    }

    fn is_still_prepared(&self, prepared: &Value) -> Result<bool, Failure> {
        Ok(self
            .site
            .git
            .is_still_prepared(self.publication, prepared, &self.scratch)?)
    }

    fn is_commit_point(&self) -> bool {
        true
    }

    fn is_passed(&self) -> Result<bool, Failure> {
        Ok(self
            .site
            .git
            .is_past_return(self.publication, &self.scratch)?)
    }
}
