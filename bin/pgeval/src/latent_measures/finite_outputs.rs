//! What networks say of latents must be finite: a plane through NaN, or its distance, is none.

use anyhow::{Result, bail};
use ndarray::{ArrayView, Dimension, RemoveAxis};

/// An output of a network, for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct NetworkOutput<'a> {
    /// The argument that the network was given for.
    pub(super) role: &'a str,
    /// The argument as typed.
    pub(super) path: &'a str,
    /// The output's name.
    pub(super) name: &'a str,
}

/// Refuses `values` `[N, …]` with a number that is not finite; row i is of the sample `sample(i)`.
pub(super) fn check_finite<D: Dimension + RemoveAxis>(
    values: &ArrayView<'_, f32, D>,
    output: NetworkOutput<'_>,
    sample: impl Fn(usize) -> usize,
) -> Result<()> {
    for (row, of_sample) in values.outer_iter().enumerate() {
        if let Some((place, value)) = of_sample.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            let NetworkOutput { role, path, name } = output;
            bail!(
                "cannot use {role} `{path}`: output `{name}` for sample {} is {value} at place {place}, expected finite numbers; repair the network",
                sample(row)
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn the_sample_the_output_and_the_place_are_named() {
        let output = NetworkOutput { role: "--lpips", path: "l.onnx", name: "distance" };
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = Array2::zeros((3, 4));
            check_finite(&values.view(), output, |row| row).unwrap();
            values[[1, 2]] = wrong;
            let error = check_finite(&values.view(), output, |row| 16 + row).unwrap_err().to_string();
            let expected =
                format!("cannot use --lpips `l.onnx`: output `distance` for sample 17 is {wrong} at place 2");
            assert!(error.starts_with(&expected), "{error}");
        }
    }
}
