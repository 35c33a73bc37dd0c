//! The names, addresses and dates of commits and tags are those that git itself would write, from
//! the environment, `git -c` and the configuration. git is the judge.

use std::process::Command;

use crate::support::{
    Sandbox,
    sandbox::{Ran, finish, snapback_program},
};

/// The git commands that print the newest commit and the tag of 1.0.0.
const COMMIT: [&str; 4] = [
    "log",
    "-1",
    "--format=%an|%ae|%at|%cn|%ce|%ct",
    "T01-v1.0.0^{commit}",
];

/// Creates a repository with a task and an environment without names.
fn anonymous() -> Sandbox {
    let mut sandbox = Sandbox::new(1);
    sandbox
        .variables
        .push(("TZ".into(), "Asia/Shanghai".into()));
    sandbox
}

/// Releases 1.0.0 with these variables and no other name in the environment.
fn release(sandbox: &Sandbox, variables: &[(&str, &str)]) -> Ran {
    finish(as_somebody(sandbox, snapback_program(), variables).args([
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "-m",
        "x",
        "--yes",
    ]))
}

/// Returns a program with these variables and no other name in the environment.
fn as_somebody(sandbox: &Sandbox, program: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = sandbox.command(program);
    for name in [
        "GIT_AUTHOR_NAME",
        "GIT_AUTHOR_EMAIL",
        "GIT_COMMITTER_NAME",
        "GIT_COMMITTER_EMAIL",
    ] {
        command.env_remove(name);
    }
    command.envs(variables.iter().copied());
    command
}

/// The ways in which an environment identifies a person.
const SOMEBODIES: &[&[(&str, &str)]] = &[
    &[
        ("GIT_AUTHOR_NAME", "Ann <x>"),
        ("GIT_AUTHOR_EMAIL", "<a@b>"),
        ("GIT_COMMITTER_NAME", "Bot"),
        ("GIT_COMMITTER_EMAIL", "b@c"),
    ],
    &[
        ("GIT_AUTHOR_NAME", "\"Dr.\" A\nB,"),
        ("EMAIL", "a@b"),
        ("GIT_COMMITTER_NAME", "C"),
        ("GIT_COMMITTER_EMAIL", ""),
    ],
    &[(
        "GIT_CONFIG_PARAMETERS",
        r"'user.name'='O'\''B'\!'' 'user.email'='o@b'",
    )],
    &[(
        "GIT_CONFIG_PARAMETERS",
        "'user.name=Old Form' 'user.email=o@b' 'author.name=The Author'",
    )],
    &[
        ("GIT_CONFIG_COUNT", "2"),
        ("GIT_CONFIG_KEY_0", "user.name"),
        ("GIT_CONFIG_VALUE_0", "Count"),
        ("GIT_CONFIG_KEY_1", "user.email"),
        ("GIT_CONFIG_VALUE_1", "c@d"),
        ("GIT_CONFIG_PARAMETERS", "'user.name'='Wins'"),
    ],
    &[
        (
            "GIT_CONFIG_PARAMETERS",
            "'user.name'='D' 'user.email'='d@e'",
        ),
        ("GIT_AUTHOR_DATE", "2005-04-07T22:13:13"),
        ("GIT_COMMITTER_DATE", "@1234567890 +0530"),
    ],
];

#[test]
fn what_is_written_is_what_git_writes() {
    for variables in SOMEBODIES {
        let sandbox = anonymous();
        finish(as_somebody(&sandbox, "git", variables).args([
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "by git",
        ]))
        .expect(0);
        let by_git = sandbox.git_out(&["log", "-1", "--format=%an|%ae|%ai|%cn|%ce|%ci", "HEAD"]);
        release(&sandbox, variables).expect(0);
        let ours = sandbox.git_out(&[
            "log",
            "-1",
            "--format=%an|%ae|%ai|%cn|%ce|%ci",
            "T01-v1.0.0^{commit}",
        ]);
        let tagger = sandbox.git_out(&[
            "for-each-ref",
            "--format=%(taggername)|%(taggeremail:trim)|%(taggerdate:iso)",
            "refs/tags",
        ]);
        let has_dates = variables.iter().any(|(name, _)| name.ends_with("_DATE"));
        let (expected, found) = if has_dates {
            (by_git, ours)
        } else {
            (without_dates(&by_git), without_dates(&ours))
        };
        assert_eq!(found, expected, "{variables:?}");
        let by_committer =
            sandbox.git_out(&["log", "-1", "--format=%cn|%ce|%ci", "T01-v1.0.0^{commit}"]);
        // Without a given date the second may end between the commit and its tag.
        let words = |text: &str| {
            if has_dates {
                text.to_string()
            } else {
                text.rsplit_once('|').unwrap().0.to_string()
            }
        };
        assert_eq!(
            words(&tagger),
            words(&by_committer),
            "the tagger is the committer"
        );
        assert_eq!(sandbox.unsound(), Vec::<String>::new());
    }
}

