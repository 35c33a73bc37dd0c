//! The repair: what another copy exists of is healed, the rest is named, nothing is deleted.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use snapback::{
    base::{Fs, Root},
    store::Level,
};

use crate::{
    it::store_check::{Numbers, damage, files, reads_nothing_wrong, shelves},
    support::{
        noise,
        shelf::{self, check, gc, id, ids, put, repair},
    },
};

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

fn on(dir: &Path) -> Arc<dyn Fs> {
    Arc::new(Root::open(dir).unwrap())
}

#[test]
fn what_has_another_copy_is_healed_after_every_damage() {
    let (original, contents) = shelves();
    let roots = ids(&contents);
    let mut numbers = Numbers(3);
    for nth in 0..150 {
        let dir = tempfile::tempdir().unwrap();
        copy(original.path(), dir.path());
        let files = files(dir.path());
        let mut what = Vec::new();
        for _ in 0..=nth % 3 {
            what.push(damage(
                &files[usize::try_from(numbers.below(files.len() as u64)).unwrap()],
                &mut numbers,
            ));
        }
        let before: BTreeSet<_> = reads_nothing_wrong(dir.path(), &contents);
        let report = repair(&shelf::open(&on(dir.path())), &roots, &contents)
            .unwrap_or_else(|error| panic!("{what:?}: {error}"));
        let lost: Vec<_> = report.lost.iter().filter(|id| roots.contains(id)).collect();
        assert!(
            lost.is_empty() && !report.quarantined.is_empty(),
            "{what:?}: {report:?}"
        );
        assert!(
            before.iter().all(|id| report.healed.contains(id)),
            "{what:?}: {report:?}"
        );
        let after = check(&shelf::open(&on(dir.path())), &roots, Level::Deep).unwrap();
        assert!(
            after.is_sound(),
            "{what:?}: {:?}, {:?}",
            after.damage,
            after.lost
        );
        assert!(reads_nothing_wrong(dir.path(), &contents).is_empty());
        let store = shelf::open(&on(dir.path()));
        gc(&store, &roots).unwrap_or_else(|error| panic!("{what:?}: collecting: {error}"));
        drop(put(&store, &[noise(4321, 500)]).unwrap());
        assert!(reads_nothing_wrong(dir.path(), &contents).is_empty());
        assert!(
            check(&shelf::open(&on(dir.path())), &roots, Level::Deep)
                .unwrap()
                .is_sound()
        );
    }
}

#[test]
fn what_has_no_other_copy_is_named_and_the_rest_of_its_pack_lives() {
    let dir = tempfile::tempdir().unwrap();
    let contents: Vec<Vec<u8>> = (0..20)
        .map(|seed| noise(seed + 1, 900))
        .chain([noise(50, 1 << 20)])
        .collect();
    drop(put(&shelf::open(&on(dir.path())), &contents).unwrap());
    let pack = files(dir.path())
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("packs"))
        .unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    let bad = bytes
        .windows(900)
        .position(|window| window == contents[4])
        .unwrap();
    bytes[bad + 17] ^= 1;
    // The table is lost too.
    bytes.truncate(bytes.len() - 100);
    std::fs::write(&pack, &bytes).unwrap();
    let roots = ids(&contents);
    let wrong = vec![noise(777, 900)];
    let report = repair(&shelf::open(&on(dir.path())), &roots, &wrong).unwrap();
    assert_eq!(report.lost, [id(&contents[4])]);
    assert_eq!(
        reads_nothing_wrong(dir.path(), &contents),
        BTreeSet::from([id(&contents[4])])
    );
    let kept = dir.path().join(&report.quarantined[0]);
    assert_eq!(
        std::fs::read(kept).unwrap(),
        bytes,
        "the damaged pack is kept as it was"
    );
    // Found later, it is healed after all.
    let report = repair(&shelf::open(&on(dir.path())), &roots, &contents).unwrap();
    assert_eq!(
        (report.healed.as_slice(), report.lost.len()),
        (&[id(&contents[4])][..], 0)
    );
    assert!(
        check(&shelf::open(&on(dir.path())), &roots, Level::Deep)
            .unwrap()
            .is_sound()
    );
}

#[test]
fn a_large_file_is_healed_chunk_by_chunk() {
    let dir = tempfile::tempdir().unwrap();
    let large = noise(9, 20 << 20);
    drop(put(&shelf::open(&on(dir.path())), std::slice::from_ref(&large)).unwrap());
    let pack = files(dir.path())
        .into_iter()
        .find(|path| path.to_str().unwrap().contains("packs"))
        .unwrap();
    let mut bytes = std::fs::read(&pack).unwrap();
    for at in [1 << 20, 3 << 20, 5 << 20] {
        bytes[at] ^= 64;
    }
    std::fs::write(&pack, bytes).unwrap();
    let roots = BTreeSet::from([id(&large)]);
    let report = repair(
        &shelf::open(&on(dir.path())),
        &roots,
        std::slice::from_ref(&large),
    )
    .unwrap();
    assert_eq!(
        (report.damage.len(), report.healed.as_slice()),
        (3, &[id(&large)][..])
    );
    assert!(reads_nothing_wrong(dir.path(), &[large]).is_empty());
    assert!(
        check(&shelf::open(&on(dir.path())), &roots, Level::Deep)
            .unwrap()
            .is_sound()
    );
}

#[test]
fn a_whole_store_is_left_as_it_is() {
    let (dir, contents) = shelves();
    let before = files(dir.path());
    let report = repair(&shelf::open(&on(dir.path())), &ids(&contents), &[]).unwrap();
    assert_eq!(
        (
            report.damage.len(),
            report.quarantined.len(),
            report.lost.len()
        ),
        (0, 0, 0)
    );
    assert_eq!(files(dir.path()), before);
}
