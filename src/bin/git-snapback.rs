//! The same program under the name that `git snapback` looks for.

use std::process::ExitCode;

/// A command is short and makes hundreds of thousands of small things: the system's allocator
/// takes a tenth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    snapback::cli::main()
}
