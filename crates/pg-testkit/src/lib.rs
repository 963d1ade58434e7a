//! Tolerances, golden arrays, the CLI sandbox, a browser and a scheduler for tests.

pub mod browser;
pub mod closeness;
pub mod golden;
pub mod sandbox;
pub mod slurm;
