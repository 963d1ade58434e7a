//! The Frechet distance where covariances are at their edge: sides without variance, few images, low rank, numbers
//! rounded to f32. Beside the fast path stands the definition, by eigenvalues that Jacobi's rotations find, in f64.
#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use ndarray::{Array1, Array2};
use pg_metrics::{FeatureGaussian, FeatureSide, FrechetJackknife, MetricsError, frechet_distance};
use pg_testkit::closeness::{Tolerance, assert_close};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix: rotations in planes of two axes, until nothing is left
/// beside the diagonal.
fn jacobi(matrix: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    let n = matrix.nrows();
    let (mut a, mut vectors) = (matrix.clone(), Array2::eye(n));
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let angle = 0.5 * (2.0 * a[[p, q]] / (a[[q, q]] - a[[p, p]])).atan();
                let (sine, cosine) = angle.sin_cos();
                let turn = |m: &mut Array2<f64>, i: [usize; 2], j: [usize; 2]| {
                    let (x, y) = (m[i], m[j]);
                    (m[i], m[j]) = (cosine * x - sine * y, sine * x + cosine * y);
                };
                (0..n).for_each(|k| turn(&mut a, [k, p], [k, q]));
                (0..n).for_each(|k| turn(&mut a, [p, k], [q, k]));
                (0..n).for_each(|k| turn(&mut vectors, [k, p], [k, q]));
            }
        }
    }
    (a.diag().to_vec(), vectors)
}

/// |m1 - m2|^2 + Tr C1 + Tr C2 - 2 Tr (C1^1/2 C2 C1^1/2)^1/2, eigenvalues below `zero` being 0.
fn by_definition(real: &FeatureGaussian, fake: &FeatureGaussian, zero: f64) -> f64 {
    let root_of = |value: f64| if value > zero { value.sqrt() } else { 0.0 };
    let (values, vectors) = jacobi(&real.covariance);
    let roots = Array2::from_diag(&values.into_iter().map(root_of).collect::<Array1<f64>>());
    let root = vectors.dot(&roots).dot(&vectors.t());
    let (values, _) = jacobi(&root.dot(&fake.covariance).dot(&root));
    let means: f64 = real.mean.iter().zip(&fake.mean).map(|(a, b)| (a - b).powi(2)).sum();
    let traces = real.covariance.diag().sum() + fake.covariance.diag().sum();
    means + traces - 2.0 * values.into_iter().map(root_of).sum::<f64>()
}

/// `images` vectors of length `width` that vary in `rank` directions.
fn features(seed: u64, images: usize, width: usize, rank: usize) -> Array2<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut uniform = |rows: usize, columns: usize| {
        Array2::from_shape_fn((rows, columns), |_| rng.random_range(-1.0..1.0_f32))
    };
    let (coordinates, directions, mean) = (uniform(images, rank), uniform(rank, width), uniform(1, width));
    coordinates.dot(&directions) + mean.row(0)
}

fn gaussian(rows: &Array2<f32>) -> FeatureGaussian {
    FeatureGaussian::of(rows).unwrap()
}

fn constant(width: usize, at: f32) -> FeatureGaussian {
    gaussian(&Array2::from_elem((9, width), at))
}

fn distance(real: &FeatureGaussian, fake: &FeatureGaussian) -> f64 {
    frechet_distance(real, fake).unwrap().distance
}

#[test]
fn a_side_without_variance_leaves_the_means_and_the_other_trace() {
    let real = gaussian(&features(1, 50, 12, 12));
    for value in [0.0, 0.1, 1e6] {
        let collapsed = constant(12, value);
        let means: f64 = real.mean.iter().zip(&collapsed.mean).map(|(a, b)| (a - b).powi(2)).sum();
        let expected = means + real.covariance.diag().sum();
        for found in [distance(&real, &collapsed), distance(&collapsed, &real)] {
            assert_close("distance", &[found], &[expected], Tolerance::relative(1e-12));
        }
        assert!(!frechet_distance(&real, &collapsed).unwrap().full_rank);
    }
}

