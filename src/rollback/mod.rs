//! Row 9, rollback, undo and redo: how a task returns to a version, and back.
//!
//! [`draft`] compares the target's manifest with the current state and describes the change. The
//! steps are safety copies (made when the draft is written), stop, files, environment,
//! verification, start, and the commit point. History goes forward: one new commit and a marker
//! tag, no rewritten branch. [`undo`] describes the inverse of an operation in the same terms.

mod beside;
mod change;
pub mod compare;
pub mod databases;
mod dependencies;
mod error;
pub mod explain;
mod hints;
pub mod kept;
pub mod obstacle;
pub mod release_back;
mod resolve;
pub mod room;
pub mod show;
mod target;
mod then;
pub mod undo;
pub mod verify;

use std::sync::Arc;

use crate::{
    base::{Failure, cancel},
    catalog::{
        self, Release, Scope,
        manifests::{self, Found},
        releases::Releases,
    },
    draft::{CommitDraft, Draft, registry, steps},
    model::{
        CheckResult, DependencyList, Manifest, Status, TagName, TaskSpec, Verdict, Version,
        operation::{Step, TreeChange},
        request,
        settings::MarkerKind,
        tag::MARKERS,
    },
    site::RepoSite,
    verify::{has_signature, signature},
};

pub use crate::verdict::{Standings, standing_of};
pub use change::Reversal;
pub use error::Error;
pub use resolve::resolve;
pub use target::default_target;

/// What is known of a task before its rollback is described.
pub struct BeforeRollback<'a> {
    /// Its releases.
    pub releases: &'a Releases,
    /// What was said of them.
    pub standings: &'a Standings,
    /// The active version.
    pub active: catalog::registry::Active,
    /// False for a rehearsal that leaves the registry out: one file for all tasks, whose edit costs
    /// as much as there are tasks.
    pub edits_registry: bool,
}

/// Describes the requested rollback, without changing anything.
pub fn draft(
    site: &RepoSite,
    task: &TaskSpec,
    releases: &Releases,
    standings: &Standings,
    request: &request::RollbackRequest,
) -> Result<Draft, Failure> {
    let before = BeforeRollback {
        releases,
        standings,
        active: catalog::registry::active(site, task),
        edits_registry: true,
    };
    draft_from(site, task, before, request)
}

/// Like [`draft`], given what is known already.
fn draft_from(
    site: &RepoSite,
    task: &TaskSpec,
    before: BeforeRollback<'_>,
    request: &request::RollbackRequest,
) -> Result<Draft, Failure> {
    check_ready(site, request)?;
    site.replaces_files();
    let (releases, standings) = (before.releases, before.standings);
    // A broken file that all tasks share is reported, but blocks no task's rollback.
    let catalog::registry::Active {
        version: active,
        trouble,
    } = before.active;
    if let (None, None, [why, ..]) = (&active, &request.to, &trouble[..]) {
        return Err(Error::ActiveUnknown {
            task: task.id.clone(),
            why: why.clone(),
        }
        .into());
    }
    let active = active.as_ref();
    let to = target::find((site, task), releases, standings, active, request);
    target::check_from(task, (active, &trouble), to.as_ref().ok(), request)?;
    let to = to?;
    let request = &target::despite_verdict(task, standings, &to, request)?;
    let rollback = RollbackDraft {
        site,
        task,
        releases,
        standings,
        request,
        active,
        to: &to,
        edits_registry: before.edits_registry,
    };
    rollback.draft(trouble)
}

/// Refuses when nothing may be changed, and when a reason required by the settings is missing.
fn check_ready(site: &RepoSite, request: &request::RollbackRequest) -> Result<(), Failure> {
    if request.commit {
        site.git.check_ready().map_err(|error| match error {
            crate::git::Error::Detached => Failure::from(Error::NoBranch(error)),
            error => error.into(),
        })?;
    } else {
        site.git.check_ready_for_files()?;
    }
    if site.settings.rollback.require_reason && request.message.trim().is_empty() {
        return Err(Error::NoReason.into());
    }
    Ok(())
}

/// A rollback whose target is known; describes its parts.
struct RollbackDraft<'a> {
    site: &'a RepoSite,
    task: &'a TaskSpec,
    releases: &'a Releases,
    standings: &'a Standings,
    /// The request.
    request: &'a request::RollbackRequest,
    /// The active version of the task.
    active: Option<&'a Version>,
    /// The target version.
    to: &'a Version,
    /// See [`BeforeRollback::edits_registry`].
    edits_registry: bool,
}

