//! Files that are written on request: whole where they are plain files, into where they are devices and
//! pipes, and nowhere else.

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

/// The commands that write a file, with its name; those that change something besides are second.
fn writers(file: &str) -> [(Vec<String>, bool); 2] {
    let words = |text: &str| text.split(' ').map(|word| word.replace("FILE", file)).collect::<Vec<_>>();
    [(words("health --fail-on never --textfile FILE"), false), (words("dr -t T01 --to 1.1.0 --report FILE"), true)]
}

#[test]
fn a_device_stays_a_device_and_a_full_one_is_an_error() {
    let sandbox = Sandbox::two_releases(1);
    let dir = sandbox.home();
    let full = dir.join("full");
    // A device of our own where this user may make one, else a link to the system's.
    let made = Command::new("mknod").arg(&full).args(["c", "1", "7"]).output().unwrap().status.success();
    if !made {
        symlink("/dev/full", &full).unwrap();
    }
    for (args, changes) in writers(full.to_str().unwrap()) {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let ran = sandbox.snapback(&args);
        assert_eq!(ran.code, if changes { 0 } else { 8 }, "{ran:?}");
        assert!(ran.stderr.contains("No space left on device"), "{ran:?}");
        assert!(fs::metadata(&full).unwrap().file_type().is_char_device(), "{args:?}");
    }
    let ran = sandbox.snapback(&["capsule", "create", "-t", "T01", full.to_str().unwrap()]);
    assert!(ran.code == 8 && fs::metadata(&full).unwrap().file_type().is_char_device(), "{ran:?}");
    for (args, _) in writers("/dev/null") {
        sandbox.snapback(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    }
    assert!(Path::new("/dev/null").metadata().unwrap().file_type().is_char_device());
}

#[test]
fn a_pipe_and_an_open_descriptor_are_written_into() {
    let sandbox = Sandbox::two_releases(1);
    let pipe = sandbox.home().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (args, _) in writers(pipe.to_str().unwrap()) {
        let mut reader = Command::new("cat").arg(&pipe).stdout(Stdio::piped()).spawn().unwrap();
        sandbox.snapback(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        let mut text = String::new();
        reader.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        reader.wait().unwrap();
        assert!(text.contains("T01"), "{args:?}: {text}");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    }
    // Nobody reads: an error, after a while and not for ever.
    let args: Vec<String> = writers(pipe.to_str().unwrap())[0].0.clone();
    let ran = sandbox.snapback(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(8);
    assert!(ran.stderr.contains("nobody reads from it"), "{ran:?}");

    // Standard output, as a pipe and as a file that a shell has opened.
    let ran = sandbox.snapback(&["-q", "health", "--fail-on", "never", "--textfile", "/dev/stdout"]).expect(0);
    assert!(ran.stdout.contains("# HELP"), "{ran:?}");
    let file = sandbox.home().join("out.txt");
    let line = format!(
        "echo before > {0}; {1} health --fail-on never --textfile /dev/stdout >> {0}; echo after >> {0}",
        file.display(),
        snapback_program()
    );
    finish(sandbox.command("sh").args(["-c", &line])).expect(0);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("before\n") && text.ends_with("after\n") && text.contains("# HELP"), "{text}");
}

#[test]
fn a_plain_file_is_replaced_whole_and_keeps_its_mode() {
    let sandbox = Sandbox::two_releases(1);
    let file = sandbox.home().join("metrics.prom");
    for (args, _) in writers(file.to_str().unwrap()) {
        fs::write(&file, "old\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        let open = fs::File::open(&file).unwrap();
        sandbox.snapback(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
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
        sandbox.snapback(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink() && fs::read_to_string(&file).unwrap().contains("T01"));
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
    for (name, why) in [("dangling", "leads nowhere"), ("circle", "circle"), ("open/x", "everybody may write"), ("open", "is a folder")] {
        for (args, changes) in writers(dir.join(name).to_str().unwrap()) {
            let ran = sandbox.snapback(&args.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(ran.code, if changes { 0 } else { 12 }, "{name}: {ran:?}");
            assert!(ran.stderr.contains(why) && ran.stderr.contains("hint:"), "{name}: {ran:?}");
        }
        let file = dir.join(name).to_str().unwrap().to_string();
        let ran = sandbox.snapback(&["capsule", "create", "-t", "T01", &file]);
        assert_ne!(ran.code, 0, "{name}: {ran:?}");
    }
    assert!(!dir.join("nowhere").exists() && fs::read_dir(dir.join("open")).unwrap().next().is_none());
    let pages = dir.join("pages");
    fs::create_dir(&pages).unwrap();
    symlink("/nowhere/at/all", pages.join("snapback.1")).unwrap();
    sandbox.snapback(&["man", pages.to_str().unwrap()]).expect(12);
}

#[test]
fn an_answer_that_cannot_be_written_is_no_success() {
    let sandbox = Sandbox::two_releases(1);
    let full = |args: &[&str]| {
        let stdout = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = sandbox.command(snapback_program());
        child.args(args).stdout(stdout).stderr(Stdio::null()).status().unwrap().code()
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
    // What was changed was changed.
    assert_eq!(full(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"]), Some(0));
}