#[test]
fn two_sides_without_variance_are_apart_by_their_means() {
    assert_eq!(distance(&constant(5, 3.0), &constant(5, 1.0)), 20.0);
    assert_eq!(distance(&constant(5, 3.0), &constant(5, 3.0)), 0.0);
}

#[test]
fn a_covariance_of_zeros_with_rounding_around_them_counts_as_none() {
    let real = gaussian(&features(1, 50, 6, 6));
    let mut zero = constant(6, 0.5);
    let expected = distance(&real, &zero);
    for rounding in [1e-30, -1e-30, -1e-17] {
        zero.covariance[[2, 2]] = rounding;
        zero.covariance[[1, 3]] = rounding;
        zero.covariance[[3, 1]] = rounding;
        let found = [distance(&real, &zero), distance(&zero, &real)];
        assert_close("distance", &found, &[expected; 2], Tolerance::relative(1e-7));
    }
}

#[test]
fn two_to_five_images_have_the_distance_of_the_definition() {
    for images in 2..=5 {
        for (real, fake) in [(3, 8), (8, 3), (8, 8), (1, 2)] {
            let real = gaussian(&features(images as u64, images, 8, real));
            let fake = gaussian(&features(100 + images as u64, images, 8, fake));
            let expected = by_definition(&real, &fake, 1e-13);
            let found = distance(&real, &fake);
            // The definition loses half of its digits: an eigenvalue of 0 is off by 1e-16, its root by 1e-8.
            assert_close("distance", &[found], &[expected], Tolerance::new(1e-7, 1e-7));
        }
    }
}

#[test]
fn covariances_rounded_to_f32_have_the_distance_of_their_numbers() {
    let rounded = |gaussian: &FeatureGaussian| FeatureGaussian {
        images: None,
        mean: gaussian.mean.mapv(|value| f64::from(value as f32)),
        covariance: gaussian.covariance.mapv(|value| f64::from(value as f32)),
    };
    for (images, rank) in [(4, 16), (10, 3), (12, 16), (200, 5), (200, 16)] {
        let (real, fake) =
            (gaussian(&features(7, 300, 16, 16)), gaussian(&features(images as u64, images, 16, rank)));
        let few = rounded(&fake);
        // As a program of doubles has it that cuts what is below 0, and starts from the side that is not rounded.
        let expected = by_definition(&real, &few, 0.0);
        let found = [distance(&real, &few), distance(&few, &real)];
        assert_close("rounded", &found, &[expected; 2], Tolerance::relative(1e-7));
        let (both, swapped) = (distance(&rounded(&real), &few), distance(&few, &rounded(&real)));
        let expected = by_definition(&rounded(&real), &few, 0.0);
        assert_close("both rounded", &[both, swapped], &[expected; 2], Tolerance::relative(1e-7));
        // What is lost by rounding is the root of its size.
        assert_close("exact", &[distance(&real, &few)], &[distance(&real, &fake)], Tolerance::relative(1e-2));
    }
}

#[test]
fn a_negative_variance_is_refused_by_side_and_size() {
    let good = gaussian(&features(3, 40, 6, 6));
    let mut bad = good.clone();
    for i in 0..6 {
        bad.covariance[[i, i]] -= 2.0 * bad.covariance[[i, i]];
    }
    for (real, fake, expected) in [(&bad, &good, "the real images"), (&good, &bad, "the fake images")] {
        let error = frechet_distance(real, fake).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let MetricsError::OfSide { source, .. } = error else { panic!("{error}") };
        assert!(matches!(*source, MetricsError::NotACovariance { least, .. } if least < 0.0), "{source}");
    }
}

#[test]
fn numbers_beyond_all_distances_are_an_error() {
    let mut huge = gaussian(&features(3, 40, 6, 6));
    huge.covariance.mapv_inplace(|value| value * 1e300);
    assert!(matches!(frechet_distance(&huge, &huge), Err(MetricsError::Overflow { .. })));
    let mut far = gaussian(&features(3, 40, 6, 6));
    far.mean.fill(1e200);
    assert!(matches!(
        frechet_distance(&far, &gaussian(&features(3, 40, 6, 6))),
        Err(MetricsError::Overflow { .. })
    ));
}

