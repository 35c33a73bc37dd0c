//! The extras of a restored capsule, packages and a report, and the remains of a killed run, which
//! the next run sweeps away.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use snapback::{
    base::Digest,
    capsule::tar::{TarReader, TarWriter},
};

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
};

/// A script that makes a wheel of demo-pkg 1.0 with Python alone.
const WHEEL: &str = "import zipfile, sys
info = 'demo_pkg-1.0.dist-info/'
with zipfile.ZipFile(sys.argv[1], 'w') as wheel:
    wheel.writestr('demo_pkg.py', 'VALUE = 7\\n')
    wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: demo-pkg\\nVersion: 1.0\\n')
    wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
    wheel.writestr(info + 'RECORD', 'demo_pkg.py,,\\n' + ''.join(info + name + ',,\\n' for name in ('METADATA', 'WHEEL', 'RECORD')))
";

/// Creates a capsule of T01 with one wheel, and an empty folder without a repository.
fn packed() -> (Sandbox, PathBuf, PathBuf) {
    let sandbox = Sandbox::new(1);
    fs::create_dir_all(sandbox.at("wheels")).unwrap();
    sandbox
        .run(
            "python3",
            &["-c", WHEEL, "wheels/demo_pkg-1.0-py3-none-any.whl"],
        )
        .expect(0);
    let digest = Digest::of(&sandbox.read("wheels/demo_pkg-1.0-py3-none-any.whl"));
    sandbox.write(
        "tasks/T01/requirements.txt",
        format!("demo-pkg==1.0 --hash={digest}\n").as_bytes(),
    );
    sandbox.release("T01", "1.0.0");
    let capsule = sandbox.top().join("c.tar.zst");
    sandbox
        .snapback(&["capsule", "create", "-t", "T01", capsule.to_str().unwrap()])
        .expect(0);
    let nowhere = sandbox.top().join("nowhere");
    fs::create_dir(&nowhere).unwrap();
    (sandbox, capsule, nowhere)
}

fn dr(sandbox: &Sandbox, place: &Path, capsule: &Path, args: &[&str]) -> Ran {
    let words = [
        &["dr", "--from", capsule.to_str().unwrap(), "--into", "out"],
        args,
    ]
    .concat();
    finish(
        sandbox
            .command(snapback_program())
            .current_dir(place)
            .args(words),
    )
}

fn imports(sandbox: &Sandbox, python: &Path) -> Ran {
    sandbox.run(
        python.to_str().unwrap(),
        &["-c", "import demo_pkg; assert demo_pkg.VALUE == 7"],
    )
}

#[test]
fn packages_come_back_from_its_wheels_when_that_is_wanted() {
    let (sandbox, capsule, nowhere) = packed();
    let reports = ["r.html", "r.md", "r.json"];
    let words: Vec<&str> = reports.iter().flat_map(|name| ["--report", name]).collect();
    let ran = dr(
        &sandbox,
        &nowhere,
        &capsule,
        &[&["--env", "sync", "-m", "the disk <died>"], &words[..]].concat(),
    )
    .expect(0);
    assert!(
        ran.stdout.contains("1 package installed by") && ran.stdout.contains("offline"),
        "{ran:?}"
    );
    imports(&sandbox, &nowhere.join("out/.venv/bin/python")).expect(0);
    let [html, md, json] = reports.map(|name| fs::read_to_string(nowhere.join(name)).unwrap());
    for text in [&html, &md] {
        assert!(
            text.contains("1 package installed by") && text.contains("the disk &lt;died"),
            "{text}"
        );
        assert!(!text.contains("<died>"), "{text}");
    }
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (
            json["timeline"].as_array().map(Vec::len),
            json["packages"][0].as_str()
        ),
        (Some(2), Some("demo-pkg==1.0"))
    );
}

