//! Installation and removal of hooks on a disk that loses power, and by a program that is killed or
//! whose calls fail: a foreign hook runs at every moment, and repeating the command finishes the
//! work. `SNAPBACK_SWEEP_STRIDE=1` visits every call of the real program.

use std::sync::Arc;

use snapback::{
    base::{Fs, RelPath, SyncPoint},
    guard::{confirm::Confirmations, state::Memory},
    hooks::{
        self,
        place::HookFolder,
        script::{PriorHook, shim},
    },
    model::{
        TaskId, Version,
        confirm::{AwaitingConfirmation, CONFIRM_SCHEMA},
        guard::GuardState,
        hooks::HookEvent,
    },
    records,
};

use crate::support::sim::{self, SimFs};

const FOREIGN: &[u8] = b"#!/bin/sh\nexit 0\n";
const KEPT: &str = "pre-push.pre-snapback";

fn script() -> Vec<u8> {
    shim(
        HookEvent::PrePush,
        std::path::Path::new("/snapback"),
        PriorHook::Beside,
        false,
    )
}

/// Returns whether the foreign hook runs, alone or behind ours.
fn foreign_runs(disk: &SimFs, there: bool) -> bool {
    let (now, kept) = (disk.get("pre-push"), disk.get(KEPT));
    match now.as_deref() {
        Some(FOREIGN) => true,
        Some(bytes) if bytes == script() => !there || kept.as_deref() == Some(FOREIGN),
        None => !there,
        Some(_) => false,
    }
}

/// Removes everything of ours, as an uninstallation does.
fn take_all(disk: &SimFs) -> Option<()> {
    let place = HookFolder { fs: disk };
    place.sweep().ok()?;
    for name in place.own_names().ok()?.0 {
        place.take(&name).ok()?;
    }
    Some(())
}

/// Crashes an action at every call and judges every disk that this can leave; after the action was
/// done, also that it stays done: `ours` says whether our script exists then. Returns the number of
/// disks.
fn sweep(
    base: &SimFs,
    there: bool,
    ours: bool,
    act: impl Fn(&SimFs) -> Option<()>,
) -> Result<u64, String> {
    let look = |cut: &SimFs, done: bool| {
        let is =
            |disk: &SimFs, name: &str, bytes: Option<&[u8]>| disk.get(name).as_deref() == bytes;
        let foreign = there.then_some(FOREIGN);
        let agree = |good: bool, what: &str| {
            if good {
                Ok(())
            } else {
                Err(format!("{what}: {:?}", cut.tree()))
            }
        };
        agree(foreign_runs(cut, there), "the foreign hook does not run")?;
        let kept = if ours {
            is(cut, "pre-push", Some(&script())) && is(cut, KEPT, foreign)
        } else {
            is(cut, "pre-push", foreign)
        };
        agree(!done || kept, "what was done is gone")?;
        let again = cut.fork();
        HookFolder { fs: &again }
            .sweep()
            .map_err(|error| error.to_string())?;
        HookFolder { fs: &again }
            .put(HookEvent::PrePush, &script())
            .map_err(|error| error.to_string())?;
        agree(
            is(&again, "pre-push", Some(&script())) && is(&again, KEPT, foreign),
            "putting it again does not finish",
        )?;
        for one in [cut, &again] {
            take_all(one).ok_or("taking away fails")?;
            agree(
                is(one, "pre-push", foreign),
                "the foreign hook is not as it was",
            )?;
            agree(
                one.list(&RelPath::root())
                    .is_ok_and(|names| names.len() == usize::from(there)),
                "something is left",
            )?;
        }
        Ok(())
    };
    sim::sweep(base, 40, 1, |disk| act(disk).ok_or(()), look)
}

/// Installs and removes on a disk that skips a sync, if one is named.
fn both(skipped: Option<SyncPoint>) -> Result<u64, String> {
    let mut looked = 0;
    for there in [true, false] {
        let base = SimFs::new();
        if there {
            base.put("pre-push", FOREIGN);
        }
        base.settle();
        let installed = base.fork();
        HookFolder { fs: &installed }
            .put(HookEvent::PrePush, &script())
            .unwrap();
        installed.settle();
        for disk in [&base, &installed] {
            if let Some(point) = skipped {
                disk.skip(point);
            }
        }
        looked += sweep(&base, there, true, |disk| {
            HookFolder { fs: disk }
                .put(HookEvent::PrePush, &script())
                .ok()
        })?;
        looked += sweep(&installed, there, false, take_all)?;
    }
    Ok(looked)
}

