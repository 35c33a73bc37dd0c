//! The `snapback` program.

fn main() {}
