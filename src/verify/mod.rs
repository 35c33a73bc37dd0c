//! Row 4, the four levels of verification: one check a file.

pub mod commands;
pub mod evidence;
mod probes;
pub mod readiness;
pub mod smoke;
