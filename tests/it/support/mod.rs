//! What the integration tests share.
#![allow(dead_code, reason = "a toolbox: not every tool is in use in every state of the suite")]

pub mod explore;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod killer;
pub mod sandbox;
pub mod scenarios;
pub mod shelf;
pub mod sim;
pub mod story;
pub mod trail;
pub mod world;

pub use sandbox::Sandbox;
