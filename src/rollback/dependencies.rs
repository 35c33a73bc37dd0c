//! Dependency differences between two versions, and the new environment that a rollback builds on
//! request. Unknown dependencies never count as a difference.

use super::RollbackDraft;
use crate::{
    draft::{Draft, steps},
    model::{DependencyList, Manifest, Plan, Version, settings::EnvMode},
};

impl RollbackDraft<'_> {
    /// Notes dependency differences, and plans a new environment if requested.
    pub(super) fn add_dependencies(
        &self,
        before: Option<&DependencyList>,
        target: &Manifest,
        draft: &mut Draft,
    ) {
        let mode = self.request.env.unwrap_or(self.site.settings.rollback.env);
        if mode == EnvMode::Off {
            return;
        }
        note_packages(before, target, &mut draft.plan);
        let unset = |name: &&String| !self.site.environment.has(name);
        draft.plan.missing_variables = target
            .dependencies
            .environment_variables
            .iter()
            .filter(unset)
            .cloned()
            .collect();
        if mode == EnvMode::Sync && changes_python(before, target, &draft.plan) {
            self.add_environment(target, draft);
        }
    }

    /// Plans the environment of the target, or notes why packages stay as they are.
    fn add_environment(&self, target: &Manifest, draft: &mut Draft) {
        match &self.task.venv {
            Some(_) if self.site.without_commands => {
                draft
                    .plan
                    .notes
                    .push("packages stay as they are (--no-commands)".into());
            }
            Some(venv) => {
                draft.steps.push(steps::new_environment(venv));
                draft.packages = Some(target.dependencies.python_packages.clone());
            }
            None => {
                draft.plan.notes.push("the task has no environment of its own (`env: {venv: …}`), so packages stay as they are".into());
            }
        }
    }
}

/// Notes package differences. If one side is unknown, there is no difference.
fn note_packages(before: Option<&DependencyList>, target: &Manifest, plan: &mut Plan) {
    let unknown = |version: &Version| {
        format!("what {version} depends on is not known, so changes of packages are not listed")
    };
    match before {
        _ if !target.knows_dependencies() => {
            let is_worth_it = before.is_none_or(|before| !before.is_empty());
            plan.notes
                .extend(is_worth_it.then(|| unknown(&target.subject.version)));
        }
        None => plan.notes.extend(
            plan.from
                .as_ref()
                .filter(|_| target.dependencies.has_packages())
                .map(unknown),
        ),
        Some(before) => {
            plan.packages = DependencyList::changes(before, &target.dependencies);
            plan.notes.extend(DependencyList::unknown_changes(
                before,
                &target.dependencies,
            ));
        }
    }
}

/// Returns true when Python packages would change. Unknown installed packages are replaced by those
/// of the version, if these are known.
fn changes_python(before: Option<&DependencyList>, target: &Manifest, plan: &Plan) -> bool {
    let then = &target.dependencies;
    let differs = plan
        .packages
        .iter()
        .any(|change| change.ecosystem == "python");
    let hidden = before.is_some_and(|now| {
        !now.knows("python", then) && then.knows("python", now) && !then.python_packages.is_empty()
    });
    differs || hidden
}