#[test]
fn a_hook_that_was_there_runs_after_every_crash() {
    let looked = both(None).unwrap();
    println!("{looked} crash states");
    assert!(looked > 30, "{looked}");
}

#[test]
fn every_sync_of_an_installation_is_needed() {
    for point in hooks::SYNC_POINTS {
        let caught = both(Some(point));
        println!("{point:?}: {caught:?}");
        assert!(caught.is_err(), "nobody notices that {point:?} is skipped");
    }
}

/// Opens the memory of a guard.
fn state(disk: &SimFs) -> Memory {
    Memory::new(Arc::new(disk.clone()))
}

/// Opens the rollbacks that wait for confirmation.
fn waiting(disk: &SimFs) -> Confirmations {
    Confirmations::new(Arc::new(disk.clone()))
}

/// Returns the memory of a guard while this version is active.
fn known(task: &TaskId, version: &str) -> GuardState {
    let mut known = GuardState::new(task);
    known.version = Some(version.parse().unwrap());
    known
}

/// Returns a waiting rollback.
fn pending(task: &TaskId) -> AwaitingConfirmation {
    AwaitingConfirmation {
        schema: CONFIRM_SCHEMA.into(),
        task: task.clone(),
        from: None,
        to: None,
        within_ms: 1,
        since: snapback::base::Clock::System.moment(),
        after: 0,
        op: None,
        worktree: "/".into(),
        attempts: 0,
        failed: None,
    }
}

/// Reads the version that the guard knows, and whether a rollback waits.
fn read(disk: &SimFs, task: &TaskId) -> Result<(Option<Version>, bool), String> {
    let known = state(disk).load(task).map_err(|error| error.to_string())?;
    let waits = waiting(disk)
        .load(task)
        .map_err(|error| error.to_string())?;
    Ok((known.version, waits.is_some()))
}

/// Writes, rewrites and removes the state of a guard and a rollback that waits for confirmation.
fn guard_files(skipped: Option<SyncPoint>) -> Result<u64, String> {
    let task: TaskId = "T01".parse().unwrap();
    let base = SimFs::new();
    base.settle();
    let pending = pending(&task);
    let written = base.fork();
    state(&written).save(&known(&task, "1.0.0")).unwrap();
    waiting(&written).save(&pending).unwrap();
    written.settle();
    for disk in [&base, &written] {
        if let Some(point) = skipped {
            disk.skip(point);
        }
    }
    let version = |text: &str| Some(text.parse::<Version>().unwrap());
    let expect = |disk: &SimFs, done: bool, olds: [Option<Version>; 2], waits: [bool; 2]| {
        let (known, is_waiting) = read(disk, &task)?;
        let good = if done {
            known == olds[1] && is_waiting == waits[1]
        } else {
            olds.contains(&known) && waits.contains(&is_waiting)
        };
        if good {
            Ok(())
        } else {
            Err(format!("{known:?}, waits: {is_waiting}, done: {done}"))
        }
    };
    let first = |disk: &SimFs| {
        state(disk)
            .save(&known(&task, "1.0.0"))
            .map_err(drop)
            .and_then(|()| waiting(disk).save(&pending).map_err(drop))
    };
    let second = |disk: &SimFs| {
        state(disk)
            .save(&known(&task, "2.0.0"))
            .map_err(drop)
            .and_then(|()| waiting(disk).remove(&task).map_err(drop))
    };
    Ok(sim::sweep(&base, 40, 1, first, |disk, done| {
        expect(disk, done, [None, version("1.0.0")], [false, true])
    })? + sim::sweep(&written, 40, 1, second, |disk, done| {
        expect(
            disk,
            done,
            [version("1.0.0"), version("2.0.0")],
            [true, false],
        )
    })?)
}

