//! Row 2, pure decisions; now is an argument.
