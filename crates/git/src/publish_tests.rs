//! Tests of the publish protocol, interrupted after each of its steps and checked by git itself.

use std::path::Path;

use super::{Error, testing::Sandbox};
use base::{Due, Kind};

mod case;
mod on_top;
use case::Case;

#[test]
fn publishing_moves_everything_and_keeps_what_others_staged() {
    for format in ["sha1", "sha256"] {
        let case = Case::of(Sandbox::with_format(format), None);
        let prepared = case.prepare();
        case.repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .unwrap();
        case.assert_published();
        assert_eq!(case.git_here(&["status", "--porcelain"]), "M  tasks/T02/b");
        // Repeating it changes nothing, nor does repeating it after later work.
        case.repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .unwrap();
        case.assert_published();
        case.sandbox.commit("more");
        case.sandbox.git(&["pack-refs", "--all"]);
        let before = case.everything();
        case.repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .unwrap();
        assert!(
            case.repo.is_published(&case.publication).unwrap()
                && case
                    .repo
                    .is_past_return(&case.publication, &case.scratch)
                    .unwrap()
        );
        assert_eq!(case.everything(), before);
        let error = case
            .repo
            .unpublish(&case.publication, &prepared, &case.scratch)
            .expect_err("it is public");
        assert!(matches!(error, Error::AlreadyPublished { .. }));
    }
}

#[test]
fn a_kill_after_any_step_can_be_finished() {
    let mut steps = 1;
    loop {
        let case = Case::new();
        let prepared = case.prepare();
        let killed = case.killed_after(&prepared, steps);
        if killed && steps % 2 == 0 {
            // Kill it again, at the first step of the second run.
            case.killed_after(&prepared, 1);
        }
        case.repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .unwrap();
        case.assert_published();
        if !killed {
            break;
        }
        steps += 1;
    }
    assert!(steps > 10, "there were only {steps} steps");
}

#[test]
fn a_kill_before_the_branch_moves_can_be_taken_back() {
    for steps in 1.. {
        let case = Case::new();
        let before = case.everything();
        let prepared = case.prepare();
        assert!(
            case.killed_after(&prepared, steps),
            "the branch moves before the end"
        );
        let moved = case.repo.head().unwrap().commit == case.publication.refs[2].after;
        assert_eq!(
            case.repo
                .is_past_return(&case.publication, &case.scratch)
                .unwrap(),
            moved,
            "step {steps}"
        );
        if moved {
            let error = case
                .repo
                .unpublish(&case.publication, &prepared, &case.scratch)
                .expect_err("too late");
            assert!(matches!(error, Error::AlreadyPublished { .. }));
            assert!(steps > 8, "the branch moved at step {steps}");
            return;
        }
        if steps % 2 == 0 {
            case.sandbox.git_may_fail(&["pack-refs", "--all"]);
        }
        for _ in 0..2 {
            case.repo
                .unpublish(&case.publication, &prepared, &case.scratch)
                .unwrap();
            case.assert_unchanged(&before);
        }
        // It can still be published afterwards.
        case.repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .unwrap();
        case.assert_published();
    }
}

#[test]
fn a_linked_work_tree_has_its_own_head_and_index() {
    let dir = tempfile::tempdir().unwrap();
    let case = Case::of(Sandbox::new(), Some(&dir.path().join("linked")));
    assert_ne!(case.repo.git_dir(), case.repo.common_dir());
    case.repo.check_ready().unwrap();
    let prepared = case.prepare();
    assert!(case.killed_after(&prepared, 3));
    case.repo
        .clear_own_locks(&case.publication, &prepared, &case.scratch)
        .unwrap();
    case.assert_no_locks();
    case.repo
        .publish(&case.publication, &prepared, &case.scratch, false)
        .unwrap();
    case.assert_published();
    assert_eq!(
        case.sandbox.text(&["status", "--porcelain"]),
        "M  tasks/T02/b",
        "the main work tree is as it was"
    );
    assert_ne!(case.sandbox.id("main"), case.sandbox.id("side"));
}

