//! What comes with a restored capsule: its packages, a report; and what a run that was killed leaves,
//! which the next one sweeps away.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
};

/// Makes a wheel of demo-pkg 1.0, with Python alone.
const WHEEL: &str = "import zipfile, sys
info = 'demo_pkg-1.0.dist-info/'
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('demo_pkg.py', 'VALUE = 7\\n')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: demo-pkg\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', 'demo_pkg.py,,\\n' + ''.join(info + name + ',,\\n' for name in ('METADATA', 'WHEEL', 'RECORD')))
";

/// A capsule of T01 with one wheel, and an empty folder without a repository.
fn packed() -> (Sandbox, PathBuf, PathBuf) {
    let sandbox = Sandbox::new(1);
    fs::create_dir_all(sandbox.at("wheels")).unwrap();
    sandbox.run("python3", &["-c", WHEEL, "wheels/demo_pkg-1.0-py3-none-any.whl"]).expect(0);
    sandbox.write("tasks/T01/requirements.txt", b"demo-pkg==1.0\n");
    sandbox.release("T01", "1.0.0");
    let capsule = sandbox.top().join("c.tar.zst");
    sandbox.snapback(&["capsule", "create", "-t", "T01", capsule.to_str().unwrap()]).expect(0);
    let nowhere = sandbox.top().join("nowhere");
    fs::create_dir(&nowhere).unwrap();
    (sandbox, capsule, nowhere)
}

fn dr(sandbox: &Sandbox, place: &Path, capsule: &Path, args: &[&str]) -> Ran {
    let words = [&["dr", "--from", capsule.to_str().unwrap(), "--into", "out"], args].concat();
    finish(sandbox.command(snapback_program()).current_dir(place).args(words))
}

fn imports(sandbox: &Sandbox, python: &Path) -> Ran {
    sandbox.run(python.to_str().unwrap(), &["-c", "import demo_pkg; assert demo_pkg.VALUE == 7"])
}

