//! The promises that are checked on a disk after a recovery.

use std::collections::BTreeSet;

use snapback::{
    base::{Failure, RelPath, fs::read_limited},
    journal::{OperationPhase, history},
    model::Operation,
    verdict,
};

use super::{super::trail, Tree, World, reference};

/// The expectations that a disk is judged against.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    pub before: &'a Tree,
    pub after: &'a Tree,
    /// The counter of the previous operation; 0 when there was none.
    pub earlier: u64,
    /// A foreign edit: path and bytes.
    pub stranger: Option<(&'a str, &'a [u8])>,
}

impl World {
    /// Checks the promises after a recovery. Returns true when the new tree is in place, false for
    /// the old one; no other tree may be. `reported` says whether success was reported before the
    /// power went.
    pub fn judge(&self, case: &Case<'_>, reported: bool) -> Result<bool, String> {
        let say = |failure: Failure| format!("the history cannot be read: {failure:?}");
        let newest = self
            .newest()
            .map_err(say)?
            .filter(|(operation, _)| operation.about.id.counter() > case.earlier);
        let done = match &newest {
            None => false,
            Some((_, Some(done))) => *done,
            Some((_, None)) => return Err("I5: it is still unfinished after the recovery".into()),
        };
        if reported && !done {
            return Err("I3: success was reported and is lost".into());
        }
        self.earlier_are_over(case)?;
        let (mut files, empty) = self.tree();
        let mut wanted = if done { case.after } else { case.before }.clone();
        if let Some((path, bytes)) = case.stranger {
            let there = files
                .remove(path)
                .is_some_and(|(_, _, found)| found == bytes);
            wanted.remove(path);
            if !there && !self.keeps_stranger(path, bytes) {
                return Err(format!("I6: the stranger's edit of {path} is lost"));
            }
        }
        if files != wanted {
            return Err(format!(
                "I2: done {done}, but {}",
                difference(&files, &wanted)
            ));
        }
        if !empty.is_empty() {
            return Err(format!("I2: empty folders are left: {empty:?}"));
        }
        match self.store.damage() {
            Ok(damage) if damage.is_empty() => {}
            damaged => return Err(format!("I1: the store is damaged: {damaged:?}")),
        }
        if let Some((operation, _)) = &newest {
            if let Some(change) = operation.path_changes().find(|change| {
                change
                    .before
                    .as_ref()
                    .is_some_and(|state| !self.kept(state))
            }) {
                return Err(format!(
                    "I1: the old bytes of {} are not in the store",
                    change.path
                ));
            }
            self.judge_end(operation, done)?;
        }
        let leftover = |name: &Vec<u8>| {
            name.split(|byte| *byte == b'/')
                .any(|part| part == b".snapback" || part.starts_with(b".tmp-"))
        };
        match (self.look)().into_keys().find(leftover) {
            Some(name) => Err(format!("I18: {} is left", String::from_utf8_lossy(&name))),
            None => Ok(done),
        }
    }

    /// Checks that the earlier operations are still over.
    fn earlier_are_over(&self, case: &Case<'_>) -> Result<(), String> {
        for id in history::ids(&*self.state)
            .map_err(|error| error.to_string())?
            .iter()
            .filter(|id| id.counter() <= case.earlier)
        {
            let found = history::open(&self.state, id).map_err(|error| error.to_string())?;
            if !found.is_some_and(|found| matches!(found.phase, OperationPhase::Finished { .. })) {
                return Err(format!(
                    "I3: the earlier operation {id} was over and is not"
                ));
            }
        }
        Ok(())
    }

    /// Checks that the commit point and the verdicts agree with the journal.
    fn judge_end(&self, operation: &Operation, done: bool) -> Result<(), String> {
        let published = self
            .disk
            .stat(&reference(&operation.about.id))
            .unwrap()
            .is_some();
        let held = verdict::standings(&*self.state).map_err(|error| format!("{error}"))?;
        let lines = read_limited(&*self.state, &RelPath::own("verdicts.jsonl"), 1 << 20)
            .unwrap_or_default();
        let said = String::from_utf8_lossy(&lines)
            .matches(&operation.about.id.to_string())
            .count();
        trail::judge(&self.state, &operation.about.id, done)?;
        if published != done || said != usize::from(done) || (done && held.is_empty()) {
            return Err(format!(
                "I2: done {done}, but published {published} and {said} verdicts"
            ));
        }
        Ok(())
    }
}

/// Lists the paths in which two trees differ.
fn difference(found: &Tree, wanted: &Tree) -> String {
    let paths: BTreeSet<&String> = found.keys().chain(wanted.keys()).collect();
    let show = |entry: Option<&(char, u32, Vec<u8>)>| {
        entry.map(|(kind, mode, bytes)| {
            format!("{kind} {mode:o} {:?}", String::from_utf8_lossy(bytes))
        })
    };
    let lines = paths
        .into_iter()
        .filter(|path| found.get(*path) != wanted.get(*path));
    lines
        .map(|path| {
            format!(
                "{path} is {:?}, not {:?}",
                show(found.get(path)),
                show(wanted.get(path))
            )
        })
        .collect::<Vec<_>>()
        .join("; ")
}
