//! Tests with real outside programs: gpg, ssh-keygen, git-lfs, pip, hook managers, a mail server,
//! TLS. Where one is not installed, its tests say so and skip.
//!
//! `cargo test --test it outside::` runs only these.

mod alerts_aiosmtpd;
mod alerts_tls;
mod calls;
mod capsule_ways;
mod drill_packages;
mod environment;
mod git_lfs;
mod hooks_matrix;
mod mapped_files;
mod signatures;
mod signing;
mod sync_rounds;
