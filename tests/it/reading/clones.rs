//! Incomplete clones: shallow, partial, sparse, bare.

use std::{fs, path::Path};

use super::{clone, drill, look, released, releases, work_tree};

#[test]
fn in_shallow_clones() {
    let sandbox = released();
    // As CI makes them: one commit, and the tags or one tag.
    let branch = clone(&sandbox, "branch", &["--depth=1"]);
    branch
        .git_line("fetch -q --depth=1 origin +refs/tags/*:refs/tags/*")
        .expect(0);
    releases(&branch);
    work_tree(&branch);
    drill(&branch);
    let none = clone(&sandbox, "none", &["--depth=1", "--no-tags"]);
    look(&none, &["list"], &[0]);
    look(&none, &["status"], &[0]);
    look(&none, &["history"], &[0]);
    let tag = clone(&sandbox, "tag", &["--depth=1", "--branch", "T01-v1.1.0"]);
    // The manifest is in the commit after the tag's, which is missing here: reported, and never
    // called damaged.
    let ran = look(
        &tag,
        &["verify-snapshot", "-t", "T01", "--version", "1.1.0"],
        &[8],
    );
    assert!(
        ran.stdout
            .contains("no commit that is here holds the manifest of T01 1.1.0"),
        "{ran:?}"
    );
    assert!(
        ran.stdout
            .contains("git fetch origin '+refs/heads/*:refs/remotes/origin/*'"),
        "{ran:?}"
    );
    let show = look(&tag, &["show", "-t", "T01", "1.1.0"], &[0]);
    assert!(
        show.stdout
            .contains("manifest  cannot be read: no commit that is here holds"),
        "{show:?}"
    );
    look(&tag, &["health"], &[0, 4, 8]);
    look(&tag, &["status"], &[0]);
    look(
        &tag,
        &[
            "rollback",
            "-t",
            "T01",
            "--to",
            "1.1.0",
            "--no-commit",
            "--dry-run",
        ],
        &[8],
    );
    tag.git_line("fetch -q --depth=1 origin +refs/heads/*:refs/remotes/origin/*")
        .expect(0);
    look(
        &tag,
        &["verify-snapshot", "-t", "T01", "--version", "1.1.0"],
        &[0],
    );
}

#[test]
fn in_a_partial_clone_that_has_lost_its_remote() {
    let sandbox = released();
    let partial = clone(&sandbox, "partial", &["--filter=blob:none"]);
    partial
        .git(&["remote", "set-url", "origin", "/nowhere"])
        .expect(0);
    look(&partial, &["list"], &[0]);
    look(&partial, &["status"], &[0]);
    look(&partial, &["history"], &[0]);
    // HEAD's blobs came with the checkout; those of 1.0.0 did not.
    look(
        &partial,
        &["verify-snapshot", "-t", "T01", "--version", "1.1.0"],
        &[0],
    );
    let ran = look(
        &partial,
        &["verify-snapshot", "-t", "T01", "--version", "1.0.0"],
        &[8],
    );
    assert!(
        ran.stdout.contains("is missing here") && ran.stdout.contains("git fetch --refetch"),
        "{ran:?}"
    );
    let capsule = partial.top().join("c.tar");
    let capsule = format!(
        "capsule create -t T01 --version 1.0.0 {}",
        capsule.display()
    );
    for line in [
        "preview -t T01 1.0.0 --cat tasks/T01/main.py",
        "rollback -t T01 --to 1.0.0 --dry-run",
        &capsule,
        "drill -t T01 --to 1.0.0",
    ] {
        let args: Vec<&str> = line.split(' ').collect();
        let ran = look(&partial, &args, &[4, 8]);
        assert!(
            format!("{}{}", ran.stdout, ran.stderr).contains("is missing here"),
            "{line} {ran:?}"
        );
    }
    look(&partial, &["health"], &[0, 4, 8]);
    // The advised command brings them.
    let hint = ran
        .stdout
        .lines()
        .find_map(|line| line.trim().strip_prefix("fetch everything:"))
        .unwrap()
        .trim()
        .to_string();
    partial
        .git(&[
            "remote",
            "set-url",
            "origin",
            sandbox.root().to_str().unwrap(),
        ])
        .expect(0);
    partial.run("sh", &["-c", &hint]).expect(0);
    look(
        &partial,
        &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
        &[0],
    );
}

#[test]
fn in_a_clone_without_trees_that_has_lost_its_remote() {
    let sandbox = released();
    let trees = clone(&sandbox, "trees", &["--filter=tree:0"]);
    trees
        .git(&["remote", "set-url", "origin", "/nowhere"])
        .expect(0);
    look(&trees, &["list"], &[0]);
    look(
        &trees,
        &["verify-snapshot", "-t", "T01", "--version", "1.0.0"],
        &[8],
    );
}

#[test]
fn in_sparse_checkouts() {
    let sandbox = released();
    for (work, options) in [
        ("cone", &["--cone"][..]),
        ("patterns", &["--no-cone"]),
        ("index", &["--cone", "--sparse-index"]),
    ] {
        let sparse = clone(&sandbox, work, &[]);
        sparse
            .git(&[&["sparse-checkout", "set"], options, &["tasks/T01"]].concat())
            .expect(0);
        assert!(!sparse.exists("tasks/T02/main.py"));
        releases(&sparse);
        work_tree(&sparse);
        let status = look(&sparse, &["status", "-t", "T02"], &[0]);
        assert!(!status.stdout.contains("file"), "{work}: {status:?}");
        let ran = look(&sparse, &["verify-rollback", "-t", "T02"], &[8]);
        assert!(
            ran.stdout.contains("not checked out here"),
            "{work}: {ran:?}"
        );
        drill(&sparse);
        let refused = look(
            &sparse,
            &["rollback", "-t", "T01", "--to", "1.0.0", "--dry-run"],
            &[6],
        );
        assert!(
            refused.stderr.contains("git sparse-checkout disable"),
            "{refused:?}"
        );
        // A file that is really missing is still a difference.
        fs::remove_file(sparse.at("tasks/T01/main.py")).unwrap();
        assert!(
            look(&sparse, &["status"], &[0]).stdout.contains("1 file"),
            "{work}"
        );
    }
}

#[test]
fn in_a_bare_repository() {
    let sandbox = released();
    for options in [&["--bare"][..], &["--mirror"]] {
        let _ = fs::remove_dir_all(sandbox.top().join("bare"));
        let bare = clone(&sandbox, "bare", options);
        let before: Vec<_> = names(&bare.root());
        releases(&bare);
        look(&bare, &["doctor"], &[0, 4, 6, 8]);
        for args in [
            &["status"][..],
            &["verify-rollback", "-t", "T01"],
            &["rollback", "-t", "T01", "--to", "1.0.0", "--yes"],
            &["create-snapshot", "-t", "T01", "-m", "x", "--yes"],
            &["init", "--yes"],
            &["mark", "good", "1.0.0", "-t", "T01", "-m", "x", "--yes"],
        ] {
            let refused = look(&bare, args, &[6]);
            assert!(
                refused.stderr.contains("is bare: it has no work tree"),
                "{refused:?}"
            );
            assert!(refused.stderr.contains("git clone /"), "{refused:?}");
        }
        let after: Vec<_> = names(&bare.root())
            .into_iter()
            .filter(|name| name != "snapback")
            .collect();
        assert_eq!(after, before, "nothing was made in it");
    }
}

/// Returns the sorted names in a folder.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
