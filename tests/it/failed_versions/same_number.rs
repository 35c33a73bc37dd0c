//! Verdicts on a release never apply to another release with the same number.

use super::{state, with_failing_release};
use crate::support::{Sandbox, story::set_version};

#[test]
fn what_was_said_of_a_release_is_not_said_of_another_one_of_its_number() {
    let sandbox = with_failing_release();
    // The same number again, after the release was undone, and without running the failing check.
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01", "-m", "loses money"])
        .expect(0);
    sandbox.snapback(&["undo", "T01-v1.1.0", "--yes"]).expect(4);
    set_version(&sandbox, "1.1.0");
    std::fs::remove_file(sandbox.at("tasks/T01/broken")).unwrap();
    sandbox.write("tasks/T01/signal.py", b"better\n");
    let again = [
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.1.0",
        "-m",
        "better",
        "--no-commands",
        "--yes",
    ];
    sandbox.snapback(&again).expect(0);
    assert_eq!(state(&sandbox, "1.1.0"), "unknown");
    let said = sandbox
        .snapback(&["verdicts", "list", "-t", "T01"])
        .expect(0)
        .stdout;
    assert_eq!(
        said.matches("(of another release of this number)").count(),
        2,
        "{said}"
    );
    // New verdicts count, and a proof does not prove another release.
    sandbox
        .snapback(&["mark", "good", "1.1.0", "-t", "T01", "-m", "earns"])
        .expect(0);
    assert_eq!(state(&sandbox, "1.1.0"), "good");
    sandbox.snapback(&["undo", "T01-v1.1.0", "--yes"]).expect(0);
    sandbox.snapback(&["undo", "T01-v1.0.0", "--yes"]).expect(0);
    set_version(&sandbox, "1.0.0");
    sandbox.write("tasks/T01/signal.py", b"first\n");
    sandbox
        .snapback(&[
            "create-snapshot",
            "-t",
            "T01",
            "--version",
            "1.0.0",
            "-m",
            "other",
            "--no-commands",
            "--yes",
        ])
        .expect(0);
    assert_eq!(state(&sandbox, "1.0.0"), "unknown");
}

#[test]
fn a_tag_that_is_broken_or_made_anew_frees_no_release_from_what_was_said_of_it() {
    let (sandbox, tag) = (Sandbox::two_releases(1), "T01-v1.1.0");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "-y"])
        .expect(0);
    sandbox
        .snapback(&["mark", "bad", "1.1.0", "-t", "T01", "-m", "loses money"])
        .expect(0);
    let (id, message) = (
        sandbox.git_out(&["rev-parse", tag]),
        sandbox.git_out(&["tag", "-l", "--format=%(contents)", tag]),
    );
    let path = format!(".git/refs/tags/{tag}");
    for torn in ["", "0123456789012345678901234567890123456789\n"] {
        sandbox.write(&path, torn.as_bytes());
        assert!(
            sandbox
                .snapback(&["verdicts", "list"])
                .expect(0)
                .stdout
                .contains("loses money")
        );
        sandbox.snapback(&["status"]).expect(0);
        let plan = sandbox.snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "-y"]);
        assert!(
            plan.code != 0 && plan.stderr.contains("--despite-verdict"),
            "{}",
            plan.stderr
        );
    }
    // As another clone sees it: no second reference, and the tag was recreated for the same
    // release.
    sandbox.write(&path, format!("{id}\n").as_bytes());
    sandbox
        .git(&["update-ref", "-d", "refs/snapback/keep/T01/1.1.0"])
        .expect(0);
    sandbox
        .git(&[
            "tag",
            "-f",
            "-a",
            "-m",
            &format!("made anew\n\n{message}"),
            tag,
            &format!("{tag}^{{commit}}"),
        ])
        .expect(0);
    assert_ne!(sandbox.git_out(&["rev-parse", tag]), id);
    assert_eq!(state(&sandbox, "1.1.0"), "bad");
}
