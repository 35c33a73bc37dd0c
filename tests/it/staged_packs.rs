//! What a killed operation left of its git objects: a pack without a name.

use std::path::{Path, PathBuf};

use crate::support::{
    Sandbox,
    killer::{self, Mode},
    operations::repository,
    sandbox::snapback_program,
    sweep::target,
};

const ARGV: [&str; 6] = ["rollback", "-t", "T01", "--to", "1.0.0", "--yes"];

/// Kills a rollback at many moments; calls `each` with those that left a staged pack of an
/// operation that began. Returns how many did.
fn killed(mut each: impl FnMut(&Sandbox, PathBuf, &str)) -> usize {
    let base = repository().unwrap();
    let program = Path::new(snapback_program());
    let calls = killer::count(&target(program, &base.copy(), &ARGV)).unwrap();
    let mut found = 0;
    for percent in (20..90).step_by(3) {
        let sandbox = base.copy();
        let target = target(program, &sandbox, &ARGV);
        killer::run(&target, Mode::Kill, calls * percent / 100).unwrap();
        let dry_run = sandbox.snapback(&["op", "abort", "--dry-run"]);
        let unfinished = dry_run.code == 0;
        if let (Some(pack), true) = (staged(&sandbox), unfinished) {
            each(&sandbox, pack, &format!("{percent} %"));
            found += 1;
        }
    }
    found
}

/// Returns the pack that is staged.
fn staged(sandbox: &Sandbox) -> Option<PathBuf> {
    let listing = std::fs::read_dir(sandbox.at(".git/objects/pack")).ok()?;
    let mut files = listing.map(|entry| entry.unwrap().path());
    let is_staged = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("snapback_tmp_0") && name.ends_with("_pack")
    };
    files.find(is_staged)
}

/// Checks that nothing is staged, and git finds nothing wrong.
fn check_whole(sandbox: &Sandbox, when: &str) {
    sandbox.git(&["fsck", "--strict", "--connectivity-only"]);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"])
        .expect(0);
    sandbox.snapback(&["op", "abort", "--yes"]);
    let listing = std::fs::read_dir(sandbox.at(".git/objects/pack")).unwrap();
    let names = listing.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let left: Vec<String> = names
        .filter(|name| name.starts_with("snapback_tmp"))
        .collect();
    assert!(left.is_empty(), "{when}: {left:?}");
}

#[test]
fn it_is_named_when_the_operation_goes_on_and_goes_when_it_is_taken_back() {
    let mut forward = true;
    let found = killed(|sandbox, _, when| {
        let word = if forward { "resume" } else { "abort" };
        sandbox.snapback(&["op", word, "--yes"]).expect(0);
        let log = sandbox.git_out(&["log", "-1", "--format=%s"]);
        assert_eq!(log.contains("-> v1.0.0"), forward, "{when}: {log}");
        check_whole(sandbox, when);
        forward = !forward;
    });
    assert!(found > 2, "{found} moments");
}

#[test]
fn one_that_is_not_whole_turns_the_operation_back() {
    let found = killed(|sandbox, pack, when| {
        let bytes = std::fs::read(&pack).unwrap();
        std::fs::remove_file(&pack).unwrap();
        std::fs::write(&pack, &bytes[..bytes.len() - 5]).unwrap();
        let head = sandbox.git_out(&["rev-parse", "HEAD"]);
        let resumed = sandbox.snapback(&["op", "resume", "--yes"]);
        assert_ne!(resumed.code, 0, "{when}: {resumed:?}");
        sandbox.snapback(&["op", "abort", "--yes"]);
        sandbox.snapback(&["status"]).expect(0);
        assert_eq!(sandbox.git_out(&["rev-parse", "HEAD"]), head, "{when}");
        check_whole(sandbox, when);
    });
    assert!(found > 2, "{found} moments");
}
