//! Tolerances, golden arrays, ONNX files, the CLI sandbox, a browser, a scheduler and kill points for tests.

pub mod browser;
pub mod closeness;
pub mod golden;
pub mod kill_points;
pub mod onnx_file;
pub mod sandbox;
pub mod slurm;