#[test]
fn else_the_commands_are_told_that_do_it() {
    let (sandbox, capsule, nowhere) = packed();
    let answer = dr(&sandbox, &nowhere, &capsule, &["--json"])
        .expect(0)
        .json();
    assert!(
        nowhere
            .join("out/wheels/demo_pkg-1.0-py3-none-any.whl")
            .is_file()
            && !nowhere.join("out/.venv").exists()
    );
    for step in answer["next"].as_array().unwrap() {
        let words: Vec<&str> = step["argv"]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        let ran = finish(
            sandbox
                .command(words[0].replace("out/", "./out/"))
                .current_dir(&nowhere)
                .args(&words[1..]),
        );
        assert_eq!(ran.code, 0, "{words:?} {ran:?}");
    }
    imports(&sandbox, &nowhere.join("out/.venv/bin/python")).expect(0);
}

#[test]
fn packages_that_cannot_be_installed_leave_the_files_and_say_so() {
    let (sandbox, _, nowhere) = packed();
    sandbox.write(
        "tasks/T01/requirements.txt",
        b"demo-pkg==1.0\nno-wheel==3.0\n",
    );
    crate::support::story::set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let capsule = sandbox.top().join("other.tar");
    sandbox
        .snapback(&["capsule", "create", "-t", "T01", capsule.to_str().unwrap()])
        .expect(0);
    let ran = dr(
        &sandbox,
        &nowhere,
        &capsule,
        &["--env", "sync", "--report", "r.md"],
    );
    assert!(
        ran.code != 0
            && ran
                .stdout
                .contains("the packages could not be installed from its wheels"),
        "{ran:?}"
    );
    assert!(
        nowhere.join("out/tasks/T01/signal.py").is_file() && !nowhere.join("out/.venv").exists()
    );
    assert!(
        fs::read_to_string(nowhere.join("r.md"))
            .unwrap()
            .contains("no-wheel==3.0")
    );
    dr(&sandbox, &nowhere.join("out"), &capsule, &["--env", "off"]).expect(0);
}

/// Changes some members of the capsule and adjusts all its lists to match.
fn tampered(sandbox: &Sandbox, change: impl Fn(&str, &[u8]) -> Option<Vec<u8>>) -> PathBuf {
    let plain = sandbox.top().join("plain.tar");
    let _ = fs::remove_file(&plain);
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            plain.to_str().unwrap(),
        ])
        .expect(0);
    let mut reader = TarReader::new(fs::File::open(&plain).unwrap());
    let mut members = Vec::new();
    while let Some(member) = reader.next_member().unwrap() {
        let mut bytes = Vec::new();
        reader
            .read_to(&mut |more| bytes.extend_from_slice(more))
            .unwrap();
        let name = String::from_utf8(member.name.clone()).unwrap();
        let inner = name.split_once('/').unwrap().1.to_string();
        bytes = change(&inner, &bytes).unwrap_or(bytes);
        members.push((name, inner, member.executable, bytes));
    }
    let sums: Vec<u8> = members
        .iter()
        .filter(|(_, inner, ..)| inner != "SHA256SUMS")
        .flat_map(|(_, inner, _, bytes)| {
            snapback::capsule::script::sums_line(inner.as_bytes(), &Digest::of(bytes))
        })
        .collect();
    let mut writer = TarWriter::new(Vec::new(), 0);
    for (name, inner, executable, bytes) in &members {
        let bytes = if inner == "SHA256SUMS" { &sums } else { bytes };
        writer
            .file(
                name.as_bytes(),
                *executable,
                bytes.len() as u64,
                &mut |into| into.write_all(bytes),
            )
            .unwrap();
    }
    let path = sandbox.top().join("tampered.tar");
    fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

/// Replaces a text in some bytes, which must contain it.
fn with(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains(from), "{from} is not in {text}");
    text.replace(from, to).into_bytes()
}

