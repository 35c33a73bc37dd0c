//! Tests that the converter matches a fresh checkout of git, in both directions.

use super::super::testing::{Sandbox, rel};
use super::*;
use base::{Fault, Kind};

/// Checks that the converter agrees with a fresh checkout of git on every file, in both directions.
fn assert_like_git(sandbox: &Sandbox, names: &[&str]) {
    let repo = sandbox.repo();
    let commit = sandbox.id("HEAD");
    let of_commit = repo.converter(Attributes::Commit(&commit)).unwrap();
    for name in names {
        sandbox.remove(name);
    }
    sandbox.git(&["checkout", "-q", "--", "."]);
    for name in names {
        let in_tree = std::fs::read(sandbox.path(name)).unwrap();
        let blob = repo
            .read_blob(&sandbox.id(&format!("HEAD:{name}")))
            .unwrap();
        let written = match of_commit.to_worktree(&rel(name), blob.clone()).unwrap() {
            Worktree::Same(bytes) | Worktree::Changed(bytes) => bytes,
            Worktree::Lfs { .. } => panic!("{name} is not a large file"),
        };
        assert_eq!(
            written.as_bstr(),
            in_tree.as_bstr(),
            "{name} to the work tree"
        );
        let hashed = sandbox.text(&["hash-object", "--path", name, name]);
        let of_tree = repo.converter(Attributes::WorkTree).unwrap();
        let back = of_tree.to_git(&rel(name), in_tree).unwrap();
        assert_eq!(repo.blob_id(&back).as_str(), hashed, "{name} to git");
    }
}

#[test]
fn line_ends_are_those_of_git() {
    for config in [
        &[][..],
        &["core.autocrlf", "true"],
        &["core.autocrlf", "input"],
        &["core.eol", "crlf"],
    ] {
        let sandbox = Sandbox::new();
        let attributes =
            "*.txt text\n*.win text eol=crlf\n*.unix text eol=lf\n*.bin binary\n*.auto text=auto\n";
        sandbox.write(".gitattributes", attributes.as_bytes());
        sandbox.write("sub/.gitattributes", b"*.txt -text\n");
        let names = [
            "a.txt",
            "b.win",
            "c.unix",
            "d.bin",
            "e.auto",
            "sub/a.txt",
            "other",
        ];
        for name in names {
            sandbox.write(name, b"one\ntwo\nthree\n");
        }
        sandbox.write("g.bin", b"one\r\ntwo\n\0");
        sandbox.write("h.auto", b"one\n\0two\n");
        sandbox.write("i.auto", b"one\r\ntwo\r\nthree\n");
        sandbox.commit("all");
        if let [name, value] = config {
            sandbox.git(&["config", name, value]);
        }
        assert_like_git(
            &sandbox,
            &[&names[..], &["g.bin", "h.auto", "i.auto"]].concat(),
        );
    }
}

#[test]
fn keywords_are_those_of_git() {
    let texts: [&[u8]; 14] = [
        b"$Id$\n",
        b"a $Id$ b $Id$ c\n$Id$",
        b"$Id: 0123 $\n",
        b"$Id:$ $Id: $ $Id:  $\n",
        b"$Id: notes.c 7 2020 $ $Id$\n",
        b"$Id: line\nbreak $ $Id$\n",
        b"$Id: never closed\n",
        b"$Id\n$$Id$$\n$id$ $Idx$",
        b"$Id: foreign words $Id$\n",
        b"$I$Id$ $Id:a b$ $Id: a\tb$ $Id: a $ $Id:\n$Id$",
        b"$Id: open\n$Id:",
        b"$",
        b"no keyword\n",
        b"$Id$\r\nb\r\n",
    ];
    for rule in ["ident", "ident text eol=crlf", "ident text=auto"] {
        let is_odd = |text: &[u8]| {
            [&b"$$Id$"[..], b"words $Id$", b"$I$Id$"]
                .iter()
                .any(|odd| text.windows(odd.len()).any(|part| part == *odd))
        };
        let texts: Vec<&[u8]> = texts
            .into_iter()
            .filter(|text| !rule.contains("auto") || !is_odd(text))
            .collect();
        let sandbox = Sandbox::new();
        sandbox.write(".gitattributes", format!("*.k {rule}\n").as_bytes());
        let names: Vec<String> = (0..texts.len())
            .map(|nth| format!("deep/{nth}.k"))
            .collect();
        names
            .iter()
            .zip(&texts)
            .for_each(|(name, text)| sandbox.write(name, text));
        // Include a blob whose keyword is already expanded, because it was stored unconverted.
        let raw = sandbox.text(&["hash-object", "-w", "--no-filters", "deep/2.k"]);
        sandbox.commit("all");
        sandbox.git(&[
            "update-index",
            "--cacheinfo",
            &format!("100644,{raw},deep/2.k"),
        ]);
        sandbox.git(&["commit", "-qm", "raw"]);
        assert_like_git(
            &sandbox,
            &names.iter().map(String::as_str).collect::<Vec<_>>(),
        );
    }
}

#[test]
fn the_targets_attributes_decide_and_none_is_trivial() {
    let sandbox = Sandbox::new();
    sandbox.write("a.txt", b"1\n");
    let before = sandbox.commit("plain");
    sandbox.write("deep/er/.gitattributes", b"*.txt eol=crlf\n");
    sandbox.write("deep/er/a.txt", b"1\n");
    let after = sandbox.commit("rules");
    let repo = sandbox.repo();
    let (old, new) = (
        repo.converter(Attributes::Commit(&before)).unwrap(),
        repo.converter(Attributes::Commit(&after)).unwrap(),
    );
    assert!(old.is_trivial() && !new.is_trivial());
    let path = rel("deep/er/a.txt");
    assert_eq!(
        old.to_worktree(&path, b"1\n".to_vec()).unwrap(),
        Worktree::Same(b"1\n".to_vec())
    );
    assert_eq!(
        new.to_worktree(&path, b"1\n".to_vec()).unwrap(),
        Worktree::Changed(b"1\r\n".to_vec())
    );
    assert!(new.is_plain(&rel("a.txt")).unwrap() && !new.is_plain(&path).unwrap());
}

#[test]
fn filter_programs_are_refused_and_info_attributes_win() {
    let sandbox = Sandbox::new();
    sandbox.write(
        ".gitattributes",
        b"*.x filter=evil\n*.y filter=unknown\n*.u working-tree-encoding=UTF-16\n",
    );
    sandbox.write("a.x", b"1\n");
    sandbox.commit("filter");
    sandbox.git(&["config", "filter.evil.clean", "touch pwned; cat"]);
    let repo = sandbox.repo();
    let converter = repo.converter(Attributes::WorkTree).unwrap();
    let error = converter
        .to_git(&rel("a.x"), b"1\n".to_vec())
        .expect_err("a program would run");
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains("evil"), "{error}");
    assert!(converter.to_worktree(&rel("a.x"), b"1\n".to_vec()).is_err());
    assert_eq!(
        converter.to_git(&rel("a.y"), b"1\n".to_vec()).unwrap(),
        b"1\n"
    );
    assert!(
        matches!(
            converter.to_git(&rel("a.u"), b"1".to_vec()),
            Err(Error::Attribute { .. })
        ),
        "it depends on the system"
    );
    assert!(!sandbox.path("pwned").exists());

    sandbox.write(".git/info/attributes", b"*.x -filter eol=crlf\n");
    let converter = sandbox.repo().converter(Attributes::WorkTree).unwrap();
    assert_eq!(
        converter.to_git(&rel("a.x"), b"1\r\n".to_vec()).unwrap(),
        b"1\n"
    );
}
