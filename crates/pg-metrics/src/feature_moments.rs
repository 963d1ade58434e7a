//! Mean and covariance of feature vectors, from one pass, mergeable.

use faer::linalg::matmul::triangular::{BlockStructure, matmul as triangular_matmul};
use faer::{Accum, MatMut, MatRef};
use ndarray::{Array1, Array2};

use crate::MetricsError;
use crate::feature_rows::{FeatureRows, ROW_CHUNK, read_f64};
use crate::parallelism::all_threads;

/// A Gaussian fitted to the feature vectors of a set of images.
#[derive(Debug, Clone, PartialEq)]
pub struct FeatureGaussian {
    /// Number of images; unknown of published statistics that do not tell.
    pub images: Option<usize>,
    /// Mean, `[width]`.
    pub mean: Array1<f64>,
    /// Unbiased covariance (divisor n - 1), `[width, width]`, symmetric.
    pub covariance: Array2<f64>,
}

/// Count, mean and scatter (the sum of squared deviations) of feature vectors, in f64.
///
/// Chunks are centred on their own mean and merged by the update of Chan, Golub and LeVeque (1979), so that
/// nothing cancels however large the mean is. Vectors are taken in chunks of 1024 whatever pieces they come in.
///
/// # Cost
/// width^2 floating-point operations a vector. Memory: 8 width^2 bytes, and 1024 vectors.
#[derive(Debug, Clone)]
pub struct FeatureMoments {
    width: usize,
    count: f64,
    mean: Vec<f64>,
    /// Row-major, lower triangle.
    scatter: Vec<f64>,
    /// Vectors that do not make a chunk yet.
    pending: Vec<f64>,
}

impl FeatureMoments {
    /// Of no vectors yet, of length `width`.
    #[must_use]
    pub fn new(width: usize) -> Self {
        Self {
            width,
            count: 0.0,
            mean: vec![0.0; width],
            scatter: vec![0.0; width * width],
            pending: Vec::new(),
        }
    }

    /// Of the vectors `indices` of `rows`, in that order.
    ///
    /// # Errors
    /// [`MetricsError::FeatureRows`], [`MetricsError::NotFinite`]
    pub fn of(
        rows: &dyn FeatureRows,
        indices: impl IntoIterator<Item = usize>,
    ) -> Result<Self, MetricsError> {
        let mut moments = Self::new(rows.width());
        let counted: Vec<usize> = indices.into_iter().collect();
        for indices in counted.chunks(ROW_CHUNK) {
            moments.push(&read_f64(rows, indices)?, indices.len());
        }
        Ok(moments)
    }

    /// Adds `count` vectors, at most a chunk of them.
    fn push(&mut self, vectors: &[f64], count: usize) {
        if self.width == 0 {
            self.count += count as f64;
            return;
        }
        self.pending.extend_from_slice(vectors);
        if self.pending.len() == ROW_CHUNK * self.width {
            self.take_pending();
        }
    }

    fn take_pending(&mut self) {
        let width = self.width;
        let mut values = std::mem::take(&mut self.pending);
        if values.is_empty() {
            return;
        }
        let rows = values.len() / width;
        let count = rows as f64;
        let mut mean = vec![0.0; width];
        for vector in values.chunks_exact(width) {
            for (sum, value) in mean.iter_mut().zip(vector) {
                *sum += value;
            }
        }
        for sum in &mut mean {
            *sum /= count;
        }
        for vector in values.chunks_exact_mut(width) {
            for (value, mean) in vector.iter_mut().zip(&mean) {
                *value -= mean;
            }
        }
        add_product(&mut self.scatter, MatRef::from_row_major_slice(&values, rows, width));
        self.add_mean(count, &mean);
    }

    /// Counts `count` vectors of mean `mean`, whose scatter about it is in already.
    fn add_mean(&mut self, count: f64, mean: &[f64]) {
        let total = self.count + count;
        let shift: Vec<f64> = mean.iter().zip(&self.mean).map(|(there, here)| there - here).collect();
        if self.count > 0.0 {
            let root = (self.count * count / total).sqrt();
            let scaled: Vec<f64> = shift.iter().map(|value| root * value).collect();
            add_product(&mut self.scatter, MatRef::from_row_major_slice(&scaled, 1, self.width));
        }
        for (mean, shift) in self.mean.iter_mut().zip(&shift) {
            *mean += shift * (count / total);
        }
        self.count = total;
    }

    /// Adds all that `other` has counted.
    ///
    /// # Errors
    /// [`MetricsError::SetsDiffer`] for vectors of another length
    pub fn merge(&mut self, mut other: Self) -> Result<(), MetricsError> {
        if self.width != other.width {
            let (real, fake) = (self.width.to_string(), other.width.to_string());
            return Err(MetricsError::SetsDiffer { what: "length of their feature vectors", real, fake });
        }
        self.take_pending();
        other.take_pending();
        for (sum, value) in self.scatter.iter_mut().zip(&other.scatter) {
            *sum += value;
        }
        if other.count > 0.0 {
            self.add_mean(other.count, &other.mean);
        }
        Ok(())
    }

    /// Count, mean, and scatter, of which the lower triangle counts, `[width, width]`.
    pub(crate) fn into_parts(mut self) -> (f64, Vec<f64>, Vec<f64>) {
        self.take_pending();
        (self.count, self.mean, self.scatter)
    }

