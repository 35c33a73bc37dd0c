//! snapback puts any task of a repository back, exactly and verified, to any version it released.

pub mod app;
pub mod base;
pub mod catalog;
pub mod cli;
pub mod config;
pub mod deps;
pub mod draft;
pub mod git;
pub mod ground;
pub mod journal;
pub mod model;
pub mod policy;
pub mod registry;
pub mod release;
pub mod rollback;
pub mod steps;
pub mod store;
pub mod verify;
