//! Fault injection: kills, signals, power cuts, full, broken and small disks, damage, concurrent
//! processes; and tests of the harnesses that inject the faults.
//!
//! `SNAPBACK_SWEEP=full` and similar variables make the tests long. `cargo test --test it faults::`
//! runs only these.

mod at_once;
mod audit_crashes;
mod backup_kills;
mod broken;
mod checker;
mod crash_states;
mod damage;
mod disk_errors;
mod guard_kills;
mod hooks_crashes;
mod kept;
mod kill_sweep;
mod killer_harness;
mod output_crashes;
mod power_cuts;
mod record_crashes;
mod said;
mod sim_fs;
mod small_disk;
mod store_faults;
mod store_gc;
mod store_repair;
mod store_rounds;
mod walks;
