//! Few bytes that claim or become many: refused in the memory and time of an honest command.

use std::fs;

use super::{
    BACK, LOOKS, SNAP, bounded, hash_object, head_with, raw_tree, release_with, target, withstands,
};
use crate::support::Sandbox;

/// Creates nested trees that each name the one below ten times: ten to the power of `levels`.
fn bomb(sandbox: &Sandbox, levels: u32, leaf: &[u8]) -> String {
    let mut below = hash_object(sandbox, "tree", leaf);
    for _ in 0..levels {
        let entries: Vec<_> = (0..10_u8)
            .map(|n| ("40000", vec![b'a' + n], below.clone()))
            .collect();
        below = hash_object(sandbox, "tree", &raw_tree(&entries));
    }
    below
}

#[test]
fn trees_that_name_each_other_ten_times_over() {
    let origin = target();
    let blob = hash_object(&origin, "blob", b"x\n");
    for leaf in [raw_tree(&[("100644", b"f".to_vec(), blob)]), Vec::new()] {
        let sandbox = origin.copy();
        let tree = bomb(&sandbox, 12, &leaf);
        head_with(&sandbox, &[("40000", b"bomb".to_vec(), tree.clone())]);
        withstands(&sandbox, &[4], SNAP, &["more than 1100000 files"]);
        withstands(&sandbox, &[4], BACK, &["more than 1100000 files"]);
        for look in LOOKS {
            withstands(&sandbox, &[0, 3, 4], look, &[]);
        }
        let sandbox = origin.copy();
        let tree = bomb(&sandbox, 12, &leaf);
        release_with(&sandbox, &[("40000", b"bomb".to_vec(), tree)]);
        withstands(&sandbox, &[0, 4], BACK, &[]);
    }
}

#[test]
fn a_bomb_beside_the_tasks_costs_nothing() {
    let sandbox = target();
    let tree = bomb(&sandbox, 12, b"");
    let mut top = super::listed(&sandbox, "HEAD:");
    top.insert(0, ("40000", b"aaa".to_vec(), tree));
    let tree = hash_object(&sandbox, "tree", &raw_tree(&top));
    let commit = sandbox.git_out(&["commit-tree", "-p", "HEAD", "-m", "hostile", &tree]);
    sandbox
        .git(&["update-ref", "refs/heads/main", &commit])
        .expect(0);
    withstands(&sandbox, &[0], &["status"], &[]);
    withstands(&sandbox, &[0], BACK, &[]);
}

#[test]
fn trees_ten_thousand_deep() {
    let sandbox = target();
    let blob = hash_object(&sandbox, "blob", b"x\n");
    // git's own importer creates 2,000 levels at a time, each batch given the levels before.
    let (mut lowest, mut trees) = (format!("100644 {blob}"), Vec::new());
    let levels = vec!["d"; 2000].join("/");
    for _ in 0..5 {
        let pack = sandbox.home().join("deep");
        fs::write(&pack, format!("commit refs/heads/deep\ncommitter a <a@b> 0 +0000\ndata 0\ndeleteall\nM {lowest} {levels}\n\n")).unwrap();
        let mut import = sandbox.command("git");
        super::does(
            &sandbox,
            import
                .args(["fast-import", "--quiet", "--force"])
                .stdin(fs::File::open(&pack).unwrap()),
        );
        trees.push(sandbox.git_out(&["rev-parse", "deep^{tree}"]));
        lowest = format!("040000 {}", trees[trees.len() - 1]);
    }
    for tree in [&trees[0], &trees[4]] {
        let copy = sandbox.copy();
        head_with(&copy, &[("40000", b"deep".to_vec(), tree.clone())]);
        withstands(&copy, &[4], SNAP, &["tasks/T01/deep"]);
        withstands(&copy, &[0, 4], &["status"], &[]);
        let copy = sandbox.copy();
        release_with(&copy, &[("40000", b"deep".to_vec(), tree.clone())]);
        withstands(&copy, &[0, 4], BACK, &[]);
    }
}

/// Writes a loose object that claims any size: a stored zlib block with an unreached checksum.
fn claim(sandbox: &Sandbox, kind: &str, size: u64, id: &str) {
    let bytes = [
        format!("{kind} {size}\0").as_bytes(),
        &vec![b'x'; 30_000][..],
    ]
    .concat();
    let len = u16::try_from(bytes.len()).unwrap();
    let zlib = [
        &[0x78, 0x01, 0x01][..],
        &len.to_le_bytes(),
        &(!len).to_le_bytes(),
        &bytes,
        &[0; 4],
    ]
    .concat();
    let path = format!(".git/objects/{}/{}", &id[..2], &id[2..]);
    fs::create_dir_all(sandbox.at(&path).parent().unwrap()).unwrap();
    let _ = fs::remove_file(sandbox.at(&path));
    sandbox.write(&path, &zlib);
}

