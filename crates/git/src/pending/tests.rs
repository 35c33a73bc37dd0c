//! Tests of new objects before and after their pack is installed, checked by git itself.

use super::super::testing::{Sandbox, tag_on};
use super::*;
use model::GitId;

/// Returns the files of the pack folder whose names have this prefix.
fn packs(sandbox: &Sandbox, prefix: &str) -> Vec<PathBuf> {
    let names = std::fs::read_dir(sandbox.path(".git/objects/pack"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    names
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(prefix)
        })
        .collect()
}

/// Returns blobs of many sizes: empty, small, larger than the memory buffer.
fn blobs() -> Vec<Vec<u8>> {
    let noise = |len: usize| {
        (0..len)
            .map(|at| (at * at * 31 + at / 251).to_le_bytes()[0])
            .collect::<Vec<u8>>()
    };
    [0, 1, 15, 16, 4_096, 70_000, TAIL + 7, 3 * TAIL]
        .into_iter()
        .map(noise)
        .collect()
}

#[test]
fn what_waits_is_read_back_and_git_reads_what_is_installed() {
    for format in ["sha1", "sha256"] {
        let sandbox = Sandbox::with_format(format);
        sandbox.write("a", b"1\n");
        let commit = sandbox.commit("first");
        let repo = sandbox.repo();
        let ids: Vec<GitId> = blobs()
            .iter()
            .map(|bytes| repo.write_blob(bytes).unwrap())
            .collect();
        let tag = repo.write_tag(&tag_on(&commit, "m")).unwrap();
        assert_eq!(
            repo.peel_tag(&tag).unwrap().commit,
            commit,
            "of a tag that waits"
        );
        for installed in [false, true] {
            for (id, bytes) in ids.iter().zip(blobs()) {
                assert_eq!(
                    (repo.has_object(id), repo.read_blob(id).unwrap() == bytes),
                    (true, true),
                    "{} bytes",
                    bytes.len()
                );
                assert_eq!(
                    sandbox.git_may_fail(&["cat-file", "-e", id.as_str()]),
                    installed
                );
                assert!(repo.check_size(id, bytes.len() as u64).is_ok());
                assert!(bytes.is_empty() || repo.check_size(id, bytes.len() as u64 - 1).is_err());
            }
            repo.sync_objects(&[]).unwrap();
        }
        sandbox.git(&["update-ref", "refs/tags/T01-v1.0.0", tag.as_str()]);
        sandbox.git(&["fsck", "--strict", "--full"]);
        let index = packs(&sandbox, "pack-")
            .into_iter()
            .find(|path| path.extension().is_some_and(|kind| kind == "idx"))
            .unwrap();
        sandbox.git(&["verify-pack", index.to_str().unwrap()]);
        assert_eq!(
            (packs(&sandbox, "pack-").len(), packs(&sandbox, TEMP).len()),
            (3, 0)
        );
        repo.release_packs().unwrap();
        assert_eq!(packs(&sandbox, "pack-").len(), 2, "the file .keep is gone");
        assert_eq!(
            std::fs::metadata(index).unwrap().permissions().mode() & 0o333,
            0,
            "nobody writes to it"
        );
    }
}

#[test]
fn what_no_reference_names_yet_outlives_a_repack() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    sandbox.commit("first");
    let repo = sandbox.repo();
    let id = repo.write_blob(b"bytes\n").unwrap();
    repo.sync_objects(&[]).unwrap();
    let there = || {
        sandbox.git(&["repack", "-adq"]);
        sandbox.git_may_fail(&["cat-file", "-e", id.as_str()])
    };
    assert!(there());
    std::fs::copy(
        sandbox.path("a"),
        sandbox.path(".git/objects/pack/pack-1.keep"),
    )
    .unwrap();
    repo.release_packs().unwrap();
    assert!(
        sandbox.path(".git/objects/pack/pack-1.keep").exists(),
        "it is somebody else's"
    );
    assert!(!there());
}

#[test]
fn a_pack_that_is_given_up_leaves_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo();
    for bytes in blobs() {
        repo.write_blob(&bytes).unwrap();
    }
    assert_eq!(packs(&sandbox, TEMP).len(), 1);
    drop(repo);
    assert_eq!(packs(&sandbox, ""), Vec::<PathBuf>::new());
}

#[test]
fn a_git_that_prunes_meanwhile_takes_nothing_that_waits() {
    let sandbox = Sandbox::new();
    sandbox.write("a", b"1\n");
    sandbox.commit("first");
    let repo = sandbox.repo();
    let ids: Vec<GitId> = blobs()
        .iter()
        .map(|bytes| repo.write_blob(bytes).unwrap())
        .collect();
    assert_eq!(packs(&sandbox, TEMP).len(), 1);
    sandbox.git(&["prune", "--expire=now"]);
    sandbox.git(&["gc", "-q", "--prune=now"]);
    repo.sync_objects(&[]).unwrap();
    for (id, bytes) in ids.iter().zip(blobs()) {
        assert!(sandbox.git(&["cat-file", "blob", id.as_str()]) == bytes);
    }
}

