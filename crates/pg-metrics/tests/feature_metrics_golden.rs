//! Frechet distance, Inception score, kernel distance, precision and recall against the authors' programs
//! (`fixtures/fid/math`).

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use ndarray::{Array2, Ix2};
use pg_metrics::{
    FeatureGaussian, FrechetDistance, KernelDistance, KernelDistanceScore, MetricsError, frechet_distance,
    inception_score, precision_recall,
};
use pg_testkit::closeness::{Tolerance, assert_close};
use pg_testkit::golden;
use serde_json::Value;

fn features(name: &str) -> Array2<f32> {
    golden::npy::<f32>(&format!("fid/math/{name}.npy")).into_dimensionality::<Ix2>().unwrap()
}

fn official() -> Value {
    // Python writes NaN, which is no JSON.
    let path = golden::fixture("fid/math/expected_official.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap().replace("NaN", "null")).unwrap()
}

fn modern() -> Value {
    golden::json("fid/math/expected_torch_fidelity_cleanfid.json")
}

fn distance(real: &Array2<f32>, fake: &Array2<f32>) -> FrechetDistance {
    frechet_distance(&FeatureGaussian::of(real).unwrap(), &FeatureGaussian::of(fake).unwrap()).unwrap()
}

fn close(what: &str, actual: f64, expected: &Value, tolerance: Tolerance) {
    assert_close(what, &[actual], &[expected.as_f64().unwrap()], tolerance);
}

#[test]
fn frechet_distances_of_full_rank_equal_the_official_ones() {
    let [a, b, uneven] = ["gauss_A_512x64", "gauss_B_512x64", "uneven_B_1037x64"].map(features);
    for (name, real, fake) in [("fid_gauss", &a, &b), ("fid_uneven", &a, &uneven)] {
        let found = distance(real, fake);
        assert!(found.full_rank);
        close(name, found.distance, &official()[name]["fid"], Tolerance::relative(1e-12));
        close(name, distance(fake, real).distance, &official()[name]["fid"], Tolerance::relative(1e-12));
    }
    assert!(distance(&a, &a).distance.abs() < 1e-12);
}

#[test]
fn frechet_distances_of_deficient_rank_are_exact() {
    let [a, b, many] = ["rankdef_A_40x64", "rankdef_B_40x64", "uneven_B_1037x64"].map(features);
    for (name, real, fake) in
        [("fid_rankdef", &a, &b), ("fid_small_vs_big", &a, &many), ("fid_identical_rankdef", &a, &a)]
    {
        let found = distance(real, fake);
        assert!(!found.full_rank, "{name}");
        let exact = &modern()[name]["exact_nuclear_norm"];
        close(name, found.distance, exact, Tolerance::new(1e-11, 1e-11));
        close(name, distance(fake, real).distance, exact, Tolerance::new(1e-11, 1e-11));
        // The programs lose half of their digits here.
        close(name, found.distance, &official()[name]["fid"], Tolerance::absolute(2e-6));
    }
}

#[test]
fn features_that_never_vary_do_no_harm() {
    let [a, b] = ["gauss_A_512x64", "gauss_B_512x64"].map(features);
    let widened = |set: &Array2<f32>| {
        Array2::from_shape_fn((set.nrows(), 70), |(i, j)| if j < 64 { set[[i, j]] } else { 0.1 })
    };
    let found = distance(&widened(&a), &widened(&b));
    assert!(!found.full_rank);
    close("widened", found.distance, &official()["fid_gauss"]["fid"], Tolerance::relative(1e-11));
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[test]
fn a_matrix_with_negative_eigenvalues_is_no_covariance() {
    let good = FeatureGaussian::of(&features("gauss_A_512x64")).unwrap();
    let mut bad = good.clone();
    bad.covariance[[3, 9]] += 40.0;
    bad.covariance[[9, 3]] += 40.0;
    for (real, fake, side) in [(&bad, &good, "real"), (&good, &bad, "fake")] {
        let error = with_causes(&frechet_distance(real, fake).unwrap_err());
        assert!(error.contains("negative eigenvalues") && error.contains(side), "{error}");
    }
    bad.covariance[[3, 3]] = f64::NAN;
    let error = with_causes(&frechet_distance(&bad, &good).unwrap_err());
    assert!(error.contains("finite") && error.contains("real"), "{error}");
    let narrow = FeatureGaussian::of(&Array2::from_shape_fn((9, 3), |(i, j)| (i * j) as f32)).unwrap();
    assert!(matches!(frechet_distance(&good, &narrow), Err(MetricsError::SetsDiffer { .. })));
}

/// f16 numbers that are neither infinite nor NaN.
fn from_f16(bits: u16) -> f32 {
    let (sign, exponent, mantissa) = (bits >> 15, i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    let magnitude = match exponent {
        0 => mantissa * 2.0_f32.powi(-24),
        exponent => (1.0 + mantissa / 1024.0) * 2.0_f32.powi(exponent - 15),
    };
    if sign == 1 { -magnitude } else { magnitude }
}

fn wide_logits() -> Array2<f32> {
    let bits = golden::npy::<u16>("fid/math/logits_1000x1008_f16_bits.npy");
    bits.mapv(from_f16).into_dimensionality::<Ix2>().unwrap()
}

#[test]
fn inception_scores_equal_both_programs() {
    let sets = [("is_1008", wide_logits()), ("is_10", features("logits_512x10"))];
    for (name, logits) in &sets {
        for splits in [10, 1, 7] {
            let score = inception_score(logits, splits, 0).unwrap();
            assert_eq!(score.splits.len(), splits);
            let key = if splits == 10 { (*name).to_owned() } else { format!("{name}_splits{splits}") };
            if let Some(expected) = official().get(&key) {
                close(&key, score.mean, &expected["mean"], Tolerance::relative(1e-6));
                close(&key, score.standard_deviation, &expected["std"], Tolerance::absolute(1e-6));
            }
            let key = format!("{name}_splits{splits}_shuffle0");
            if let Some(expected) = modern().get(&key) {
                close(&key, score.mean, &expected["mean"], Tolerance::relative(1e-12));
                close(&key, score.standard_deviation, &expected["std"], Tolerance::absolute(1e-12));
            }
        }
    }
    // In torch-fidelity's order.
    let order = golden::npy::<i16>("fid/math/is_shuffle_permutation_seed2020_n512.npy");
    let order: Vec<usize> = order.iter().map(|&index| usize::try_from(index).unwrap()).collect();
    let shuffled = sets[1].1.select(ndarray::Axis(0), &order);
    let score = inception_score(&shuffled, 10, 0).unwrap();
    let expected = &modern()["is_10_splits10_shuffle1"];
    close("shuffled", score.mean, &expected["mean"], Tolerance::relative(1e-12));
}

#[test]
fn a_probability_of_zero_adds_nothing() {
    let mut logits = Array2::zeros((4, 3));
    logits.rows_mut().into_iter().enumerate().for_each(|(i, mut row)| row[i % 2] = 1e4_f32);
    let score = inception_score(&logits, 1, 0).unwrap();
    // Two classes, each certain for half of the images.
    assert!((score.mean - 2.0).abs() < 1e-12, "{score:?}");
    assert!(matches!(inception_score(&logits, 5, 0), Err(MetricsError::TooFewImages { .. })));
}

fn kernel_distance(real: &Array2<f32>, fake: &Array2<f32>, subsets: &str) -> KernelDistanceScore {
    let mut distance = KernelDistance::new(real, fake).unwrap();
    let indices = golden::npy::<i16>(&format!("fid/math/{subsets}.npy"));
    for subset in indices.outer_iter() {
        let [real, fake] = [0, 1].map(|side| {
            let drawn = subset.index_axis(ndarray::Axis(0), side);
            drawn.iter().map(|&index| usize::try_from(index).unwrap()).collect::<Vec<_>>()
        });
        distance.add(&real, &fake).unwrap();
    }
    distance.finish().unwrap()
}

#[test]
fn kernel_distances_equal_torch_fidelity_s() {
    let [a, b] = ["gauss_A_512x64", "gauss_B_512x64"].map(features);
    let score = kernel_distance(&a, &b, "kid_gauss_subset_indices_100x2x100_i16");
    let expected = &modern()["kid_gauss_100_f64"];
    close("mean", score.mean, &expected["mean"], Tolerance::relative(1e-12));
    close("std", score.standard_deviation, &expected["std"], Tolerance::relative(1e-12));
    let per_subset = golden::numbers(&modern()["kid_gauss_per_subset_mmd2"]);
    // These were summed in f32.
    assert_close("subsets", &score.subsets, &per_subset, Tolerance::absolute(2e-6));
    let all: Vec<usize> = (0..512).collect();
    // The second was summed in f32.
    let whole_sets = [(&a, &b, "kid_gauss_full_subset_f64", 1e-12), (&a, &a, "kid_identical_full", 1e-6)];
    for (real, fake, name, bound) in whole_sets {
        let mut whole = KernelDistance::new(real, fake).unwrap();
        whole.add(&all, &all).unwrap();
        close(name, whole.finish().unwrap().mean, &modern()[name]["mean"], Tolerance::absolute(bound));
    }
}

#[test]
fn precision_and_recall_equal_torch_fidelity_s() {
    let names =
        ["gauss_A_512x64", "gauss_B_512x64", "uneven_B_1037x64", "rankdef_A_40x64", "rankdef_B_40x64"];
    let [a, b, uneven, small_a, small_b] = names.map(features);
    // A is the generated set.
    for (name, fake, real) in
        [("prc_gauss", &a, &b), ("prc_uneven", &a, &uneven), ("prc_rankdef", &small_a, &small_b)]
    {
        let found = precision_recall(real, fake, 3, &mut || Ok(())).unwrap();
        let expected = |of: &str| modern()[name][of].as_f64().unwrap() as f32;
        // These are quotients of whole numbers, in f32.
        assert_eq!(found.precision.value as f32, expected("precision"), "{name}");
        assert_eq!(found.recall.value as f32, expected("recall"), "{name}");
        close(name, found.f_score(), &modern()[name]["f_score"], Tolerance::relative(1e-6));
        for score in [found.precision, found.recall] {
            let interval = score.interval;
            assert!(
                0.0 <= interval.low
                    && interval.low < score.value
                    && score.value < interval.high
                    && interval.high <= 1.0
            );
        }
    }
    let same = precision_recall(&a, &a, 3, &mut || Ok(())).unwrap();
    assert_eq!((same.precision.value, same.recall.value), (1.0, 1.0));
}

#[test]
fn a_long_computation_can_be_stopped_between_its_blocks() {
    let a = features("uneven_B_1037x64");
    let mut ticks = 0;
    let mut tick = || {
        ticks += 1;
        if ticks == 5 { Err(MetricsError::Stopped) } else { Ok(()) }
    };
    assert!(matches!(precision_recall(&a, &a, 3, &mut tick), Err(MetricsError::Stopped)));
    let mut ticks = 0;
    let count = || {
        ticks += 1;
        Ok(())
    };
    precision_recall(&a, &a, 3, &mut { count }).unwrap();
    assert_eq!(ticks, pg_metrics::PrecisionRecall::blocks(1037, 1037));
}

mod generated {
    //! The case of 3000 vectors of length 2048, as defined in `fixtures/fid/math/make_kid_2048.py`.

    use super::*;
    use std::sync::LazyLock;

    const IMAGES: u64 = 3000;
    const WIDTH: u64 = 2048;

    static SETS: LazyLock<[Array2<f32>; 2]> = LazyLock::new(|| [set(1000, 0), set(2000, 600)]);

    fn uniform(seed: u64, k: u64) -> i64 {
        let mut z = seed.wrapping_add((k + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ z >> 31) >> 40).cast_signed()
    }

    fn triangular(seed: u64, k: u64) -> i64 {
        let bits = uniform(seed, k);
        (bits & 4095) + (bits >> 12) - 4095
    }

    fn set(seed: u64, shift: i64) -> Array2<f32> {
        let weights: Vec<i64> = (0..16 * WIDTH).map(|k| uniform(777, k) % 7 - 3).collect();
        let mut values = Vec::with_capacity((IMAGES * WIDTH) as usize);
        for i in 0..IMAGES {
            let factors: [i64; 16] = std::array::from_fn(|q| triangular(seed + 1, i * 16 + q as u64));
            for j in 0..WIDTH {
                let column = j.cast_signed();
                let correlated: i64 =
                    (0..16).map(|q| factors[q] * weights[q * WIDTH as usize + j as usize]).sum();
                let own = triangular(seed, i * WIDTH + j) * (1 + column % 7);
                let value = own + correlated + 3000 + shift * (column % 5);
                values.push(value.max(0) as f32 / 65536.0);
            }
        }
        Array2::from_shape_vec((IMAGES as usize, WIDTH as usize), values).unwrap()
    }

    #[test]
    fn its_values_are_the_defined_ones() {
        let expected = &modern()["fid_2048_generated"]["check"];
        for (i, row) in expected["first_4x6_times_65536_A"].as_array().unwrap().iter().enumerate() {
            let found: Vec<f64> = (0..6).map(|j| f64::from(SETS[0][[i, j]]) * 65536.0).collect();
            assert_eq!(found, golden::numbers(row));
        }
        for (set, name) in SETS.iter().zip(["sum_A", "sum_B"]) {
            let sum = set.iter().map(|&v| f64::from(v)).sum::<f64>();
            close(name, sum, &expected[name], Tolerance::relative(1e-9));
        }
    }

    #[test]
    fn its_frechet_distance_equals_the_official_one() {
        let [real, fake] = &*SETS;
        let found = distance(real, fake);
        assert!(found.full_rank);
        close(
            "official",
            found.distance,
            &official()["fid_2048_generated"]["fid"],
            Tolerance::relative(1e-9),
        );
        let exact = &modern()["fid_2048_generated"]["exact_symmetric_eig"];
        close("exact", found.distance, exact, Tolerance::relative(1e-10));
    }

    #[test]
    fn its_kernel_distance_equals_torch_fidelity_s() {
        let [real, fake] = &*SETS;
        let score = kernel_distance(real, fake, "kid_2048_subset_indices_20x2x1000_i16");
        let single_precision = &modern()["kid_2048_generated"];
        close("torch-fidelity", score.mean, &single_precision["mean"], Tolerance::absolute(1e-6));
        close(
            "torch-fidelity",
            score.standard_deviation,
            &single_precision["std"],
            Tolerance::absolute(1e-6),
        );
        let expected = golden::json("fid/math/kid_2048_expected_f64.json");
        close("f64", score.mean, &expected["mean"], Tolerance::relative(1e-9));
        assert_close(
            "f64",
            &score.subsets,
            &golden::numbers(&expected["subsets"]),
            Tolerance::relative(1e-8),
        );
    }

    #[test]
    fn its_precision_and_recall_equal_torch_fidelity_s() {
        // A is the generated set.
        let [fake, real] = &*SETS;
        let found = precision_recall(real, fake, 3, &mut || Ok(())).unwrap();
        let expected = |of: &str| modern()["prc_2048_generated"][of].as_f64().unwrap() as f32;
        assert_eq!(found.precision.value as f32, expected("precision"));
        assert_eq!(found.recall.value as f32, expected("recall"));
    }
}
