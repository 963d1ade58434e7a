//! Tolerances, golden arrays and the CLI sandbox for tests.

pub mod closeness;
pub mod golden;
pub mod sandbox;
