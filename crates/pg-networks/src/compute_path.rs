//! Who computes on the CPU: this crate's kernels, or libtorch's operations.

use std::sync::LazyLock;

use tch::{Device, Kind, Tensor};

/// `PGKIT_COMPUTE=library` in the environment leaves everything to libtorch; anything else, or nothing, is the faster
/// way. For tests that hold both ways to the same bounds, on any processor.
const VARIABLE: &str = "PGKIT_COMPUTE";

/// Whether this crate's kernels may compute with `x`: f32 or bf16 on the CPU.
pub(crate) fn is_ours(x: &Tensor) -> bool {
    static OURS: LazyLock<bool> =
        LazyLock::new(|| std::env::var_os(VARIABLE).is_none_or(|value| value != "library"));
    *OURS && x.device() == Device::Cpu && matches!(x.kind(), Kind::Float | Kind::BFloat16)
}
