//! Row 1, pure decisions over plain data; `now` is always an argument. No I/O, no clock.

pub mod alert;
pub mod conventional;
pub mod floor;
pub mod guard;
pub mod health;
pub mod litter;
pub mod portable;
pub mod prune;
pub mod target;
pub mod undo;