impl RollbackDraft<'_> {
    /// Describes the rollback; `trouble` lists unreadable files that all tasks share.
    fn draft(&self, trouble: Vec<String>) -> Result<Draft, Failure> {
        let (site, task) = (self.site, self.task);
        let release = self.releases.find(&task.id, self.to)?;
        // Checked before anything that the tag vouches for is parsed.
        let signed = self.check_signature(release)?;
        let (target, known) = self.read(release)?;
        cancel::check()?;
        let scope = Scope::new(&site.settings, task)?;
        let comparison = compare::Comparison {
            site,
            task,
            scope: &scope,
            releases: self.releases,
            target: &target,
            with_shared: self.request.with_shared,
        };
        let compared = comparison.compare()?;
        cancel::check()?;
        let mut draft = Draft::new(show::plan(self, &target, &compared), &self.request.message);
        draft.plan.notes.extend(trouble);
        draft.plan.notes.extend(
            signed
                .filter(has_signature)
                .map(|check| check.evidence.join(", ")),
        );
        let stale = self.add_changes(compared, (known.as_ref(), &target.manifest), &mut draft)?;
        if self.edits_registry {
            registry::edit_where_possible(site, &task.id, Some(self.to))?
                .add_to(&mut draft, Some(self.to.clone()));
        }
        beside::set(site, (task, &scope), &target.manifest, &mut draft)?;
        self.add_dependencies(known.as_ref(), &target.manifest, &mut draft);
        self.add_steps(&mut draft);
        databases::refuse_open(site, &mut draft)?;
        if draft.commit.is_some() && !draft.plan.nothing_to_do {
            draft.index.extend(stale);
        }
        Ok(draft)
    }

    /// Checks the release's signature, and refuses when it does not satisfy the demand.
    fn check_signature(&self, release: &Release) -> Result<Option<CheckResult>, Failure> {
        let signed = signature(self.site, release, self.request.signature)?;
        match &signed {
            Some(check) if check.status > Status::Skipped => Err(Error::Signature {
                tag: release.tag.clone(),
                found: check.evidence.join("; "),
            }
            .into()),
            _ => Ok(signed),
        }
    }

    /// Reads the target's manifest, and the known dependencies of the active version.
    fn read(&self, release: &Release) -> Result<(Arc<Found>, Option<DependencyList>), Failure> {
        let before = self
            .active
            .and_then(|version| self.releases.find(&self.task.id, version).ok());
        let dependencies = || {
            before.and_then(|release| manifests::dependencies(self.site, release).ok().flatten())
        };
        let (target, known) = rayon::join(|| manifests::load(self.site, release), dependencies);
        Ok((target?, known))
    }

    /// Adds the changes of work tree, index and commit, unless a one-way version is in the way.
    /// Returns the index entries of which only the stat data is outdated.
    fn add_changes(
        &self,
        compared: compare::TreeDifference,
        (known, target): (Option<&DependencyList>, &Manifest),
        draft: &mut Draft,
    ) -> Result<Vec<TreeChange>, Failure> {
        draft.files = compared.files;
        self.cross_one_way_versions((known, target), draft)?;
        draft.plan.radius = catalog::affected_tasks::of(
            &self.site.settings,
            &self.task.id,
            draft.files.iter().map(|file| &file.path),
        )?;
        draft.unsynced = compared.unsynced;
        if self.request.commit {
            draft.index = compared.index;
            draft.commit = Some(self.commit(compared.tree)?);
        }
        Ok(compared.stale)
    }

    /// Drafts the commit and its marker tag.
    fn commit(&self, tree: Vec<TreeChange>) -> Result<CommitDraft, Failure> {
        let (task, to, request) = (self.task, self.to, self.request);
        let reason = if request.message.is_empty() {
            String::new()
        } else {
            format!(" {}", request.message)
        };
        let from = self
            .active
            .map_or_else(|| "none".into(), |version| format!("v{version}"));
        let message = format!("rollback({}): {from} -> v{to}{reason}", task.id);
        let tag = match self.active {
            Some(from) if self.site.settings.rollback.marker != MarkerKind::None => {
                Some((self.next_marker(from)?, message.clone()))
            }
            _ => None,
        };
        Ok(CommitDraft {
            head: self.site.git.head()?,
            tree,
            message,
            tag,
            signing: request.signing.clone(),
            is_signed: false,
            manifest: None,
        })
    }

    /// Returns this rollback's marker; those between the same two versions are numbered.
    fn next_marker(&self, from: &Version) -> Result<TagName, Failure> {
        let (task, to) = (&self.task.id, self.to);
        let refs = self.site.git.ref_names_below(MARKERS)?;
        let others = refs.iter().filter_map(|name| {
            let name = name.strip_prefix(MARKERS)?;
            self.site.settings.tag_of(task, name)
        });
        let others: Vec<TagName> = others.collect();
        let nth = |marker: &TagName| match marker {
            TagName::Marker {
                task: id,
                to: t,
                from: f,
                nth,
            } if (id, t, f) == (task, to, from) => Some(*nth),
            _ => None,
        };
        let all = self.releases.markers.iter().chain(&others);
        let last = all.filter_map(nth).max();
        Ok(TagName::Marker {
            task: task.clone(),
            to: to.clone(),
            from: from.clone(),
            nth: last.unwrap_or(0) + 1,
        })
    }

    /// Adds the steps in order.
    fn add_steps(&self, draft: &mut Draft) {
        let (task, to, restart) = (self.task, self.to, self.request.restart);
        let environment = std::mem::take(&mut draft.steps);
        let registry_only = draft
            .commit
            .as_ref()
            .is_none_or(|commit| commit.tree.is_empty())
            && draft.index.is_empty();
        if draft.files.is_empty() && environment.is_empty() && registry_only {
            draft.plan.nothing_to_do = true;
            return;
        }
        draft
            .steps
            .extend((restart && task.stop.is_some()).then_some(steps::STOP));
        draft.steps.push(steps::FILES);
        draft.steps.extend(environment);
        draft.steps.push(Step::Verify {
            version: Some(to.clone()),
            since: None,
        });
        draft
            .steps
            .extend((restart && task.start.is_some()).then_some(steps::START));
        draft.steps.push(Step::Ready {
            version: to.clone(),
        });
        if draft.commit.is_some() {
            draft.steps.push(steps::PUBLISH);
        }
        // Only changed verdicts are given, so that the operation's inverse can invert them.
        let is_held = |version: &Version| standing_of(self.standings, &task.id, version).held;
        if let Some(from) = self.active.filter(|from| *from > to && !is_held(from)) {
            draft.give_verdict(self.site, from, Verdict::Held);
        }
        if is_held(to) {
            draft.give_verdict(self.site, to, Verdict::HoldLifted);
        }
    }
}
