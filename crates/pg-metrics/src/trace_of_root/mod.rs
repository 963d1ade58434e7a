//! The trace of the square root of a product of two covariances, Tr (A B)^1/2: what is hard about the Frechet
//! distance of Gaussians.
//!
//! With A = F F^T and B = G G^T it is the sum of the singular values of F^T G (its nuclear norm), all real and none
//! negative. So nothing has to be dropped or regularised, as where the root of the unsymmetric A B is taken.

mod band;
mod by_faer;
#[cfg(feature = "lapack")]
mod by_lapack;
mod sum_of_roots;

use crate::MetricsError;

#[cfg(not(feature = "lapack"))]
pub(crate) use by_faer::trace_of_root;
#[cfg(feature = "lapack")]
pub(crate) use by_lapack::trace_of_root;

/// The trace, and the rank found of either matrix.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TraceOfRoot {
    pub(crate) trace: f64,
    /// Whether both matrices were found to have full rank.
    pub(crate) full_rank: bool,
}

fn not_a_covariance() -> MetricsError {
    MetricsError::Parameter {
        name: "covariance",
        expected: "a matrix without negative eigenvalues (of features of the images themselves it has none beyond rounding; make these statistics again)",
        actual: "one with negative eigenvalues".to_owned(),
    }
}

#[cfg(all(test, feature = "lapack"))]
mod tests {
    use super::*;
    use crate::{FeatureGaussian, random_streams::gaussian_noise};
    use ndarray::Array2;

    /// Of `images` vectors of length `width`, correlated.
    fn covariance(seed: u64, images: usize, width: usize) -> Array2<f64> {
        let noise = gaussian_noise(seed, images * width);
        let at = |i: usize, j: usize| noise[i * width + j % width];
        let rows = Array2::from_shape_fn((images, width), |(i, j)| at(i, j) + 0.5 * at(i, j + 1) + at(i, 0));
        FeatureGaussian::of(&rows).unwrap().covariance
    }

    #[test]
    fn faer_and_lapack_agree() {
        for (width, a, b, full_rank) in
            [(64, 500, 300, true), (300, 900, 700, true), (64, 40, 300, false), (64, 30, 50, false)]
        {
            let (a, b) = (covariance(1, a, width), covariance(2, b, width));
            let faer = by_faer::trace_of_root(&a.view(), &b.view()).unwrap();
            let lapack = by_lapack::trace_of_root(&a.view(), &b.view()).unwrap();
            assert_eq!((faer.full_rank, lapack.full_rank), (full_rank, full_rank));
            // LAPACK's roots of eigenvalues: OpenBLAS's kernels for one processor and another differ by 2e-12.
            let bound = if full_rank { 1e-11 } else { 1e-8 };
            assert!((faer.trace / lapack.trace - 1.0).abs() < bound, "{faer:?} {lapack:?}");
        }
    }

    #[test]
    fn both_refuse_negative_eigenvalues() {
        let good = covariance(1, 500, 64);
        let mut bad = good.clone();
        bad[[3, 9]] += 40.0;
        bad[[9, 3]] += 40.0;
        for (a, b) in [(&good, &bad), (&bad, &good)] {
            for found in
                [by_faer::trace_of_root(&a.view(), &b.view()), by_lapack::trace_of_root(&a.view(), &b.view())]
            {
                assert!(found.unwrap_err().to_string().contains("negative eigenvalues"));
            }
        }
    }
}