#[test]
fn what_a_guard_knows_survives_power_cuts_and_every_sync_of_it_is_needed() {
    assert!(guard_files(None).unwrap() > 15);
    for point in records::SYNC_POINTS {
        let caught = guard_files(Some(point));
        println!("{point:?}: {caught:?}");
        assert!(caught.is_err(), "nobody notices that {point:?} is skipped");
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod killed {
    use std::{fs, os::unix::fs::PermissionsExt};

    use crate::support::{
        Sandbox,
        killer::{self, Mode, Target},
        sandbox::snapback_program,
    };

    /// The modes in which a call is disturbed, in turn: `EIO` is 5, `ENOSPC` 28.
    const MODES: [Mode; 5] = [
        Mode::Kill,
        Mode::ErrAll(28),
        Mode::After,
        Mode::Err(5),
        Mode::Torn,
    ];
    /// The number of points visited by default.
    const VISITS: u64 = 10;

    /// The hooks by name, each with its mode and bytes, and the configuration.
    type State = (Vec<(String, u32, Vec<u8>)>, Vec<u8>);

    fn state(sandbox: &Sandbox) -> State {
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            (
                path.file_name().unwrap().to_str().unwrap().to_string(),
                mode,
                fs::read(&path).unwrap(),
            )
        };
        let mut hooks: Vec<_> = fs::read_dir(sandbox.at(".git/hooks"))
            .unwrap()
            .map(read)
            .collect();
        hooks.sort();
        (hooks, sandbox.read(".git/config"))
    }

    fn sweep(base: &Sandbox, prepare: &[&[&str]], words: &[&str]) {
        let target = |sandbox: &Sandbox| Target {
            argv: std::iter::once(snapback_program())
                .chain(words.iter().copied())
                .map(Into::into)
                .collect(),
            env: sandbox.environment(),
            cwd: sandbox.root(),
        };
        let prepared = |before: &mut Option<_>| {
            let sandbox = base.copy();
            *before = Some(state(&sandbox));
            for words in prepare {
                sandbox.snapback(words).expect(0);
            }
            sandbox
        };
        let mut before = None;
        let calls = killer::count(&target(&prepared(&mut before))).unwrap();
        let stride = std::env::var("SNAPBACK_SWEEP_STRIDE")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(|| calls.div_ceil(VISITS));
        let mut points = 0;
        for (nth, k) in (1..=calls)
            .step_by(usize::try_from(stride).unwrap())
            .enumerate()
        {
            let sandbox = prepared(&mut before);
            let ran = killer::run(&target(&sandbox), MODES[nth % MODES.len()], k).unwrap();
            // In every case the foreign hook runs once.
            sandbox
                .git(&["commit", "-q", "--allow-empty", "-m", "x"])
                .expect(0);
            assert_eq!(sandbox.read("log"), b"ran\n", "call {k}: {ran:?}");
            sandbox.snapback(&["hooks", "uninstall", "-y"]).expect(0);
            assert_eq!(Some(state(&sandbox)), before, "call {k}: {ran:?}");
            assert_eq!(sandbox.unsound(), Vec::<String>::new(), "call {k}: {ran:?}");
            points += 1;
        }
        println!("{words:?}: {points} of {calls} calls disturbed");
    }

    fn base() -> Sandbox {
        let sandbox = Sandbox::new(1);
        fs::create_dir_all(sandbox.at(".git/hooks")).unwrap();
        fs::write(
            sandbox.at(".git/hooks/post-commit"),
            "#!/bin/sh\necho ran >>log\n",
        )
        .unwrap();
        fs::set_permissions(
            sandbox.at(".git/hooks/post-commit"),
            fs::Permissions::from_mode(0o751),
        )
        .unwrap();
        sandbox
    }

    #[test]
    fn installing_survives_a_fault_at_every_call() {
        let base = base();
        for method in ["shim", "redirect"] {
            sweep(&base, &[], &["hooks", "install", "-y", "--method", method]);
        }
    }

    #[test]
    fn taking_away_survives_a_fault_at_every_call() {
        let base = base();
        for method in ["shim", "redirect"] {
            sweep(
                &base,
                &[&["hooks", "install", "-y", "--method", method]],
                &["hooks", "uninstall", "-y"],
            );
        }
    }
}
