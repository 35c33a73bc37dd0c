//! Escape capsules: a version in one file that comes back without git, network or snapback, and
//! foreign capsules that must not do harm.

mod hostile;

use std::{
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
};

/// Names that some tool may take for something else.
const NAMES: [&[u8]; 12] = [
    b"new\nline.py",
    b"-rf",
    b"--help",
    b"not-utf8-\xff\x80\x81\x88.bin2",
    b"it's $(touch harm) `x`.py",
    b"back\\slash",
    "舆情 分析.py".as_bytes(),
    b" leading and trailing ",
    b"tab\there",
    b"carriage\rreturn",
    b"*?[a]",
    b"%s%n",
];

/// A release of T01 with every name, links, an executable file and a large file.
fn released() -> Sandbox {
    let sandbox = Sandbox::new(1);
    let dir = sandbox.at("tasks/T01");
    for (nth, name) in NAMES.iter().enumerate() {
        fs::write(
            dir.join(std::ffi::OsStr::from_bytes(name)),
            format!("file {nth}\n"),
        )
        .unwrap();
    }
    fs::create_dir(dir.join("-d\nir")).unwrap();
    fs::write(dir.join("-d\nir/x"), "inside\n").unwrap();
    fs::write(dir.join("empty"), "").unwrap();
    for (name, target) in [
        ("link", "signal.py"),
        ("-link\n", "lib/it's\nodd"),
        ("up", "../T01/signal.py"),
    ] {
        std::os::unix::fs::symlink(target, dir.join(name)).unwrap();
    }
    sandbox.write(
        "tasks/T01/long/a-name-that-is-so-long-that-an-old-header-of-tar-has-no-room-for-it/another-one-below-it/file.py",
        b"# deep\n",
    );
    sandbox.release("T01", "1.0.0");
    sandbox
}

/// Every file, link and folder below a folder: kind, whether it is executable, bytes.
fn tree(dir: &Path) -> Vec<(PathBuf, char, bool, Vec<u8>)> {
    fn walk(top: &Path, dir: &Path, all: &mut Vec<(PathBuf, char, bool, Vec<u8>)>) {
        use std::os::unix::fs::MetadataExt;
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let name = path.strip_prefix(top).unwrap().to_path_buf();
            if meta.is_dir() {
                walk(top, &path, all);
            } else if meta.is_symlink() {
                all.push((
                    name,
                    'l',
                    false,
                    fs::read_link(&path)
                        .unwrap()
                        .as_os_str()
                        .as_bytes()
                        .to_vec(),
                ));
            } else {
                all.push((
                    name,
                    'f',
                    meta.mode() & 0o100 != 0,
                    fs::read(&path).unwrap(),
                ));
            }
        }
    }
    let mut all = Vec::new();
    walk(dir, dir, &mut all);
    all.sort();
    all
}

/// What the task's folder holds, under the names of the repository.
fn expected(sandbox: &Sandbox) -> Vec<(PathBuf, char, bool, Vec<u8>)> {
    let found = tree(&sandbox.at("tasks/T01")).into_iter();
    found
        .map(|(path, kind, executable, bytes)| {
            (Path::new("tasks/T01").join(path), kind, executable, bytes)
        })
        .collect()
}

#[track_caller]
fn create(sandbox: &Sandbox, name: &str) -> PathBuf {
    let path = sandbox.top().join(name);
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            path.to_str().unwrap(),
        ])
        .expect(0);
    path
}

/// A folder in which only these programs are.
fn tools(sandbox: &Sandbox, names: &[&str]) -> PathBuf {
    let folder = sandbox.top().join("tools");
    fs::create_dir_all(&folder).unwrap();
    for name in names {
        let found = ["/usr/bin", "/bin"]
            .iter()
            .map(|dir| Path::new(dir).join(name))
            .find(|path| path.exists());
        let _ = std::os::unix::fs::symlink(
            found.unwrap_or_else(|| panic!("{name} is installed")),
            folder.join(name),
        );
    }
    folder
}

