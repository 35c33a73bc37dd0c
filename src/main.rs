//! The `snapback` program. All of it is in the library; read [`snapback::cli`] next.

use std::process::ExitCode;

fn main() -> ExitCode {
    snapback::cli::main()
}
