//! Between bfloat16, in which activations may be kept, and the formats that sums are made in.

use tch::{Kind, Tensor};

/// bf16 to f32; any other kind as it is.
pub(crate) fn widened(x: &Tensor) -> Tensor {
    if x.kind() == Kind::BFloat16 { x.to_kind(Kind::Float) } else { x.shallow_clone() }
}

/// To bf16 where activations are kept so; else as it is.
pub(crate) fn narrowed(x: &Tensor, activations: Kind) -> Tensor {
    if activations == Kind::BFloat16 { x.to_kind(activations) } else { x.shallow_clone() }
}
