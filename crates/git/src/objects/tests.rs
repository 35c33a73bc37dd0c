//! Tests that objects match those of git, and that absent and forged ones are reported.

use super::super::testing::{Sandbox, tag_on};
use super::*;
use base::{Fault, Kind as ErrorKind};

fn draft(sandbox: &Sandbox, parent: &GitId) -> NewCommit {
    NewCommit {
        tree: sandbox.id("HEAD^{tree}"),
        parents: vec![parent.clone()],
        message: "release(T01): v1.0.0".to_string(),
        who: sandbox.repo().identity().unwrap(),
        at: "2026-02-24T05:10:00Z".parse().unwrap(),
        sign: Sign::default(),
    }
}

#[test]
fn commits_and_tags_are_what_git_writes() {
    for format in ["sha1", "sha256"] {
        let sandbox = Sandbox::with_format(format);
        sandbox.write("a", b"1\n");
        let first = sandbox.commit("first");
        let repo = sandbox.repo();
        assert_eq!(repo.is_sha256(), format == "sha256");
        let commit = repo.write_commit(&draft(&sandbox, &first)).unwrap();
        let tag = repo.write_tag(&tag_on(&commit, "m")).unwrap();
        repo.sync_objects(&[]).unwrap();
        sandbox.git(&["update-ref", "refs/tags/T01-v1.0.0", tag.as_str()]);
        sandbox.git(&["fsck", "--strict"]);
        assert_eq!(
            sandbox.text(&["show", "-s", "--format=%an <%ae> %at %s", commit.as_str()]),
            "Ada <ada@example.org> 1771909800 release(T01): v1.0.0"
        );
        assert_eq!(sandbox.id("T01-v1.0.0^{commit}"), commit);
        let read = repo.commit(&commit).unwrap();
        assert_eq!(
            (read.parents, read.time, read.message.as_str()),
            (
                vec![first],
                "2026-02-24T05:10:00Z".parse().unwrap(),
                "release(T01): v1.0.0\n"
            )
        );
    }
}

#[test]
fn blobs_are_checked_and_absent_ones_are_missing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo();
    let id = repo.write_blob(b"bytes\n").unwrap();
    repo.sync_objects(&[]).unwrap();
    assert_eq!(sandbox.git(&["cat-file", "blob", id.as_str()]), b"bytes\n");
    assert_eq!(
        (repo.read_blob(&id).unwrap(), repo.blob_id(b"bytes\n")),
        (b"bytes\n".to_vec(), id.clone())
    );
    let absent = repo.blob_id(b"other");
    assert!(!repo.has_object(&absent));
    assert_eq!(
        repo.read_blob(&absent).expect_err("it is absent").kind(),
        ErrorKind::Missing
    );

    // Put another object's file under this id: its bytes do not match the id.
    let ((id, file), (_, other)) = (sandbox.loose(b"read\n"), sandbox.loose(b"forged\n"));
    sandbox.remove(&file);
    std::fs::copy(other, file).unwrap();
    assert_eq!(
        repo.read_blob(&id).expect_err("it is forged").kind(),
        ErrorKind::Bad
    );
}

