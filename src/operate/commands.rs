//! The configured commands that an operation runs: listed in its plan, and refused without consent
//! before any change. The places that start commands check consent once more.

use crate::{
    base::Failure,
    draft::Draft,
    model::{
        Operation,
        operation::{OpKind, Step},
        trust::CommandUse,
    },
    site::RepoSite,
};

/// Lists the draft's commands in its plan; with `--no-commands` the draft runs none.
pub fn name(site: &RepoSite, draft: &mut Draft) {
    if draft.plan.nothing_to_do {
        return;
    }
    let mut roles = roles_of(draft.plan.kind, &draft.steps, true);
    roles.extend(draft.packages.as_ref().map(|_| CommandUse::Environment));
    let mut commands = site.commands_for(&draft.plan.task, &roles);
    if matches!(draft.plan.kind, OpKind::Undo | OpKind::Redo) {
        // These verify the result. Missing consent for them does not block a rollback.
        let checks = site.commands_for(&draft.plan.task, &[CommandUse::Smoke, CommandUse::Probe]);
        commands.extend(checks.into_iter().filter(|command| command.trusted));
    }
    if !site.without_commands {
        draft.plan.commands = commands;
    } else if !commands.is_empty() {
        draft
            .steps
            .retain(|step| !matches!(step, Step::Command { .. }));
        draft.plan.notes.push(
            "none of the task's commands is run (--no-commands); what they check is not checked"
                .into(),
        );
    }
}

/// Refuses an operation whose commands may not run.
pub fn require(site: &RepoSite, operation: &Operation, forward: bool) -> Result<(), Failure> {
    let Some(task) = operation
        .about
        .task
        .as_ref()
        .filter(|_| !site.leaves_commands_out(operation))
    else {
        return Ok(());
    };
    let roles = roles_of(operation.about.kind, &operation.steps, forward);
    Ok(site.require_trust(task, &roles)?)
}

/// Returns the roles of commands that these steps may run, forward or only backward.
fn roles_of(kind: OpKind, steps: &[Step], forward: bool) -> Vec<CommandUse> {
    let mut roles = Vec::new();
    for step in steps {
        match step {
            // Reversing after a failure runs the counterpart.
            Step::Command { .. } => roles.extend([CommandUse::Stop, CommandUse::Start]),
            Step::Verify {
                version: Some(_), ..
            } if forward => roles.push(CommandUse::Smoke),
            Step::Ready { .. } if forward => roles.push(CommandUse::Probe),
            _ => {}
        }
    }
    // A release that an older program planned is verified after its commit point.
    if kind == OpKind::CreateSnapshot && !roles.contains(&CommandUse::Smoke) {
        roles.push(CommandUse::Smoke);
    }
    roles
}