#[test]
fn what_is_run_or_read_is_what_this_program_makes() {
    let (sandbox, _, nowhere) = packed();
    let verify =
        |capsule: &Path| sandbox.snapback(&["capsule", "verify", capsule.to_str().unwrap()]);
    let whole = verify(&tampered(&sandbox, |_, _| None)).expect(0);
    assert!(
        whole
            .stdout
            .contains("restore.sh and README.txt are those that snapback makes"),
        "{whole:?}"
    );
    assert!(
        whole.stdout.contains("vouches for 6 files, not for wheels"),
        "{whole:?}"
    );
    for (member, from, to) in [
        (
            "restore.sh",
            "#!/bin/sh\n",
            "#!/bin/sh\ntouch \"$HOME/owned\"\n",
        ),
        ("restore.sh", "set -eu\n", "set -eu\n\n"),
        ("README.txt", "pip install --no-index", "pip install"),
        (
            "requirements.txt",
            "demo-pkg==1.0",
            "demo-pkg==1.0\nevil==1.0",
        ),
        ("capsule.json", "{\n", "{\n\n"),
    ] {
        let capsule = tampered(&sandbox, |name, bytes| {
            (name == member).then(|| with(bytes, from, to))
        });
        let ran = verify(&capsule).expect(4);
        assert!(ran.stderr.contains(member), "{member}: {ran:?}");
        let ran = dr(&sandbox, &nowhere, &capsule, &[]).expect(4);
        assert!(
            ran.stderr.contains("nothing was restored") && names(&nowhere).is_empty(),
            "{member}: {ran:?}"
        );
    }
    // A capsule of another version: its files are proven, its texts are not.
    let older = |name: &str, bytes: &[u8]| match name {
        "capsule.json" => Some(with(bytes, "\"papers\": 2", "\"papers\": 1")),
        "restore.sh" => Some(b"#!/bin/sh\ntouch \"$HOME/owned\"\n".to_vec()),
        _ => None,
    };
    let capsule = tampered(&sandbox, older);
    let ran = verify(&capsule).expect(8);
    assert!(
        ran.stdout.contains("made by another version of snapback")
            && ran.stdout.contains("do not run restore.sh"),
        "{ran:?}"
    );
    assert!(!ran.stdout.contains("sh T01-v1.0.0/restore.sh"), "{ran:?}");
    dr(&sandbox, &nowhere, &capsule, &["--env", "off"]).expect(0);
    assert!(!sandbox.home().join("owned").exists());
}

#[test]
fn wheels_that_nothing_vouches_for_are_never_installed() {
    let (sandbox, _, nowhere) = packed();
    let wheel = sandbox.read("wheels/demo_pkg-1.0-py3-none-any.whl");
    let (old, new) = (Digest::of(&wheel).hex(), Digest::of(b"another wheel").hex());
    let another = |claims: bool| {
        let (old, new, size) = (old.clone(), new.clone(), wheel.len());
        move |name: &str, bytes: &[u8]| match name {
            "capsule.json" => {
                let bytes = with(
                    bytes,
                    &format!("\"size\": {size},\n      \"sha256\": \"sha256:{old}\""),
                    &format!("\"size\": 13,\n      \"sha256\": \"sha256:{new}\""),
                );
                Some(if claims {
                    bytes
                } else {
                    with(&bytes, ",\n      \"proven\": true", "")
                })
            }
            "wheels/demo_pkg-1.0-py3-none-any.whl" => Some(b"another wheel".to_vec()),
            _ => None,
        }
    };
    let ran = sandbox
        .snapback(&[
            "capsule",
            "verify",
            tampered(&sandbox, another(true)).to_str().unwrap(),
        ])
        .expect(4);
    assert!(
        ran.stderr
            .contains("what proves demo_pkg-1.0-py3-none-any.whl is not so")
            || ran.stderr.contains("README.txt"),
        "{ran:?}"
    );
    // A capsule that says that nothing vouches for it, and is otherwise whole.
    sandbox.write("tasks/T01/requirements.txt", b"demo-pkg==1.0\n");
    crate::support::story::set_version(&sandbox, "1.1.0");
    sandbox.release("T01", "1.1.0");
    let unproven = sandbox.top().join("unproven.tar");
    let made = sandbox
        .snapback(&["capsule", "create", "-t", "T01", unproven.to_str().unwrap()])
        .expect(0);
    let words = "nothing in the release vouches for these wheels, so they are not installed: demo_pkg-1.0-py3-none-any.whl";
    assert!(made.stdout.contains(words), "{made:?}");
    let ran = sandbox
        .snapback(&["capsule", "verify", unproven.to_str().unwrap()])
        .expect(0);
    assert!(ran.stdout.contains(words), "{ran:?}");
    let ran = dr(&sandbox, &nowhere, &unproven, &["--env", "sync"]).expect(6);
    assert!(
        ran.stdout
            .contains("nothing in the release vouches for demo_pkg-1.0"),
        "{ran:?}"
    );
    assert!(
        nowhere.join("out/tasks/T01/signal.py").is_file() && !nowhere.join("out/.venv").exists()
    );
    assert!(
        !ran.stdout.contains("pip install") && !ran.stderr.contains("pip install"),
        "{ran:?}"
    );
}

