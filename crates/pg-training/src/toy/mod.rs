//! Generator and discriminator as small networks on known distributions in the plane, where every
//! loss can be seen at work within minutes (arXiv:1704.00028, section 3).

mod datasets;
mod gan;
mod quality;

pub use datasets::ToyDataset;
pub use gan::{ToyGan, ToySettings};
pub use quality::ToyQuality;
