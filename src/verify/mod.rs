//! Row 4, the four levels of verification: one check a file.
