//! Row 8, the opened ports and one method per use case.
