//! Row 3, git: the only room that names gix or runs the git program.
