//! Tests of blobs that are deltas, read by git itself.

use std::path::PathBuf;

use super::super::super::testing::Sandbox;
use super::*;
use model::GitId;

const RECORD: &[u8] = b"- ";

/// Returns the text of a release: many lines, of which each release changes one.
fn text(release: usize) -> Vec<u8> {
    let line = |nth: usize| {
        let changed = release / 500 + usize::from(nth <= release % 500);
        format!(
            "- {nth:04}\n  {:016x}\n",
            (nth * 7919 + changed * 104_729 + 1).wrapping_pow(5)
        )
    };
    (0..500).map(line).collect::<String>().into_bytes()
}

/// Writes the text of a release as one that is like the last.
fn release(sandbox: &Sandbox, nth: usize, last: Option<&GitId>) -> GitId {
    let repo = sandbox.repo();
    repo.release_packs().unwrap();
    let id = match last {
        Some(last) => repo.write_blob_like(&text(nth), last, RECORD).unwrap(),
        None => repo.write_blob(&text(nth)).unwrap(),
    };
    assert!(repo.read_blob(&id).unwrap() == text(nth), "it is read back");
    repo.write_blob(format!("{nth}").as_bytes()).unwrap();
    repo.sync_objects(&[]).unwrap();
    repo.release_packs().unwrap();
    id
}

/// Returns the files of the pack folder with this extension, and their bytes.
fn packs(sandbox: &Sandbox, kind: &str) -> (Vec<PathBuf>, u64) {
    let listing = std::fs::read_dir(sandbox.path(".git/objects/pack")).unwrap();
    let all = listing.map(|entry| entry.unwrap().path());
    let found: Vec<_> = all
        .filter(|path| path.extension().is_some_and(|end| end == kind))
        .collect();
    let len = found
        .iter()
        .map(|path| path.metadata().unwrap().len())
        .sum();
    (found, len)
}

fn check(sandbox: &Sandbox, ids: &[GitId]) {
    sandbox.git(&["fsck", "--strict", "--full"]);
    for path in packs(sandbox, "idx").0 {
        sandbox.git(&["verify-pack", path.to_str().unwrap()]);
    }
    let repo = sandbox.repo();
    for (nth, id) in ids.iter().enumerate() {
        assert!(repo.read_blob(id).unwrap() == text(nth), "{nth}");
        assert!(sandbox.git(&["cat-file", "blob", id.as_str()]) == text(nth));
        assert!(repo.check_size(id, text(nth).len() as u64).is_ok());
    }
}

#[test]
fn each_release_adds_a_few_bytes_and_git_reads_all() {
    for format in ["sha1", "sha256"] {
        let sandbox = Sandbox::with_format(format);
        let mut ids = vec![release(&sandbox, 0, None)];
        let (_, whole) = packs(&sandbox, "pack");
        for nth in 1..60 {
            let last = ids.last().cloned();
            ids.push(release(&sandbox, nth, last.as_ref()));
        }
        let (found, len) = packs(&sandbox, "pack");
        assert_eq!(found.len(), 1, "the one before is gone each time");
        assert!(len < whole + 60 * 500, "{whole} bytes became {len}");
        let index = packs(&sandbox, "idx").0;
        let shown = sandbox.text(&["verify-pack", "-v", index[0].to_str().unwrap()]);
        let mut longest = shown
            .lines()
            .filter(|line| line.starts_with("chain length"));
        let longest = longest.next_back().unwrap().to_string();
        assert!(longest.contains(&format!("= {LONGEST}")), "{longest}");
        check(&sandbox, &ids);
    }
}

/// Keeps blobs from git's collection, under a reference.
fn keep(sandbox: &Sandbox, ids: &[GitId]) {
    let entry = |(nth, id): (usize, &GitId)| format!("100644,{id},m{nth}");
    for entry in ids.iter().enumerate().map(entry) {
        sandbox.git(&["update-index", "--add", "--cacheinfo", &entry]);
    }
    sandbox.git(&["commit", "-qm", "all"]);
}

#[test]
fn whatever_git_does_to_the_pack_the_next_release_copes() {
    for deed in [
        &["gc", "-q", "--prune=now"][..],
        &["repack", "-adfq"],
        &["repack", "-adq", "--depth=1"],
        &["multi-pack-index", "write"],
        &["unpack"],
    ] {
        let sandbox = Sandbox::new();
        let mut ids = vec![release(&sandbox, 0, None)];
        for nth in 1..9 {
            if nth % 4 == 0 {
                keep(&sandbox, &ids);
                if deed == ["unpack"] {
                    // All of its objects become loose.
                    for path in packs(&sandbox, "pack").0 {
                        let bytes = std::fs::read(&path).unwrap();
                        sandbox.remove(&path);
                        sandbox.remove(path.with_extension("idx"));
                        sandbox.write("pack", &bytes);
                        sandbox.text(&["-c", "alias.u=!git unpack-objects -q <pack", "u"]);
                    }
                } else {
                    sandbox.git(deed);
                }
            }
            let last = ids.last().cloned();
            ids.push(release(&sandbox, nth, last.as_ref()));
        }
        check(&sandbox, &ids);
    }
}

