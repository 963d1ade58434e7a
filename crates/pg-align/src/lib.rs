//! Facial landmarks to oriented crop to aligned square (ProGAN, arXiv:1710.10196, appendix C, in the
//! variant of the authors' published dataset program).
//!
//! Each step is a function of its own, in the order of [`align`]: [`oriented_square`], [`shrink`],
//! [`crop`], [`enlarge`], [`pad`], [`transform`]. No file system: photos come decoded, landmark files
//! as text.

mod alignment;
mod cropping;
mod errors;
mod ffhq_json;
pub mod landmark_file;
mod landmark_row;
mod landmarks;
mod layout_check;
mod oriented_square;
mod padding;
mod random_shift;
mod scaling;

pub use alignment::{AlignSettings, Aligned, FinalFilter, Geometry, align, transform};
pub use cropping::crop;
pub use errors::AlignError;
pub use landmarks::Landmarks;
pub use layout_check::{LayoutFault, check_inside, check_layout};
pub use oriented_square::{OrientedSquare, Preset, oriented_square, upright_square};
pub use padding::{pad, pad_exactly};
pub use random_shift::RandomShift;
pub use scaling::{enlarge, shrink};
