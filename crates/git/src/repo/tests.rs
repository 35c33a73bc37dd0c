//! Tests which repositories are opened, with which paths, and which are refused.

use super::super::testing::{Sandbox, rel};
use super::*;
use base::{Fault, Kind};

#[test]
fn places_are_absolute_and_the_prefix_is_the_folder() {
    let sandbox = Sandbox::new();
    sandbox.write("tasks/T01/a", b"1\n");
    let commit = sandbox.commit("first");
    let root = sandbox.root().canonicalize().unwrap();
    let repo = Repo::discover(&sandbox.path("tasks/T01")).unwrap();
    assert_eq!(
        (repo.work_tree(), repo.prefix()),
        (root.as_path(), rel("tasks/T01"))
    );
    assert_eq!(
        (repo.git_dir(), repo.common_dir()),
        (root.join(".git").as_path(), root.join(".git").as_path())
    );
    assert_eq!(
        repo.head().unwrap(),
        Head {
            branch: "refs/heads/main".into(),
            commit
        }
    );
    assert!(sandbox.repo().prefix().is_root());
}

#[test]
fn what_cannot_be_served_is_refused() {
    let nowhere = tempfile::tempdir().unwrap();
    assert_eq!(
        Repo::discover(nowhere.path())
            .expect_err("there is none")
            .kind(),
        Kind::NoRepository
    );
    assert_eq!(
        Repo::discover(&nowhere.path().join("absent"))
            .expect_err("there is none")
            .kind(),
        Kind::NoRepository
    );

    let sandbox = Sandbox::new();
    sandbox.git(&["init", "-q", "--bare", "bare"]);
    let bare = Repo::discover(&sandbox.path("bare")).unwrap();
    assert!(bare.is_bare() && bare.prefix().is_root());
    assert!(matches!(bare.require_work_tree(), Err(Error::Bare { .. })));
    assert!(matches!(bare.scan(&[]), Err(Error::Bare { .. })));
    sandbox.git(&["init", "-q", "--ref-format=reftable", "tables"]);
    let error = Repo::discover(&sandbox.path("tables")).expect_err("gix would see no tags");
    assert!(
        matches!(error, Error::RefStorage(ref format) if format == "reftable"),
        "{error:?}"
    );
}

#[test]
fn another_users_repository_is_refused_as_git_does() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    // Only root can give a folder away.
    for dir in [sandbox.root(), &sandbox.path(".git")] {
        if std::os::unix::fs::chown(dir, Some(12345), None).is_err() {
            return;
        }
    }
    assert!(!sandbox.git_may_fail(&["status"]));
    assert_eq!(
        Repo::discover(sandbox.root())
            .expect_err("it is somebody else's")
            .kind(),
        Kind::Denied
    );
}

#[test]
fn replaced_objects_are_read_as_they_are() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    sandbox.write("b", b"2\n");
    sandbox.commit("first");
    let (a, b) = (sandbox.id("HEAD:a"), sandbox.id("HEAD:b"));
    sandbox.git(&["replace", a.as_str(), b.as_str()]);
    assert_eq!(sandbox.repo().read_blob(&a).unwrap(), b"1\n");
}