/// All that the script calls, and `tar`.
const COREUTILS: [&str; 12] = [
    "cat",
    "cp",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "printf",
    "rm",
    "rmdir",
    "sha256sum",
    "test",
    "tar",
];

/// Runs a line of shell with nothing but some tools.
fn bare(sandbox: &Sandbox, dir: &Path, line: &str) -> Ran {
    let path = tools(sandbox, &[&COREUTILS[..], &["gzip", "zstd"]].concat());
    finish(
        Command::new("/bin/sh")
            .args(["-c", line])
            .current_dir(dir)
            .env_clear()
            .env("PATH", path)
            .stdin(Stdio::null()),
    )
}

#[test]
fn it_restores_with_a_shell_and_coreutils_only_whatever_files_are_called() {
    let sandbox = released();
    for (name, unpack) in [
        ("c.tar", "cat"),
        ("c.tar.gz", "gzip -dc"),
        ("c.tar.zst", "zstd -qdc"),
    ] {
        let capsule = create(&sandbox, name);
        let dir = sandbox.top().join(format!("bare-{name}"));
        fs::create_dir(&dir).unwrap();
        bare(
            &sandbox,
            &dir,
            &format!("{unpack} {} | tar -xf -", capsule.display()),
        )
        .expect(0);
        let inside = dir.join("T01-v1.0.0");
        bare(&sandbox, &inside, "sha256sum -c SHA256SUMS").expect(0);
        bare(&sandbox, &dir, "/bin/sh T01-v1.0.0/restore.sh 'a place/'").expect(0);
        assert_eq!(tree(&dir.join("a place")), expected(&sandbox));
    }
}

#[test]
fn the_script_restores_every_byte_name_link_and_mode() {
    let sandbox = released();
    let capsule = create(&sandbox, "c.tar.zst");
    let dir = sandbox.top().join("bare");
    fs::create_dir(&dir).unwrap();
    bare(
        &sandbox,
        &dir,
        &format!("zstd -qdc {} | tar -xf -", capsule.display()),
    )
    .expect(0);
    let ran = bare(
        &sandbox,
        &dir,
        "/bin/sh T01-v1.0.0/restore.sh '-an odd place'",
    )
    .expect(0);
    assert!(ran.stdout.ends_with("-an odd place\n"), "{ran:?}");
    assert_eq!(tree(&dir.join("-an odd place")), expected(&sandbox));
    // An empty folder is fine, anything else is not touched.
    fs::create_dir(dir.join("empty")).unwrap();
    bare(
        &sandbox,
        &dir,
        "cd T01-v1.0.0 && /bin/sh ./restore.sh ../empty",
    )
    .expect(0);
    bare(&sandbox, &dir, "/bin/sh T01-v1.0.0/restore.sh empty").expect(6);
    assert_eq!(tree(&dir.join("empty")), expected(&sandbox));
    // One byte.
    let signal = dir.join("T01-v1.0.0/tree/tasks/T01/signal.py");
    let mut bytes = fs::read(&signal).unwrap();
    bytes[0] ^= 1;
    fs::write(&signal, bytes).unwrap();
    bare(&sandbox, &dir, "/bin/sh T01-v1.0.0/restore.sh other").expect(4);
    let mut names: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["-an odd place", "T01-v1.0.0", "empty"],
        "nothing is left behind"
    );
    assert!(!dir.join("harm").exists() && !dir.join("T01-v1.0.0/harm").exists());
}

