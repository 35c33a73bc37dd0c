//! Backends that wrap another one: each changes its behaviour but keeps the promises of the port.
//!
//! A wrapper knows no format and no other wrapper, so wrappers can be stacked in any order.
//! `tests/conformance/` holds them to the same promises as the backends they wrap.

mod fault;
mod limit;

pub use fault::{FaultPlan, FaultyBackend};
pub use limit::LimitedBackend;