#[test]
fn a_pack_that_another_needs_or_that_is_damaged_is_not_taken() {
    let sandbox = Sandbox::new();
    let first = release(&sandbox, 0, None);
    let pack = packs(&sandbox, "pack").0.remove(0);
    let keep = pack.with_extension("keep");
    sandbox.write(&keep, b"mine\n");
    let second = release(&sandbox, 1, Some(&first));
    assert!(pack.exists() && keep.exists());
    sandbox.remove(&keep);
    let mut bytes = std::fs::read(&pack).unwrap();
    let damaged = bytes.len() / 2;
    bytes[damaged] ^= 1;
    sandbox.remove(&pack);
    sandbox.write(&pack, &bytes);
    let third = release(&sandbox, 2, Some(&first));
    assert!(pack.exists());
    let repo = sandbox.repo();
    assert!(repo.read_blob(&second).unwrap() == text(1));
    assert!(repo.read_blob(&third).unwrap() == text(2));
}

#[test]
fn a_delta_that_a_killed_process_staged_is_loaded_and_named() {
    let sandbox = Sandbox::new();
    let first = release(&sandbox, 0, None);
    let old = packs(&sandbox, "pack").0;
    let repo = sandbox.repo();
    let second = repo.write_blob_like(&text(1), &first, RECORD).unwrap();
    repo.stage_objects("000001-abcdef01", &base::Due::default())
        .unwrap();
    drop(repo);
    let (repo, due) = (sandbox.repo(), base::Due::default());
    repo.load_objects("000001-abcdef01");
    assert!(repo.read_blob(&second).unwrap() == text(1));
    repo.name_objects(&due).unwrap();
    due.pass().unwrap();
    repo.release_packs().unwrap();
    drop(repo);
    assert!(
        old.iter().all(|path| path.exists()),
        "nobody knew that it goes"
    );
    let third = release(&sandbox, 2, Some(&second));
    check(&sandbox, &[first, second.clone(), third.clone()]);
    let fourth = release(&sandbox, 3, Some(&third));
    let fifth = release(&sandbox, 4, Some(&fourth));
    assert!(packs(&sandbox, "pack").0.len() < 3);
    drop(fifth);
}

#[test]
fn what_is_given_up_leaves_the_old_pack() {
    let sandbox = Sandbox::new();
    let first = release(&sandbox, 0, None);
    let before = packs(&sandbox, "pack").0;
    let repo = sandbox.repo();
    repo.write_blob_like(&text(1), &first, RECORD).unwrap();
    repo.stage_objects("000001-abcdef01", &base::Due::default())
        .unwrap();
    repo.drop_objects();
    repo.remove_replaced().unwrap();
    assert_eq!(packs(&sandbox, "pack").0, before);
    check(&sandbox, &[first]);
}

#[test]
fn a_pack_that_git_has_begun_to_use_is_not_removed() {
    for begun in ["multi-pack-index", "gc.pid"] {
        let sandbox = Sandbox::new();
        let first = release(&sandbox, 0, None);
        let old = packs(&sandbox, "pack").0;
        let (repo, due) = (sandbox.repo(), base::Due::default());
        let second = repo.write_blob_like(&text(1), &first, RECORD).unwrap();
        repo.stage_objects("000001-abcdef01", &due).unwrap();
        due.pass().unwrap();
        repo.name_objects(&due).unwrap();
        due.pass().unwrap();
        if begun == "gc.pid" {
            sandbox.write(".git/gc.pid", b"1 here\n");
        } else {
            sandbox.git(&["multi-pack-index", "write"]);
        }
        repo.remove_replaced().unwrap();
        assert!(old.iter().all(|path| path.exists()), "{begun}");
        check(&sandbox, &[first, second]);
    }
}

#[test]
fn a_pack_that_has_an_object_twice_is_not_read() {
    let sandbox = Sandbox::new();
    let hash = gix::hash::Kind::Sha1;
    for twice in [false, true] {
        let repo = sandbox.repo();
        let blob = |bytes: &[u8]| repo.oid(&repo.blob_id(bytes)).unwrap();
        let other = if twice { b"one\n" } else { b"two\n" };
        let mut bytes = pack::header(2).to_vec();
        let mut entries = Vec::new();
        for text in [b"one\n", other] {
            let (entry, place) = pack::entry(Kind::Blob, text, bytes.len() as u64);
            bytes.extend(entry);
            entries.push((blob(text), place));
        }
        entries.sort_by_key(|(id, _)| *id);
        let mut sum = gix::hash::hasher(hash);
        sum.update(&bytes);
        let trailer = sum.try_finalize().unwrap();
        bytes.extend(trailer.as_slice());
        let path = sandbox
            .path(".git/objects/pack")
            .join(format!("pack-{trailer}.pack"));
        let index = path.with_extension("idx");
        sandbox.write(&path, &bytes);
        let mut listed = pack::index(&entries, &trailer);
        sandbox.write(&index, &listed);
        let read = gather::read(path.clone(), &index, hash);
        assert_eq!(read.is_none(), twice, "twice: {twice}");
        let middle = listed.len() - 50;
        listed[middle] ^= 1;
        sandbox.write(&index, &listed);
        assert!(
            gather::read(path, &index, hash).is_none(),
            "a damaged index"
        );
    }
}

#[test]
fn what_is_no_blob_is_no_base() {
    let sandbox = Sandbox::new();
    let first = release(&sandbox, 0, None);
    keep(&sandbox, std::slice::from_ref(&first));
    let commit: GitId = sandbox.text(&["rev-parse", "HEAD"]).trim().parse().unwrap();
    sandbox.git(&["repack", "-adq"]);
    for path in packs(&sandbox, "rev").0 {
        sandbox.remove(path);
    }
    let second = release(&sandbox, 1, Some(&commit));
    check(&sandbox, &[first, second]);
}
