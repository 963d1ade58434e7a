//! Pixels in memory: interleaved photos, planar images, resolutions and levels of detail, and the
//! exact resampling recipes of the progressive-growing literature.
//!
//! Only [`files`] touches the file system.

mod coarse_blur;
mod contact_sheet;
mod drawing;
pub mod files;
mod fit;
mod frequency_quality;
mod gaussian_blur;
mod lanczos;
pub mod level_of_detail;
mod mirror_pad;
mod network_resize;
mod planar;
mod quad_transform;
mod raster;
mod resize;
mod resolution;
mod truncation;

pub use coarse_blur::{CoarseBlur, CoarseRows};
pub use contact_sheet::{contact_sheet, contact_sheet_on};
pub use drawing::draw_stroke;
pub use fit::{Fit, FitError, fit, window};
pub use frequency_quality::{FrequencyQuality, frequency_quality};
pub use gaussian_blur::{Rectangle, gaussian_blur};
pub use lanczos::resize_lanczos;
pub use mirror_pad::{mirror_pad, mirror_rows};
pub use network_resize::{NetworkResize, NetworkResizeError, NetworkResizePlan};
pub use planar::Planar;
pub use quad_transform::QuadSampler;
pub use raster::{Raster, RasterError};
pub use resolution::{Resolution, ResolutionError};
pub use truncation::truncated;
