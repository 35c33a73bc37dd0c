//! Tests that every backend and every wrapper keeps the promises of the port.
//!
//! A new one is one line in [`all`]. Each test runs on all of them, on a store of its own.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests use the standard library directly and may panic"
)]

mod added;
mod files;
mod leases;
mod wrappers;

use std::{num::NonZeroU64, path::Path, sync::Arc};

use base::{RelPath, Root};
use store::{
    backend::{Area, Backend, FileName, LeaseOn, LocalBackend, MemoryBackend, stage_bytes},
    wrap::{FaultyBackend, LimitedBackend},
};

/// An empty store with two handles, as two processes would have.
struct Made {
    name: &'static str,
    backend: Arc<dyn Backend>,
    other: Arc<dyn Backend>,
    dir: Option<tempfile::TempDir>,
}

fn local(dir: &Path) -> Arc<dyn Backend> {
    let fs = Arc::new(Root::open(dir).unwrap());
    Arc::new(LocalBackend::new(fs, RelPath::own("store")))
}

fn in_folder() -> Made {
    let dir = tempfile::tempdir().unwrap();
    let (backend, other) = (local(dir.path()), local(dir.path()));
    Made {
        name: "local",
        backend,
        other,
        dir: Some(dir),
    }
}

fn in_memory() -> Made {
    let backend: Arc<dyn Backend> = Arc::new(MemoryBackend::default());
    Made {
        name: "memory",
        other: backend.clone(),
        backend,
        dir: None,
    }
}

/// Wraps both handles.
fn over(name: &'static str, inner: Made, wrap: fn(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Made {
    Made {
        name,
        backend: wrap(inner.backend),
        other: wrap(inner.other),
        dir: inner.dir,
    }
}

fn faulty(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(FaultyBackend::new(inner))
}

fn limited(inner: Arc<dyn Backend>) -> Arc<dyn Backend> {
    Arc::new(LimitedBackend::new(inner, NonZeroU64::new(1 << 40), None))
}

/// Returns all backends and wrappers, each with an empty, prepared store.
fn all() -> Vec<Made> {
    let all = vec![
        in_folder(),
        in_memory(),
        added::made(),
        over("fault over local", in_folder(), faulty),
        over("fault over memory", in_memory(), faulty),
        over("limit over local", in_folder(), limited),
        over("limit over fault over memory", in_memory(), |inner| {
            limited(faulty(inner))
        }),
    ];
    for made in &all {
        made.backend.prepare().unwrap();
    }
    all
}

/// Returns bytes that differ from place to place.
fn bytes(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| u8::try_from(at / 3 % 251).unwrap())
        .collect()
}

fn session(name: &str) -> LeaseOn {
    LeaseOn::Session(name.into())
}

fn put(backend: &dyn Backend, name: &FileName, bytes: &[u8]) {
    let staged = stage_bytes(backend, name.area, "me", bytes).unwrap();
    staged.put(name).unwrap();
}

/// Returns a pack name.
fn pack(name: &str) -> FileName {
    FileName::new(Area::Packs, name)
}

/// Areas whose files have bytes.
const AREAS: [Area; 5] = [
    Area::Packs,
    Area::Index,
    Area::Log,
    Area::Quarantine,
    Area::Legacy,
];