/// Returns the names in a folder, sorted.
fn names(dir: &Path) -> Vec<String> {
    let mut all: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    all.sort();
    all
}

#[test]
fn what_is_still_held_is_not_swept_and_the_rest_is() {
    const HELD: &str = ".tmp-snapback-out-4194302";
    let (sandbox, capsule, nowhere) = packed();
    for name in [
        HELD,
        ".tmp-snapback-out-4194301",
        ".tmp-snapback-other-1",
        ".tmp-out-1",
    ] {
        fs::create_dir_all(nowhere.join(name).join("tasks")).unwrap();
    }
    let held = File::open(nowhere.join(HELD)).unwrap();
    held.lock().unwrap();
    dr(&sandbox, &nowhere, &capsule, &[]).expect(0);
    let stay = [".tmp-out-1", ".tmp-snapback-other-1", HELD, "out"];
    assert_eq!(names(&nowhere), stay, "what is held, and what is not ours");
    let top = sandbox.top();
    File::create(top.join(".tmp-snapback-new.tar-4194301")).unwrap();
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            top.join("new.tar").to_str().unwrap(),
        ])
        .expect(0);
    assert!(
        !names(top).iter().any(|name| name.starts_with(".tmp-")),
        "{:?}",
        names(top)
    );
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn wherever_it_is_killed_the_next_run_restores_all_and_leaves_nothing_else() {
    use crate::support::killer::{self, Mode, Target};
    let (sandbox, capsule, nowhere) = packed();
    let target = |args: &[&str]| Target {
        argv: std::iter::once(snapback_program())
            .chain(args.iter().copied())
            .map(Into::into)
            .collect(),
        env: sandbox.environment(),
        cwd: nowhere.clone(),
    };
    let from = ["dr", "--from", capsule.to_str().unwrap(), "--into", "out"];
    let root = sandbox.root();
    let repository = ["-C", root.to_str().unwrap()];
    let create = [
        &repository[..],
        &["capsule", "create", "-t", "T01", "new.tar"],
    ]
    .concat();
    let preview = [
        &repository[..],
        &["preview", "-t", "T01", "1.0.0", "--into", "out"],
    ]
    .concat();
    for (args, made) in [(&from[..], "out"), (&create, "new.tar"), (&preview, "out")] {
        let clear = || {
            let _ = fs::remove_dir_all(nowhere.join("out"));
            let _ = fs::remove_file(nowhere.join("new.tar"));
        };
        let calls = killer::count(&target(args)).unwrap();
        let stride = std::env::var("SNAPBACK_SWEEP_STRIDE")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(calls.div_ceil(10));
        for k in (1..=calls).step_by(usize::try_from(stride).unwrap()) {
            clear();
            let mode = if k % 2 == 0 { Mode::Kill } else { Mode::After };
            killer::run(&target(args), mode, k).unwrap();
            // A folder that exists is whole; a run killed before that has left nothing under its
            // name.
            let there = nowhere.join(made).exists();
            let again = finish(
                sandbox
                    .command(snapback_program())
                    .current_dir(&nowhere)
                    .args(args),
            );
            assert_eq!(
                again.code,
                if there { 6 } else { 0 },
                "{made} {k} {again:?}"
            );
            if there {
                clear();
                finish(
                    sandbox
                        .command(snapback_program())
                        .current_dir(&nowhere)
                        .args(args),
                )
                .expect(0);
            }
            assert_eq!(names(&nowhere), [made], "{k}");
        }
        clear();
    }
}
