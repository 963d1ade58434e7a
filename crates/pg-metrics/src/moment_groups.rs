//! Means and covariances of any of the groups that a set of images is cut into.

use faer::MatRef;
use rayon::prelude::*;

use crate::MetricsError;
use crate::feature_moments::{FeatureGaussian, FeatureMoments, add_product, gaussian_of};
use crate::feature_rows::FeatureRows;

/// The moments of one group.
#[derive(Debug, Clone)]
struct Group {
    count: f64,
    mean: Vec<f64>,
    /// The rows of the lower triangle of the scatter, one behind the other.
    scatter: Vec<f64>,
}

/// The moments of each group of a set, from one pass over its features.
///
/// # Cost
/// width^2 floating-point operations a vector. Memory: 4 width^2 bytes a group.
#[derive(Debug, Clone)]
pub(crate) struct MomentGroups {
    width: usize,
    groups: Vec<Group>,
}

impl MomentGroups {
    /// Of the groups of `rows` that end before the images `ends`.
    pub(crate) fn of(rows: &dyn FeatureRows, ends: &[usize]) -> Result<Self, MetricsError> {
        let width = rows.width();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let group = |(start, &end): (usize, &usize)| -> Result<Group, MetricsError> {
            let (count, mean, scatter) = FeatureMoments::of(rows, start..end)?.into_parts();
            let rows = scatter.chunks_exact(width.max(1)).enumerate();
            let scatter = rows.flat_map(|(i, row)| &row[..=i]).copied().collect();
            Ok(Group { count, mean, scatter })
        };
        Ok(Self { width, groups: starts.zip(ends).map(group).collect::<Result<_, _>>()? })
    }

    /// The Gaussian of all vectors of the groups in `mask`, whose bit g says whether group g belongs to them.
    ///
    /// # Errors
    /// [`MetricsError::TooFewImages`] below two vectors
    pub(crate) fn gaussian(&self, mask: u32) -> Result<FeatureGaussian, MetricsError> {
        let width = self.width;
        let inside = self.groups.iter().enumerate().filter(|(g, _)| mask >> g & 1 == 1);
        let inside: Vec<&Group> = inside.map(|(_, group)| group).collect();
        let count: f64 = inside.iter().map(|group| group.count).sum();
        let mean_at = |i: usize| inside.iter().map(|group| group.count * group.mean[i]).sum::<f64>() / count;
        let mean: Vec<f64> = (0..width).map(mean_at).collect();
        let mut scatter = vec![0.0; width * width];
        scatter.par_chunks_exact_mut(width.max(1)).enumerate().for_each(|(i, row)| {
            let first = i * (i + 1) / 2;
            for group in &inside {
                for (sum, value) in row.iter_mut().zip(&group.scatter[first..=first + i]) {
                    *sum += value;
                }
            }
        });
        // What the groups' own means leave out.
        let between = inside.iter().flat_map(|group| {
            let root = group.count.sqrt();
            group.mean.iter().zip(&mean).map(move |(own, mean)| root * (own - mean))
        });
        let between: Vec<f64> = between.collect();
        add_product(&mut scatter, MatRef::from_row_major_slice(&between, inside.len(), width));
        gaussian_of(count, mean, &scatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random_streams::gaussian_noise;
    use ndarray::{Array2, Axis};
    use pg_testkit::closeness::{Tolerance, assert_close};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn any_groups_have_the_moments_of_their_images(n in 4_usize..60, mask in 1_u32..16, width in 1_usize..6) {
            let noise = gaussian_noise(n as u64, n * width);
            let rows = Array2::from_shape_fn((n, width), |(i, j)| 100.0 + noise[i * width + j] * (1 + j) as f32);
            let ends: Vec<usize> = (1..=4).map(|g| g * n / 4).collect();
            let group_of = |i: usize| ends.iter().position(|&end| i < end).unwrap();
            let inside: Vec<usize> = (0..n).filter(|&i| mask >> group_of(i) & 1 == 1).collect();
            let found = MomentGroups::of(&rows, &ends).unwrap().gaussian(mask);
            let expected = FeatureGaussian::of(&rows.select(Axis(0), &inside));
            match (found, expected) {
                (Ok(found), Ok(expected)) => {
                    prop_assert_eq!(found.images, expected.images);
                    let of = |g: &FeatureGaussian| g.mean.iter().chain(&g.covariance).copied().collect::<Vec<_>>();
                    assert_close("moments", &of(&found), &of(&expected), Tolerance::new(1e-12, 1e-11));
                }
                (found, expected) => prop_assert!(found.is_err() && expected.is_err()),
            }
        }
    }
}
