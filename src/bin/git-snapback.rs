//! The same program under the name that `git snapback` looks for.

fn main() {}
