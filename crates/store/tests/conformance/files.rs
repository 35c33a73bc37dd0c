//! Files: written, named, read, listed, set aside and removed.

use std::{
    io::{self, Write},
    sync::Barrier,
    thread,
};

use base::aligned;
use store::backend::{Area, FileName, stage_bytes};

use crate::{AREAS, all, bytes, pack, put};

#[test]
fn what_was_put_is_there_under_its_name_and_no_other() {
    for made in all() {
        let (backend, other) = (&made.backend, &made.other);
        backend.prepare().unwrap();
        for area in AREAS {
            let name = FileName::new(area, "aabb");
            assert_eq!(backend.size(&name).unwrap(), None, "{}", made.name);
            let missing = backend.open(&name).err().unwrap().kind();
            assert_eq!(missing, io::ErrorKind::NotFound, "{}", made.name);
            let missing = backend.read(&name, 10).unwrap_err().kind();
            assert_eq!(missing, io::ErrorKind::NotFound, "{}", made.name);
            put(&**backend, &name, area.word().as_bytes());
        }
        for area in AREAS {
            let (name, word) = (FileName::new(area, "aabb"), area.word().as_bytes());
            assert_eq!(other.size(&name).unwrap(), Some(word.len() as u64));
            assert_eq!(other.read(&name, 100).unwrap(), word, "{}", made.name);
            assert_eq!(other.list(area).unwrap(), ["aabb"], "{}", made.name);
            let place = backend.location(&name);
            assert!(!place.is_empty() && place == other.location(&name));
        }
        let notes = FileName::verified();
        put(&**backend, &notes, b"one");
        put(&**other, &notes, b"another");
        assert_eq!(backend.read(&notes, 7).unwrap(), b"another");
        assert_eq!(backend.list(Area::Notes).unwrap(), [notes.name]);
    }
}

#[test]
fn any_range_of_a_file_can_be_read() {
    for made in all() {
        for len in [0, 1, 4095, 4096, 4097, 300_000, (5 << 20) + 3] {
            let (name, whole) = (pack(&format!("p{len}")), bytes(len));
            put(&*made.backend, &name, &whole);
            let input = made.other.open(&name).unwrap();
            let mut into = vec![0; 1000];
            for at in [
                0,
                1,
                len / 2,
                len.saturating_sub(1),
                len,
                len + 1,
                len + 5000,
            ] {
                let expected = &whole[at.min(len)..(at + 1000).min(len).max(at.min(len))];
                let n = input.read_at(at as u64, &mut into).unwrap();
                assert!(into[..n] == *expected, "{}: {len} at {at}", made.name);
            }
            let mut page = aligned::Aligned::new(len.next_multiple_of(aligned::ALIGN));
            for at in [0, aligned::floor(len as u64 / 2)] {
                let n = input.read_once_at(at, &mut page).unwrap();
                let from = usize::try_from(at).unwrap();
                assert!(page[..n] == whole[from..], "{}: {len} at {at}", made.name);
            }
            assert!(made.other.read(&name, len as u64).unwrap() == whole);
            if let Some(less) = (len as u64).checked_sub(1) {
                let error = made.other.read(&name, less).unwrap_err();
                assert_eq!(error.kind(), io::ErrorKind::FileTooLarge, "{}", made.name);
            }
        }
    }
}

