//! Row 3, the change engine: steps, journal, runner, recovery.
