//! Runs the four levels on one version of a task, for `verify-rollback`, `verify-snapshot`,
//! `health` and every operation. Data read once is shared: the scan, the manifest, the variables.

use super::{
    ALL_LEVELS, CHECKS, CheckRun, CheckSubject, Checks, Commands, Depth, KeptRelease,
    evidence::TaskVariables,
    look_again::{self, prove_tree},
    prove,
    task_tree::{Levels, TaskTree},
};
use crate::{
    base::Failure,
    catalog::{self, releases::Releases},
    git::Scan,
    model::{
        CheckResult, Status, TaskSpec, Verification, Version, signature::Demand, trust::CommandUse,
    },
    site::RepoSite,
};

/// Verifies one version of a task.
#[derive(Clone, Copy)]
pub struct Verifier<'a> {
    site: &'a RepoSite,
    task: &'a TaskSpec,
    releases: &'a Releases,
    version: &'a Version,
    checks: Checks<'a>,
}

impl<'a> Verifier<'a> {
    /// Returns a verifier of a version among these releases, with [`CHECKS`].
    pub fn new(
        site: &'a RepoSite,
        task: &'a TaskSpec,
        releases: &'a Releases,
        version: &'a Version,
    ) -> Self {
        Self {
            site,
            task,
            releases,
            version,
            checks: CHECKS,
        }
    }

    /// Replaces the checks.
    pub fn with(self, checks: Checks<'a>) -> Self {
        Self { checks, ..self }
    }

    /// Checks the stored release: tag, its signature, commit, manifest, and with `deep` every byte.
    pub fn kept(&self, deep: bool, demand: Demand) -> Result<Verification, Failure> {
        let depth = if deep { Depth::Deep } else { Depth::Present };
        let mut release = match self.release(depth) {
            Err(broken) if is_broken_tag(&broken) => {
                let tag = CheckRun::begin(1, "integrity.tag").unmade(broken, &self.site.git)?;
                return Ok(self.verification(vec![tag]));
            }
            release => release?,
        };
        release.demand = demand;
        let subject = CheckSubject::Release(&release);
        Ok(self.verification(prove(self.checks, &subject, ALL_LEVELS)?))
    }

    /// Checks that the work tree holds the version.
    pub fn work_tree(&self, levels: Levels) -> Result<Verification, Failure> {
        let release = self.release(Depth::Manifest)?;
        // Reads the manifest in parallel; a failure is reported below.
        let (_, scan) = rayon::join(|| release.load().is_ok(), || release.look());
        self.in_work_tree(release, levels, &scan?)
    }

    /// Checks a new release, both stored and in the work tree, even before it has its tag.
    pub fn released(&self, levels: Levels) -> Result<Verification, Failure> {
        let release = self.release(Depth::Manifest)?;
        let (kept, scan) = rayon::join(|| self.kept(false, Demand::None), || release.look());
        let (mut verification, scan) = (kept?, scan?);
        let tree = self.in_work_tree(release, levels, &scan)?;
        if tree.level(3) != Status::Skipped {
            let now = self.kept(false, Demand::None)?.checks;
            look_again::replace_broken(&mut verification.checks, now);
        }
        let own = |check: &CheckResult| check.id != "integrity.manifest";
        verification
            .checks
            .extend(tree.checks.into_iter().filter(own));
        Ok(verification)
    }

    /// Checks level 4 alone, for the task after its restart.
    pub fn readiness(&self, commands: Commands) -> Result<Vec<CheckResult>, Failure> {
        let release = self.release(Depth::Manifest)?;
        let manifest = &release.load()?.manifest;
        let variables = TaskVariables::of_version(self.site, self.task, manifest);
        let commands = commands.agreed(self.site, self.task, CommandUse::Probe);
        let readiness = release.readiness(manifest, &variables, false, commands);
        prove(self.checks, &CheckSubject::Restarted(&readiness), 4..=4)
    }

    /// Finds the release.
    fn release(&self, depth: Depth) -> Result<KeptRelease<'a>, Failure> {
        let release = self.releases.find(&self.task.id, self.version)?;
        KeptRelease::new(self.site, self.task, release, depth)
    }

    /// Compares the folders of the task with a release.
    fn in_work_tree(
        &self,
        mut release: KeptRelease<'_>,
        levels: Levels,
        scan: &Scan,
    ) -> Result<Verification, Failure> {
        release.lost_tag_counts = levels.tag;
        let mut results = prove(self.checks, &CheckSubject::Release(&release), ALL_LEVELS)?;
        if let Some(tree) = TaskTree::of(&release, levels, scan) {
            prove_tree(self.checks, &tree, &mut results)?;
        }
        Ok(self.verification(results))
    }

    fn verification(&self, checks: Vec<CheckResult>) -> Verification {
        Verification {
            task: self.task.id.clone(),
            version: self.version.clone(),
            checks,
        }
    }
}

/// Returns true when the release's tag is broken.
fn is_broken_tag(failure: &Failure) -> bool {
    matches!(failure.find(), Some(catalog::Error::TagBroken { .. }))
}
