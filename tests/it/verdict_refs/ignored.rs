//! Invalid records of shared verdicts: ignored, and named.

use std::fs;

use super::{standing, two, words};
use crate::support::Sandbox;

/// Returns the text of a record that holds 1.0.0, as the other clone would write it.
fn held_elsewhere(b: &Sandbox) -> String {
    b.snapback(&["hold", "1.1.0", "-t", "T01"]).expect(0);
    let names = b.git_out(&[
        "for-each-ref",
        "--format=%(refname)",
        "refs/snapback/verdicts",
    ]);
    let [name] = names.lines().collect::<Vec<_>>()[..] else {
        panic!("{names}")
    };
    let text = b.git_out(&["cat-file", "blob", name]);
    let manifest = |tag| {
        let message = b.git_out(&["tag", "-l", "--format=%(contents)", tag]);
        message
            .split_once("Snapback-Manifest: ")
            .expect("it names its manifest")
            .1[..71]
            .to_string()
    };
    format!("{text}\n")
        .replace("1.1.0", "1.0.0")
        .replace(&manifest("T01-v1.1.0"), &manifest("T01-v1.0.0"))
}

/// Stores a record beside those of 1.0.0, or at this name, in which `ID` is its own id.
fn put(a: &Sandbox, text: &str, name: Option<&str>) {
    fs::write(a.top().join("record"), text).unwrap();
    let id = a.git_out(&["hash-object", "-w", "../record"]);
    let name = name.map_or_else(
        || format!("refs/snapback/verdicts/T01/1.0.0/{id}"),
        |name| name.replace("ID", &id),
    );
    a.git(&["update-ref", &name, &id]).expect(0);
}

#[test]
fn records_that_are_not_right_are_ignored_and_named() {
    let (a, b) = two();
    let line = held_elsewhere(&b);
    let put = |text: &str, name: Option<&str>| put(&a, text, name);
    let good = line.replace("held", "bad");
    put("no record\n", None);
    put(
        &line.replace("snapback.verdict/1", "snapback.verdict/9"),
        None,
    );
    put(&good, Some("refs/snapback/verdicts/T01/1.1.0/ID"));
    put(&good, Some("refs/snapback/verdicts/T01/1.0.0/0123"));
    put(&good, Some("refs/snapback/verdicts/ID"));
    put(&line.replace("held", "damaged"), None);
    put(
        &line
            .replace("\"reason\":\"\"", "\"reason\":\"\",\"more\":1")
            .replace("held", "bad"),
        None,
    );
    put(
        &good.replace(
            "\"reason\":\"\"",
            &format!("\"reason\":\"{}\"", "x".repeat(20_000)),
        ),
        None,
    );
    put(&good.replace("T01", "../../x"), None);
    put(&good.replace("\"seq\":1", "\"seq\":-1"), None);
    let tree = a.git_out(&["rev-parse", "HEAD^{tree}"]);
    a.git(&[
        "update-ref",
        &format!("refs/snapback/verdicts/T01/1.0.0/{tree}"),
        &tree,
    ])
    .expect(0);
    let list = a.snapback(&["verdicts", "list", "--json"]).expect(0).json();
    assert_eq!(
        list["data"]["ignored"].as_array().unwrap().len(),
        11,
        "{}",
        list["data"]["ignored"]
    );
    let ignored = list["data"]["ignored"].to_string();
    assert!(
        ignored.contains("it is no record: it has")
            && ignored.contains("it is no record: it is a tree"),
        "{ignored}"
    );
    assert!(
        !ignored.contains("is damaged"),
        "each of them is whole: {ignored}"
    );
    assert_eq!(words(&a), Vec::<String>::new());
    assert_eq!(
        (
            standing(&a, "1.0.0")["bad"].clone(),
            standing(&a, "1.0.0")["held"].clone()
        ),
        (false.into(), false.into())
    );
    let status = a
        .snapback(&["rollback", "-t", "T01", "--to", "last-good", "--dry-run"])
        .expect(0);
    assert!(
        status.stderr.contains("a shared verdict is ignored"),
        "{}",
        status.stderr
    );
}

#[test]
fn a_number_that_cannot_be_silences_nobody_and_escapes_do_not_reach_the_terminal() {
    let (a, b) = two();
    let line = held_elsewhere(&b);
    put(
        &a,
        &line
            .replace("\"seq\":1", "\"seq\":18446744073709551615")
            .replace("\"reason\":\"\"", "\"reason\":\"\\u001b[2J\""),
        None,
    );
    assert_eq!(standing(&a, "1.0.0")["held"], true);
    assert!(
        !a.snapback(&["verdicts", "list"])
            .expect(0)
            .stdout
            .contains('\u{1b}')
    );
    a.snapback(&["hold", "1.0.0", "-t", "T01", "--lift"])
        .expect(0);
    assert_eq!(standing(&a, "1.0.0")["held"], false);
}