#[test]
fn what_a_killed_process_left_is_swept_and_nothing_else() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo();
    for bytes in blobs() {
        repo.write_blob(&bytes).unwrap();
    }
    let alive = packs(&sandbox, TEMP);
    for name in [
        "snapback_tmp_pack_dead",
        "snapback_tmp_idx_dead",
        "tmp_pack_git",
        "tmp_idx_git",
    ] {
        sandbox.write(format!(".git/objects/pack/{name}"), b"PACK");
    }
    sandbox.repo().sweep_packs(None).unwrap();
    assert_eq!(packs(&sandbox, TEMP), alive, "what is being written stays");
    assert_eq!(packs(&sandbox, "tmp_").len(), 2, "git's stay");
    repo.sync_objects(&[]).unwrap();
    assert_eq!(packs(&sandbox, TEMP), Vec::<PathBuf>::new());
}

#[test]
fn after_an_error_everything_still_waits() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo();
    let id = repo.write_blob(b"bytes\n").unwrap();
    sandbox.remove(".git/objects/pack");
    sandbox.write(".git/objects/pack", b"in the way");
    assert!(repo.sync_objects(&[]).is_err());
    assert_eq!(repo.read_blob(&id).unwrap(), b"bytes\n");
    sandbox.remove(".git/objects/pack");
    repo.sync_objects(&[]).unwrap();
    assert_eq!(sandbox.git(&["cat-file", "blob", id.as_str()]), b"bytes\n");
}

#[test]
fn small_packs_are_gathered_and_those_of_others_are_not() {
    for format in ["sha1", "sha256"] {
        let sandbox = Sandbox::with_format(format);
        sandbox.write("a", &b"a line of many\n".repeat(900));
        sandbox.commit("first");
        sandbox.write("a", &b"a line of many\n".repeat(901));
        sandbox.commit("second");
        // A pack with deltas and no `.rev`, one protected by a foreign `.keep`, and a damaged one.
        sandbox.git(&["-c", "pack.writeReverseIndex=false", "repack", "-adq"]);
        let foreign = packs(&sandbox, "pack-");
        let mut ids = Vec::new();
        let mut write = |nth: u32| {
            let repo = sandbox.repo();
            ids.push(repo.write_blob(&nth.to_le_bytes()).unwrap());
            repo.sync_objects(&[]).unwrap();
            let written = packs(&sandbox, "pack-")
                .into_iter()
                .find(|path| path.extension().is_some_and(|kind| kind == "keep"));
            repo.release_packs().unwrap();
            written.unwrap().with_extension("pack")
        };
        let (protected, damaged) = (write(0), write(1));
        sandbox.write(protected.with_extension("keep"), b"mine\n");
        let mut bytes = std::fs::read(&damaged).unwrap();
        bytes[13] ^= 1;
        sandbox.remove(&damaged);
        sandbox.write(&damaged, &bytes);
        for nth in 2..100 {
            write(nth);
        }
        let left = packs(&sandbox, "pack-")
            .into_iter()
            .filter(|path| path.extension().is_some_and(|kind| kind == "pack"))
            .count();
        assert!((3..=27).contains(&left), "{left} packs are left");
        for path in foreign.iter().chain([&protected, &damaged]) {
            assert!(path.exists(), "{}", path.display());
        }
        let repo = sandbox.repo();
        let lost: Vec<usize> = (0..100)
            .filter(|nth| {
                repo.read_blob(&ids[*nth]).ok()
                    != Some(u32::try_from(*nth).unwrap().to_le_bytes().to_vec())
            })
            .collect();
        assert_eq!(lost, [1], "but for the damaged one, all are there");
    }
}

#[test]
fn a_pack_of_many_gigabytes_has_an_index_that_git_reads() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo();
    let offsets = [12, (1 << 31) - 1, 1 << 31, 5 << 31];
    let place = |offset: u64| PackOffset {
        offset,
        len: 9,
        crc: 0x0102_0304,
        kind: Kind::Blob,
        size: 1,
        base: None,
    };
    let id = |nth: u64| repo.oid(&repo.blob_id(&nth.to_le_bytes())).unwrap();
    let mut entries: Vec<(ObjectId, PackOffset)> = offsets
        .iter()
        .map(|offset| (id(*offset), place(*offset)))
        .collect();
    entries.sort_by_key(|(id, _)| *id);
    sandbox.write(".git/large.idx", &pack::index(&entries, &id(0)));
    let shown = sandbox.text(&["-c", "alias.large=!git show-index <.git/large.idx", "large"]);
    let wanted: Vec<String> = entries
        .iter()
        .map(|(id, place)| format!("{} {id} (01020304)", place.offset))
        .collect();
    assert_eq!(shown.lines().collect::<Vec<_>>(), wanted);
}

