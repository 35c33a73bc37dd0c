//! What the integration tests share.
#![allow(dead_code, reason = "a toolbox: not every tool is in use in every state of the suite")]

pub mod sim;
