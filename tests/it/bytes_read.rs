//! How often the bytes of a large file are read: a release reads only what changed, once; a
//! rollback does not read what it leaves alone. The kernel counts, over the whole process.

use std::{
    fs,
    time::{Duration, Instant},
};

use snapback::{
    base::{Fs, Root},
    store::format::blob,
};

use crate::support::{Sandbox, noise};

const LARGE: &str = "tasks/T01/model.bin";
const SIZE: usize = 24 << 20;

/// Returns the bytes that a successful command read, as a multiple of the large file's size.
#[track_caller]
fn sizes_read(sandbox: &Sandbox, line: &str) -> f64 {
    let mut child = sandbox.start(line);
    let pid = rustix::process::Pid::from_child(&child);
    // The kernel keeps the count until the exit status is collected.
    let ended = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), ended).unwrap();
    let counts = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
    assert!(child.wait().unwrap().success(), "{line}");
    let read = counts
        .lines()
        .find_map(|line| line.strip_prefix("rchar: "))
        .unwrap();
    #[expect(clippy::cast_precision_loss, reason = "it is far below 2^52")]
    let sizes = read.parse::<u64>().unwrap() as f64 / SIZE as f64;
    sizes
}

/// True where snapback can know that nobody has written to a file since it read it.
fn can_watch(sandbox: &Sandbox) -> bool {
    let can = Root::open(&sandbox.root()).unwrap().shows_maps();
    if !can {
        println!("every file is read: nothing is known of the writers of this file system");
    }
    can
}

