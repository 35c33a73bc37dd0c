//! Repeats checks after commands ran, because they or other processes may have changed files
//! meanwhile.

use super::{
    CheckRun, CheckSubject, Checks, prove,
    task_tree::{Levels, TaskTree},
};
use crate::{
    base::Failure,
    model::{CheckResult, Status},
};

/// Proves a version in the work tree, and checks the files again if commands may have run.
pub fn prove_tree(
    checks: Checks<'_>,
    tree: &TaskTree<'_>,
    results: &mut Vec<CheckResult>,
) -> Result<(), Failure> {
    results.extend(prove(
        checks,
        &CheckSubject::WorkTree(tree),
        1..=tree.levels.last,
    )?);
    if !tree.runs_commands()? {
        return Ok(());
    }
    let scan = tree.release.look()?;
    let levels = Levels {
        deep: false,
        since: None,
        again: true,
        ..tree.levels
    };
    if let Some(now) = TaskTree::of(tree.release, levels, &scan) {
        let now = CheckSubject::WorkTree(&now);
        let files = prove(checks, &now, 1..=1)?;
        results.extend(broken_files(results, files));
        if !tree.is_edited()? {
            let configuration = prove(checks, &now, 2..=2)?;
            results.extend(worse_configuration(results, configuration));
        }
    }
    Ok(())
}

/// Replaces results of checks of a stored release by those that fail now but did not before.
pub fn replace_broken(before: &mut [CheckResult], now: Vec<CheckResult>) {
    for mut broken in now.into_iter().filter(|now| now.status == Status::Fail) {
        let is_same = |check: &&mut CheckResult| check.id == broken.id;
        if let Some(check) = before.iter_mut().find(is_same)
            && check.status != Status::Fail
        {
            broken.evidence = said_of(vec![broken.clone()]);
            *check = broken;
        }
    }
}

/// Returns what is wrong with the files now but was not before.
fn broken_files(before: &[CheckResult], now: Vec<CheckResult>) -> Option<CheckResult> {
    let known = |id: &str| {
        let failed = |check: &CheckResult| check.id == id && check.status == Status::Fail;
        before.iter().any(failed)
    };
    let broken: Vec<CheckResult> = now
        .into_iter()
        .filter(|check| check.status == Status::Fail && !known(&check.id))
        .collect();
    let said = said_of(broken);
    (!said.is_empty()).then(|| CheckRun::begin(1, "integrity.after").end(Status::Fail, said))
}

/// Returns what is worse in the configuration than before.
fn worse_configuration(before: &[CheckResult], now: Vec<CheckResult>) -> Option<CheckResult> {
    let was = |id: &str| {
        before
            .iter()
            .filter(|check| check.id == id)
            .map(|check| check.status)
            .max()
    };
    let worse: Vec<CheckResult> = now
        .into_iter()
        .filter(|check| {
            check.status > Status::Skipped && was(&check.id).is_none_or(|was| check.status > was)
        })
        .collect();
    let status = worse.iter().map(|check| check.status).max()?;
    Some(CheckRun::begin(2, "configuration.after").end(status, said_of(worse)))
}

/// Returns the evidence of these results, marked with when it was seen.
fn said_of(results: Vec<CheckResult>) -> Vec<String> {
    let evidence = results.into_iter().flat_map(|check| check.evidence);
    evidence
        .map(|line| format!("while the commands ran: {line}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Status::{Fail, Inconclusive, Pass, Skipped};

    fn result(id: &str, status: Status) -> CheckResult {
        CheckResult {
            id: id.into(),
            level: 1,
            status,
            evidence: vec![format!("of {id}")],
            duration_ms: 0,
            hints: Vec::new(),
        }
    }

    #[test]
    fn only_what_broke_meanwhile_is_told() {
        let before = [
            result("integrity.files", Pass),
            result("integrity.databases", Fail),
        ];
        let after = |now: &[(&str, Status)]| {
            let now = now.iter().map(|(id, status)| result(id, *status));
            broken_files(&before, now.collect()).map(|after| (after.status, after.evidence))
        };
        assert_eq!(after(&[("integrity.files", Inconclusive)]), None);
        assert_eq!(after(&[("integrity.databases", Fail)]), None);
        let seen = after(&[("integrity.extra", Fail)]);
        assert_eq!(
            seen.map(|(status, _)| status),
            Some(Fail),
            "a file that was staged"
        );
        let line = "while the commands ran: of integrity.files".to_string();
        assert_eq!(
            after(&[("integrity.databases", Fail), ("integrity.files", Fail)]),
            Some((Fail, vec![line]))
        );
    }

    #[test]
    fn a_configuration_is_worse_by_its_status() {
        let before = [result("configuration.versions", Inconclusive)];
        let after = |id, status| {
            worse_configuration(&before, vec![result(id, status)]).map(|after| after.status)
        };
        assert_eq!(after("configuration.versions", Inconclusive), None);
        assert_eq!(after("configuration.versions", Fail), Some(Fail));
        assert_eq!(after("configuration.lockfiles", Skipped), None);
        assert_eq!(
            after("configuration.lockfiles", Inconclusive),
            Some(Inconclusive)
        );
    }
}
