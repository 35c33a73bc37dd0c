//! Output files: written whole where they are plain files, written into where they are devices or
//! pipes, and nothing else is touched.

use std::{
    fs,
    io::Read,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink},
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{
    Sandbox,
    sandbox::{finish, snapback_program},
};

/// Returns the commands that write this file; the flag says whether it also changes more.
fn writers(file: &str) -> [(Vec<String>, bool); 2] {
    let words = |text: &str| {
        text.split(' ')
            .map(|word| word.replace("FILE", file))
            .collect::<Vec<_>>()
    };
    [
        (words("health --fail-on never --textfile FILE"), false),
        (words("dr -t T01 --to 1.1.0 --report FILE"), true),
    ]
}

#[test]
fn a_device_stays_a_device_and_a_full_one_is_an_error() {
    let sandbox = Sandbox::two_releases(1);
    let dir = sandbox.home();
    let full = dir.join("full");
    // Our own device where this user may create one, otherwise a link to the system's.
    let made = Command::new("mknod")
        .arg(&full)
        .args(["c", "1", "7"])
        .output()
        .unwrap()
        .status
        .success();
    if !made {
        symlink("/dev/full", &full).unwrap();
    }
    for (args, changes) in writers(full.to_str().unwrap()) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = sandbox.snapback(&args);
        assert_eq!(ran.code, 8, "{ran:?}");
        assert!(
            !changes || sandbox.registry_version("T01").as_deref() == Some("1.1.0"),
            "what was done is done"
        );
        assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
        assert!(
            fs::metadata(&full).unwrap().file_type().is_char_device(),
            "{args:?}"
        );
    }
    let ran = sandbox.snapback(&["capsule", "create", "-t", "T01", full.to_str().unwrap()]);
    assert!(
        ran.code == 8 && fs::metadata(&full).unwrap().file_type().is_char_device(),
        "{ran:?}"
    );
    for (args, _) in writers("/dev/null") {
        sandbox
            .snapback(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .expect(0);
    }
    assert!(
        Path::new("/dev/null")
            .metadata()
            .unwrap()
            .file_type()
            .is_char_device()
    );
}

#[test]
fn a_pipe_and_an_open_descriptor_are_written_into() {
    let sandbox = Sandbox::two_releases(1);
    let pipe = sandbox.home().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    for (args, _) in writers(pipe.to_str().unwrap()) {
        let mut reader = Command::new("cat")
            .arg(&pipe)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        sandbox
            .snapback(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .expect(0);
        let mut text = String::new();
        reader
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
        reader.wait().unwrap();
        assert!(text.contains("T01"), "{args:?}: {text}");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }
    // A pipe without a reader: an error, after a while and not for ever.
    let args: Vec<String> = writers(pipe.to_str().unwrap())[0].0.clone();
    let ran = sandbox
        .snapback(&args.iter().map(String::as_str).collect::<Vec<_>>())
        .expect(8);
    assert!(ran.stderr.contains("nobody reads from it"), "{ran:?}");

    // Standard output, as a pipe and as a file that a shell has opened.
    let ran = sandbox
        .snapback(&[
            "-q",
            "health",
            "--fail-on",
            "never",
            "--textfile",
            "/dev/stdout",
        ])
        .expect(0);
    assert!(ran.stdout.contains("# HELP"), "{ran:?}");
    let file = sandbox.home().join("out.txt");
    let line = format!(
        "echo before > {0}; {1} health --fail-on never --textfile /dev/stdout >> {0}; echo after >> {0}",
        file.display(),
        snapback_program()
    );
    finish(sandbox.command("sh").args(["-c", &line])).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.starts_with("before\n") && text.ends_with("after\n") && text.contains("# HELP"),
        "{text}"
    );
}

