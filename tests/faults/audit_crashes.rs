//! Actions without a journal, and the audit log itself, on a disk that loses unsynced data, with a
//! crash at every call: the log is whole, with exactly one line for every action that had begun.

use std::sync::Arc;

use snapback::{
    audit::{
        AppendMode, SYNC_POINTS, Trail,
        check::{Outside, check},
    },
    base::{Fs, RelPath},
    model::audit::AuditEnd,
};

use crate::support::{sim::SimFs, trail::saying};

fn trail(disk: &SimFs) -> Trail {
    Trail::new(Arc::new(disk.clone()))
}

/// Returns the recorded ends of an action, in order.
fn ends(disk: &SimFs, id: &str) -> Vec<AuditEnd> {
    let entries = trail(disk).entries().unwrap().0;
    entries
        .iter()
        .filter(|entry| entry.said.what.id == id)
        .map(|entry| entry.said.result.end)
        .collect()
}

/// The file that stands for the effect of an action.
const DEED: &str = "deed";

/// Runs an action with its ticket; its effect is one synced name.
fn act(disk: &SimFs) -> Option<()> {
    let (ticket, _) = trail(disk).begin(saying("act-1", AuditEnd::Done)).ok()?;
    let root = RelPath::root();
    disk.symlink(b"done", &RelPath::own(DEED)).ok()?;
    disk.sync_certainly(&root).ok()?;
    ticket.close(&AuditEnd::Done.into()).ok().map(drop)
}

/// Does what the next command does, and asserts what must hold then.
fn judge(disk: &SimFs, reported: bool) {
    trail(disk)
        .append(&saying("000002-00000002", AuditEnd::Done), AppendMode::New)
        .unwrap();
    let found = check(&trail(disk).segments().unwrap(), &Outside::default());
    assert!(found.is_good(), "{found:?}");
    let said = ends(disk, "act-1");
    let done = disk.stat(&RelPath::own(DEED)).unwrap().is_some();
    assert!(said.len() <= 1, "said once: {said:?}");
    assert!(!done || said.len() == 1, "what was done is said");
    assert!(
        !reported || said == [AuditEnd::Done],
        "what was reported is said: {said:?}"
    );
    let left = disk
        .list(&RelPath::own("audit/pending"))
        .unwrap_or_default();
    assert!(left.is_empty(), "nothing is pending: {left:?}");
}

/// Runs an action on disks that crash at every call, and judges all disks that this can leave.
fn sweep(base: &SimFs) -> usize {
    let mut looked = 0;
    for k in 1.. {
        let disk = base.fork();
        disk.crash_at(k);
        let reported = act(&disk).is_some();
        for cut in disk.crash_states(40, k) {
            judge(&cut, reported);
            looked += 1;
        }
        if !disk.crashed() {
            return looked;
        }
    }
    unreachable!("the act ends")
}

#[test]
fn an_act_without_a_journal_is_said_exactly_once_after_every_crash() {
    let fresh = SimFs::new();
    let written = SimFs::new();
    trail(&written)
        .append(&saying("000001-00000001", AuditEnd::Done), AppendMode::New)
        .unwrap();
    let settled = written.fork();
    settled.settle();
    let looked: usize = [fresh, written, settled].iter().map(sweep).sum();
    println!("{looked} crash states");
    assert!(looked > 90);
}

#[test]
fn an_error_at_every_call_is_reported_or_without_harm() {
    for errno in [libc::ENOSPC, libc::EIO] {
        for for_ever in [false, true] {
            for k in 1.. {
                let disk = SimFs::new();
                trail(&disk)
                    .append(&saying("000001-00000001", AuditEnd::Done), AppendMode::New)
                    .unwrap();
                disk.settle();
                let calls = disk.calls();
                disk.fail_at(calls + k, errno, for_ever);
                let reported = act(&disk).is_some();
                let came = disk.calls() >= calls + k;
                disk.calm();
                judge(&disk, reported);
                if !came {
                    break;
                }
            }
        }
    }
}

#[test]
fn each_skipped_sync_of_the_log_is_noticed() {
    for point in SYNC_POINTS {
        let disk = SimFs::new();
        disk.skip(point);
        trail(&disk)
            .append(&saying("000001-00000001", AuditEnd::Done), AppendMode::New)
            .unwrap();
        let lost = disk
            .crash_states(40, 1)
            .iter()
            .any(|cut| ends(cut, "000001-00000001") != [AuditEnd::Done]);
        assert!(lost, "nothing notices that {point:?} is skipped");
    }
    let disk = SimFs::new();
    trail(&disk)
        .append(&saying("000001-00000001", AuditEnd::Done), AppendMode::New)
        .unwrap();
    assert!(
        disk.crash_states(40, 1)
            .iter()
            .all(|cut| ends(cut, "000001-00000001") == [AuditEnd::Done])
    );
}
