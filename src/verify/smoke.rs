//! Level 3, smoke: the task's own commands must exit 0.
//!
//! All of them run, in configuration order, even after one failed. See [`super::commands`] for how
//! they run and what evidence they leave.

use std::path::Path;

use super::{
    Check, CheckSubject, Commands,
    commands::{Rehearsal, folder},
    evidence::TaskVariables,
    nothing,
    task_tree::TaskTree,
};
use crate::{
    base::{Failure, cancel::Cancelled},
    model::{CheckResult, Status, settings::CommandSpec, trust::CommandUse},
};

/// Checks that a task's smoke commands exit 0: one result per command (`smoke.1`, `smoke.2`, …), or
/// one skipped result without commands.
pub struct SmokeCheck;

impl Check for SmokeCheck {
    fn id(&self) -> &'static str {
        "smoke.commands"
    }

    fn level(&self) -> u8 {
        3
    }

    fn run(&self, subject: &CheckSubject<'_>) -> Result<Vec<CheckResult>, Failure> {
        match subject {
            CheckSubject::WorkTree(tree) => of_tree(tree),
            CheckSubject::Scratch(of) => {
                let variables = TaskVariables::of_version(of.site, of.task, of.manifest);
                let dir = folder(of.top, of.task);
                Ok(smoke(
                    &of.task.smoke,
                    &dir,
                    &variables,
                    of.commands,
                    &of.around,
                )?)
            }
            _ => nothing(),
        }
    }
}

/// Runs them in the work tree, but not on files that were edited meanwhile.
fn of_tree(tree: &TaskTree<'_>) -> Result<Vec<CheckResult>, Failure> {
    let (site, task) = (tree.site(), tree.task());
    let commands = if tree.is_edited()? {
        Commands::OtherFiles
    } else {
        tree.levels.commands.agreed(site, task, CommandUse::Smoke)
    };
    let dir = folder(site.git.work_tree(), task);
    let around = Rehearsal::default();
    Ok(smoke(
        &task.smoke,
        &dir,
        tree.variables(),
        commands,
        &around,
    )?)
}

/// Runs the commands in a folder. Fails only when a signal arrived.
fn smoke(
    specs: &[CommandSpec],
    dir: &Path,
    variables: &TaskVariables,
    may: Commands,
    around: &Rehearsal<'_>,
) -> Result<Vec<CheckResult>, Cancelled> {
    if specs.is_empty() {
        let evidence = vec!["no smoke command is configured".into()];
        return Ok(vec![SmokeCheck.begin().end(Status::Skipped, evidence)]);
    }
    if let Some((status, why)) = may.instead() {
        let check = |(at, spec): (usize, &CommandSpec)| {
            let evidence = vec![
                format!("command: {}", variables.line(&spec.run)),
                why.into(),
            ];
            CheckResult {
                id: format!("smoke.{}", at + 1),
                level: 3,
                status,
                evidence,
                duration_ms: 0,
                hints: Vec::new(),
            }
        };
        return Ok(specs.iter().enumerate().map(check).collect());
    }
    let check = |(at, spec)| around.check(format!("smoke.{}", at + 1), 3, spec, dir, variables);
    specs.iter().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, time::Duration};

    use super::*;
    use Status::{Fail, Inconclusive, Pass};

    fn run(commands: &[&str], dir: &Path) -> Vec<CheckResult> {
        let spec = |run: &&str| CommandSpec {
            run: run.to_string(),
            timeout: Duration::from_millis(500),
        };
        let variables = TaskVariables::of([("TOKEN".to_string(), OsString::from("s3cret"))]);
        smoke(
            &commands.iter().map(spec).collect::<Vec<_>>(),
            dir,
            &variables,
            Commands::Run,
            &Rehearsal::default(),
        )
        .expect("nobody cancels")
    }

    #[test]
    fn each_end_has_its_status() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let commands = [
            "echo fine",
            "echo s3cret; exit 1",
            "kill -9 $$",
            "sleep 300",
            "no-such-command-here",
            "cat",
        ];
        let checks = run(&commands, dir.path());
        let statuses: Vec<_> = checks.iter().map(|check| check.status).collect();
        assert_eq!(statuses, [Pass, Fail, Fail, Fail, Inconclusive, Pass]);
        assert_eq!(checks[1].id, "smoke.2");
        assert_eq!(
            checks[1].evidence,
            ["command: echo ***; exit 1", "exit 1", "| ***"]
        );
        assert!(
            checks[3].evidence[1].contains("time limit"),
            "{:?}",
            checks[3].evidence
        );
        assert!(checks.iter().all(|check| check.level == 3));
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let evidence = &run(&["seq 1 100"], dir.path())[0].evidence;
        assert_eq!(
            (evidence.len(), evidence[2].as_str(), evidence[21].as_str()),
            (22, "| 81", "| 100")
        );
    }

    #[test]
    fn what_is_left_out_or_not_trusted_does_not_run() {
        let dir = tempfile::tempdir().expect("because tests can make folders");
        let specs = [CommandSpec {
            run: "touch ran".into(),
            timeout: Duration::from_secs(20),
        }];
        for (commands, status) in [
            (Commands::LeftOut, Status::Skipped),
            (Commands::NotTrusted, Inconclusive),
        ] {
            let (none, around) = (TaskVariables::default(), Rehearsal::default());
            let checks =
                smoke(&specs, dir.path(), &none, commands, &around).expect("nobody cancels");
            assert_eq!(
                (checks.len(), checks[0].status, checks[0].id.as_str()),
                (1, status, "smoke.1")
            );
            assert!(!dir.path().join("ran").exists(), "{commands:?}");
        }
    }

    #[test]
    fn what_could_not_run_is_never_a_pass() {
        assert_eq!(
            run(&["true"], Path::new("/no/such/folder"))[0].status,
            Status::Inconclusive
        );
        let none = run(&[], Path::new("/"));
        assert_eq!((none.len(), none[0].status), (1, Status::Skipped));
    }
}
