//! The owner's word on the commands that the configuration names: asked for, given, taken back.
//!
//! What runs without it: nothing. Whatever would run a command is refused before anything is
//! changed ([`App::require_commands`]); the places where commands start look once more.

use std::path::PathBuf;

use super::App;
use crate::{
    base::{Digest, Failure, Kind},
    draft::Draft,
    keys::Keys,
    model::{
        Operation, Plan, TaskId,
        operation::{OpKind, Step},
        signature::Signer,
        trust::{CommandState, ConfiguredCommand, Role, digest_of_all},
    },
    site,
};

/// The uses of a task's commands in a verification.
const CHECKS: [Role; 2] = [Role::Smoke, Role::Probe];

impl App {
    /// The commands that the configuration names, of these tasks or of all, and whether each may
    /// run.
    pub fn commands(&self, tasks: &[TaskId]) -> Vec<CommandState> {
        let all = self.site.configured_commands();
        let wanted: Vec<ConfiguredCommand> = all
            .iter()
            .filter(|command| {
                tasks.is_empty()
                    || command
                        .task
                        .as_ref()
                        .is_some_and(|task| tasks.contains(task))
            })
            .cloned()
            .collect();
        self.site.consent.states_of(&wanted, &all)
    }

    /// The digest of all commands of the configuration, as `SNAPBACK_TRUST` takes it.
    pub fn commands_digest(&self) -> Digest {
        digest_of_all(&self.site.configured_commands())
    }

    /// The commands that a verification of a task's four levels would run.
    pub fn commands_of_verification(&self, task: &TaskId) -> Vec<CommandState> {
        if self.site.without_commands {
            Vec::new()
        } else {
            self.site.commands_for(task, &CHECKS)
        }
    }

    /// The file that names the commands.
    pub fn config_file(&self) -> &str {
        &self.site.config
    }

    /// Why the agreement of this repository does not count, if one is there that does not.
    pub fn trust_trouble(&self) -> Option<(Kind, String)> {
        self.site.consent.trouble().map(|error| {
            (
                crate::base::Fault::kind(&error),
                Failure::from(error).to_string(),
            )
        })
    }

    /// Agrees that these commands run in this repository, on this machine, from now on.
    ///
    /// # Errors
    /// When there is no private folder outside the work tree to keep the agreement in.
    pub fn agree(&self, commands: &[ConfiguredCommand]) -> Result<(), Failure> {
        Ok(self.site.consent.agree(
            commands,
            &self.site.configured_commands(),
            self.site.clock.now(),
        )?)
    }

    /// The user's key, and the keys whose signatures count on this machine.
    pub fn keys(&self) -> Keys<'_> {
        self.site.keys()
    }

    /// Makes the user's key, and allows it under a name; `None` = git's name and address of the
    /// user.
    ///
    /// # Errors
    /// When there is one, or no private folder outside the work tree to keep it in.
    pub fn create_key(&self, name: Option<&str>) -> Result<(Signer, PathBuf), Failure> {
        let name = match name {
            Some(name) => name.to_string(),
            None => self.site.git.identity().map(|who| who.to_string())?,
        };
        let (key, path) = self.keys().create(&name)?;
        Ok((
            Signer {
                name: name.trim().into(),
                key,
                valid_until: None,
                revoked: None,
            },
            path,
        ))
    }

    /// Revokes a key, or all keys of a name.
    ///
    /// # Errors
    /// When none is, or belongs to, what was given.
    pub fn revoke_key(&self, which: &str) -> Result<Vec<Signer>, Failure> {
        Ok(self.keys().revoke(which, self.site.clock.now())?)
    }

    /// Takes every agreement for this repository back; false when there was none.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn revoke_trust(&self) -> Result<bool, Failure> {
        Ok(self.site.consent.revoke()?)
    }

    /// Refuses a plan with commands that may not run, before anybody is asked to confirm it.
    ///
    /// # Errors
    /// Those commands.
    pub fn check_commands(&self, plan: &Plan) -> Result<(), Failure> {
        self.require_commands(&plan.commands)
    }

    /// Refuses when one of these may not run.
    pub(super) fn require_commands(&self, commands: &[CommandState]) -> Result<(), Failure> {
        Ok(site::consent::require(commands.to_vec())?)
    }

    /// Writes into the plan what the draft would run; with `--no-commands` it then runs nothing.
    pub(super) fn name_commands(&self, draft: &mut Draft) {
        if draft.plan.nothing_to_do {
            return;
        }
        let mut roles = roles_of(draft.plan.kind, &draft.steps, true);
        roles.extend(draft.packages.as_ref().map(|_| Role::Environment));
        let mut commands = self.site.commands_for(&draft.plan.task, &roles);
        if matches!(draft.plan.kind, OpKind::Undo | OpKind::Redo) {
            // They verify where it arrives. That nobody agreed to them keeps nobody from going
            // back.
            let checks = self
                .site
                .commands_for(&draft.plan.task, &[Role::Smoke, Role::Probe]);
            commands.extend(checks.into_iter().filter(|command| command.trusted));
        }
        if !self.site.without_commands {
            draft.plan.commands = commands;
        } else if !commands.is_empty() {
            draft
                .steps
                .retain(|step| !matches!(step, Step::Command { .. }));
            draft.plan.notes.push("none of the task's commands is run (--no-commands); what they check is not checked".into());
        }
    }

    /// Refuses to go on with an operation whose commands may not run.
    pub(super) fn require_commands_of(
        &self,
        operation: &Operation,
        forward: bool,
    ) -> Result<(), Failure> {
        let Some(task) = operation
            .about
            .task
            .as_ref()
            .filter(|_| !self.site.leaves_commands_out(operation))
        else {
            return Ok(());
        };
        let roles = roles_of(operation.about.kind, &operation.steps, forward);
        Ok(self.site.require_trust(task, &roles)?)
    }
}

/// The commands that these steps may run, going forward or only back.
fn roles_of(kind: OpKind, steps: &[Step], forward: bool) -> Vec<Role> {
    let mut roles = Vec::new();
    for step in steps {
        match step {
            // Going back after a failure runs the other one of the two.
            Step::Command { .. } => roles.extend([Role::Stop, Role::Start]),
            Step::Verify { version: Some(_) } if forward => roles.push(Role::Smoke),
            Step::Ready { .. } if forward => roles.push(Role::Probe),
            _ => {}
        }
    }
    if kind == OpKind::CreateSnapshot {
        roles.push(Role::Smoke);
    }
    roles
}
