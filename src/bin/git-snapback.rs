//! The same program under the name that `git snapback` looks for.

use std::process::ExitCode;

fn main() -> ExitCode {
    snapback::cli::main()
}
