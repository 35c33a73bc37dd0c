//! Explores every state that a power cut, a kill or a second crash can leave of one operation.
//!
//! At every mutating call, all crash states are recovered (even ones forward, odd ones back) and
//! judged. On a sample of them the recovery is itself cut at every call and run again. The process
//! is also killed there with the machine still up, recovered, and only then loses power.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use snapback::{base::Failure, journal::RunEnd, model::operation::EnvironmentChange};

use super::{
    sim::SimFs,
    world::{Case, Tree, World},
};

/// The moment of a foreign edit of a file that the operation changes.
#[derive(Clone, Copy, PartialEq)]
pub enum When {
    /// After the file's bytes were saved, before it is replaced.
    BetweenPlanAndApply,
    /// After the crash, before the recovery.
    BeforeRecovery,
}

/// One operation on one disk.
#[derive(Clone)]
pub struct Scenario {
    pub base: SimFs,
    pub before: Tree,
    pub after: Tree,
    pub environment: Option<EnvironmentChange>,
    pub earlier: u64,
    pub stranger: Option<(When, &'static str, &'static [u8])>,
}

impl Scenario {
    /// Returns the expectations that its disks are judged against.
    pub fn case(&self) -> Case<'_> {
        let stranger = self.stranger.map(|(_, path, bytes)| (path, bytes));
        Case {
            before: &self.before,
            after: &self.after,
            earlier: self.earlier,
            stranger,
        }
    }

    /// Plans and runs the operation. Returns whether success is reported, or `None` when planning
    /// already failed.
    pub fn act(&self, disk: &SimFs) -> Option<bool> {
        Some(matches!(
            self.attempt(disk, &World::on(disk))?,
            Ok(RunEnd::Done)
        ))
    }

    /// Plans and runs the operation. Returns how it ended, or `None` when planning already failed.
    pub fn attempt(&self, disk: &SimFs, world: &World) -> Option<Result<RunEnd, Failure>> {
        let operation = world.plan(&self.after, self.environment.as_ref()).ok()?;
        if let Some((When::BetweenPlanAndApply, path, bytes)) = self.stranger {
            disk.put_synced(&format!("work/{path}"), bytes);
        }
        Some(world.run(&operation))
    }

    /// Counts the mutating calls of the operation.
    pub fn calls(&self) -> u64 {
        let disk = self.base.fork();
        assert_eq!(self.act(&disk), Some(true), "without faults it works");
        disk.calls()
    }

    /// Recovers a disk and judges it. Returns whether the new tree is in place.
    pub fn mend(&self, disk: &SimFs, resume: bool, reported: bool) -> Result<bool, String> {
        let world = World::on(disk);
        let ended = world
            .recover(resume)
            .map_err(|failure| format!("the recovery failed: {failure:?}"))?;
        if let Some(RunEnd::Stuck(error)) = ended {
            return Err(format!("the recovery is stuck: {error}"));
        }
        world.judge(&self.case(), reported)
    }

    /// Recovers, then checks that a second recovery and a power cut change nothing.
    fn settle(
        &self,
        disk: &SimFs,
        resume: bool,
        reported: bool,
        thorough: bool,
    ) -> Result<u64, String> {
        let end = self.mend(disk, resume, reported)?;
        if !thorough {
            return Ok(0);
        }
        let tree = disk.tree();
        self.mend(disk, !resume, end)?;
        if disk.tree() != tree {
            return Err("I5: a second recovery changes something".into());
        }
        let cuts = disk.crash_states(3, 11);
        for cut in &cuts {
            if self.mend(cut, !resume, end)? != end {
                return Err("I3: the end of the recovery is lost".into());
            }
        }
        Ok(cuts.len() as u64)
    }

    /// Cuts the recovery of a disk at every `stride`-th call and recovers again.
    fn cut_recovery(
        &self,
        disk: &SimFs,
        resume: bool,
        reported: bool,
        stride: u64,
    ) -> Result<u64, String> {
        let mut looked = 0;
        let first = 1 + looked_from(disk) % stride;
        for j in (first..).step_by(usize::try_from(stride).unwrap()) {
            let again = disk.fork();
            again.crash_at(j);
            let _ = World::on(&again).recover(resume);
            for (nth, cut) in again.crash_states(4, j).iter().enumerate() {
                looked += 1;
                let resume = (nth % 2 == 0) ^ resume;
                self.mend(cut, resume, reported).map_err(|wrong| {
                    format!("recovery cut at {j}, disk {nth}, resume {resume}: {wrong}")
                })?;
            }
            if !again.crashed() {
                return Ok(looked);
            }
        }
        unreachable!("the recovery ends")
    }

    /// Judges everything that a crash at the `k`-th call can leave. Returns the number of disks.
    fn at(&self, k: u64, limit: usize, stride: u64) -> Result<u64, String> {
        let disk = self.base.fork();
        disk.crash_at(k);
        let acted = self.act(&disk);
        let reported = acted == Some(true);
        if acted.is_none()
            && self
                .stranger
                .is_some_and(|(when, ..)| when == When::BetweenPlanAndApply)
        {
            // The power went before the foreign edit was made.
            return Ok(0);
        }
        let disks = disk.crash_states(limit, k);
        let mut looked = disks.len() as u64;
        for (nth, cut) in disks.iter().enumerate() {
            if let Some((When::BeforeRecovery, path, bytes)) = self.stranger {
                cut.put_synced(&format!("work/{path}"), bytes);
            }
            let resume = nth % 2 == 0;
            let named = |wrong| format!("power cut at {k}, disk {nth}, resume {resume}: {wrong}");
            if nth as u64 % stride == k % stride {
                looked += self
                    .cut_recovery(cut, resume, reported, stride)
                    .map_err(named)?;
            }
            looked += self
                .settle(cut, resume, reported, nth as u64 % 4 == k % 4)
                .map_err(named)?;
        }
        if self.stranger.is_none() {
            for resume in [true, false] {
                // After a kill nothing is lost, but nothing more is durable than before it.
                let killed = disk.fork();
                let named = |wrong| format!("killed at {k}, resume {resume}: {wrong}");
                looked += self
                    .cut_recovery(&killed, resume, reported, stride)
                    .map_err(named)?;
                looked += self
                    .settle(&killed, resume, reported, true)
                    .map_err(named)?;
            }
        }
        Ok(looked)
    }

    /// Explores all calls, the last ones first. Returns the number of disks, or a broken promise.
    pub fn explore(&self, limit: usize, stride: u64) -> Result<u64, String> {
        // One more than there are calls: the power goes when everything is done.
        let last = alone(|| self.calls()) + 1;
        let (next, looked, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
        let wrong: Mutex<Option<(u64, String)>> = Mutex::default();
        let work = || {
            while !over.load(Ordering::Relaxed) {
                let Some(k) = last
                    .checked_sub(next.fetch_add(1, Ordering::Relaxed))
                    .filter(|k| *k > 0)
                else {
                    return;
                };
                match self.at(k, limit, stride) {
                    Ok(disks) => drop(looked.fetch_add(disks, Ordering::Relaxed)),
                    Err(complaint) => {
                        over.store(true, Ordering::Relaxed);
                        let mut wrong = wrong.lock().unwrap();
                        if wrong.as_ref().is_none_or(|(latest, _)| k > *latest) {
                            *wrong = Some((k, complaint));
                        }
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
                scope.spawn(|| alone(work));
            }
        });
        match wrong.into_inner().unwrap() {
            Some((_, complaint)) => Err(complaint),
            None => Ok(looked.into_inner()),
        }
    }
}

/// The offset of a stride, chosen so that different disks are cut at different calls.
fn looked_from(disk: &SimFs) -> u64 {
    disk.tree().len() as u64
}

/// Runs work with its inner parallel loops in order, so that a seed always gives the same calls.
pub fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap()
        .install(work)
}
