//! Checks that tag, manifest, registry and configuration name the same version.

use crate::{
    base::{Failure, Fs},
    catalog::registry,
    model::{CheckResult, Settings, Status, TaskSpec, Version},
    verify::{
        Check, CheckRun, CheckSubject, RegistryEntry, ScratchTree, nothing, task_tree::TaskTree,
    },
};

/// Checks that the registry and the task's configuration name the version.
pub struct VersionsCheck;

impl Check for VersionsCheck {
    fn id(&self) -> &'static str {
        "configuration.versions"
    }

    fn level(&self) -> u8 {
        2
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        let (said, meta) = match subject {
            CheckSubject::WorkTree(tree) if !tree.is_edited()? => {
                (SaidVersions::of_tree(tree), &tree.manifest.subject)
            }
            CheckSubject::Scratch(of) => (SaidVersions::of_scratch(of), &of.manifest.subject),
            _ => return nothing(),
        };
        Ok(versions(&meta.version, &said, meta.adopted))
    }
}

/// The versions named in the work tree.
struct SaidVersions {
    /// The registry's version; the error text when it cannot be read.
    registry: Result<Option<Version>, String>,
    /// The configuration's version, likewise; `None` where it cannot disagree.
    config: Option<Result<Option<Version>, String>>,
    /// True when the registry cannot be edited and stays unchanged: its version is reported but
    /// does not count.
    is_registry_left: bool,
}

impl SaidVersions {
    /// Reads the work tree. A configuration that no rollback touches cannot disagree.
    fn of_tree(tree: &TaskTree<'_>) -> Self {
        let (site, task, scope) = (tree.site(), tree.task(), tree.scope());
        let is_left = tree.levels.registry == RegistryEntry::Told;
        let is_own = |path| scope.owns(path) && !scope.protects(path);
        let counts = task.config.as_ref().is_some_and(is_own);
        Self::read(&*site.tree, &site.settings, task, counts, is_left)
    }

    /// Reads the scratch folder of a drill, which has a configuration wherever it lies.
    fn of_scratch(of: &ScratchTree<'_>) -> Self {
        let (tree, settings) = (of.checkout.tree, &of.site.settings);
        let counts = of.task.config.is_some();
        Self::read(tree, settings, of.task, counts, of.is_registry_left)
    }

    /// Reads both versions.
    fn read(
        tree: &dyn Fs,
        settings: &Settings,
        task: &TaskSpec,
        config_counts: bool,
        is_registry_left: bool,
    ) -> Self {
        let text = |failure: Failure| failure.to_string();
        Self {
            registry: registry::entry(tree, settings, &task.id).map_err(text),
            config: config_counts.then(|| registry::config_version(tree, task).map_err(text)),
            is_registry_left,
        }
    }
}

/// Checks that the versions agree. A missing version is inconclusive for releases made by snapback,
/// and skipped for adopted ones, whose tags are older than both files. All tasks share the
/// registry, so an unreadable one is no fault of the version.
fn versions(expected: &Version, said: &SaidVersions, adopted: bool) -> Vec<CheckResult> {
    let mut checks: Vec<CheckResult> = said
        .is_registry_left
        .then(|| registry_left(said))
        .into_iter()
        .collect();
    let run = VersionsCheck.begin();
    let mut worst = Status::Pass;
    let mut evidence = Vec::new();
    let registry = (!said.is_registry_left).then_some(("registry", &said.registry));
    let config = said.config.as_ref().map(|config| ("config", config));
    for (who, what) in registry.into_iter().chain(config) {
        let status = match what {
            Ok(Some(version)) if version == expected => Status::Pass,
            Ok(Some(version)) => {
                evidence.push(format!("the {who} says {version}, expected {expected}"));
                if adopted && who == "config" {
                    Status::Skipped
                } else {
                    Status::Fail
                }
            }
            Ok(None) => {
                evidence.push(format!("the {who} names no version"));
                if adopted {
                    Status::Skipped
                } else {
                    Status::Inconclusive
                }
            }
            Err(why) => {
                evidence.push(format!("the {who} cannot be read: {why}"));
                if who == "registry" {
                    Status::Inconclusive
                } else {
                    Status::Fail
                }
            }
        };
        worst = worst.max(status);
    }
    if worst == Status::Pass {
        let registry = if said.is_registry_left {
            ""
        } else {
            "registry = "
        };
        let config = if said.config.is_some() {
            "config = "
        } else {
            ""
        };
        evidence.push(format!("{registry}{config}manifest = tag = {expected}"));
    }
    checks.push(run.end(worst, evidence));
    checks
}

/// Reports the version in a registry that stays unchanged.
fn registry_left(said: &SaidVersions) -> CheckResult {
    let says = match &said.registry {
        Ok(Some(version)) => format!("it says {version}"),
        Ok(None) => "it names no version".into(),
        Err(why) => format!("it cannot be read: {why}"),
    };
    CheckRun::begin(2, "configuration.registry").end(
        Status::Skipped,
        vec![format!("the registry stays as it is: {says}")],
    )
}