#[test]
fn of_many_objects_the_missing_ones_are_told_loose_or_packed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo();
    sandbox.write("a", b"1\n");
    sandbox.commit("first");
    sandbox.git(&["gc", "-q"]);
    let mut here: Vec<GitId> = (0..5000_u32)
        .map(|n| repo.write_blob(&n.to_le_bytes()).unwrap())
        .collect();
    here.push(sandbox.id("HEAD:a"));
    assert_eq!(
        repo.missing(&here),
        HashSet::new(),
        "some wait to be installed"
    );
    // Turn them into loose objects, many per folder.
    repo.sync_objects(&[]).unwrap();
    let pack = std::fs::read_dir(sandbox.path(".git/objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let packs: Vec<_> = pack
        .filter(|path| path.extension().is_some_and(|kind| kind == "pack"))
        .collect();
    for pack in packs {
        let moved = sandbox.path(".git").join(pack.file_name().unwrap());
        sandbox.rename(pack.to_str().unwrap(), moved.to_str().unwrap());
        sandbox.remove(pack.with_extension("idx"));
        sandbox.git_reading(&["unpack-objects", "-q"], &moved);
    }
    let repo = sandbox.repo();
    assert_eq!(repo.missing(&here), HashSet::new());
    let absent: Vec<GitId> = (0..1000_u32)
        .map(|n| repo.blob_id(&[n.to_le_bytes(), [1; 4]].concat()))
        .collect();
    assert_eq!(
        repo.missing(here.iter().chain(&absent)),
        absent.iter().collect()
    );
    let objects = sandbox.path(".git/objects");
    sandbox.remove(super::super::sync::loose_path(
        &objects,
        &repo.oid(&here[7]).unwrap(),
    ));
    assert_eq!(repo.missing(&here), HashSet::from([&here[7]]));
}

#[test]
fn abbreviations_name_commits_only() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    let first = sandbox.commit("first");
    sandbox.git(&["tag", "abcd"]);
    let repo = sandbox.repo();
    assert_eq!(
        repo.resolve_commit(&first.as_str()[..7]).unwrap(),
        Some(first.clone())
    );
    assert_eq!(repo.resolve_commit(first.as_str()).unwrap(), Some(first));
    for other in [
        "main",
        "HEAD",
        "abcd",
        "",
        "abc",
        sandbox.id("HEAD^{tree}").as_str(),
    ] {
        assert_eq!(repo.resolve_commit(other).unwrap(), None, "{other}");
    }
}

#[test]
fn without_a_name_there_is_no_identity() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "user.name", ""]);
    assert!(matches!(
        sandbox.repo().identity(),
        Err(Error::Identity { .. })
    ));
}

#[test]
fn a_partial_clone_never_fetches() {
    let origin = Sandbox::new();
    origin.write("a", b"1\n");
    origin.commit("first");
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    let url = format!("file://{}", origin.root().display());
    origin.git(&[
        "clone",
        "-q",
        "--no-checkout",
        "--filter=blob:none",
        &url,
        "partial",
    ]);
    let repo = Repo::discover(&origin.path("partial")).unwrap();
    let error = repo
        .read_blob(&origin.id("HEAD:a"))
        .expect_err("it is not here");
    assert!(matches!(error, Error::MissingObject { .. }), "{error}");
    assert!(!repo.has_object(&origin.id("HEAD:a")));
}

#[test]
fn signatures_are_made_when_git_is_set_to_sign() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    let first = sandbox.commit("first");
    let key = sandbox.path(".git/key");
    let make = crate::child::command("ssh-keygen", sandbox.root())
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key);
    if !make.run().is_ok_and(|ended| ended.succeeded()) {
        return;
    }
    let public = std::fs::read(key.with_extension("pub")).unwrap();
    sandbox.write(
        ".git/signers",
        &[b"ada@example.org ", public.as_slice()].concat(),
    );
    for (name, value) in [
        ("gpg.format", "ssh"),
        ("user.signingKey", key.to_str().unwrap()),
        ("commit.gpgSign", "true"),
        ("tag.gpgSign", "true"),
    ] {
        sandbox.git(&["config", name, value]);
    }
    sandbox.git(&[
        "config",
        "gpg.ssh.allowedSignersFile",
        sandbox.path(".git/signers").to_str().unwrap(),
    ]);
    let repo = sandbox.repo();
    let draft = draft(&sandbox, &first);
    let commit = repo.write_commit(&draft).unwrap();
    repo.sync_objects(&[]).unwrap();
    sandbox.git(&["verify-commit", commit.as_str()]);
    let tag = tag_on(&commit, "the message\n\nSnapback-Task: T01");
    let id = repo.write_tag(&tag).unwrap();
    repo.sync_objects(&[]).unwrap();
    sandbox.git(&["update-ref", "refs/tags/T01-v1.0.0", id.as_str()]);
    sandbox.git(&["verify-tag", "T01-v1.0.0"]);
    assert_eq!(
        repo.peel_tag(&id).unwrap().message,
        "the message\n\nSnapback-Task: T01\n",
        "without the signature"
    );
    sandbox.git(&["fsck", "--strict"]);
}
