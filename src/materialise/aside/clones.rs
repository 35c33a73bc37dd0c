//! Lets files share the blocks of an equal file of the same work, where the file system can.

use std::{
    collections::{BTreeSet, HashMap},
    io,
};

use super::{Aside, AsideTask, WrittenFile, note};
use crate::{
    base::{Digest, RelPath},
    model::{FileRecord, ObjectId, backup::RestoreReport},
};

/// Minimum size of a clone; smaller files are not worth two calls to share their blocks.
const CLONE_FROM: u64 = 64 << 10;

impl Aside<'_> {
    /// Lets files share the blocks of an equal one that is in place; returns those that have to be
    /// written after all.
    pub(super) fn clone_all<'p>(
        &self,
        later: Vec<(AsideTask<'p>, RelPath)>,
        failed: &BTreeSet<RelPath>,
        report: &mut RestoreReport,
    ) -> Vec<AsideTask<'p>> {
        let mut rest = Vec::new();
        let mut can = true;
        for (task, first) in later {
            let temp = self.temp(&task.record.path);
            let cloned = if can && !failed.contains(&first) {
                self.clone_one(task.record, &first, &temp)
            } else {
                Ok(false)
            };
            match cloned {
                Ok(true) => match self.place(&WrittenFile {
                    task,
                    temp: temp.clone(),
                }) {
                    Ok(()) => report.cloned += 1,
                    Err(miss) => {
                        let _ = self.fs.remove_file(&temp);
                        note(report, &task.record.path, &miss);
                    }
                },
                Ok(false) | Err(_) => {
                    can &= !matches!(&cloned, Err(error) if error.kind() == io::ErrorKind::Unsupported);
                    let _ = self.fs.remove_file(&temp);
                    rest.push(task);
                }
            }
        }
        rest
    }

    /// Makes one clone; returns false when the first file is no longer what was restored.
    fn clone_one(&self, record: &FileRecord, first: &RelPath, temp: &RelPath) -> io::Result<bool> {
        let Some(object) = record.location.object() else {
            return Ok(false);
        };
        let mut file = self.fs.clone_file(first, temp, 0o600)?;
        if ObjectId(Digest::of_reader(&mut *self.fs.open(temp)?)?.0) != *object {
            return Ok(false);
        }
        self.how(record, true).finish(&mut *file)?;
        Ok(true)
    }
}

/// Returns the tasks whose bytes equal an earlier one's, with that one's path, and all others.
pub(super) fn doubles(
    tasks: Vec<AsideTask<'_>>,
) -> (Vec<(AsideTask<'_>, RelPath)>, Vec<AsideTask<'_>>) {
    let mut firsts: HashMap<ObjectId, &RelPath> = HashMap::new();
    let (mut later, mut others) = (Vec::new(), Vec::with_capacity(tasks.len()));
    for task in tasks {
        let record = task.record;
        match record.location.object() {
            Some(object) if record.size >= CLONE_FROM => match firsts.get(object) {
                Some(first) => later.push((task, (*first).clone())),
                None => {
                    firsts.insert(*object, &record.path);
                    others.push(task);
                }
            },
            _ => others.push(task),
        }
    }
    (later, others)
}