#[test]
fn intervals_need_four_images_and_are_finite_from_there_on() {
    for images in 2..=6 {
        let (real, fake) = (features(1, images, 5, 5), features(2, images, 5, 5));
        let jackknife = FrechetJackknife::new(FeatureSide::Rows(&real), FeatureSide::Rows(&fake));
        if images < 4 {
            assert!(matches!(jackknife, Err(MetricsError::TooFewImages { expected: 4, .. })));
            continue;
        }
        let jackknife = jackknife.unwrap();
        let left_out: Vec<_> = (0..jackknife.count()).map(|i| jackknife.without(i).unwrap()).collect();
        let value = distance(&gaussian(&real), &gaussian(&fake));
        let interval = jackknife.interval(value, &left_out);
        assert!(0.0 <= interval.low && interval.low <= value && value <= interval.high);
        assert!(interval.high.is_finite() && interval.low < interval.high);
    }
}

#[test]
fn equal_images_have_an_interval_of_no_width() {
    let (real, fake) = (Array2::from_elem((20, 4), 2.0), Array2::from_elem((20, 4), 1.0));
    let jackknife = FrechetJackknife::new(FeatureSide::Rows(&real), FeatureSide::Rows(&fake)).unwrap();
    let left_out: Vec<_> = (0..jackknife.count()).map(|i| jackknife.without(i).unwrap()).collect();
    let interval = jackknife.interval(4.0, &left_out);
    assert_eq!((interval.low, interval.high), (4.0, 4.0));
}

#[test]
fn equal_sets_have_an_interval_of_rounding_around_0() {
    let set = features(1, 30, 5, 5);
    let jackknife = FrechetJackknife::new(FeatureSide::Rows(&set), FeatureSide::Rows(&set)).unwrap();
    let left_out: Vec<_> = (0..jackknife.count()).map(|i| jackknife.without(i).unwrap()).collect();
    for distance in [0.0, 1e-300, 1e-14] {
        let interval = jackknife.interval(distance, &left_out);
        assert!(0.0 <= interval.low && interval.low <= distance && interval.high < 1e-9, "{interval:?}");
    }
}

#[test]
fn features_that_are_not_finite_are_refused_by_side_image_and_place() {
    let good = features(1, 30, 5, 5);
    for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut bad = good.clone();
        bad[[17, 3]] = wrong;
        let sides = [(&bad, &good, "real"), (&good, &bad, "fake")];
        for (real, fake, side) in sides {
            let sided = |error: MetricsError| {
                assert_eq!(error.to_string(), format!("the {side} images"));
                let MetricsError::OfSide { source, .. } = error else { panic!("{error}") };
                *source
            };
            let mut kernel = pg_metrics::KernelDistance::new(real, fake).unwrap();
            let all: Vec<usize> = (0..30).collect();
            let rows = (FeatureSide::Rows(real), FeatureSide::Rows(fake));
            for error in [
                sided(kernel.add(&all, &all).unwrap_err()),
                sided(pg_metrics::precision_recall(real, fake, 3, &mut || Ok(())).unwrap_err()),
                sided(FrechetJackknife::new(rows.0, rows.1).err().unwrap()),
            ] {
                assert!(matches!(error, MetricsError::NotFinite { index: 17, place: 3, .. }), "{error}");
            }
        }
        for error in
            [FeatureGaussian::of(&bad).unwrap_err(), pg_metrics::inception_score(&bad, 2, 0).unwrap_err()]
        {
            assert!(matches!(error, MetricsError::NotFinite { index: 17, place: 3, .. }), "{error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn any_two_sets_have_the_distance_of_the_definition(
        seed in 0_u64..1000, images in (2_usize..20, 2_usize..20), ranks in (0_usize..7, 0_usize..7), width in 1_usize..7
    ) {
        let real = gaussian(&features(seed, images.0, width, ranks.0));
        let fake = gaussian(&features(seed + 5000, images.1, width, ranks.1));
        let expected = by_definition(&real, &fake, 1e-12);
        let found = distance(&real, &fake);
        assert_close("distance", &[found], &[expected], Tolerance::new(1e-6, 1e-6));
        assert_close("swapped", &[distance(&fake, &real)], &[found], Tolerance::new(1e-9, 1e-9));
    }
}