#[test]
fn objects_that_claim_to_be_huge() {
    let origin = target();
    for size in [4_u64 << 30, u64::MAX / 2, 2 << 30] {
        for what in [
            "HEAD:tasks/T01/signal.py",
            "HEAD:tasks",
            "HEAD:tasks/T01",
            "HEAD",
            "T01-v1.0.0",
            "HEAD:task_registry.json",
            "HEAD:snapshots/snapshot-T01-v1.0.0.yaml",
        ] {
            let sandbox = origin.copy();
            let id = sandbox.git_out(&["rev-parse", what]);
            let kind = sandbox.git_out(&["cat-file", "-t", &id]);
            claim(&sandbox, &kind, size, &id);
            println!("{what} claims {size}");
            withstands(&sandbox, &[0, 4, 5, 8], BACK, &[]);
            let sandbox = origin.copy();
            claim(&sandbox, &kind, size, &id);
            withstands(&sandbox, &[0, 4, 5, 8], SNAP, &[]);
            bounded(&sandbox, &["status"]);
        }
        let sandbox = origin.copy();
        let id = "1234567812345678123456781234567812345678";
        claim(&sandbox, "blob", size, id);
        head_with(
            &sandbox,
            &[("100644", b".gitattributes".to_vec(), id.into())],
        );
        withstands(&sandbox, &[0, 4, 7, 8], SNAP, &[]);
    }
}

#[test]
fn sparse_files_of_a_tebibyte() {
    let sandbox = target();
    for name in [
        "tasks/T01/config.yaml",
        "task_registry.json",
        "snapback.yaml",
        "snapshots/snapshot-T01-v1.0.0.yaml",
    ] {
        let copy = sandbox.copy();
        fs::File::options()
            .create(true)
            .append(true)
            .open(copy.at(name))
            .unwrap()
            .set_len(1 << 40)
            .unwrap();
        println!("{name}");
        for command in [SNAP, BACK, &["status"]] {
            // A rollback saves what it overwrites, even a tebibyte.
            if command == BACK && name.starts_with("tasks/") {
                continue;
            }
            // Hashing everything before and after would take as long as the attack wants: only the
            // answer is judged. A command that has to read the whole file may reach its time limit,
            // and stops safely then.
            let ran = bounded(&copy, &[&["--timeout", "3s"], command].concat());
            println!("{}{}[{}]", ran.stdout, ran.stderr, ran.code);
            assert!([0, 2, 4, 6, 7, 8, 124].contains(&ran.code), "{ran:?}");
            assert!(!ran.stderr.contains("panicked"), "{ran:?}");
        }
    }
}

#[test]
fn a_time_limit_is_kept_while_one_huge_file_is_read() {
    let sandbox = target();
    let settings = sandbox.read("snapback.yaml");
    let size = 1 << 35;
    fs::write(sandbox.at("tasks/T01/model.bin"), b"").unwrap();
    fs::File::options()
        .append(true)
        .open(sandbox.at("tasks/T01/model.bin"))
        .unwrap()
        .set_len(size)
        .unwrap();
    let refs = sandbox.git_out(&["for-each-ref"]);
    let rest = |sandbox: &Sandbox| {
        fs::File::options()
            .write(true)
            .open(sandbox.at("tasks/T01/model.bin"))
            .unwrap()
            .set_len(0)
            .unwrap();
        let all = sandbox.everything();
        fs::File::options()
            .write(true)
            .open(sandbox.at("tasks/T01/model.bin"))
            .unwrap()
            .set_len(size)
            .unwrap();
        all.into_iter()
            .filter(|(path, _)| !path.ends_with("model.bin"))
            .collect::<Vec<_>>()
    };
    let before = rest(&sandbox);
    let data = sandbox.at("tasks/T01");
    for command in [
        SNAP,
        BACK,
        &["store", "put", data.to_str().unwrap(), "--name", "huge"],
    ] {
        let ran = bounded(&sandbox, &[&["--timeout", "1s"], command].concat());
        assert_eq!(ran.code, 124, "{command:?}: {ran:?}");
        assert!(
            ran.stderr.contains("time limit") && !ran.stderr.contains("panicked"),
            "{ran:?}"
        );
        assert_eq!(
            fs::metadata(sandbox.at("tasks/T01/model.bin"))
                .unwrap()
                .len(),
            size
        );
        assert_eq!(sandbox.git_out(&["for-each-ref"]), refs);
    }
    assert_eq!(rest(&sandbox), before);
    assert_eq!(sandbox.read("snapback.yaml"), settings);
    assert_eq!(sandbox.temporary_records(), Vec::<String>::new());
}
