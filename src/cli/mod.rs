//! Row 10, the command line: clap, no logic.
