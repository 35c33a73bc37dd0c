//! One harness for every operation and every fault: the real program is disturbed at its mutating
//! system calls, one per run, brought to its end, and judged by [`super::checker`].
//!
//! `SNAPBACK_SWEEP=full` visits every call of every operation with every fault. Otherwise each test
//! chooses how many points of an operation are visited, with the faults in turn;
//! `SNAPBACK_SWEEP_POINTS` overrides that number, `SNAPBACK_SWEEP_SEED` starts elsewhere.

mod faults;
mod recovery;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::{
    Sandbox,
    checker::{Claim, Seen, State, complaints},
    killer::{self, Mode, Ran, Target},
    mounted::Disk,
    operations::{CANARY, Operation, Recovery},
    sandbox::snapback_program,
    stage::{Stage, secrets, state},
};

pub use faults::{CUTS, FAULTS, Fault};

/// The name of a fault, the fault, and the call at which it strikes.
type Point = (&'static str, Fault, u64);

/// Returns whether the environment asks for a full sweep.
pub fn everything() -> bool {
    std::env::var("SNAPBACK_SWEEP").as_deref() == Ok("full")
}

/// The statistics and violations of a sweep.
#[derive(Default)]
pub struct Figures {
    /// The number of runs by fault.
    pub runs: BTreeMap<&'static str, u64>,
    pub violations: Vec<String>,
}

/// An operation on one stage, with the only two states that may be found.
struct Trial<'a> {
    operation: &'a Operation,
    program: &'a Path,
    stage: Stage,
    disk: Option<Disk>,
    old: State,
    new: State,
    /// The state at the start: old, or left by an interrupted operation.
    start: State,
    /// True when the operation undoes one that was begun.
    backwards: bool,
    calls: u64,
}

/// Returns the program with these arguments in this repository.
pub fn target(program: &Path, sandbox: &Sandbox, argv: &[&str]) -> Target {
    let argv = std::iter::once(program.into())
        .chain(argv.iter().map(Into::into))
        .collect();
    Target {
        argv,
        env: sandbox.environment(),
        cwd: sandbox.root(),
    }
}

impl<'a> Trial<'a> {
    /// Prepares the operation, runs it once undisturbed, and records what it does.
    fn new(
        operation: &'a Operation,
        program: &'a Path,
        base: &Sandbox,
        disk: Option<Disk>,
    ) -> Option<Self> {
        let parent = disk.as_ref().map_or_else(std::env::temp_dir, Disk::at);
        let stage = Stage::new(operation, base, &parent)?;
        let (state_of, mut trial) = (
            state,
            Self {
                operation,
                program,
                stage,
                disk,
                old: State::default(),
                new: State::default(),
                start: State::default(),
                backwards: false,
                calls: 0,
            },
        );
        trial.old = state_of(&trial.stage.live);
        if let Some((argv, percent)) = operation.interrupted {
            let whole = target(trial.program, &trial.stage.live, argv);
            let calls =
                killer::count(&whole).unwrap_or_else(|error| panic!("{}: {error}", operation.name));
            trial.new = state_of(&trial.stage.live);
            trial.interrupt(&whole, calls * percent / 100);
            trial.stage.save();
        }
        trial.start = state_of(&trial.stage.live);
        trial.calls = killer::count(&target(trial.program, &trial.stage.live, operation.argv))
            .unwrap_or_else(|error| panic!("{}: {error}", operation.name));
        let after = state_of(&trial.stage.live);
        if operation.interrupted.is_none() {
            trial.new = after;
        } else {
            trial.backwards = after.is(&trial.old);
            assert!(
                trial.backwards || after.is(&trial.new),
                "{}: {}",
                operation.name,
                after.differs(&trial.new)
            );
        }
        assert_eq!(
            (trial.stage.live.unsound(), trial.stage.outside()),
            (vec![], vec![]),
            "{}",
            operation.name
        );
        Some(trial)
    }

