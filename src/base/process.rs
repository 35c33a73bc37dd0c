//! Child processes (being built by its owner).
