//! The repair restores what another copy has, names the rest, and deletes nothing.

use std::collections::BTreeSet;

use snapback::store::{CheckDepth, backend::Area};

use crate::{
    it::store_check::{Numbers, damage, fill, reads_nothing_wrong},
    support::{
        noise,
        shelf::{Shelf, check, gc, id, ids, put, repair},
    },
};

#[test]
fn what_has_another_copy_is_healed_after_every_damage() {
    for shelf in Shelf::each() {
        let (original, contents) = (&shelf, fill(&shelf));
        let roots = ids(&contents);
        let mut numbers = Numbers(3);
        for nth in 0..if original.is_in_memory() { 50 } else { 150 } {
            let shelf = original.copy();
            let files = shelf.files();
            let mut what = Vec::new();
            for _ in 0..=nth % 3 {
                what.push(damage(
                    &shelf,
                    &files[usize::try_from(numbers.below(files.len() as u64)).unwrap()],
                    &mut numbers,
                ));
            }
            let before: BTreeSet<_> = reads_nothing_wrong(&shelf, &contents);
            let report = repair(&shelf.open(), &roots, &contents)
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
            let after = check(&shelf.open(), &roots, CheckDepth::Deep).unwrap();
            assert!(
                after.is_sound(),
                "{what:?}: {:?}, {:?}",
                after.damage,
                after.lost
            );
            assert!(reads_nothing_wrong(&shelf, &contents).is_empty());
            let store = shelf.open();
            gc(&store, &roots).unwrap_or_else(|error| panic!("{what:?}: collecting: {error}"));
            drop(put(&store, &[noise(4321, 500)]).unwrap());
            assert!(reads_nothing_wrong(&shelf, &contents).is_empty());
            assert!(
                check(&shelf.open(), &roots, CheckDepth::Deep)
                    .unwrap()
                    .is_sound()
            );
        }
    }
}

#[test]
fn what_has_no_other_copy_is_named_and_the_rest_of_its_pack_lives() {
    for shelf in Shelf::each() {
        let contents: Vec<Vec<u8>> = (0..20)
            .map(|seed| noise(seed + 1, 900))
            .chain([noise(50, 1 << 20)])
            .collect();
        drop(put(&shelf.open(), &contents).unwrap());
        let pack = shelf.names(Area::Packs).remove(0);
        let mut bytes = shelf.bytes(&pack);
        let bad = bytes
            .windows(900)
            .position(|window| window == contents[4])
            .unwrap();
        bytes[bad + 17] ^= 1;
        // The table is lost too.
        bytes.truncate(bytes.len() - 100);
        shelf.write(&pack, &bytes);
        let roots = ids(&contents);
        let wrong = vec![noise(777, 900)];
        let report = repair(&shelf.open(), &roots, &wrong).unwrap();
        assert_eq!(report.lost, [id(&contents[4])]);
        assert_eq!(
            reads_nothing_wrong(&shelf, &contents),
            BTreeSet::from([id(&contents[4])])
        );
        let aside = shelf.names(Area::Quarantine).remove(0);
        assert_eq!(report.quarantined, [shelf.backend().location(&aside)]);
        assert!(
            shelf.bytes(&aside) == bytes,
            "the damaged pack is kept as it was"
        );
        // A copy found later repairs it after all.
        let report = repair(&shelf.open(), &roots, &contents).unwrap();
        assert_eq!(
            (report.healed.as_slice(), report.lost.len()),
            (&[id(&contents[4])][..], 0)
        );
        assert!(
            check(&shelf.open(), &roots, CheckDepth::Deep)
                .unwrap()
                .is_sound()
        );
    }
}

#[test]
fn a_large_file_is_healed_chunk_by_chunk() {
    for shelf in Shelf::each() {
        let large = noise(9, 20 << 20);
        drop(put(&shelf.open(), std::slice::from_ref(&large)).unwrap());
        // Each core has written a pack, one of which may be small.
        let packs = shelf.names(Area::Packs).into_iter();
        let pack = packs.max_by_key(|name| shelf.bytes(name).len()).unwrap();
        let mut bytes = shelf.bytes(&pack);
        for at in [1 << 20, 3 << 20, 5 << 20] {
            bytes[at] ^= 64;
        }
        shelf.write(&pack, &bytes);
        let roots = BTreeSet::from([id(&large)]);
        let report = repair(&shelf.open(), &roots, std::slice::from_ref(&large)).unwrap();
        assert_eq!(
            (report.damage.len(), report.healed.as_slice()),
            (3, &[id(&large)][..])
        );
        assert!(reads_nothing_wrong(&shelf, &[large]).is_empty());
        assert!(
            check(&shelf.open(), &roots, CheckDepth::Deep)
                .unwrap()
                .is_sound()
        );
    }
}

#[test]
fn a_whole_store_is_left_as_it_is() {
    for shelf in Shelf::each() {
        let contents = fill(&shelf);
        let before = shelf.files();
        let report = repair(&shelf.open(), &ids(&contents), &[]).unwrap();
        assert_eq!(
            (
                report.damage.len(),
                report.quarantined.len(),
                report.lost.len()
            ),
            (0, 0, 0)
        );
        assert_eq!(shelf.files(), before);
    }
}
