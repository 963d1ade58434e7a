//! Weights of a step as bytes.

use tch::Tensor;

use super::ExportError;

/// The numbers of an f32 tensor, little-endian, in row-major order.
pub(super) fn bytes_of(tensor: &Tensor) -> Result<Vec<u8>, ExportError> {
    let mut numbers = vec![0.0_f32; tensor.numel()];
    tensor.f_copy_data(&mut numbers, tensor.numel())?;
    Ok(numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
}
