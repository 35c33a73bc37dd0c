//! Row 3, the content-addressed store: the only room that names zstd.
