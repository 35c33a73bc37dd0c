//! The integration tests: library level first, the command line only for wiring.
