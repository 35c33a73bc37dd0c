//! Row 3, dependency lists: collectors and how an environment is put back.
