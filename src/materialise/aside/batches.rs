//! Writes small files and links, a batch at a time: written by all cores, forced to the disk
//! together, and only then renamed.

use rayon::prelude::*;

use super::super::Error;
use super::{Aside, AsideTask, Miss, WrittenFile, note, size};
use crate::{
    base::{Failure, cancel},
    model::{FileRecord, backup::RestoreReport},
};

/// Limits of a batch: number of files, and of bytes.
const BATCH: (usize, u64) = (4096, 128 << 20);

impl Aside<'_> {
    /// Writes small files and links in batches; one batch is forced to the disk while the next is
    /// written.
    pub(super) fn write_small(
        &self,
        tasks: &[AsideTask<'_>],
        report: &mut RestoreReport,
    ) -> Result<(), Failure> {
        let mut pending = Vec::new();
        for batch in batches(tasks) {
            let (synced, written) = rayon::join(|| self.sync_bytes(&pending), || self.batch(batch));
            let mut ready = Vec::with_capacity(written.len());
            for one in written {
                match one {
                    Ok(one) => ready.push(one),
                    Err((record, miss)) => note(report, &record.path, &miss),
                }
            }
            if let Err(failure) = synced.and_then(|()| cancel::check().map_err(Failure::from)) {
                pending.extend(ready);
                return Err(self.abandon(&pending, failure));
            }
            self.place_all(&pending, report);
            pending = ready;
        }
        if let Err(failure) = self.sync_bytes(&pending) {
            return Err(self.abandon(&pending, failure));
        }
        self.place_all(&pending, report);
        Ok(())
    }

    /// Writes one batch, all of it beside its places.
    fn batch<'t>(
        &self,
        tasks: &[AsideTask<'t>],
    ) -> Vec<Result<WrittenFile<'t>, (&'t FileRecord, Miss)>> {
        let write = |task: &AsideTask<'t>| {
            let temp = self.temp(&task.record.path);
            match cancel::check()
                .is_ok()
                .then(|| self.write(task.record, &temp, false))?
            {
                Ok(()) => Some(Ok(WrittenFile { task: *task, temp })),
                Err(miss) => {
                    let _ = self.fs.remove_file(&temp);
                    Some(Err((task.record, miss)))
                }
            }
        };
        tasks
            .par_iter()
            .with_max_len(32)
            .filter_map(write)
            .collect()
    }

    /// Forces the bytes of written files to the disk, unless each was synced by itself.
    fn sync_bytes(&self, ready: &[WrittenFile<'_>]) -> Result<(), Failure> {
        if ready.is_empty() || !self.together {
            return Ok(());
        }
        self.fs
            .sync_all(self.syncs.0)
            .map_err(|error| Error::Sync(error).into())
    }

    /// Removes written files that must not be used.
    fn abandon(&self, ready: &[WrittenFile<'_>], failure: Failure) -> Failure {
        ready
            .par_iter()
            .for_each(|ready| drop(self.fs.remove_file(&ready.temp)));
        failure
    }

    /// Renames synced files to their places.
    fn place_all(&self, ready: &[WrittenFile<'_>], report: &mut RestoreReport) {
        let placed: Vec<_> = ready
            .par_iter()
            .with_min_len(16)
            .map(|ready| self.place(ready))
            .collect();
        for (ready, placed) in ready.iter().zip(placed) {
            if let Err(miss) = placed {
                let _ = self.fs.remove_file(&ready.temp);
                note(report, &ready.task.record.path, &miss);
            }
        }
    }
}

/// Splits tasks into batches.
fn batches<'s, 't>(tasks: &'s [AsideTask<'t>]) -> impl Iterator<Item = &'s [AsideTask<'t>]> {
    let mut rest = tasks;
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |task: &&AsideTask<'_>| {
            bytes += size(task.record);
            bytes <= BATCH.1
        };
        let len = rest.iter().take(BATCH.0).take_while(fits).count().max(1);
        let (batch, after) = rest.split_at_checked(len)?;
        rest = after;
        Some(batch)
    })
}