#[test]
fn packages_come_back_from_its_wheels_when_that_is_wanted() {
    let (sandbox, capsule, nowhere) = packed();
    let reports = ["r.html", "r.md", "r.json"];
    let words: Vec<&str> = reports.iter().flat_map(|name| ["--report", name]).collect();
    let ran = dr(&sandbox, &nowhere, &capsule, &[&["--env", "sync", "-m", "the disk <died>"], &words[..]].concat()).expect(0);
    assert!(ran.stdout.contains("1 packages installed by") && ran.stdout.contains("offline"), "{ran:?}");
    imports(&sandbox, &nowhere.join("out/.venv/bin/python")).expect(0);
    let [html, md, json] = reports.map(|name| fs::read_to_string(nowhere.join(name)).unwrap());
    for text in [&html, &md] {
        assert!(text.contains("packages installed by") && text.contains("the disk &lt;died"), "{text}");
        assert!(!text.contains("<died>"), "{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["timeline"].as_array().map(Vec::len), json["packages"][0].as_str()), (Some(2), Some("demo-pkg==1.0")));
}

#[test]
fn else_the_commands_are_told_that_do_it() {
    let (sandbox, capsule, nowhere) = packed();
    let answer = dr(&sandbox, &nowhere, &capsule, &["--json"]).expect(0).json();
    assert!(nowhere.join("out/wheels/demo_pkg-1.0-py3-none-any.whl").is_file() && !nowhere.join("out/.venv").exists());
    for step in answer["next"].as_array().unwrap() {
        let words: Vec<&str> = step["argv"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let ran = finish(sandbox.command(words[0].replace("out/", "./out/")).current_dir(&nowhere).args(&words[1..]));
        assert_eq!(ran.code, 0, "{words:?} {ran:?}");
    }
    imports(&sandbox, &nowhere.join("out/.venv/bin/python")).expect(0);
}

#[test]
fn packages_that_cannot_be_installed_leave_the_files_and_say_so() {
    let (sandbox, _, nowhere) = packed();
    sandbox.write("tasks/T01/requirements.txt", b"demo-pkg==1.0\nno-wheel==3.0\n");
    crate::support::story::set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let capsule = sandbox.top().join("other.tar");
    sandbox.snapback(&["capsule", "create", "-t", "T01", capsule.to_str().unwrap()]).expect(0);
    let ran = dr(&sandbox, &nowhere, &capsule, &["--env", "sync", "--report", "r.md"]);
    assert!(ran.code != 0 && ran.stdout.contains("the packages could not be installed from its wheels"), "{ran:?}");
    assert!(nowhere.join("out/tasks/T01/signal.py").is_file() && !nowhere.join("out/.venv").exists());
    assert!(fs::read_to_string(nowhere.join("r.md")).unwrap().contains("no-wheel==3.0"));
    dr(&sandbox, &nowhere.join("out"), &capsule, &["--env", "off"]).expect(0);
}

/// The names in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    all.sort();
    all
}

#[test]
fn what_is_still_held_is_not_swept_and_the_rest_is() {
    let (sandbox, capsule, nowhere) = packed();
    for name in [".out.snapback-4194301", ".out.snapback-4194302", ".other.snapback-1"] {
        fs::create_dir_all(nowhere.join(name).join("tasks")).unwrap();
    }
    let held = File::open(nowhere.join(".out.snapback-4194302")).unwrap();
    held.lock().unwrap();
    dr(&sandbox, &nowhere, &capsule, &[]).expect(0);
    assert_eq!(names(&nowhere), [".other.snapback-1", ".out.snapback-4194302", "out"]);
    let top = sandbox.top();
    File::create(top.join(".tmp-new.tar-4194301")).unwrap();
    sandbox.snapback(&["capsule", "create", "-t", "T01", top.join("new.tar").to_str().unwrap()]).expect(0);
    assert!(!names(top).iter().any(|name| name.starts_with(".tmp-")), "{:?}", names(top));
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn wherever_it_is_killed_the_next_run_restores_all_and_leaves_nothing_else() {
    use crate::support::killer::{self, Mode, Target};
    let (sandbox, capsule, nowhere) = packed();
    let target = |args: &[&str]| Target {
        argv: std::iter::once(snapback_program()).chain(args.iter().copied()).map(Into::into).collect(),
        env: sandbox.environment(),
        cwd: nowhere.clone(),
    };
    let from = ["dr", "--from", capsule.to_str().unwrap(), "--into", "out"];
    let create = ["-C", sandbox.root().to_str().unwrap(), "capsule", "create", "-t", "T01", "new.tar"].map(String::from);
    let create: Vec<&str> = create.iter().map(String::as_str).collect();
    for (args, made) in [(&from[..], "out"), (&create, "new.tar")] {
        let clear = || {
            let _ = fs::remove_dir_all(nowhere.join("out"));
            let _ = fs::remove_file(nowhere.join("new.tar"));
        };
        let calls = killer::count(&target(args)).unwrap();
        let stride = std::env::var("SNAPBACK_SWEEP_STRIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(calls.div_ceil(10));
        for k in (1..=calls).step_by(usize::try_from(stride).unwrap()) {
            clear();
            let mode = if k % 2 == 0 { Mode::Kill } else { Mode::After };
            killer::run(&target(args), mode, k).unwrap();
            // A folder that is there is whole; a run that was killed before has left nothing under its name.
            let there = nowhere.join(made).exists();
            let again = finish(sandbox.command(snapback_program()).current_dir(&nowhere).args(args));
            assert_eq!(again.code, if there { 6 } else { 0 }, "{made} {k} {again:?}");
            if there {
                clear();
                finish(sandbox.command(snapback_program()).current_dir(&nowhere).args(args)).expect(0);
            }
            assert_eq!(names(&nowhere), [made], "{k}");
        }
        clear();
    }
}
