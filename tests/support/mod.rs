//! Shared support code of the integration tests.
#![allow(
    dead_code,
    reason = "a toolbox: not every tool is in use in every state of the suite"
)]

pub mod checker;
pub mod explore;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod killer;
pub mod mounted;
pub mod operations;
pub mod sandbox;
pub mod scenarios;
pub mod servers;
pub mod shelf;
pub mod sim;
pub mod sqlite;
pub mod stage;
pub mod story;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod sweep;
pub mod trail;
pub mod world;

pub use sandbox::Sandbox;

/// Returns incompressible bytes that look random, always the same for the same name or number.
pub fn noise(name: impl std::fmt::Display, len: usize) -> Vec<u8> {
    let seed = name.to_string().bytes().fold(1_u64, |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(byte.into())
    });
    let mut random = sim::crash::Random(seed);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&random.next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
