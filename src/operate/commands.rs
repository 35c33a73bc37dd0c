//! The configured commands that an operation runs: named in its plan, and refused without the
//! owner's word before anything is changed. The places where commands start look once more.

use crate::{
    base::Failure,
    draft::{Draft, StepDraft},
    model::{
        Operation,
        operation::{OpKind, Step},
        trust::Role,
    },
    site::RepoSite,
    verify::Commands,
};

/// Writes into the plan what the draft would run; with `--no-commands` it then runs nothing.
pub fn name(site: &RepoSite, draft: &mut Draft) {
    if draft.plan.nothing_to_do {
        return;
    }
    let mut roles = Vec::new();
    for step in &draft.steps {
        match step {
            // Going back after a failure runs the other one of the two.
            StepDraft::Stop | StepDraft::Start => roles.extend([Role::Stop, Role::Start]),
            StepDraft::Environment { .. } => roles.push(Role::Environment),
            StepDraft::Verify(Some(_)) => roles.push(Role::Smoke),
            StepDraft::Ready(_) => roles.push(Role::Probe),
            _ => {}
        }
    }
    if draft.plan.kind == OpKind::CreateSnapshot {
        roles.push(Role::Smoke);
    }
    let mut commands = site.commands_for(&draft.plan.task, &roles);
    if matches!(draft.plan.kind, OpKind::Undo | OpKind::Redo) {
        // They verify where it arrives. That nobody agreed to them keeps nobody from going
        // back.
        let checks = site.commands_for(&draft.plan.task, &[Role::Smoke, Role::Probe]);
        commands.extend(checks.into_iter().filter(|command| command.trusted));
    }
    if !site.without_commands {
        draft.plan.commands = commands;
    } else if !commands.is_empty() {
        draft
            .steps
            .retain(|step| !matches!(step, StepDraft::Stop | StepDraft::Start));
        draft.plan.notes.push(
            "none of the task's commands is run (--no-commands); what they check is not checked"
                .into(),
        );
    }
}

/// Refuses to go on with an operation whose commands may not run.
pub fn require(site: &RepoSite, operation: &Operation, forward: bool) -> Result<(), Failure> {
    let Some(task) = operation
        .about
        .task
        .as_ref()
        .filter(|_| !site.leaves_commands_out(operation))
    else {
        return Ok(());
    };
    let mut roles = Vec::new();
    for step in &operation.steps {
        match step {
            Step::Command { .. } => roles.extend([Role::Stop, Role::Start]),
            Step::Verify { version: Some(_) } if forward => roles.push(Role::Smoke),
            Step::Ready { .. } if forward => roles.push(Role::Probe),
            _ => {}
        }
    }
    if operation.about.kind == OpKind::CreateSnapshot {
        roles.push(Role::Smoke);
    }
    Ok(site.require_trust(task, &roles)?)
}

/// Whether an operation runs the commands of its task.
pub fn commands_in(site: &RepoSite, operation: &Operation) -> Commands {
    Commands::unless(site.leaves_commands_out(operation))
}
