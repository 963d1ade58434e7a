//! The generators and discriminators of ProGAN (arXiv:1710.10196, section 4 and appendix A) and of the style-based
//! GAN (arXiv:1812.04948, section 2) on libtorch.
//!
//! Tensors are f32 `[N,C,H,W]`; images range over [-1, 1]. Nothing here reads or writes files, and no
//! weight is drawn from a global generator: the caller passes the source of normal numbers.

mod activation;
mod architecture;
mod batch_norm;
mod blur;
mod compute_path;
mod conv;
mod dense;
mod discriminator;
mod error;
mod generator;
mod growth_state;
mod image_bytes;
mod kernels;
mod layer_norm;
mod minibatch_discrimination;
mod minibatch_stddev;
mod multiplicative_noise;
mod number;
mod parameters;
mod pixel_norm;
mod precision;
mod resampling;
mod row_share;
mod spectral_norm;
mod style;
mod threads;
mod torch_bridge;
mod toy_mlp;
mod weight;
mod winograd;

pub use activation::leaky_relu;
pub use architecture::{Architecture, DiscriminatorNorm, GeneratorNorm, StyleArchitecture};
pub use batch_norm::Phase;
pub use blur::blur;
pub use discriminator::{Discriminator, DiscriminatorAt, Judgement};
pub use error::NetworkError;
pub use generator::{
    Generator, GeneratorAt, GeneratorInput, GeneratorInputs, GeneratorOperation, GeneratorPart,
    GeneratorProgram, GeneratorStep,
};
pub use growth_state::GrowthState;
pub use image_bytes::images_from_bytes;
pub use minibatch_stddev::minibatch_stddev;
pub use multiplicative_noise::MultiplicativeNoise;
pub use parameters::{NormalSource, Parameters};
pub use pixel_norm::pixel_norm;
pub use resampling::{downscale_box, upscale_nearest};
pub use row_share::RowShare;
pub use threads::set_threads;
pub use torch_bridge::{allow_tf32, gradients_as_they_arrive, keep_freed_memory};
pub use toy_mlp::ToyMlp;
