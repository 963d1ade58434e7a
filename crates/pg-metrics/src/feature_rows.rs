//! Feature vectors of a set of images, wherever they are kept.

use std::error::Error;

use ndarray::Array2;

use crate::MetricsError;

/// A set's feature vectors, read in pieces: in memory, or on disk where there are many.
pub trait FeatureRows: Sync {
    /// Number of images.
    fn count(&self) -> usize;

    /// Length of a feature vector.
    fn width(&self) -> usize;

    /// The vectors of the images `indices`, in that order, into `out`, `[indices, width]`.
    ///
    /// # Errors
    /// Whatever keeps them from being read.
    fn read(&self, indices: &[usize], out: &mut [f32]) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// What the vectors are called in messages.
    fn what(&self) -> &'static str {
        "features"
    }
}

impl FeatureRows for Array2<f32> {
    fn count(&self) -> usize {
        self.nrows()
    }

    fn width(&self) -> usize {
        self.ncols()
    }

    fn read(&self, indices: &[usize], out: &mut [f32]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let width = self.ncols().max(1);
        for (&index, out) in indices.iter().zip(out.chunks_exact_mut(width)) {
            if index >= self.nrows() {
                return Err(format!("image {index} of {}", self.nrows()).into());
            }
            for (out, value) in out.iter_mut().zip(self.row(index)) {
                *out = *value;
            }
        }
        Ok(())
    }
}

/// Rows read at a time; fixed, so that sums do not depend on how the work is cut.
pub(crate) const ROW_CHUNK: usize = 1024;

/// The vectors of `indices`, `[indices, width]`, as f64: their sums of squares lose nothing then. Every metric of features
/// reads through here, so that none sees a number that is not finite.
pub(crate) fn read_f64(rows: &dyn FeatureRows, indices: &[usize]) -> Result<Vec<f64>, MetricsError> {
    let width = rows.width();
    let mut values = vec![0.0_f32; indices.len() * width];
    rows.read(indices, &mut values).map_err(|source| MetricsError::FeatureRows { source })?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        let (index, place, value) = (indices[at / width], at % width, f64::from(values[at]));
        return Err(MetricsError::NotFinite { what: rows.what(), index, place, value });
    }
    Ok(values.into_iter().map(f64::from).collect())
}

/// Refuses sets of vectors that do not belong together.
pub(crate) fn same_width(real: &dyn FeatureRows, fake: &dyn FeatureRows) -> Result<(), MetricsError> {
    if real.width() == fake.width() {
        return Ok(());
    }
    let (real, fake) = (real.width().to_string(), fake.width().to_string());
    Err(MetricsError::SetsDiffer { what: "length of their feature vectors", real, fake })
}