    /// Returns the points to visit; the last run of a full sweep is undisturbed.
    fn points(&self, faults: &[(&'static str, Fault)], visits: usize) -> Vec<Point> {
        let last = self.calls + 1;
        let number = |name: &str| {
            std::env::var(name)
                .ok()
                .and_then(|text| text.parse::<usize>().ok())
        };
        if everything() && number("SNAPBACK_SWEEP_POINTS").is_none() {
            let every = |(name, fault): &(&'static str, Fault)| {
                (1..=last)
                    .step_by(self.operation.stride)
                    .map(|k| (*name, *fault, k))
                    .collect::<Vec<_>>()
            };
            return faults.iter().flat_map(every).collect();
        }
        let (visits, seed) = (
            number("SNAPBACK_SWEEP_POINTS").unwrap_or(visits),
            number("SNAPBACK_SWEEP_SEED").unwrap_or(0),
        );
        let one = |nth: usize| {
            let (name, fault) = faults[(nth + seed) % faults.len()];
            // The golden ratio spreads the points of each fault over the whole run.
            let spread = (u64::try_from(nth + seed).expect("because it is small") + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                >> 32;
            (name, fault, 1 + ((spread * last) >> 32))
        };
        (0..visits).map(one).collect()
    }

    /// Kills the operation that is recovered at a call, or the last one before it that leaves it
    /// unfinished: how many calls follow its end depends on the disk.
    fn interrupt(&self, whole: &Target, call: u64) {
        let is_left = |call: u64| {
            self.stage.reset();
            let ran = killer::run(whole, Mode::Kill, call).unwrap();
            let status = self.stage.live.snapback(&["status"]);
            ran.killed && (status.stdout + &status.stderr).contains("op resume")
        };
        let found = (call * 3 / 4..=call).rev().find(|call| is_left(*call));
        assert!(
            found.is_some(),
            "{} was never interrupted",
            self.operation.name
        );
    }

    /// Runs the operation with a fault, and then whatever brings it to its end.
    fn visit(&mut self, fault: Fault, k: u64) -> Vec<String> {
        self.stage.reset();
        if let Some(disk) = &self.disk {
            disk.sync();
        }
        // Text and JSON say the same; the JSON is checked in every third run.
        let as_json = k.is_multiple_of(3);
        let argv = [self.operation.argv, if as_json { &["--json"] } else { &[] }].concat();
        let (ran, cut) = self.disturb(&argv, fault, k);
        let mut seen = Seen {
            old: self.old.clone(),
            new: self.new.clone(),
            backwards: self.backwards,
            ..Seen::default()
        };
        let finished = !ran.killed && !ran.at.starts_with("NO POWER CUT");
        // After a failed sync the contents of the disk are unknown, so only a failure is honest.
        let unknown = ran.exit != 0
            && ["fsync(", "fdatasync(", "syncfs("]
                .iter()
                .any(|call| ran.at.starts_with(call));
        seen.exit = (finished && !cut && !unknown).then_some(ran.exit);
        seen.reported = finished && cut && ran.exit == 0;
        if finished && !cut && ran.exit != 0 {
            seen.said = Some(self.claim(&ran, as_json));
        }
        if ran.exit == 137 && !ran.killed {
            seen.left.push("it did not end".into());
        }
        let second = self.disturb_again(&mut seen, fault, k);
        note_words(&mut seen, &ran);
        match self.operation.recovery {
            Recovery::Journal => {
                self.recover(&mut seen, k);
                self.retry(&mut seen, k);
            }
            Recovery::Again => self.run_again(&mut seen),
        }
        self.look(&mut seen);
        let wanted = if self.backwards { &self.old } else { &self.new };
        if finished
            && ran.exit == 0
            && ran.stdout.contains(", verified")
            && seen.found.task != wanted.task
        {
            seen.misjudged.push(format!(
                "verified, but the files are others: {}",
                seen.found.differs(wanted)
            ));
        }
        let broken = complaints(&seen);
        if broken.is_empty() {
            return Vec::new();
        }
        vec![self.tell(&ran, &format!("{fault:?} at {k}"), &second, broken)]
    }

    /// Disturbs the recovery too, for a fault that strikes twice. Returns where.
    fn disturb_again(&mut self, seen: &mut Seen, fault: Fault, k: u64) -> String {
        let mut second = String::new();
        if matches!(fault, Fault::Twice(_) | Fault::PowerCut { twice: true, .. }) {
            let argv = if self.operation.recovery == Recovery::Again {
                self.operation.argv
            } else {
                recovery(k)
            };
            let (again, _) = self.disturb(argv, fault, 1 + k * 7 % 60);
            second = format!(", then at {}", again.at);
            note_words(seen, &again);
        }
        second
    }

    /// Formats one violation: what was done, how it ended, and each promise that was broken.
    fn tell(&self, ran: &Ran, fault: &str, second: &str, broken: Vec<String>) -> String {
        let short = |text: String| text.chars().take(700).collect::<String>();
        let told = format!(
            "{}, {fault} of {}, {}{second}; exit {}: {}",
            self.operation.name,
            self.calls,
            ran.at,
            ran.exit,
            ran.stderr.trim()
        );
        broken
            .into_iter()
            .fold(told, |told, what| told + "\n    " + &short(what))
    }

    /// Returns what a failed run said, and the state that it left.
    fn claim(&self, ran: &Ran, as_json: bool) -> Claim {
        let live = &self.stage.live;
        let (sentence, changed) = if as_json {
            let answer: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
            let report = answer["error"]["message"]
                .as_str()
                .filter(|text| text.contains("put back"))
                .unwrap_or_default();
            (
                answer["left"]["sentence"]
                    .as_str()
                    .unwrap_or(report)
                    .to_string(),
                answer["changed"].as_bool(),
            )
        } else {
            (last_words(&format!("{}{}", ran.stdout, ran.stderr)), None)
        };
        let unfinished =
            live.snapback(&["status", "--json"]).json()["data"]["unfinished"].is_object();
        Claim {
            sentence,
            changed,
            before: self.start.clone(),
            after: state(live),
            unfinished,
        }
    }

    /// Runs a command with a fault. Returns the run and whether the power went at its end.
    fn disturb(&mut self, argv: &[&str], fault: Fault, k: u64) -> (Ran, bool) {
        let target = target(self.program, &self.stage.live, argv);
        let (mode, logged) = match fault {
            Fault::Once(mode) | Fault::Twice(mode) => {
                return (killer::run(&target, mode, k).unwrap(), false);
            }
            Fault::PowerCut { logged, .. } => (move |disk| Mode::Cut { disk, logged }, logged),
        };
        let disk = self.disk.as_mut().expect("because power is cut on disks");
        let handle = disk.open();
        let ran = killer::run(&target, mode(std::os::fd::AsRawFd::as_raw_fd(&handle)), k).unwrap();
        if !ran.killed {
            killer::power_off(&handle, logged).unwrap();
        }
        assert!(!ran.at.starts_with("NO POWER CUT"), "{ran:?}");
        drop(handle);
        disk.boot();
        (ran, true)
    }

    /// Makes the observations that are the same for every operation.
    fn look(&self, seen: &mut Seen) {
        let live = &self.stage.live;
        if self.disk.is_some() {
            // Unreferenced objects may be torn: git, like gix, syncs no object before it has its
            // name.
            live.git(&["prune", "--expire=now"]);
        }
        let (left, dangling): (Vec<_>, Vec<_>) = live
            .unsound()
            .into_iter()
            .partition(|line| line.starts_with("left behind"));
        seen.left.extend(left);
        seen.left.extend(live.temporary_records());
        seen.dangling.extend(dangling);
        seen.outside = self.stage.outside();
        seen.secrets.extend(secrets(live));
        let checked = live.snapback(&["store", "check"]);
        if checked.code != 0 {
            seen.damaged.push(format!(
                "store check ends with {}: {} {}",
                checked.code,
                checked.stdout.trim(),
                checked.stderr.trim()
            ));
        }
    }
}

/// Returns the lines about what was changed.
pub fn last_words(text: &str) -> String {
    let marks = [
        "nothing was changed",
        "put back",
        "not finished",
        "new files were prepared",
        "is done",
        "changed while it ran",
        "cannot be seen",
        "stuck",
    ];
    text.lines()
        .filter(|line| marks.iter().any(|mark| line.contains(mark)))
        .map(str::trim)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Records forbidden output of a run.
fn note_words(seen: &mut Seen, ran: &Ran) {
    if ran.stderr.contains("panicked at") {
        seen.left.push(format!("a panic: {}", ran.stderr.trim()));
    }
    if ran.stdout.contains(CANARY) || ran.stderr.contains(CANARY) {
        seen.secrets
            .push("the output holds the value of a secret".into());
    }
}

/// Returns the recovery of a visit: forward and back in turn.
fn recovery(k: u64) -> &'static [&'static str] {
    if k.is_multiple_of(2) {
        &["op", "resume", "--yes"]
    } else {
        &["op", "abort", "--yes"]
    }
}

/// Removes all caches.
fn without_caches(sandbox: &Sandbox) {
    for cache in [
        ".git/snapback/facts",
        ".git/snapback/stat-cache",
        ".git/snapback/reserve",
    ] {
        let path = sandbox.at(cache);
        let _ = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
    }
}

/// Visits the points of an operation, on all cores; `visits` of them unless the environment says
/// otherwise.
pub fn sweep(operation: &Operation, faults: &[(&'static str, Fault)], visits: usize) -> Figures {
    sweep_of(
        operation,
        &PathBuf::from(snapback_program()),
        faults,
        visits,
        &|| Ok(None),
    )
}

/// Sweeps any program that takes the operation's arguments, on disks made by `disk`.
pub fn sweep_of(
    operation: &Operation,
    program: &Path,
    faults: &[(&'static str, Fault)],
    visits: usize,
    disk: &(dyn Fn() -> Result<Option<Disk>, String> + Sync),
) -> Figures {
    let figures = Mutex::new(Figures::default());
    let Some(base) = (operation.make)() else {
        return Figures::default();
    };
    let next = AtomicUsize::new(0);
    let work = || {
        let disk = match disk() {
            Ok(disk) => disk,
            Err(why) => return println!("{}: skipped: {why}", operation.name),
        };
        let Some(mut trial) = Trial::new(operation, program, &base, disk) else {
            return;
        };
        let points = trial.points(faults, visits);
        while let Some((name, fault, k)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
            let found = trial.visit(*fault, *k);
            let mut figures = figures.lock().unwrap();
            *figures.runs.entry(name).or_default() += 1;
            figures.violations.extend(found);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism()
            .map_or(2, usize::from)
            .min(visits.div_ceil(5))
        {
            scope.spawn(work);
        }
    });
    figures.into_inner().unwrap()
}

/// Prints a table row for each fault, and fails when a promise was broken.
pub fn report(what: &str, figures: &Figures) {
    for (fault, runs) in &figures.runs {
        let of_it = figures.violations.len();
        println!(
            "| {what} | {fault} | {runs} | {} |",
            if of_it == 0 {
                "0".to_string()
            } else {
                format!("some of {of_it}")
            }
        );
    }
    let some = &figures.violations[..figures.violations.len().min(12)];
    assert!(
        some.is_empty(),
        "{}: {} violations, the first:\n{}",
        what,
        figures.violations.len(),
        some.join("\n")
    );
}
