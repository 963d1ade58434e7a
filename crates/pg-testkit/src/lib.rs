//! Tolerances, golden arrays and the CLI sandbox for tests.