/// Returns the pack that is staged.
fn staged_pack(sandbox: &Sandbox) -> PathBuf {
    let mut staged = packs(sandbox, TEMP).into_iter();
    let found = staged.find(|path| path.to_string_lossy().ends_with("_pack"));
    found.unwrap()
}

#[test]
fn a_pack_that_a_killed_process_staged_is_loaded_and_named() {
    for format in ["sha1", "sha256"] {
        let sandbox = Sandbox::with_format(format);
        let due = base::Due::default();
        let repo = sandbox.repo();
        let id = repo.write_blob(b"bytes\n").unwrap();
        repo.stage_objects("000001-abcdef01", &due).unwrap();
        assert_eq!(repo.read_blob(&id).unwrap(), b"bytes\n", "it is still read");
        assert!(!sandbox.git_may_fail(&["cat-file", "-e", id.as_str()]));
        drop((due, repo));
        for renamed in [false, true] {
            if renamed {
                // It was killed between the names of the pack and of its index.
                let pack = staged_pack(&sandbox);
                let name = pack.file_name().unwrap().to_str().unwrap();
                let trailer = name.split('_').nth(3).unwrap();
                let named = pack.with_file_name(format!("pack-{trailer}.pack"));
                disk::rename(&pack, &named).unwrap();
            }
            let repo = sandbox.repo();
            repo.sweep_packs(Some("000001-abcdef01")).unwrap();
            repo.load_objects("000001-00000000");
            assert!(!repo.has_object(&id), "that is another operation");
            repo.load_objects("000001-abcdef01");
            assert_eq!(repo.read_blob(&id).unwrap(), b"bytes\n");
        }
        let (repo, due) = (sandbox.repo(), base::Due::default());
        repo.load_objects("000001-abcdef01");
        repo.name_objects(&due).unwrap();
        due.pass().unwrap();
        assert_eq!(sandbox.git(&["cat-file", "blob", id.as_str()]), b"bytes\n");
        assert_eq!(packs(&sandbox, TEMP), Vec::<PathBuf>::new());
    }
}

#[test]
fn a_staged_pack_that_is_not_whole_or_not_wanted_is_no_pack() {
    let sandbox = Sandbox::new();
    let (repo, due) = (sandbox.repo(), base::Due::default());
    let id = repo.write_blob(b"bytes\n").unwrap();
    repo.stage_objects("000001-abcdef01", &due).unwrap();
    due.pass().unwrap();
    let staged = packs(&sandbox, TEMP);
    assert_eq!(staged.len(), 3);
    sandbox.repo().sweep_packs(None).unwrap();
    assert_eq!(packs(&sandbox, TEMP), staged, "its process is alive");
    drop((due, repo));
    let pack = staged_pack(&sandbox);
    let bytes = std::fs::read(&pack).unwrap();
    sandbox.remove(&pack);
    sandbox.write(&pack, &bytes[..bytes.len() - 1]);
    let repo = sandbox.repo();
    repo.load_objects("000001-abcdef01");
    assert!(!repo.has_object(&id));
    repo.sweep_packs(None).unwrap();
    assert_eq!(packs(&sandbox, TEMP), Vec::<PathBuf>::new());
}

#[test]
fn what_is_staged_and_not_begun_is_dropped() {
    let sandbox = Sandbox::new();
    let (repo, due) = (sandbox.repo(), base::Due::default());
    let id = repo.write_blob(b"bytes\n").unwrap();
    repo.stage_objects("000001-abcdef01", &due).unwrap();
    repo.drop_objects();
    assert!(!repo.has_object(&id));
    assert_eq!(packs(&sandbox, ""), Vec::<PathBuf>::new());
}

#[test]
fn an_entry_that_claims_to_be_huge_takes_no_memory() {
    let (entry, place) = pack::entry(Kind::Blob, b"bytes\n", 0);
    let hash = gix::hash::Kind::Sha1;
    assert_eq!(pack::unpack(&entry, place.size, hash).unwrap(), b"bytes\n");
    let refused = pack::unpack(&entry, 1 << 60, hash).unwrap_err();
    assert!(refused.to_string().contains("as many bytes"), "{refused}");
    let (entry, place) = pack::entry(Kind::Blob, &vec![0; 8 << 20], 0);
    assert_eq!(
        pack::unpack(&entry, place.size, hash).unwrap().len(),
        8 << 20
    );
}
