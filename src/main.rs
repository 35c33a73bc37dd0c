//! The `snapback` program. Everything is in the library; read [`snapback::cli`] next.

use std::process::ExitCode;

/// A command is short and makes hundreds of thousands of small allocations: the system's allocator
/// would take a tenth of its time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    snapback::cli::main()
}