#[test]
fn a_plain_file_is_replaced_whole_and_keeps_its_mode() {
    let sandbox = Sandbox::two_releases(1);
    let file = sandbox.home().join("metrics.prom");
    for (args, _) in writers(file.to_str().unwrap()) {
        fs::write(&file, "old\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        let open = fs::File::open(&file).unwrap();
        sandbox
            .snapback(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .expect(0);
        let mut old = String::new();
        (&open).read_to_string(&mut old).unwrap();
        assert_eq!(old, "old\n", "who has it open reads the old one to its end");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o604);
        assert!(fs::read_to_string(&file).unwrap().contains("T01"));
    }
    let link = sandbox.home().join("link.prom");
    symlink("metrics.prom", &link).unwrap();
    for (args, _) in writers(link.to_str().unwrap()) {
        fs::write(&file, "old\n").unwrap();
        sandbox
            .snapback(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .expect(0);
        assert!(
            fs::symlink_metadata(&link).unwrap().is_symlink()
                && fs::read_to_string(&file).unwrap().contains("T01")
        );
    }
}

#[test]
fn places_that_are_not_to_be_believed_are_refused() {
    let sandbox = Sandbox::two_releases(1);
    let dir = sandbox.home();
    symlink("nowhere", dir.join("dangling")).unwrap();
    symlink("circle", dir.join("circle")).unwrap();
    fs::create_dir(dir.join("open")).unwrap();
    fs::set_permissions(dir.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    for (name, why) in [
        ("dangling", "leads nowhere"),
        ("circle", "circle"),
        ("open/x", "everybody may write"),
        ("open", "is a folder"),
    ] {
        for (args, _) in writers(dir.join(name).to_str().unwrap()) {
            let ran = sandbox.snapback(&args.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(ran.code, 12, "{name}: {ran:?}");
            assert!(
                ran.stderr.contains(why) && ran.stderr.contains("hint:"),
                "{name}: {ran:?}"
            );
        }
        let file = dir.join(name).to_str().unwrap().to_string();
        let ran = sandbox.snapback(&["capsule", "create", "-t", "T01", &file]);
        assert_ne!(ran.code, 0, "{name}: {ran:?}");
    }
    assert!(
        !dir.join("nowhere").exists() && fs::read_dir(dir.join("open")).unwrap().next().is_none()
    );
    let pages = dir.join("pages");
    fs::create_dir(&pages).unwrap();
    symlink("/nowhere/at/all", pages.join("snapback.1")).unwrap();
    sandbox
        .snapback(&["man", pages.to_str().unwrap()])
        .expect(12);
}

#[test]
fn a_report_that_cannot_be_written_is_no_success_of_what_was_done() {
    let sandbox = Sandbox::two_releases(1);
    let nowhere = sandbox
        .home()
        .join("nowhere/report.json")
        .display()
        .to_string();
    let dr = |to: &str, report: &str| {
        sandbox.snapback(&["dr", "-t", "T01", "--to", to, "--report", report, "--json"])
    };
    let answer = dr("1.0.0", &nowhere).expect(8).json();
    assert_eq!(
        (&answer["ok"], &answer["changed"]),
        (&false.into(), &true.into())
    );
    let said = answer["error"]["message"].as_str().unwrap();
    assert!(
        said.contains("done, but the report is missing") && said.contains("report.json"),
        "{said}"
    );
    assert_eq!(sandbox.registry_version("T01").as_deref(), Some("1.0.0"));
    // Nothing to do, and no report of it.
    dr("1.0.0", "/dev/full").expect(8);
    // A plan warns beforehand about a report that would be missing afterwards.
    sandbox
        .snapback(&[
            "dr",
            "-t",
            "T01",
            "--to",
            "1.1.0",
            "--report",
            &nowhere,
            "--dry-run",
        ])
        .expect(8);
    let capsule = sandbox.home().join("c.tar").display().to_string();
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            &capsule,
        ])
        .expect(0);
    let into = sandbox.home().join("out");
    let ran = sandbox
        .snapback(&[
            "dr",
            "--from",
            &capsule,
            "--into",
            into.to_str().unwrap(),
            "--report",
            &nowhere,
        ])
        .expect(8);
    assert!(into.join("tasks/T01/signal.py").exists(), "{ran:?}");
}

/// Creates a folder like `/tmp`, with links that another user placed: to a file of ours, and to a
/// folder.
fn laid_by_another(dir: &Path) -> bool {
    fs::create_dir_all(dir.join("own")).unwrap();
    fs::create_dir(dir.join("tmp")).unwrap();
    fs::set_permissions(dir.join("tmp"), fs::Permissions::from_mode(0o1777)).unwrap();
    fs::write(dir.join("own/precious"), "precious").unwrap();
    symlink(dir.join("own/precious"), dir.join("tmp/file")).unwrap();
    symlink(dir.join("own/new"), dir.join("tmp/dangling")).unwrap();
    symlink(dir.join("own"), dir.join("tmp/folder")).unwrap();
    symlink("folder", dir.join("tmp/twice")).unwrap();
    let links = ["file", "dangling", "folder"];
    links.iter().all(|name| {
        std::os::unix::fs::lchown(dir.join("tmp").join(name), Some(1235), Some(1235)).is_ok()
    })
}

#[test]
fn a_link_of_another_user_leads_nobody_to_what_is_not_theirs() {
    let sandbox = Sandbox::two_releases(1);
    let dir = sandbox.home().join("shared");
    if !laid_by_another(&dir) {
        println!("skipped: only root can lay links of another user");
        return;
    }
    sandbox
        .snapback(&["store", "put", "tasks", "--name", "tasks"])
        .expect(0);
    let capsule = dir.join("c.tar").display().to_string();
    sandbox
        .snapback(&[
            "capsule",
            "create",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            &capsule,
        ])
        .expect(0);
    let refused = |line: &str, place: &str| {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| word.replace("PLACE", &dir.join("tmp").join(place).display().to_string()))
            .collect();
        let ran = sandbox.snapback(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(
            ran.code == 12
                && (ran.stderr.contains("is a link of") || ran.stderr.contains("leads nowhere")),
            "{line} {place}: {ran:?}"
        );
    };
    for place in ["file", "dangling", "folder/x", "twice/x", "folder/../own/x"] {
        refused("health --fail-on never --textfile PLACE", place);
        refused("dr -t T01 --to 1.1.0 --report PLACE", place);
    }
    for place in ["folder", "twice", "folder/below"] {
        refused("man PLACE", place);
        refused("preview -t T01 1.0.0 --into PLACE/new", place);
        refused("store restore tasks --into PLACE", place);
        refused("capsule create -t T01 --version 1.0.0 PLACE/x.tar", place);
        refused(&format!("dr --from {capsule} --into PLACE/new"), place);
    }
    assert_eq!(
        fs::read_to_string(dir.join("own/precious")).unwrap(),
        "precious"
    );
    assert_eq!(fs::read_dir(dir.join("own")).unwrap().count(), 1);
    // The owner of such a link may write to its target anyway; and our own links are ours.
    fs::create_dir(dir.join("theirs")).unwrap();
    std::os::unix::fs::chown(dir.join("theirs"), Some(1235), Some(1235)).unwrap();
    // (Not in the shared folder: there some kernels follow no foreign links.)
    symlink("theirs", dir.join("to-theirs")).unwrap();
    std::os::unix::fs::lchown(dir.join("to-theirs"), Some(1235), Some(1235)).unwrap();
    symlink(&dir, dir.join("tmp/ours")).unwrap();
    for place in ["to-theirs/x", "tmp/ours/x"] {
        let path = dir.join(place).display().to_string();
        sandbox
            .snapback(&["health", "--fail-on", "never", "--textfile", &path])
            .expect(0);
        assert!(
            fs::read_to_string(&path).unwrap().contains("# HELP"),
            "{place}"
        );
    }
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let sandbox = Sandbox::two_releases(1);
    let full = |args: &[&str]| {
        let stdout = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let mut child = sandbox.command(snapback_program());
        child
            .args(args)
            .stdout(stdout)
            .stderr(Stdio::null())
            .status()
            .unwrap()
            .code()
    };
    for args in [
        &["verify-snapshot", "--all"][..],
        &["verify-snapshot", "--all", "--json"],
        &["status"],
        &["list", "-t", "T01"],
        &["history"],
        &["completions", "bash"],
        &["schema", "config"],
        &["--help"],
        &["--version"],
    ] {
        assert_eq!(full(args), Some(8), "{args:?}");
    }
    // The change itself was made.
    assert_eq!(
        full(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"]),
        Some(0)
    );
}

#[test]
fn a_folder_with_the_files_of_a_version_is_whole_or_not_there() {
    let sandbox = Sandbox::two_releases(1);
    let top = sandbox.home().join("made");
    fs::create_dir_all(top.join(".tmp-snapback-out-4194999/half")).unwrap();
    // Another program's, which happens to end in a number.
    fs::create_dir_all(top.join(".tmp-out-4194999/theirs")).unwrap();
    fs::create_dir(top.join("out")).unwrap();
    fs::set_permissions(top.join("out"), fs::Permissions::from_mode(0o700)).unwrap();
    let preview = |into: &str| {
        let mut command = sandbox.command(snapback_program());
        command
            .args(["-C", sandbox.root().to_str().unwrap()])
            .args(["preview", "-t", "T01", "1.0.0", "--into", into])
            .current_dir(top.join("out"));
        finish(&mut command)
    };
    let names = || -> Vec<_> {
        let found = fs::read_dir(&top).unwrap();
        let mut names: Vec<_> = found.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let theirs = ".tmp-out-4194999";
    let here = preview(top.join("out").to_str().unwrap()).expect(6);
    assert!(here.stderr.contains("you are in it"), "{here:?}");
    sandbox
        .run_line("preview -t T01 1.0.0 --into ../home/made/out")
        .expect(0);
    assert!(top.join("out/tasks/T01/signal.py").exists());
    assert_eq!(
        fs::metadata(top.join("out")).unwrap().mode() & 0o777,
        0o700,
        "an empty folder keeps its mode"
    );
    assert_eq!(names(), [theirs, "out"], "what a killed run left is swept");
    // Most of the files are there to be written, one is not.
    fs::remove_dir_all(sandbox.at(".git/snapback/store")).unwrap();
    let ran = sandbox.run_line("preview -t T01 1.0.0 --into ../home/made/other");
    assert!(
        ran.code != 0 && ran.stderr.contains("nothing was changed"),
        "{ran:?}"
    );
    assert_eq!(names(), [theirs, "out"], "{ran:?}");
}

#[test]
fn nothing_is_written_among_the_files_of_git() {
    let sandbox = Sandbox::two_releases(1);
    let data = sandbox.home().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(data.join("a"), "a").unwrap();
    let data = data.to_str().unwrap();
    sandbox
        .snapback(&["store", "put", data, "--name", "tasks"])
        .expect(0);
    let refs = || sandbox.git_out(&["for-each-ref"]);
    let before = refs();
    for line in [
        "preview -t T01 1.0.0 --into .git/refs/tags/zz",
        "store restore tasks --into .git/new",
        "capsule create -t T01 --version 1.0.0 .git/refs/tags/x.tar",
        "health --fail-on never --textfile .git/HEAD2",
        "man .git/pages",
    ] {
        let ran = sandbox.run_line(line).expect(12);
        assert!(ran.stderr.contains("git keeps its own files"), "{ran:?}");
    }
    assert_eq!(refs(), before);
    for left in ["refs/tags/zz", "new", "refs/tags/x.tar", "HEAD2", "pages"] {
        assert!(!sandbox.at(&format!(".git/{left}")).exists(), "{left}");
    }
}
