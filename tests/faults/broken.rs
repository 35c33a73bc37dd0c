//! Programs that are broken on purpose: the sweeps must catch every one of them.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use crate::support::{
    mounted::{Disk, KINDS},
    operations::{Operation, operation},
    sandbox::snapback_program,
    sweep::{CUTS, FAULTS, Fault, sweep_of},
};

/// Lets git restore the files, as many scripts do: no journal, no copies, no syncs.
const BY_GIT: &str = "#!/bin/sh\nset -e\ngit checkout -q T01-v1.0.0 -- tasks/T01\ngit commit -q -m back -- tasks/T01\n";

/// Returns a script that runs the real program and never reports its failure.
fn always_good() -> String {
    format!("#!/bin/sh\n{} \"$@\"\nexit 0\n", snapback_program())
}

/// Writes a program to its own folder.
fn script(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("snapback");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// Returns the verdict of the sweep on a program in place of the rollback.
fn caught(
    program: &str,
    faults: &[(&'static str, Fault)],
    disk: &(dyn Fn() -> Result<Option<Disk>, String> + Sync),
) -> String {
    let dir = tempfile::tempdir().unwrap();
    let operation = Operation {
        back: None,
        ..operation("rollback")
    };
    let figures = sweep_of(&operation, &script(dir.path(), program), faults, 12, disk);
    if figures.runs.is_empty() {
        String::from("skipped")
    } else {
        figures.violations.join("\n")
    }
}

#[test]
fn a_rollback_by_git_alone_is_caught_when_it_is_killed() {
    let said = caught(BY_GIT, &FAULTS[..1], &|| Ok(None));
    assert!(said.contains("I2: "), "{said}");
}

#[test]
fn a_program_that_never_fails_is_caught_when_the_disk_is_full() {
    let full = FAULTS
        .iter()
        .copied()
        .filter(|(name, _)| *name == "ENOSPC for ever")
        .collect::<Vec<_>>();
    let said = caught(&always_good(), &full, &|| Ok(None));
    assert!(said.contains("I20: "), "{said}");
}

#[test]
fn a_rollback_by_git_alone_is_caught_when_the_power_goes() {
    if let Err(why) = Disk::new(KINDS[0]) {
        return println!("skipped: {why}");
    }
    let said = caught(BY_GIT, &CUTS[..2], &|| Disk::new(KINDS[0]).map(Some));
    assert!(said.contains("I2: ") || said.contains("I3: "), "{said}");
}
