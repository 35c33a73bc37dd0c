//! Row 6, create-snapshot and adopt.