/// Waits until the last write is older than a tick of the file system's clock.
fn settle() {
    let written = Instant::now();
    while written.elapsed() < Duration::from_millis(120) {
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn release(version: &str) -> String {
    format!("create-snapshot -t T01 --version {version} -m v{version} --yes")
}

#[test]
fn a_large_file_is_read_once_and_only_when_it_changed() {
    let sandbox = Sandbox::new(1);
    if !can_watch(&sandbox) {
        return;
    }
    sandbox.write(LARGE, &noise("one", SIZE));
    settle();
    let first = sizes_read(&sandbox, &release("1.0.0"));
    assert!((1.0..1.2).contains(&first), "a new file: {first}");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    let second = sizes_read(&sandbox, &release("1.1.0"));
    assert!(second < 0.2, "a file that did not change: {second}");
    let back = sizes_read(&sandbox, "rollback -t T01 --to 1.0.0 --yes");
    assert!(back < 0.2, "a file that stays as it is: {back}");
    let deep = sizes_read(&sandbox, "verify-rollback -t T01");
    assert!((1.0..1.2).contains(&deep), "every byte is read: {deep}");
    sandbox.write(LARGE, &noise("two", SIZE));
    settle();
    let changed = sizes_read(&sandbox, &release("1.2.0"));
    assert!((1.0..1.2).contains(&changed), "a changed file: {changed}");
}

#[test]
fn what_a_program_has_open_for_writing_is_not_remembered() {
    let sandbox = Sandbox::new(1);
    if !can_watch(&sandbox) {
        return;
    }
    sandbox.write(LARGE, &noise("one", SIZE));
    settle();
    // A write that is under way has stamped the file already: nothing of what is read is certain.
    let open = fs::File::options().write(true).open(sandbox.at(LARGE));
    sandbox.run_line(&release("1.0.0")).expect(0);
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    let again = sizes_read(&sandbox, &release("1.1.0"));
    assert!(again > 1.0, "it may have changed: {again}");
    drop(open);
    sandbox.write("tasks/T01/signal.py", b"VALUE = 3\n");
    sandbox.run_line(&release("1.2.0")).expect(0);
    sandbox.write("tasks/T01/signal.py", b"VALUE = 4\n");
    let known = sizes_read(&sandbox, &release("1.3.0"));
    assert!(known < 0.2, "nobody has it open: {known}");
}

#[test]
fn what_changes_between_being_written_and_being_put_in_place_is_not_called_verified() {
    // The second one sets the modification time back.
    let edits = [
        "printf X | dd of=\"$f\" conv=notrunc; sleep 0.2",
        "touch -r \"$f\" ../../old; printf X | dd of=\"$f\" conv=notrunc; touch -r ../../old \"$f\"; sleep 0.2",
    ];
    for edit in edits {
        let sandbox = two_releases(3 << 20);
        let stop = format!("f=$(find ../../.snapback -size +1M); {edit}");
        set_command(&sandbox, "stop", &stop);
        let done = sandbox.run_line("rollback -t T01 --to 1.0.0 --yes");
        assert_eq!(done.code, 4, "{edit}: {}{}", done.stdout, done.stderr);
        assert!(
            !done.stdout.contains("verified."),
            "{edit}: {}",
            done.stdout
        );
    }
}

/// Makes two releases of a large file whose bytes differ.
fn two_releases(size: usize) -> Sandbox {
    let sandbox = Sandbox::new(1);
    for (version, bytes) in [("1.0.0", "one"), ("1.1.0", "two")] {
        sandbox.write(LARGE, &noise(bytes, size));
        settle();
        sandbox.run_line(&release(version)).expect(0);
    }
    sandbox
}

/// Adds a command of the task to the settings, which is run in its folder.
fn set_command(sandbox: &Sandbox, name: &str, run: &str) {
    let text = format!(
        "version: 1\ndefaults:\n  large_files: {{patterns: ['*.bin']}}\n  {name}: {{run: '{run}'}}\n"
    );
    sandbox.write("snapback.yaml", text.as_bytes());
}

#[test]
fn going_back_reads_of_a_large_file_what_the_store_has_of_both_versions() {
    let sandbox = two_releases(SIZE);
    // The target while it is staged, and the store's copy of what goes, because soon there is no
    // other one. Neither what is there nor what was written is read where both can be watched.
    let most = if can_watch(&sandbox) { 2.1 } else { 7.1 };
    for (line, bytes) in [
        ("rollback -t T01 --to 1.0.0 --yes", "one"),
        ("undo --yes", "two"),
        ("redo --yes", "one"),
    ] {
        let read = sizes_read(&sandbox, line);
        println!("{line}: {read}");
        assert!(read < most, "{line}: {read}");
        assert_eq!(sandbox.read(LARGE), noise(bytes, SIZE));
    }
}

#[test]
fn of_what_both_versions_have_the_store_is_read_once() {
    let sandbox = Sandbox::new(1);
    let mut bytes = noise("one", SIZE);
    for version in ["1.0.0", "1.1.0"] {
        sandbox.write(LARGE, &bytes);
        settle();
        sandbox.run_line(&release(version)).expect(0);
        bytes[SIZE / 2] ^= 1;
    }
    let back = sizes_read(&sandbox, "rollback -t T01 --to 1.0.0 --yes");
    assert!(!can_watch(&sandbox) || back < 1.3, "{back}");
    assert_eq!(sandbox.read(LARGE), noise("one", SIZE));
}

/// Changes one byte of the first large blob of a pack, and its CRC to fit if it is to be `forged`.
fn change_blob(pack: &mut [u8], forged: bool) {
    let is_large =
        |at: &usize| blob::read_header(&pack[*at..]).is_ok_and(|header| header.stored > 100_000);
    let mut blobs = (0..pack.len()).filter(|at| pack[*at..].starts_with(blob::MAGIC));
    let Some(at) = blobs.find(is_large) else {
        return;
    };
    let header = blob::read_header(&pack[at..]).unwrap();
    let stored = at + blob::HEADER..at + blob::HEADER + header.stored as usize;
    pack[stored.start + 1000] ^= 1;
    if forged {
        let plain = header.plain as usize;
        let (header, _) = blob::header(header.blob, header.codec, plain, &pack[stored]);
        pack[at..at + blob::HEADER].copy_from_slice(&header);
    }
}

#[test]
fn damage_in_the_store_is_found_before_anything_is_changed() {
    for (forged, why) in [
        (false, "the bytes of tasks/T01/model.bin cannot be restored"),
        (true, "the kept bytes have the digest"),
    ] {
        let sandbox = two_releases(3 << 20);
        for pack in fs::read_dir(sandbox.at(".git/snapback/store/packs")).unwrap() {
            let pack = pack.unwrap().path();
            let mut bytes = fs::read(&pack).unwrap();
            change_blob(&mut bytes, forged);
            fs::write(&pack, bytes).unwrap();
        }
        let state = || (sandbox.read(LARGE), sandbox.git_out(&["rev-parse", "HEAD"]));
        let before = state();
        let refused = sandbox.run_line("rollback -t T01 --to 1.0.0 --yes");
        assert_eq!(refused.code, 4, "{}{}", refused.stdout, refused.stderr);
        assert!(refused.stderr.contains(why), "{}", refused.stderr);
        assert!(state() == before && !sandbox.exists(".snapback"));
    }
}

#[test]
fn what_is_replaced_is_saved_anew_where_the_store_has_it_damaged() {
    let sandbox = two_releases(3 << 20);
    let packs = fs::read_dir(sandbox.at(".git/snapback/store/packs")).unwrap();
    let newest = packs
        .map(|pack| pack.unwrap().path())
        .max_by_key(|pack| pack.metadata().unwrap().modified().unwrap());
    let newest = newest.expect("1.1.0 made it");
    let mut bytes = fs::read(&newest).unwrap();
    change_blob(&mut bytes, false);
    fs::write(&newest, bytes).unwrap();
    sandbox
        .run_line("rollback -t T01 --to 1.0.0 --yes")
        .expect(0);
    sandbox.run_line("undo --yes").expect(0);
    assert!(sandbox.read(LARGE) == noise("two", 3 << 20));
}

#[test]
fn damage_in_what_both_versions_have_is_found_before_anything_is_changed() {
    let sandbox = Sandbox::new(1);
    let mut bytes = noise("one", 3 << 20);
    for version in ["1.0.0", "1.1.0"] {
        sandbox.write(LARGE, &bytes);
        settle();
        sandbox.run_line(&release(version)).expect(0);
        bytes[2 << 20] ^= 1;
    }
    let edited = sandbox.read(LARGE);
    for pack in fs::read_dir(sandbox.at(".git/snapback/store/packs")).unwrap() {
        let pack = pack.unwrap().path();
        let mut bytes = fs::read(&pack).unwrap();
        change_blob(&mut bytes, false);
        fs::write(&pack, bytes).unwrap();
    }
    sandbox
        .run_line("rollback -t T01 --to 1.0.0 --yes")
        .expect(4);
    assert!(sandbox.read(LARGE) == edited && !sandbox.exists(".snapback"));
}

#[test]
fn what_is_written_to_a_displaced_file_is_kept_however_old_its_times_are() {
    // A program that had it open goes on writing; the second one hides that from its times.
    let edits = [
        "printf X | dd of=\"$f\" conv=notrunc",
        "touch -r \"$f\" ../../old; printf X | dd of=\"$f\" conv=notrunc; touch -r ../../old \"$f\"",
    ];
    for edit in edits {
        let sandbox = two_releases(3 << 20);
        let hour = std::time::SystemTime::now() - Duration::from_hours(1);
        let file = fs::File::options().write(true).open(sandbox.at(LARGE));
        file.unwrap().set_modified(hour).unwrap();
        let start = format!("f=$(find ../../.snapback -size +1M); {edit}");
        set_command(&sandbox, "start", &start);
        let done = sandbox.run_line("rollback -t T01 --to 1.0.0 --yes");
        assert_eq!(done.code, 7, "{edit}: {}{}", done.stdout, done.stderr);
        assert_eq!(sandbox.read(LARGE), noise("one", 3 << 20), "{edit}");
        sandbox
            .run_line("op restore latest --into mine --yes")
            .expect(0);
        let mut edited = noise("two", 3 << 20);
        edited[0] = b'X';
        let kept = sandbox.read("mine/tasks/T01/model.bin");
        assert!(kept == edited, "{edit}");
    }
}

#[test]
fn an_edit_of_a_large_file_that_was_released_is_seen_whatever_was_known_of_it() {
    let sandbox = Sandbox::new(1);
    sandbox.write(LARGE, &noise("one", 100_000));
    settle();
    sandbox.run_line(&release("1.0.0")).expect(0);
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    sandbox.run_line(&release("1.1.0")).expect(0);
    let before = fs::metadata(sandbox.at(LARGE)).unwrap();
    sandbox.write(LARGE, &noise("two", 100_000));
    let file = fs::File::options().write(true).open(sandbox.at(LARGE));
    let times = fs::FileTimes::new().set_modified(before.modified().unwrap());
    file.unwrap().set_times(times).unwrap();
    sandbox.run_line("verify-rollback -t T01").expect(4);
    sandbox
        .run_line("rollback -t T01 --to 1.0.0 --yes")
        .expect(0);
    assert_eq!(sandbox.read(LARGE), noise("one", 100_000));
    sandbox.run_line("undo --yes").expect(0);
    assert_eq!(
        sandbox.read(LARGE),
        noise("two", 100_000),
        "the edit was saved"
    );
}

#[test]
fn a_restore_over_another_version_reads_what_is_there_once() {
    let sandbox = Sandbox::new(1);
    if !can_watch(&sandbox) {
        return;
    }
    let data = sandbox.home().join("data");
    fs::create_dir(&data).unwrap();
    let (first, other) = (noise("one", SIZE), noise("two", SIZE));
    let mut near = first.clone();
    near[SIZE / 2..][..1000].fill(7);
    for (name, bytes) in [("near", &near), ("other", &other), ("first", &first)] {
        fs::write(data.join("model.bin"), bytes).unwrap();
        let put = format!("store put {} --name {name}", data.display());
        sandbox.run_line(&put).expect(0);
    }
    // What is there, and the new bytes; then also the store's copy of what is nowhere else.
    for (name, most) in [("near", 2.2), ("other", 3.1)] {
        let restore = format!("store restore {name} --into {}", data.display());
        let sizes = sizes_read(&sandbox, &restore);
        assert!((1.9..most).contains(&sizes), "{name}: {sizes}");
    }
    assert_eq!(fs::read(data.join("model.bin")).unwrap(), other);
    let kept = format!(
        "store restore before-restore-other-1 --into {}",
        data.display()
    );
    sandbox.run_line(&kept).expect(0);
    assert_eq!(fs::read(data.join("model.bin")).unwrap(), near);
}