/// Removes the dates from a line.
fn without_dates(line: &str) -> String {
    let parts: Vec<&str> = line.split('|').collect();
    [parts[0], parts[1], parts[3], parts[4]].join("|")
}

#[test]
fn a_setting_of_git_c_is_honoured_when_git_starts_the_program() {
    let sandbox = Sandbox::new(1);
    let bin = sandbox.home().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(snapback_program(), bin.join("git-snapback")).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let args = [
        "-c",
        "user.name=Param",
        "-c",
        "user.email=p@q",
        "snapback",
        "create-snapshot",
        "-t",
        "T01",
        "--version",
        "1.0.0",
        "-y",
    ];
    finish(as_somebody(&sandbox, "git", &[("PATH", &path)]).args(args)).expect(0);
    assert!(sandbox.git_out(&COMMIT).starts_with("Param|p@q|"));
}

#[test]
fn nobody_and_no_moment_are_refused_as_git_refuses_them() {
    let sandbox = anonymous();
    let mail = ("GIT_CONFIG_PARAMETERS", "'user.email'='a@b'");
    for (variables, code, words) in [
        (
            &[("GIT_AUTHOR_NAME", ""), mail] as &[_],
            8,
            "empty ident name",
        ),
        (
            &[("GIT_AUTHOR_NAME", "<<>>"), mail],
            8,
            "only of disallowed characters",
        ),
        (
            &[("GIT_AUTHOR_NAME", "A"), ("GIT_COMMITTER_NAME", ""), mail],
            8,
            "empty ident name",
        ),
        (
            &[
                ("GIT_CONFIG_PARAMETERS", "'user.name=A' 'user.email=a@b'"),
                ("GIT_COMMITTER_DATE", "soon-ish"),
            ],
            2,
            "GIT_COMMITTER_DATE",
        ),
        (
            &[("GIT_CONFIG_PARAMETERS", "user.name=A")],
            2,
            "GIT_CONFIG_PARAMETERS",
        ),
        (
            &[("GIT_CONFIG_PARAMETERS", "'user.name=A")],
            2,
            "GIT_CONFIG_PARAMETERS",
        ),
    ] {
        let (before, refs) = (sandbox.tree(), sandbox.git(&["for-each-ref"]).stdout);
        let ran = release(&sandbox, variables).expect(code);
        assert!(
            ran.stderr.contains(words) && ran.stderr.contains("hint:"),
            "{ran:?}"
        );
        assert_eq!(
            (sandbox.tree(), sandbox.git(&["for-each-ref"]).stdout),
            (before, refs)
        );
    }
}

#[test]
fn the_repository_that_the_environment_names_is_the_one() {
    let sandbox = Sandbox::new(1);
    sandbox.release("T01", "1.0.0");
    let (git, work) = (sandbox.at(".git"), sandbox.root());
    let run = |variables: &[(&str, &str)], args: &[&str]| {
        let mut command = sandbox.command(snapback_program());
        finish(
            command
                .current_dir(sandbox.home())
                .envs(variables.iter().copied())
                .args(args),
        )
    };
    let (git, work) = (git.to_str().unwrap(), work.to_str().unwrap());
    run(&[], &["status"]).expect(10);
    let ran = run(
        &[("GIT_DIR", git), ("GIT_WORK_TREE", work)],
        &["list", "-t", "T01"],
    )
    .expect(0);
    assert!(ran.stdout.contains("1.0.0"), "{ran:?}");
    sandbox.write("tasks/T01/signal.py", b"VALUE = 2\n");
    run(
        &[("GIT_DIR", git), ("GIT_WORK_TREE", work)],
        &["create-snapshot", "-t", "T01", "--version", "1.1.0", "-y"],
    )
    .expect(0);
    run(
        &[("GIT_DIR", git), ("GIT_WORK_TREE", work)],
        &["rollback", "-t", "T01", "--to", "1.0.0", "-y"],
    )
    .expect(0);
    assert_eq!(sandbox.config_version("T01").as_deref(), Some("1.0.0"));
    assert_eq!(sandbox.unsound(), Vec::<String>::new());
}
