//! Sessions that prove or judge versions: verify, mark, hold, pin.

use std::fs;

use super::{released, shows};

#[test]
fn verify_snapshot() {
    let sandbox = released();
    sandbox.release("T02", "1.0.0");
    shows!(sandbox, ["snapback verify-snapshot -t T01", "snapback verify-snapshot -t T01 --version 1.0.0 -v", "snapback verify --all --deep"], @"
    $ snapback verify-snapshot -t T01
      -  integrity.signature       signature: missing (the tag is not signed)
      ok integrity.manifest        tag T01-v1.1.0 -> commit [id] -> manifest
      ok integrity.tag             refs/snapback/keep/T01/1.1.0 names the same tag
      ok integrity.commit          5 files as in the tag's commit
      ok integrity.kept            7 files present
      -  integrity.bytes           whether the bytes are those that were released was not looked at: --deep reads them
    T01 1.1.0 is verified (files present, bytes not read; --deep reads them).
    $ snapback verify-snapshot -t T01 --version 1.0.0 -v
      -  integrity.signature       signature: missing (the tag is not signed)
      ok integrity.manifest        tag T01-v1.0.0 -> commit [id] -> manifest
      ok integrity.tag             refs/snapback/keep/T01/1.0.0 names the same tag
      ok integrity.commit          4 files as in the tag's commit
      ok integrity.kept            6 files present
      -  integrity.bytes           whether the bytes are those that were released was not looked at: --deep reads them
    T01 1.0.0 is verified (files present, bytes not read; --deep reads them).
    $ snapback verify --all --deep
    ok T01 1.1.0 is verified.
    ok T01 1.0.0 is verified.
    ok T02 1.0.0 is verified.
    3 versions: all verified
    ");
}

#[test]
fn verify_snapshot_names_a_damaged_object() {
    let sandbox = released();
    let blob = sandbox.git_out(&["rev-parse", "T01-v1.0.0:tasks/T01/signal.py"]);
    let object = format!(".git/objects/{}/{}", &blob[..2], &blob[2..]);
    let kept = sandbox.read(&object);
    fs::remove_file(sandbox.at(&object)).unwrap();
    shows!(sandbox, ["snapback verify-snapshot -t T01 --all"], @"
    $ snapback verify-snapshot -t T01 --all
    ok T01 1.1.0 is verified (files present, bytes not read; --deep reads them).
      x  integrity.kept            tasks/T01/signal.py: its blob [commit] is not in this repository
    x  T01 1.0.0 does not hold: integrity failed.
    2 versions: 1 not verified
      see what git says of the repository:  git fsck --full
      fetch missing objects again, where a remote has them:  git fetch --refetch --tags
    [exit 4]
    ");
    sandbox.write(&object, &kept);
    for pack in fs::read_dir(sandbox.at(".git/snapback/store/packs")).unwrap() {
        let pack = format!(
            ".git/snapback/store/packs/{}",
            pack.unwrap().file_name().to_str().unwrap()
        );
        let mut bytes = sandbox.read(&pack);
        // In the stored bytes of its first blob.
        bytes[52 + 52 + 1] ^= 1;
        sandbox.write(&pack, &bytes);
    }
    // A file in place as it was released needs nothing from the store.
    sandbox.write("tasks/T01/model.bin", b"edited");
    shows!(sandbox, ["snapback verify-snapshot -t T01 --version 1.1.0 --deep", "snapback rollback -t T01 --to 1.0.0 --yes"], @r#"
    $ snapback verify-snapshot -t T01 --version 1.1.0 --deep
      -  integrity.signature       signature: missing (the tag is not signed)
      ok integrity.manifest        tag T01-v1.1.0 -> commit [id] -> manifest
      ok integrity.tag             refs/snapback/keep/T01/1.1.0 names the same tag
      ok integrity.commit          5 files as in the tag's commit
      x  integrity.kept            tasks/T01/model.bin: the stored object sha256:[digest] is damaged: a blob's checksum does not agree
    T01 1.1.0 does not hold: integrity failed.
      heal it from the work tree, if it is there:  snapback store repair
      copy the folder .git/snapback/store from the repository that made the release, or from a copy of this one
    [exit 4]
    $ snapback rollback -t T01 --to 1.0.0 --yes
    Plan  T01  1.1.0 -> 1.0.0  (by Li Wei, [time]: "T01 1.0.0", failed)
      files    M tasks/T01/config.yaml  +2  -2  max_leverage: 5 -> 3, version: 1.1.0 -> 1.0.0
               M tasks/T01/model.bin            70.0 kB from the store
               D tasks/T01/new.py           -1
               M tasks/T01/signal.py    +2  -1
               M task_registry.json     +1  -1  T01: 1.1.0 -> 1.0.0
               2 unchanged
      safety   everything is saved first; `snapback undo` brings it back
      ok saved      5 paths
    error: the bytes of tasks/T01/model.bin cannot be restored
      caused by: the stored object sha256:[digest] is damaged: a blob's checksum does not agree
      hint: see everything that is wrong with the releases:  snapback verify-snapshot --all --deep
      nothing was changed
    [exit 4]
    "#);
}

#[test]
fn verify_rollback() {
    let sandbox = released();
    shows!(sandbox, ["snapback verify-rollback -t T01", "snapback verify-rollback -t T01 --expected 1.0.0"], @"
    $ snapback verify-rollback -t T01
      ok integrity.manifest        tag T01-v1.1.0 -> commit [id] -> manifest
      ok integrity.files           6/6 files as released
      ok integrity.extra           nothing extra among the task's tracked files
      ok configuration.versions    registry = config = manifest = tag = 1.1.0
      -  configuration.lockfiles   the release has no lock files
      -  smoke.commands            no smoke command is configured
      -  readiness.dependencies    the task has no environment of its own
      -  readiness.variables       the settings name no variables
      ok readiness.not_held        it is not held
    T01 1.1.0 is verified (not checked: smoke).
    $ snapback verify-rollback -t T01 --expected 1.0.0
      ok integrity.manifest        tag T01-v1.0.0 -> commit [id] -> manifest
      x  integrity.files           tasks/T01/config.yaml has other bytes than the release
           tasks/T01/signal.py has other bytes than the release
      x  integrity.extra           tasks/T01/new.py is not in the release
      x  configuration.versions    the registry says 1.1.0, expected 1.0.0
           the config says 1.1.0, expected 1.0.0
      -  configuration.lockfiles   the release has no lock files
      -  smoke.commands            no smoke command is configured
      -  readiness.dependencies    the task has no environment of its own
      -  readiness.variables       the settings name no variables
      ok readiness.not_held        it is not held
    T01 1.0.0 does not hold: integrity, configuration failed.
      see what differs:  snapback diff -t T01 1.0.0
    [exit 4]
    ");
    sandbox.write("tasks/T01/signal.py", b"edited\n");
    shows!(sandbox, ["snapback verify-rollback -t T01 -v"], @"
    $ snapback verify-rollback -t T01 -v
      ok integrity.manifest        tag T01-v1.1.0 -> commit [id] -> manifest
      x  integrity.files           tasks/T01/signal.py has other bytes than the release
      ok integrity.extra           nothing extra among the task's tracked files
      ok configuration.versions    registry = config = manifest = tag = 1.1.0
      -  configuration.lockfiles   the release has no lock files
      -  smoke.commands            no smoke command is configured
      -  readiness.dependencies    the task has no environment of its own
      -  readiness.variables       the settings name no variables
      ok readiness.not_held        it is not held
    T01 1.1.0 does not hold: integrity failed.
      see what differs:  snapback diff -t T01 1.1.0
    [exit 4]
    ");
}

#[test]
fn mark_hold_pin() {
    let sandbox = released();
    shows!(sandbox, ["snapback mark bad 1.0.0 -t T01 -m 'drawdown 12 %'", "snapback rollback -t T01 --yes", "snapback mark good 1.0.0 -t T01", "snapback list -t T01"], @"
    $ snapback mark bad 1.0.0 -t T01 -m 'drawdown 12 %'
    T01 1.0.0 is bad.
    $ snapback rollback -t T01 --yes
    error: every older version of T01 is bad or held; the newest of them is 1.0.0
      hint: see its versions:  snapback list --task T01
      nothing was changed
    [exit 5]
    $ snapback mark good 1.0.0 -t T01
    T01 1.0.0 is good.
    $ snapback list -t T01
      VERSION  DATE                     STATE   AUTHOR  REASON
    * 1.1.0    [time]  proven  Li Wei  T01 1.1.0
      1.0.0    [time]  good    Li Wei  T01 1.0.0
    ");
    shows!(sandbox, ["snapback hold 1.0.0 -t T01", "snapback hold 1.0.0 -t T01 --lift", "snapback pin 1.0.0 -t T01", "snapback list -t T01", "snapback pin 1.0.0 -t T01 --remove", "snapback mark bad 1.0.0 -t T01 --dry-run"], @"
    $ snapback hold 1.0.0 -t T01
    T01 1.0.0 is held.
    $ snapback hold 1.0.0 -t T01 --lift
    T01 1.0.0 is no longer held.
    $ snapback pin 1.0.0 -t T01
    T01 1.0.0 is pinned.
    $ snapback list -t T01
      VERSION  DATE                     STATE         AUTHOR  REASON
    * 1.1.0    [time]  proven        Li Wei  T01 1.1.0
      1.0.0    [time]  good, pinned  Li Wei  T01 1.0.0
    $ snapback pin 1.0.0 -t T01 --remove
    T01 1.0.0 is no longer pinned.
    $ snapback mark bad 1.0.0 -t T01 --dry-run
    dry run: T01 1.0.0 would be bad
    ");
}
