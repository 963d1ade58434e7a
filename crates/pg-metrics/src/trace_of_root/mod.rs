//! The trace of the square root of a product of two covariances, Tr (A B)^1/2: what is hard about the Frechet
//! distance of Gaussians.
//!
//! With A = F F^T and B = G G^T it is the sum of the singular values of F^T G (its nuclear norm), all real and none
//! negative. So nothing has to be dropped or regularised, as where the root of the unsymmetric A B is taken.

// One takes the other's place; tests compare them.
#[cfg(any(test, not(feature = "lapack")))]
mod band;
#[cfg(any(test, not(feature = "lapack")))]
mod by_faer;
#[cfg(feature = "lapack")]
mod by_lapack;
#[cfg(any(test, not(feature = "lapack")))]
mod factor;
#[cfg(any(test, not(feature = "lapack")))]
mod sum_of_roots;

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

/// How far below 0 an eigenvalue of a covariance may be, by its largest variance and that of the other side: 1e-7 of its
/// own, which f32 explains. Of a side that hardly varies, rounding is that of numbers as large as the other's.
fn allowed_below_zero(own: f64, other: f64) -> f64 {
    const OWN_SHARE: f64 = 1e-7;
    const OTHER_SHARE: f64 = 1e-14;
    (OWN_SHARE * own).max(OTHER_SHARE * other)
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
                let error = found.unwrap_err();
                assert!(
                    std::error::Error::source(&error).is_some_and(|e| e.to_string().contains("negative"))
                );
            }
        }
    }
}
