//! Pixels in memory: interleaved photos, planar images, resolutions and levels of detail, and the
//! exact resampling recipes of the progressive-growing literature.
//!
//! Only [`files`] touches the file system.

pub mod files;
pub mod level_of_detail;
mod planar;
mod raster;
mod resolution;

pub use planar::Planar;
pub use raster::{Raster, RasterError};
pub use resolution::{Resolution, ResolutionError};
