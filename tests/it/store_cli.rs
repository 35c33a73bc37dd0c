//! `snapback store` on real repositories: referenced objects stay, damage is reported by release,
//! files of the work tree repair it.
use std::path::PathBuf;

use crate::support::{Sandbox, noise, story::set_version};

const MODEL: &str = "tasks/T01/model.bin";

/// Creates a task with three versions of a large file; the first is the oldest.
fn sandbox() -> (Sandbox, Vec<Vec<u8>>) {
    let sandbox = Sandbox::new(1);
    let contents: Vec<Vec<u8>> = ["one", "two", "three"]
        .iter()
        .map(|name| noise(name, 300_000))
        .collect();
    for (nth, bytes) in contents.iter().enumerate() {
        sandbox.write(MODEL, bytes);
        let version = format!("1.{nth}.0");
        if nth > 0 {
            set_version(&sandbox, &version);
        }
        sandbox.release("T01", &version);
    }
    (sandbox, contents)
}

fn packs(sandbox: &Sandbox) -> Vec<PathBuf> {
    let dir = sandbox.at(".git/snapback/store/packs");
    let mut packs: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    packs.sort();
    packs
}

#[test]
fn a_collection_keeps_what_releases_and_operations_need() {
    let (sandbox, contents) = sandbox();
    sandbox.write(MODEL, &noise("an edit that was never released", 200_000));
    sandbox
        .snapback(&[
            "rollback", "-t", "T01", "--to", "1.0.0", "-m", "back", "--yes",
        ])
        .expect(0);
    let stats = sandbox
        .snapback(&["store", "stats", "--json"])
        .expect(0)
        .json();
    let groups: Vec<&str> = stats["data"]["stats"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!(groups, ["T01", "operations"]);
    assert_eq!(stats["data"]["stats"]["garbage"], 0);
    let dry = sandbox
        .snapback(&["store", "gc", "--dry-run", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (dry["dry_run"].clone(), dry["data"]["gc"]["dropped"].clone()),
        (true.into(), serde_json::json!([]))
    );
    sandbox.snapback(&["store", "gc"]).expect(6);
    let done = sandbox
        .snapback(&["store", "gc", "--yes", "--json"])
        .expect(0)
        .json();
    assert_eq!(
        (
            done["data"]["gc"]["freed"].clone(),
            done["data"]["gc"]["missing"].clone()
        ),
        (0.into(), serde_json::json!([]))
    );
    assert_eq!(done["changed"], false, "{done}");
    // The edit is only in the operation's record: undo restores it.
    sandbox.snapback(&["undo", "--yes"]).expect(0);
    assert_eq!(
        sandbox.read(MODEL),
        noise("an edit that was never released", 200_000)
    );
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all", "--deep"])
        .expect(0);
    // Without records and references, the store forgets, too.
    std::fs::remove_dir_all(sandbox.at(".git/snapback/ops")).unwrap();
    let done = sandbox
        .snapback(&["store", "gc", "--yes", "--json"])
        .expect(0)
        .json();
    assert!(
        done["data"]["gc"]["freed"].as_u64().unwrap() > 190_000 && done["changed"] == true,
        "{done}"
    );
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all", "--deep"])
        .expect(0);
    sandbox.snapback(&["store", "check", "--deep"]).expect(0);
    assert_eq!(contents.len(), 3);
}

#[test]
fn a_collection_that_misses_what_must_stay_is_no_success() {
    let (sandbox, _) = sandbox();
    std::fs::rename(
        sandbox.at(".git/snapback/store"),
        sandbox.at(".git/snapback/aside"),
    )
    .unwrap();
    for args in [
        &["store", "check", "--deep"][..],
        &["store", "gc", "--dry-run"],
        &["store", "gc", "--yes"],
    ] {
        let ran = sandbox.snapback(args).expect(4);
        assert!(
            ran.stdout.contains("T01 1.0.0 tasks/T01/model.bin"),
            "{args:?}: {}",
            ran.stdout
        );
    }
    let answer = sandbox
        .snapback(&["store", "gc", "--yes", "--json"])
        .expect(4)
        .json();
    assert_eq!(
        (answer["ok"].clone(), answer["error"]["kind"].clone()),
        (false.into(), "bad".into()),
        "{answer}"
    );
    // The releases that need it; operations may need it as well.
    let needed = answer["data"]["needed_by"].to_string();
    assert!(
        ["1.0.0", "1.1.0", "1.2.0"]
            .iter()
            .all(|version| needed.contains(&format!("T01 {version} tasks/T01/model.bin"))),
        "{answer}"
    );
}

#[test]
fn what_cannot_be_read_stops_a_collection() {
    let (sandbox, _) = sandbox();
    let ops = std::fs::read_dir(sandbox.at(".git/snapback/ops"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let journal = std::fs::read(ops.join("journal.jsonl")).unwrap();
    std::fs::write(ops.join("journal.jsonl"), &journal[..journal.len() / 2]).unwrap();
    let ran = sandbox
        .snapback(&["store", "gc", "--yes", "--json"])
        .expect(6)
        .json();
    let said = ran["error"]["message"].as_str().unwrap();
    assert!(said.contains("its first records are not whole"), "{said}");
    std::fs::write(ops.join("journal.jsonl"), journal).unwrap();
    sandbox.snapback(&["store", "gc", "--yes"]).expect(0);
}

#[test]
fn damage_is_named_by_release_and_healed_from_the_work_tree() {
    let (sandbox, contents) = sandbox();
    // The newest version's file is still in the work tree; the first one's is not.
    let find = |bytes: &[u8]| {
        let whole = |path: &PathBuf| {
            std::fs::read(path)
                .unwrap()
                .windows(1000)
                .any(|window| window == &bytes[100_000..101_000])
        };
        packs(&sandbox).into_iter().find(whole).unwrap()
    };
    let flip = |path: &PathBuf, bytes: &[u8]| {
        let mut pack = std::fs::read(path).unwrap();
        let at = pack
            .windows(1000)
            .position(|window| window == &bytes[100_000..101_000])
            .unwrap();
        pack[at + 5] ^= 1;
        std::fs::write(path, pack).unwrap();
    };
    flip(&find(&contents[0]), &contents[0]);
    flip(&find(&contents[2]), &contents[2]);
    for level in ["--fast", "--deep"] {
        let ran = sandbox.snapback(&["store", "check", level]).expect(4);
        assert!(
            ran.stdout.contains("T01 1.0.0 tasks/T01/model.bin")
                && ran.stdout.contains("T01 1.2.0"),
            "{}",
            ran.stdout
        );
        assert!(!ran.stdout.contains("T01 1.1.0"), "{}", ran.stdout);
    }
    sandbox.snapback(&["store", "check", "--quick"]).expect(0);
    let ran = sandbox.snapback(&["store", "repair"]).expect(4);
    assert!(
        ran.stdout.contains("lost: T01 1.0.0") && ran.stdout.contains("healed: T01 1.2.0"),
        "{}",
        ran.stdout
    );
    sandbox
        .snapback(&[
            "verify-snapshot",
            "-t",
            "T01",
            "--version",
            "1.2.0",
            "--deep",
        ])
        .expect(0);
    // Somebody still has the old file.
    sandbox.write(MODEL, &contents[0]);
    sandbox.snapback(&["store", "repair", "--json"]).expect(0);
    sandbox
        .snapback(&["store", "check", "--deep", "--budget", "1m"])
        .expect(0);
    sandbox
        .snapback(&["verify-snapshot", "-t", "T01", "--all", "--deep"])
        .expect(0);
}

#[test]
fn what_a_killed_command_left_is_counted_before_it_is_collected() {
    let (sandbox, _) = sandbox();
    let left = sandbox.at(".git/snapback/store/tmp/0000000000000003-dead-1");
    std::fs::write(&left, noise("half", 50_000)).unwrap();
    let number = |line: &str, at: &str| {
        let answer = sandbox.run_line(&format!("{line} --json")).expect(0).json();
        answer.pointer(at).unwrap().as_u64().unwrap()
    };
    assert_eq!(number("store stats", "/data/stats/garbage"), 50_000);
    assert_eq!(number("store gc --dry-run", "/data/gc/freed"), 50_000);
    assert!(left.exists(), "a dry run changes nothing");
    assert_eq!(number("store gc --yes", "/data/gc/freed"), 50_000);
    assert!(!left.exists());
    assert_eq!(number("store stats", "/data/stats/garbage"), 0);
}
