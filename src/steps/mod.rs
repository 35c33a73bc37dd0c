//! Row 5, the steps that engines share: files, publish, commands, environment, verdicts.
