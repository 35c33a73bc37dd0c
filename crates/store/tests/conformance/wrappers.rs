//! Tests what the wrappers do besides keeping the promises of the port.

use std::{
    num::NonZeroU64,
    sync::Arc,
    time::{Duration, Instant},
};

use store::{
    backend::{Area, Backend, FileName, MemoryBackend},
    wrap::{FaultyBackend, LimitedBackend},
};

use crate::{bytes, in_folder, in_memory, pack, put};

#[test]
fn what_no_barrier_has_covered_may_be_lost_and_the_rest_is_not() {
    for inner in [in_folder(), in_memory()] {
        inner.backend.prepare().unwrap();
        let backend = FaultyBackend::new(inner.backend.clone());
        let (kept, lost) = (pack("kept"), pack("lost"));
        put(&backend, &kept, b"old");
        put(&backend, &FileName::record(1), b"record");
        backend.barrier(Area::Packs).unwrap();
        put(&backend, &lost, b"never covered");
        put(&backend, &kept, b"new");
        put(&backend, &kept, b"newest");
        // The barrier of one area does not cover another.
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.read(&kept, 9).unwrap(), b"old", "{}", inner.name);
        assert_eq!(backend.list(Area::Packs).unwrap(), ["kept"]);
        assert!(backend.list(Area::Log).unwrap().is_empty());
        // Some changes may survive, the earliest first.
        put(&backend, &kept, b"new");
        put(&backend, &kept, b"newest");
        backend.cut_power(&mut |changes| changes - 1).unwrap();
        assert_eq!(backend.read(&kept, 9).unwrap(), b"new");
        // Removed files may reappear; a file that was set aside is in one of two places.
        backend.remove(&kept).unwrap();
        backend.barrier(Area::Packs).unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.read(&kept, 9).unwrap(), b"new", "{}", inner.name);
        let aside = backend.set_aside(&kept).unwrap().unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.size(&aside).unwrap(), None);
        assert_eq!(backend.read(&kept, 9).unwrap(), b"new");
        let aside = backend.set_aside(&kept).unwrap().unwrap();
        backend.barrier(Area::Quarantine).unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert_eq!(backend.read(&aside, 9).unwrap(), b"new", "{}", inner.name);
        // A skipped barrier covers nothing.
        backend.skip(Area::Index);
        put(&backend, &FileName::new(Area::Index, "i"), b"x");
        backend.barrier(Area::Index).unwrap();
        backend.cut_power(&mut |_| 0).unwrap();
        assert!(backend.list(Area::Index).unwrap().is_empty());
    }
}

#[test]
fn a_limit_is_kept_and_changes_no_byte() {
    let inner: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
    let limit = NonZeroU64::new(1 << 20);
    let limited = LimitedBackend::new(inner.clone(), limit, limit);
    let (name, whole) = (pack("p"), bytes(100 << 10));
    let begun = Instant::now();
    put(&limited, &name, &whole);
    let written = begun.elapsed();
    assert!(limited.read(&name, 1 << 20).unwrap() == whole);
    let mut into = vec![0; 50 << 10];
    limited.open(&name).unwrap().read_at(0, &mut into).unwrap();
    assert!(into == whole[..50 << 10]);
    let read = begun.elapsed().saturating_sub(written);
    let expected = |bytes: u32| Duration::from_secs(1) * (bytes << 10) / (1 << 20);
    assert!(
        written >= expected(100) && read >= expected(150),
        "{written:?}, {read:?}"
    );
    // Only one direction is limited: at one byte per second, the other would never finish.
    put(
        &LimitedBackend::new(inner, NonZeroU64::new(1), None),
        &name,
        &whole,
    );
}
