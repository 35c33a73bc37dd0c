//! Hooks installed and taken away on a disk that loses its power, and by a program that is killed or
//! whose calls fail: the hook that was there runs at every moment, and the same command finishes
//! the work. `SNAPBACK_SWEEP_STRIDE=1` visits every call of the real program.

use snapback::{
    base::{Fs, RelPath},
    hooks::{
        place::Place,
        script::{Before, shim},
    },
    model::hooks::HookEvent,
};

use crate::support::sim::SimFs;

const FOREIGN: &[u8] = b"#!/bin/sh\nexit 0\n";
const KEPT: &str = "pre-push.pre-snapback";

fn script() -> Vec<u8> {
    shim(HookEvent::PrePush, std::path::Path::new("/snapback"), Before::Beside, false)
}

/// What runs: the foreign hook alone, or ours and the foreign one behind it.
fn foreign_runs(disk: &SimFs, there: bool) -> bool {
    let (now, kept) = (disk.get("pre-push"), disk.get(KEPT));
    match now.as_deref() {
        Some(FOREIGN) => true,
        Some(bytes) if bytes == script() => !there || kept.as_deref() == Some(FOREIGN),
        None => !there,
        Some(_) => false,
    }
}

/// Everything of ours is taken away, as an uninstallation does.
fn take_all(disk: &SimFs) -> Option<()> {
    let place = Place { fs: disk };
    place.sweep().ok()?;
    for name in place.own_names().ok()?.0 {
        place.take(&name).ok()?;
    }
    Some(())
}

/// Crashes an act at every call; every disk that may be left is judged. Returns how many there were.
fn sweep(base: &SimFs, there: bool, act: impl Fn(&SimFs) -> Option<()>) -> usize {
    let mut looked = 0;
    for k in 1.. {
        let disk = base.fork();
        disk.crash_at(k);
        let _ = act(&disk);
        for cut in disk.crash_states(40, k) {
            assert!(foreign_runs(&cut, there), "call {k}: {:?}", cut.tree());
            let again = cut.fork();
            Place { fs: &again }.sweep().unwrap();
            Place { fs: &again }.put(HookEvent::PrePush, &script()).unwrap();
            assert_eq!(again.get("pre-push").as_deref(), Some(&script()[..]));
            assert_eq!(again.get(KEPT).as_deref(), there.then_some(FOREIGN));
            for one in [&cut, &again] {
                take_all(one).unwrap();
                assert_eq!(one.get("pre-push").as_deref(), there.then_some(FOREIGN), "call {k}");
                assert_eq!(one.list(&RelPath::root()).unwrap().len(), usize::from(there), "nothing is left");
            }
            looked += 1;
        }
        if !disk.crashed() {
            return looked;
        }
    }
    unreachable!("the act ends")
}

#[test]
fn a_hook_that_was_there_runs_after_every_crash() {
    let mut looked = 0;
    for there in [true, false] {
        let base = SimFs::new();
        if there {
            base.put("pre-push", FOREIGN);
        }
        base.settle();
        looked += sweep(&base, there, |disk| Place { fs: disk }.put(HookEvent::PrePush, &script()).ok());
        let installed = base.fork();
        Place { fs: &installed }.put(HookEvent::PrePush, &script()).unwrap();
        looked += sweep(&installed, there, take_all);
    }
    println!("{looked} crash states");
    assert!(looked > 30, "{looked}");
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod killed {
    use std::{fs, os::unix::fs::PermissionsExt};

    use crate::support::{
        Sandbox,
        killer::{self, Mode, Target},
        sandbox::snapback_program,
    };

    /// The ways in which a call is disturbed, in turn: `EIO` is 5, `ENOSPC` 28.
    const MODES: [Mode; 5] = [Mode::Kill, Mode::ErrAll(28), Mode::After, Mode::Err(5), Mode::Torn];
    /// Points that are visited by default.
    const VISITS: u64 = 10;

    /// The hooks by name, each with its mode and bytes, and the configuration.
    type State = (Vec<(String, u32, Vec<u8>)>, Vec<u8>);

    fn state(sandbox: &Sandbox) -> State {
        let read = |entry: std::io::Result<fs::DirEntry>| {
            let path = entry.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            (path.file_name().unwrap().to_str().unwrap().to_string(), mode, fs::read(&path).unwrap())
        };
        let mut hooks: Vec<_> = fs::read_dir(sandbox.at(".git/hooks")).unwrap().map(read).collect();
        hooks.sort();
        (hooks, sandbox.read(".git/config"))
    }

    fn sweep(base: &Sandbox, prepare: &[&[&str]], words: &[&str]) {
        let target = |sandbox: &Sandbox| Target {
            argv: std::iter::once(snapback_program()).chain(words.iter().copied()).map(Into::into).collect(),
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
        let stride =
            std::env::var("SNAPBACK_SWEEP_STRIDE").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| calls.div_ceil(VISITS));
        let mut points = 0;
        for (nth, k) in (1..=calls).step_by(usize::try_from(stride).unwrap()).enumerate() {
            let sandbox = prepared(&mut before);
            let ran = killer::run(&target(&sandbox), MODES[nth % MODES.len()], k).unwrap();
            // Whatever happened, the foreign hook runs once.
            sandbox.git(&["commit", "-q", "--allow-empty", "-m", "x"]).expect(0);
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
        fs::write(sandbox.at(".git/hooks/post-commit"), "#!/bin/sh\necho ran >>log\n").unwrap();
        fs::set_permissions(sandbox.at(".git/hooks/post-commit"), fs::Permissions::from_mode(0o751)).unwrap();
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
            sweep(&base, &[&["hooks", "install", "-y", "--method", method]], &["hooks", "uninstall", "-y"]);
        }
    }
}
