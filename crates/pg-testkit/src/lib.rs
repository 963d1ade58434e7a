//! Tolerances, golden arrays, the CLI sandbox and a browser for tests.

pub mod browser;
pub mod closeness;
pub mod golden;
pub mod sandbox;
