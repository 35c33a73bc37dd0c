//! Printed hints and next steps lead on. The tests beside `cli/advice.rs` check that each is a
//! valid command line.

use std::fs;

use crate::support::Sandbox;

/// Lists what is wrong with the commands that `doctor` prints as fixes.
fn unfit(sandbox: &Sandbox, wrong: &mut Vec<String>) -> usize {
    let text = sandbox.snapback(&["doctor"]).stdout;
    let fixes: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("fix: "))
        .collect();
    for fix in &fixes {
        let parsed = sandbox.run("/bin/sh", &["-n", "-c", fix]);
        let program = fix.split(' ').next().unwrap();
        if parsed.code != 0
            || !["git", "snapback", "sudo"].contains(&program)
            || *fix == "snapback doctor"
        {
            wrong.push(format!("{fix}: {parsed:?}"));
        }
    }
    fixes.len()
}

#[test]
fn what_doctor_prints_as_a_fix_can_be_pasted_and_leads_on() {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let sandbox = Sandbox::new(2);
    sandbox.release("T01", "1.0.0");
    let mut with = |make: &dyn Fn(&Sandbox)| {
        let copy = sandbox.copy();
        make(&copy);
        seen += unfit(&copy, &mut wrong);
    };
    let git =
        |args: &'static [&'static str]| move |sandbox: &Sandbox| drop(sandbox.git(args).expect(0));
    with(&|sandbox| {
        sandbox.git(&["config", "tag.gpgSign", "true"]).expect(0);
        sandbox
            .git(&["config", "user.signingKey", "DEADBEEF"])
            .expect(0);
    });
    with(&git(&["checkout", "-q", "--detach"]));
    with(&git(&["tag", "T01-v9.0.0", "HEAD^{tree}"]));
    with(&git(&["tag", "-d", "T01-v1.0.0"]));
    with(&|sandbox| sandbox.write("tasks/T02/config.yaml", b"version: 7.0.0\n"));
    with(&|sandbox| sandbox.write("task_registry.json", b"{"));
    with(&|sandbox| fs::write(sandbox.at("snapback.yaml"), "tasks: [").unwrap());
    with(&|sandbox| {
        fs::write(
            sandbox.at("snapback.yaml"),
            "version: 1\ntasks: {T01: {verify: [{run: \"true\"}]}}\n",
        )
        .unwrap();
    });
    with(&|sandbox| fs::remove_dir_all(sandbox.at(".git/snapback")).unwrap());
    with(&|sandbox| {
        fs::remove_dir_all(sandbox.at(".git/snapback")).unwrap();
        fs::write(sandbox.at(".git/snapback"), "in the way").unwrap();
    });
    with(&|sandbox| fs::remove_dir_all(sandbox.at(".git")).unwrap());
    assert!(
        wrong.is_empty() && seen >= 5,
        "{seen}: {}",
        wrong.join("\n")
    );
}

#[test]
fn what_nobody_wrote_is_offered_by_its_name() {
    let sandbox = Sandbox::two_releases(1);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let op = |sandbox: &Sandbox| {
        let list = sandbox.snapback(&["op", "list", "--json"]).expect(0).json();
        list["data"]["operations"][0]["id"]
            .as_str()
            .unwrap()
            .rsplit('-')
            .next()
            .unwrap()
            .to_string()
    };
    let argv = |sandbox: &Sandbox| {
        let next = sandbox.snapback(&["op", "kept", "--json"]).expect(0).json()["next"].clone();
        let words = next[0]["argv"]
            .as_array()
            .unwrap_or_else(|| panic!("{next}"))
            .iter()
            .skip(1);
        words
            .map(|word| word.as_str().unwrap().to_string())
            .collect::<Vec<_>>()
    };
    let run = |sandbox: &Sandbox, words: &[String]| {
        sandbox.snapback(
            &words
                .iter()
                .map(String::as_str)
                .chain(["--yes"])
                .collect::<Vec<_>>(),
        )
    };
    let offered = argv(&sandbox);
    run(&sandbox, &offered).expect(0);
    assert!(sandbox.exists("kept/tasks/T01/signal.py"), "{offered:?}");
    // An edit is restored without a name, even if it was not the newest operation's.
    sandbox.write("tasks/T01/signal.py", b"# mine\n");
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.1.0", "--yes"])
        .expect(0);
    let id = op(&sandbox);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let offered = argv(&sandbox);
    assert_eq!(offered, ["op", "restore", &id, "--into", "kept"]);
    std::fs::remove_dir_all(sandbox.at("kept")).unwrap();
    run(&sandbox, &offered).expect(0);
    assert_eq!(sandbox.read("kept/tasks/T01/signal.py"), b"# mine\n");
}

#[test]
fn an_undo_that_is_refused_offers_what_is_left_to_do() {
    // The branch was reset by hand: the files are there already, and only the hold remains.
    let sandbox = Sandbox::two_releases(1);
    sandbox
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    sandbox.git(&["reset", "-q", "--hard", "HEAD~1"]).expect(0);
    let refused = sandbox.snapback(&["undo", "--yes"]).expect(7).stderr;
    assert!(
        refused.contains("snapback hold 1.1.0 --task T01 --lift")
            && !refused.contains("snapback rollback"),
        "{refused}"
    );
    sandbox
        .snapback(&["hold", "1.1.0", "--task", "T01", "--lift"])
        .expect(0);
    sandbox
        .snapback(&["verify-rollback", "-t", "T01"])
        .expect(0);
    let refused = sandbox.snapback(&["undo", "--yes"]).expect(7).stderr;
    assert!(
        !refused.contains("--lift") && refused.contains("snapback history --task T01"),
        "{refused}"
    );
    // An operation of another work tree is undone there, in one step, while that exists.
    let main = Sandbox::two_releases(1);
    main.git(&["worktree", "add", "-q", "-b", "side", "../linked"])
        .expect(0);
    let linked = Sandbox::beside(&main, "linked");
    linked
        .snapback(&["rollback", "-t", "T01", "--to", "1.0.0", "--yes"])
        .expect(0);
    let refused = main.snapback(&["undo", "--yes", "--json"]).expect(7).json();
    let words: Vec<&str> = refused["error"]["hints"][0]["argv"]
        .as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap())
        .collect();
    assert_eq!((words[1], &words[3..4]), ("-C", &["undo"][..]), "{refused}");
    main.snapback(&[&words[1..], &["--yes"]].concat()).expect(0);
    assert_eq!(linked.registry_version("T01").as_deref(), Some("1.1.0"));
    linked.snapback(&["redo", "--yes"]).expect(0);
    main.git(&["worktree", "remove", "--force", "../linked"])
        .expect(0);
    let refused = main.snapback(&["undo", "--yes"]).expect(7).stderr;
    assert!(
        refused.contains("that work tree is gone") && !refused.contains(" -C "),
        "{refused}"
    );
}

#[test]
fn a_list_that_was_cut_short_says_nothing_of_what_is_not_shown() {
    let sandbox = Sandbox::two_releases(1);
    let list = sandbox
        .snapback(&["list", "-t", "T01", "--limit", "0"])
        .expect(0)
        .stdout;
    assert!(!list.contains("has no release"), "{list}");
}