#[test]
fn a_name_that_must_be_new_is_given_once() {
    for made in all() {
        for round in 0..20 {
            let (name, start) = (FileName::record(round), Barrier::new(8));
            let put = |nth: u8| {
                let backend = if nth.is_multiple_of(2) {
                    &*made.backend
                } else {
                    &*made.other
                };
                let owner = format!("writer{nth}");
                let staged = stage_bytes(backend, Area::Log, &owner, &[nth]).unwrap();
                start.wait();
                match staged.put_new(&name) {
                    Ok(()) => Some(nth),
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => None,
                    Err(error) => panic!("{}: {error}", made.name),
                }
            };
            let winners: Vec<u8> = thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|nth| scope.spawn(move || put(nth))).collect();
                let ended = threads.into_iter().map(|thread| thread.join().unwrap());
                ended.flatten().collect()
            });
            let [winner] = winners[..] else {
                panic!("{}: {winners:?} got the same name", made.name)
            };
            assert_eq!(made.backend.read(&name, 9).unwrap(), [winner]);
        }
        assert!(made.backend.list(Area::Staging).unwrap().is_empty());
        let records = (0..20).map(|nth| FileName::record(nth).name);
        assert_eq!(
            made.backend.list(Area::Log).unwrap(),
            records.collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_file_that_is_replaced_or_removed_is_never_a_mixture() {
    for made in all() {
        let name = pack("same");
        let (old, new) = (vec![1; 100_000], vec![2; 200_000]);
        put(&*made.backend, &name, &old);
        let input = made.other.open(&name).unwrap();
        put(&*made.backend, &name, &new);
        let mut into = vec![0; 300_000];
        // A backend that cannot keep the old bytes must return an error.
        if let Ok(n) = input.read_at(0, &mut into) {
            assert!(into[..n] == old, "{}", made.name);
        }
        assert!(made.other.read(&name, 300_000).unwrap() == new);
        made.backend.remove(&name).unwrap();
        made.backend.remove(&name).unwrap();
        assert_eq!(made.other.size(&name).unwrap(), None);
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
    }
}

#[test]
fn a_list_is_sorted_and_has_its_own_area_only() {
    for made in all() {
        let mut expected: Vec<String> = (0..60)
            .map(|n| format!("{:04x}", n * 7919 % 65_521))
            .collect();
        for name in &expected {
            put(&*made.backend, &pack(name), name.as_bytes());
            put(
                &*made.backend,
                &FileName::new(Area::Index, format!("i{name}")),
                b"",
            );
            put(&*made.backend, &FileName::new(Area::Legacy, name), b"");
        }
        expected.sort();
        assert_eq!(
            made.other.list(Area::Packs).unwrap(),
            expected,
            "{}",
            made.name
        );
        assert_eq!(
            made.other.list(Area::Legacy).unwrap(),
            expected,
            "{}",
            made.name
        );
        assert_eq!(made.other.list(Area::Index).unwrap().len(), 60);
        assert!(made.other.list(Area::Log).unwrap().is_empty());
    }
}

#[test]
fn a_file_is_nowhere_before_it_is_named_and_leaves_nothing_when_it_is_dropped() {
    for made in all() {
        let staging = || made.other.list(Area::Staging).unwrap();
        let mut upload = made.backend.stage(Area::Packs, "owner").unwrap();
        upload.write_all(&bytes(3 << 20)).unwrap();
        let mut second = made.backend.stage(Area::Index, "owner").unwrap();
        second.write_all(b"x").unwrap();
        assert_eq!(staging().len(), 2, "{}", made.name);
        assert!(staging().iter().all(|name| name.starts_with("owner-")));
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
        let staged = upload.finish().unwrap();
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
        drop(second);
        assert_eq!(staging().len(), 1, "{}", made.name);
        drop(staged);
        assert!(staging().is_empty(), "{}", made.name);
        // A staged file that was swept as that of a dead owner can no longer be named.
        let staged = stage_bytes(&*made.backend, Area::Packs, "dead", b"x").unwrap();
        let name = staging().remove(0);
        made.other
            .remove(&FileName::new(Area::Staging, name))
            .unwrap();
        assert!(staged.put(&pack("late")).is_err(), "{}", made.name);
        assert!(made.other.list(Area::Packs).unwrap().is_empty());
    }
}

#[test]
fn what_is_set_aside_is_out_of_use_and_keeps_its_bytes() {
    for made in all() {
        let name = pack("bad");
        assert_eq!(
            made.backend.set_aside(&name).unwrap(),
            None,
            "{}",
            made.name
        );
        let mut names = Vec::new();
        for text in ["one", "two", "three"] {
            put(&*made.backend, &name, text.as_bytes());
            let aside = made.backend.set_aside(&name).unwrap().unwrap();
            assert_eq!(made.other.size(&name).unwrap(), None, "{}", made.name);
            assert_eq!(made.other.read(&aside, 10).unwrap(), text.as_bytes());
            names.push(aside.name);
        }
        made.backend.barrier(Area::Quarantine).unwrap();
        assert_eq!(names, ["packs-bad", "packs-bad.1", "packs-bad.2"]);
        assert_eq!(made.other.list(Area::Quarantine).unwrap(), names);
    }
}
