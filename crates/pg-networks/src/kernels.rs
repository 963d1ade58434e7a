//! The kernels that run instead of libtorch's on the CPU.

use crate::torch_bridge::Kernels;
use crate::{blur, pixel_norm, style, winograd};

/// Handed to the bridge with every call.
pub(crate) const KERNELS: Kernels = Kernels {
    bilinear: winograd::form_of,
    pixel_norm: pixel_norm::kernel,
    blur: blur::kernel,
    style: style::forward,
    style_gradients: style::gradients,
};