    /// The Gaussian of these moments, of `images` images.
    ///
    /// # Errors
    /// [`MetricsError::TooFewImages`] below two: there is no covariance
    pub fn gaussian(self) -> Result<FeatureGaussian, MetricsError> {
        let (count, mean, scatter) = self.into_parts();
        gaussian_of(count, mean, &scatter)
    }
}

/// The Gaussian of `count` vectors, from their mean and the lower triangle of their scatter.
///
/// # Errors
/// [`MetricsError::TooFewImages`] below two vectors
pub(crate) fn gaussian_of(
    count: f64,
    mean: Vec<f64>,
    scatter: &[f64],
) -> Result<FeatureGaussian, MetricsError> {
    let images = count as usize;
    if images < 2 {
        let metric = "the covariance of features";
        return Err(MetricsError::TooFewImages { metric, expected: 2, actual: images });
    }
    let (width, divisor) = (mean.len(), count - 1.0);
    let lower = |i: usize, j: usize| scatter[i.max(j) * width + i.min(j)] / divisor;
    let covariance = Array2::from_shape_fn((width, width), |(i, j)| lower(i, j));
    Ok(FeatureGaussian { images: Some(images), mean: Array1::from(mean), covariance })
}

impl FeatureGaussian {
    /// Of the feature vectors of all images of `rows`.
    ///
    /// # Errors
    /// [`MetricsError::FeatureRows`], [`MetricsError::TooFewImages`] below two images
    pub fn of(rows: &dyn FeatureRows) -> Result<Self, MetricsError> {
        FeatureMoments::of(rows, 0..rows.count())?.gaussian()
    }

    /// Length of a feature vector.
    #[must_use]
    pub fn width(&self) -> usize {
        self.mean.len()
    }
}

/// `sum += rows^T rows`, its lower triangle.
pub(crate) fn add_product(sum: &mut [f64], rows: MatRef<'_, f64>) {
    let width = rows.ncols();
    triangular_matmul(
        MatMut::from_row_major_slice_mut(sum, width, width),
        BlockStructure::TriangularLower,
        Accum::Add,
        rows.transpose(),
        BlockStructure::Rectangular,
        rows,
        BlockStructure::Rectangular,
        1.0,
        all_threads(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise;
    use pg_testkit::closeness::{Tolerance, assert_close};
    use proptest::prelude::*;

    fn noise(seed: u64, n: usize, width: usize) -> Array2<f32> {
        let values = gaussian_noise(seed, n * width);
        Array2::from_shape_fn((n, width), |(i, j)| 100.0 + values[i * width + j] * (1 + j % 3) as f32)
    }

    /// The definition.
    fn two_passes(rows: &Array2<f32>) -> (Vec<f64>, Vec<f64>) {
        let (n, width) = rows.dim();
        let mean: Vec<f64> = rows
            .columns()
            .into_iter()
            .map(|c| c.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64)
            .collect();
        let deviation = |i: usize, j: usize| f64::from(rows[[i, j]]) - mean[j];
        let entry = |a: usize, b: usize| (0..n).map(|i| deviation(i, a) * deviation(i, b)).sum::<f64>();
        let covariance = (0..width * width).map(|k| entry(k / width, k % width) / (n as f64 - 1.0)).collect();
        (mean, covariance)
    }

    #[test]
    fn one_pass_agrees_with_two() {
        for n in [2, 3, ROW_CHUNK, 2 * ROW_CHUNK + 77] {
            let rows = noise(n as u64, n, 7);
            let (mean, covariance) = two_passes(&rows);
            let found = FeatureGaussian::of(&rows).unwrap();
            assert_eq!(found.images, Some(n));
            assert_close("mean", &found.mean.to_vec(), &mean, Tolerance::relative(1e-13));
            let found: Vec<f64> = found.covariance.iter().copied().collect();
            assert_close("covariance", &found, &covariance, Tolerance::new(1e-11, 1e-11));
        }
    }

    #[test]
    fn some_of_the_vectors_are_those_alone() {
        let rows = noise(3, 2 * ROW_CHUNK, 4);
        let some: Vec<usize> = (0..2 * ROW_CHUNK).filter(|i| i % 3 != 1).collect();
        let found = FeatureMoments::of(&rows, some.iter().copied()).unwrap().gaussian().unwrap();
        assert_eq!(found, FeatureGaussian::of(&rows.select(ndarray::Axis(0), &some)).unwrap());
    }

    #[test]
    fn one_image_has_no_covariance() {
        let error = FeatureGaussian::of(&noise(0, 1, 3)).unwrap_err();
        assert!(matches!(error, MetricsError::TooFewImages { actual: 1, .. }), "{error}");
        let mut five = FeatureMoments::new(5);
        assert!(matches!(five.merge(FeatureMoments::new(4)), Err(MetricsError::SetsDiffer { .. })));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn parts_merge_to_the_whole(n in 2_usize..60, cut in 0_usize..60) {
            let (rows, cut) = (noise(n as u64, n, 3), cut.min(n));
            let part = |range: std::ops::Range<usize>| rows.slice(ndarray::s![range, ..]).to_owned();
            let mut merged = FeatureMoments::of(&part(0..cut), 0..cut).unwrap();
            merged.merge(FeatureMoments::of(&part(cut..n), 0..n - cut).unwrap()).unwrap();
            let (merged, whole) = (merged.gaussian().unwrap(), FeatureGaussian::of(&rows).unwrap());
            let of = |g: &FeatureGaussian| g.mean.iter().chain(&g.covariance).copied().collect::<Vec<_>>();
            assert_close("moments", &of(&merged), &of(&whole), Tolerance::new(1e-12, 1e-11));
        }
    }
}