#[test]
fn somebody_elses_change_is_a_conflict_and_nothing_moves() {
    type Meddle = fn(&Sandbox);
    let meddles: [(Meddle, Kind); 7] = [
        (
            |sandbox| drop(sandbox.git(&["switch", "-q", "-c", "other"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["tag", "T01-v1.0.0"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["tag", "T01-v1.0.0/below"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["update-ref", "refs/snapback/keep", "HEAD"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["commit", "-q", "--allow-empty", "-m", "theirs"])),
            Kind::Conflict,
        ),
        (
            |sandbox| drop(sandbox.git(&["rm", "-q", "--cached", "tasks/T02/b", "-f"])),
            Kind::Conflict,
        ),
        (
            |sandbox| sandbox.write(".git/refs/heads/main.lock", b""),
            Kind::Locked,
        ),
    ];
    for (number, (meddle, kind)) in meddles.into_iter().enumerate() {
        let case = Case::new();
        let prepared = case.prepare();
        meddle(&case.sandbox);
        let before = case.everything();
        let error = case
            .repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .expect_err("it must not move");
        assert_eq!(error.kind(), kind, "{number}: {error}");
        if case.sandbox.path(".git/refs/heads/main.lock").exists() {
            case.sandbox.remove(".git/refs/heads/main.lock");
        }
        case.assert_no_locks();
        assert_eq!(case.everything(), before, "{number}");
    }
}

#[test]
fn only_the_index_without_references() {
    let mut case = Case::new();
    case.publication.refs.clear();
    assert!(!case.repo.is_published(&case.publication).unwrap());
    let prepared = case.prepare();
    case.repo
        .unpublish(&case.publication, &prepared, &case.scratch)
        .unwrap();
    assert!(case.killed_after(&prepared, 1));
    case.repo
        .unpublish(&case.publication, &prepared, &case.scratch)
        .unwrap();
    case.assert_no_locks();
    assert!(
        !case
            .repo
            .is_past_return(&case.publication, &case.scratch)
            .unwrap()
    );
    case.repo
        .publish(&case.publication, &prepared, &case.scratch, false)
        .unwrap();
    assert!(
        case.repo
            .is_past_return(&case.publication, &case.scratch)
            .unwrap()
    );
    assert_eq!(
        case.git_here(&["status", "--porcelain", "tasks/T01"]),
        "D  tasks/T01/a\nA  tasks/T01/new"
    );
    assert!(
        case.repo
            .unpublish(&case.publication, &prepared, &case.scratch)
            .is_err()
    );
    case.publication.index.clear();
    let prepared = case.prepare();
    case.repo
        .publish(&case.publication, &prepared, &case.scratch, false)
        .unwrap();
}

#[test]
fn names_that_are_not_shared_references_are_refused() {
    let case = Case::new();
    for name in [
        "main",
        "HEAD",
        "refs/heads",
        "refs/heads/../x",
        "refs/tags/a.lock",
        "refs/bisect/bad",
        "refs/tags/a b",
    ] {
        let mut publication = case.publication.clone();
        publication.refs[0].name = name.into();
        let error = case
            .repo
            .prepare_publication(&publication, &case.scratch, &Due::default())
            .expect_err("it is no such name");
        assert!(matches!(error, Error::RefName { .. }), "{name}: {error}");
    }
}

#[test]
fn references_of_one_publication_may_not_clash() {
    let case = Case::new();
    let mut publication = case.publication.clone();
    publication.refs[1].name = "refs/tags/T01-v1.0.0/below".into();
    let error = case
        .repo
        .prepare_publication(&publication, &case.scratch, &Due::default())
        .expect_err("one is a folder of the other");
    assert!(matches!(error, Error::RefClash { .. }), "{error}");
}

#[test]
fn indexes_of_every_kind_are_read_and_written() {
    let kinds: [&[&str]; 3] = [
        &["--index-version", "4"],
        &["--split-index"],
        &["--untracked-cache"],
    ];
    for kind in kinds {
        let case = Case::new();
        case.sandbox.git(&[&["update-index"], kind].concat());
        case.sandbox.git(&["status"]);
        let prepared = case.prepare();
        case.repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .unwrap();
        case.assert_published();
        assert_eq!(
            case.git_here(&["status", "--porcelain"]),
            "M  tasks/T02/b",
            "{kind:?}"
        );
        case.sandbox.git(&["commit", "-q", "-m", "theirs"]);
        case.sandbox.git(&["fsck", "--strict"]);
    }
}

#[test]
fn a_change_in_the_second_of_the_old_index_is_not_hidden_by_the_new_one() {
    let case = Case::new();
    let file = case.sandbox.path("tasks/T02/b");
    let staged = file.metadata().unwrap().modified().unwrap();
    // The same size and time as the staged file: only the old index's age reveals the change.
    case.sandbox.write("tasks/T02/b", b"hidden\n");
    set_modified(&file, staged);
    let prepared = case.prepare();
    set_modified(
        &case.scratch.join("index.new"),
        staged + std::time::Duration::from_secs(10),
    );
    case.repo
        .publish(&case.publication, &prepared, &case.scratch, false)
        .unwrap();
    assert_eq!(case.git_here(&["status", "--porcelain"]), "MM tasks/T02/b");
}

fn set_modified(file: &Path, time: std::time::SystemTime) {
    std::fs::OpenOptions::new()
        .write(true)
        .open(file)
        .and_then(|file| file.set_modified(time))
        .unwrap();
}

#[test]
fn scratch_may_lie_on_another_file_system() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return;
    };
    for steps in [0, 1, 2, 3, 5, 7] {
        let mut case = Case::new();
        case.scratch = dir.path().join(steps.to_string());
        let prepared = case.prepare();
        if steps > 0 {
            assert!(case.killed_after(&prepared, steps));
        }
        case.repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .unwrap();
        case.assert_published();
    }
}

#[test]
fn what_git_packs_away_meanwhile_needs_no_sync() {
    let sandbox = Sandbox::new();
    super::disk::sync_if_there(&sandbox.path("refs/gone")).unwrap();
    super::disk::sync_if_there(sandbox.root()).unwrap();
    super::disk::sync(&sandbox.path("refs/gone")).unwrap_err();
}

#[test]
fn a_staged_index_that_a_power_cut_took_is_seen_and_everything_can_be_taken_back_or_finished() {
    let case = Case::new();
    let (before, prepared) = (case.everything(), case.prepare());
    let whole = |prepared| {
        let of = (&case.publication, &case.scratch);
        case.repo.is_still_prepared(of.0, prepared, of.1).unwrap()
    };
    assert!(whole(&prepared));
    let staged = case.scratch.join("index.new");
    for torn in [&b""[..], b"DIRC"] {
        super::disk::remove(&staged).unwrap();
        case.sandbox
            .write(".git/snapback/ops/000001-aaaaaaaa/index.new", torn);
        assert!(!whole(&prepared));
        let failed = case
            .repo
            .publish(&case.publication, &prepared, &case.scratch, false)
            .expect_err("the index is lost");
        assert_eq!(failed.kind(), Kind::Bad, "{failed}");
        case.assert_no_locks();
        case.repo
            .unpublish(&case.publication, &prepared, &case.scratch)
            .unwrap();
        assert_eq!(case.everything(), before);
    }
    let prepared = case.prepare();
    case.repo
        .publish(&case.publication, &prepared, &case.scratch, false)
        .unwrap();
    case.assert_published();
}