#[test]
fn the_same_release_gives_the_same_bytes_and_nothing_is_written_over() {
    let sandbox = released();
    let (first, second) = (create(&sandbox, "a.tar.zst"), create(&sandbox, "b.tar.zst"));
    let bytes = fs::read(&first).unwrap();
    assert_eq!(bytes, fs::read(second).unwrap());
    assert_eq!(
        fs::read(create(&sandbox, "a.tar.gz")).unwrap(),
        fs::read(create(&sandbox, "b.tar.gz")).unwrap()
    );
    for args in [&["--version", "1.0.0"][..], &["--dry-run"]] {
        let whole = [
            &["capsule", "create", "-t", "T01", first.to_str().unwrap()],
            args,
        ]
        .concat();
        sandbox.snapback(&whole).expect(6);
    }
    assert_eq!(fs::read(&first).unwrap(), bytes);
    let dry = sandbox.top().join("dry.tar");
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            dry.to_str().unwrap(),
            "--dry-run",
        ])
        .expect(0);
    assert!(!dry.exists());
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "9.9.9",
            dry.to_str().unwrap(),
        ])
        .expect(5);
    let left = fs::read_dir(sandbox.top()).unwrap().filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .as_bytes()
            .starts_with(b".tmp")
    });
    assert_eq!(left.count(), 0);
}

#[test]
fn snapback_restores_it_without_a_repository_and_checks_everything() {
    let sandbox = released();
    let capsule = create(&sandbox, "c.tar.zst");
    let capsule = capsule.to_str().unwrap();
    let nowhere = sandbox.top().join("nowhere");
    fs::create_dir(&nowhere).unwrap();
    let run = |args: &[&str]| {
        finish(
            sandbox
                .command(snapback_program())
                .current_dir(&nowhere)
                .args(args),
        )
    };
    let answer = run(&["capsule", "verify", capsule, "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (
            answer["data"]["files"].as_u64(),
            answer["data"]["links"].as_u64()
        ),
        (Some(expected(&sandbox).len() as u64), Some(3))
    );
    run(&["dr", "--from", capsule, "--into", "out", "--dry-run"]).expect(0);
    assert_eq!(fs::read_dir(&nowhere).unwrap().count(), 0);
    let answer = run(&["dr", "--from", capsule, "--into", "out", "--json"])
        .expect(0)
        .json();
    assert!(
        answer["changed"].as_bool().unwrap()
            && answer["data"]["proved"].as_array().unwrap().len() == 4,
        "{answer}"
    );
    assert_eq!(tree(&nowhere.join("out")), expected(&sandbox));
    run(&["dr", "--from", capsule, "--into", "out"]).expect(6);
    fs::create_dir(nowhere.join("empty")).unwrap();
    run(&["dr", "--from", capsule, "--into", "empty"]).expect(0);
    std::os::unix::fs::symlink("elsewhere", nowhere.join("link")).unwrap();
    run(&["dr", "--from", capsule, "--into", "link"]).expect(6);
    run(&["dr", "--from", "/no/such/file", "--into", "new"]).expect(8);
    run(&["dr", "--from", capsule]).expect(2);
    let mut names: Vec<_> = fs::read_dir(&nowhere)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["empty", "link", "out"]);
}

#[test]
fn wheels_that_are_here_go_in_and_others_are_named() {
    let sandbox = Sandbox::new(1);
    sandbox.write("wheels/demo_pkg-1.0-py3-none-any.whl", b"a wheel\n");
    sandbox.write("tasks/T01/requirements.txt", b"demo-pkg==1.0\nother==2.0\n");
    sandbox.release("T01", "1.0.0");
    let path = create(&sandbox, "c.tar");
    let answer = sandbox
        .snapback(&["capsule", "verify", path.to_str().unwrap(), "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (
            answer["data"]["wheels"].as_u64(),
            &answer["data"]["missing"]
        ),
        (Some(1), &serde_json::json!(["other==2.0"])),
        "{answer}"
    );
    let dir = sandbox.top().join("bare");
    fs::create_dir(&dir).unwrap();
    bare(
        &sandbox,
        &dir,
        &format!(
            "tar -xf {} && cd T01-v1.0.0 && sha256sum -c SHA256SUMS",
            path.display()
        ),
    )
    .expect(0);
    assert_eq!(
        fs::read(dir.join("T01-v1.0.0/wheels/demo_pkg-1.0-py3-none-any.whl")).unwrap(),
        b"a wheel\n"
    );
}
