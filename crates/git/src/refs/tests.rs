//! Tests of references that are loose, packed, broken, or packed during a read.

use super::super::testing::Sandbox;
use super::*;

/// Makes a repository with a commit, a lightweight tag, an annotated one, and a tag of that tag.
fn tagged() -> (Sandbox, GitId) {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    let commit = sandbox.commit("first");
    sandbox.git(&["tag", "light"]);
    sandbox.git(&[
        "tag",
        "-a",
        "T01-v1.0.0",
        "-m",
        "the message\n\nSnapback-Task: T01",
    ]);
    sandbox.git(&["tag", "-a", "of/a/tag", "T01-v1.0.0", "-m", "outer"]);
    (sandbox, commit)
}

#[test]
fn tags_are_the_same_loose_and_packed() {
    let (sandbox, commit) = tagged();
    let loose = sandbox.repo().tags().unwrap().whole;
    assert_eq!(
        loose
            .iter()
            .map(|tag| tag.name.to_string())
            .collect::<Vec<_>>(),
        ["T01-v1.0.0", "light", "of/a/tag"]
    );
    assert_eq!(
        sandbox.repo().tags_beginning_with("T01-v").unwrap().whole,
        loose[..1]
    );
    sandbox.git(&["pack-refs", "--all"]);
    let repo = sandbox.repo();
    assert_eq!(repo.tags().unwrap().whole, loose);
    assert_eq!(repo.tags_beginning_with("T01-v").unwrap().whole, loose[..1]);
    assert_eq!(
        sandbox.repo().tags_beginning_with("li").unwrap().whole,
        loose[1..2]
    );
    assert_eq!(
        sandbox.repo().tags_beginning_with("x").unwrap(),
        Tags::default()
    );

    let peeled = repo.peel_tag(&loose[0].id).unwrap();
    assert_eq!(
        (peeled.commit.clone(), peeled.annotated),
        (commit.clone(), true)
    );
    assert_eq!(peeled.message, "the message\n\nSnapback-Task: T01\n");
    assert_eq!(peeled.tagger.unwrap().name, "Ada");
    let light = repo.peel_tag(&loose[1].id).unwrap();
    assert_eq!(
        (light.commit, light.annotated, light.at),
        (commit, false, None)
    );
    assert_eq!(repo.peel_tag(&loose[2].id).unwrap().message, "outer\n");
}

#[test]
fn references_are_found_by_their_full_names_loose_and_packed() {
    let (sandbox, commit) = tagged();
    sandbox.git(&["pack-refs", "--all"]);
    let repo = sandbox.repo();
    assert_eq!(
        repo.refs_below("refs/heads/").unwrap(),
        [("refs/heads/main".to_string(), commit.clone())]
    );
    assert_eq!(repo.find_ref("refs/heads/main").unwrap(), Some(commit));
    sandbox.git(&["tag", "of/another", "light"]);
    sandbox.write(".git/refs/tags/of/x.lock", b"");
    let names = sandbox.repo().ref_names_below("refs/tags/of/").unwrap();
    assert_eq!(
        names.into_iter().collect::<Vec<_>>(),
        ["refs/tags/of/a/tag", "refs/tags/of/another"],
        "packed and loose"
    );
    assert_eq!(
        sandbox.repo().ref_names_below("refs/none/").unwrap().len(),
        0
    );
    assert_eq!(
        (
            repo.find_ref("main").unwrap(),
            repo.find_ref("refs/heads/x").unwrap()
        ),
        (None, None)
    );
}

#[test]
fn tags_that_lead_elsewhere_are_bad() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    sandbox.commit("first");
    sandbox.git(&["tag", "tree", "HEAD^{tree}"]);
    sandbox.git(&["tag", "-a", "blob", "HEAD:a", "-m", "m"]);
    let repo = sandbox.repo();
    for tag in repo.tags().unwrap().whole {
        assert!(
            matches!(repo.peel_tag(&tag.id), Err(Error::BadTag { .. })),
            "{}",
            tag.name
        );
    }
}

#[test]
fn what_leads_nowhere_is_named_and_keeps_nobody_from_the_rest() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    let commit = sandbox.commit("first");
    sandbox.git(&["tag", "whole"]);
    for (name, bytes) in [
        ("empty", ""),
        ("torn", "0000"),
        ("lost", "00000000000000000000000000000000000000ba\n"),
    ] {
        sandbox.write(format!(".git/refs/tags/{name}"), bytes.as_bytes());
        sandbox.write(format!(".git/refs/heads/{name}"), bytes.as_bytes());
    }
    let repo = sandbox.repo();
    let Tags { whole, broken } = repo.tags().unwrap();
    assert_eq!(
        whole,
        [TagRef {
            name: "whole".into(),
            id: commit.clone()
        }]
    );
    let why = |name: &str| {
        broken
            .iter()
            .find(|found| found.name == format!("refs/tags/{name}"))
            .unwrap()
            .clone()
    };
    assert_eq!(broken.len(), 3);
    assert!(
        why("empty").why.contains("is empty") && why("torn").why.contains("holds no id"),
        "{broken:?}"
    );
    assert_eq!(
        why("empty").file,
        Some(repo.common_dir().join("refs/tags/empty"))
    );
    assert!(
        why("lost").why.contains("is missing here") && why("lost").file.is_none(),
        "{broken:?}"
    );
    assert_eq!(repo.tags_beginning_with("w").unwrap().broken, []);
    let heads: Vec<String> = repo
        .refs_below("refs/heads/")
        .unwrap()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(heads, ["refs/heads/lost", "refs/heads/main"]);
    assert!(
        matches!(repo.find_ref("refs/tags/torn"), Err(Error::BrokenRef(broken)) if broken.name == "refs/tags/torn")
    );
    assert_eq!(repo.find_ref("refs/tags/whole").unwrap(), Some(commit));
}

#[test]
fn references_that_git_packs_meanwhile_are_seen() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    sandbox.commit("first");
    let repo = sandbox.repo();
    repo.tags().unwrap();
    let first = std::cell::Cell::new(true);
    let seen = repo.settled(|gix| {
        // git moves a reference from loose to packed after the packed ones were read.
        let platform = gix.references().during("listing")?;
        if first.replace(false) {
            sandbox.git(&["tag", "moved"]);
            sandbox.git(&["pack-refs", "--all", "--prune"]);
        }
        Ok(platform.tags().during("listing")?.count())
    });
    assert_eq!(seen.unwrap(), 1);
}
