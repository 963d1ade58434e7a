//! The 95 % intervals hold the truth about as often as they say: a short form of the experiment that
//! `cargo bench -p pg-metrics --bench interval_coverage` runs in full.
#![allow(clippy::expect_used, reason = "a test may panic")]

mod experiment;

use experiment::{Coverage, FeatureMetric, Pairing, Source, of_features, of_ms_ssim, of_swd};

const TRIALS: usize = 200;
const TRUTH_RUNS: usize = 400;

const SMOOTH: Source = Source { wavelength_px: 9.0, contrast: 70.0, noise: 8.0 };
const ROUGH: Source = Source { wavelength_px: 7.0, contrast: 60.0, noise: 20.0 };

#[track_caller]
fn assert_near_95_percent(coverage: &Coverage) {
    assert_near_95_percent_and_narrow(coverage, 2.6);
}

/// With half a width of `most` standard deviations of the values at most.
#[track_caller]
fn assert_near_95_percent_and_narrow(coverage: &Coverage, most: f64) {
    let share = coverage.share();
    assert!((0.90..=0.98).contains(&share), "{share} of {coverage:?}");
    // The intervals are as wide as the values lie apart, and about the truth.
    let width = coverage.half_width / coverage.standard_deviation;
    assert!((1.7..most).contains(&width), "{width} of {coverage:?}");
    assert!(coverage.truth > 0.0);
}

#[test]
fn swd_between_sets_that_differ() {
    assert_near_95_percent(&of_swd([SMOOTH, ROUGH], 16, 40, TRIALS, TRUTH_RUNS));
}

#[test]
fn frechet_distance_of_features() {
    assert_near_95_percent(&of_features(FeatureMetric::Frechet, 8, 300, 0.5, TRIALS, TRUTH_RUNS));
}

#[test]
fn frechet_distance_of_features_of_one_source() {
    // At the floor a set's own value says little of how far the next one's would lie away.
    let few_features = of_features(FeatureMetric::Frechet, 8, 300, 0.0, TRIALS, TRUTH_RUNS);
    assert_near_95_percent_and_narrow(&few_features, 3.5);
    let many_features = of_features(FeatureMetric::Frechet, 16, 100, 0.0, TRIALS, TRUTH_RUNS);
    assert_near_95_percent_and_narrow(&many_features, 3.5);
}

#[test]
fn frechet_distance_of_features_that_are_near() {
    assert_near_95_percent(&of_features(FeatureMetric::Frechet, 8, 300, 0.1, TRIALS, TRUTH_RUNS));
}

#[test]
fn frechet_distance_of_fewer_images_than_features() {
    assert_near_95_percent(&of_features(FeatureMetric::Frechet, 24, 20, 0.5, TRIALS, TRUTH_RUNS));
    let floor = of_features(FeatureMetric::Frechet, 24, 16, 0.0, TRIALS, TRUTH_RUNS);
    assert_near_95_percent_and_narrow(&floor, 3.5);
}

#[test]
fn kernel_distance_of_features() {
    assert_near_95_percent(&of_features(FeatureMetric::Kernel(20), 8, 120, 0.5, TRIALS, TRUTH_RUNS));
}

#[test]
fn precision_of_features() {
    assert_near_95_percent(&of_features(FeatureMetric::Precision, 4, 200, 0.7, TRIALS, TRUTH_RUNS));
}

#[test]
fn inception_score_of_class_scores() {
    assert_near_95_percent(&of_features(FeatureMetric::Recognition, 10, 1000, 3.0, TRIALS, TRUTH_RUNS));
}

#[test]
fn ms_ssim_of_consecutive_pairs() {
    assert_near_95_percent(&of_ms_ssim(SMOOTH, 16, 60, Pairing::Consecutive, TRIALS, TRUTH_RUNS));
}

#[test]
fn ms_ssim_of_drawn_pairs_that_share_images() {
    assert_near_95_percent(&of_ms_ssim(SMOOTH, 16, 40, Pairing::Drawn(200), TRIALS, TRUTH_RUNS));
}
