//! Tolerances, golden arrays, ONNX files, the CLI sandbox, a browser and a scheduler for tests.

pub mod browser;
pub mod closeness;
pub mod golden;
pub mod onnx_file;
pub mod sandbox;
pub mod slurm;
