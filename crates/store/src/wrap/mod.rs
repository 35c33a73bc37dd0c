//! Backends over backends: each changes how another one behaves and keeps the promises of the port.
//!
//! A wrapper knows no format and no other wrapper, so that they go over each other in any order.
//! `tests/conformance/` holds them to the same promises as what they wrap.

mod fault;
mod limit;

pub use fault::{FaultPlan, FaultyBackend};
pub use limit::LimitedBackend;
