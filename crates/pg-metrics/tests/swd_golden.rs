//! The sliced Wasserstein distance, stage by stage, against the authors' published program
//! (`fixtures/swd`). Bounds: pyramid 1e-4 absolute, normalised descriptors 1e-4, distance 1e-6
//! relative, whole score within three standard deviations of the reference's ten seeds.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use ndarray::{Array2, Ix2};
use pg_image::Planar;
use pg_metrics::{
    ChannelStatistics, PatchCentre, SwdScore, SwdSettings, channel_statistics, extract_descriptors,
    laplacian_pyramid, normalise_descriptors, projected_distances, sliced_wasserstein,
};
use pg_testkit::closeness::{Tolerance, assert_close};
use pg_testkit::golden;

const IMAGES: usize = 96;
const PATCHES: usize = 16;
const RESOLUTIONS: [usize; 4] = [128, 64, 32, 16];

fn images(set: &str) -> Vec<Planar<u8>> {
    (0..IMAGES)
        .map(|i| {
            let picture = golden::picture(&format!("swd/set{set}/{i:04}.webp"));
            Planar::from_data(3, picture.height, picture.width, picture.data).unwrap()
        })
        .collect()
}

fn centres(set: &str, level: usize) -> Vec<PatchCentre> {
    let positions = golden::npy::<i16>(&format!("swd/positions_{set}_level{level}.npy"));
    let positions = positions.into_dimensionality::<Ix2>().unwrap();
    positions.rows().into_iter().map(|p| PatchCentre { x: p[0] as usize, y: p[1] as usize }).collect()
}

/// Descriptors of a whole set at the golden positions, per level.
fn descriptors_at_golden_positions(set: &str) -> Vec<Vec<f32>> {
    let mut levels = vec![Vec::new(); RESOLUTIONS.len()];
    let centres: Vec<_> = (0..RESOLUTIONS.len()).map(|level| centres(set, level)).collect();
    for (i, image) in images(set).iter().enumerate() {
        for (level, plane) in laplacian_pyramid(image).unwrap().iter().enumerate() {
            let own = &centres[level][i * PATCHES..(i + 1) * PATCHES];
            levels[level].extend(extract_descriptors(plane, own));
        }
    }
    levels
}

fn score(real: &[Planar<u8>], fake: &[Planar<u8>], seed: u64) -> SwdScore {
    sliced_wasserstein(real, fake, &SwdSettings { seed, ..SwdSettings::default() }).unwrap()
}

/// Values per level, then their mean.
fn values(score: &SwdScore) -> Vec<f64> {
    score.levels.iter().map(|level| level.value).chain([score.value]).collect()
}

fn assert_within_three_deviations(score: &SwdScore, mean: &[f64], deviation: &[f64]) {
    for ((value, mean), deviation) in values(score).iter().zip(mean).zip(deviation) {
        assert!((value - mean).abs() <= 3.0 * deviation, "{value} expected {mean} +- 3 * {deviation}");
    }
}

/// The reference's own statistics, summed in f32: its distances, also those "in f64", are of
/// descriptors that were normalised with these.
fn reference_statistics(reference: &serde_json::Value) -> ChannelStatistics {
    let three = |key: &str| <[f64; 3]>::try_from(golden::numbers(&reference[key])).unwrap();
    ChannelStatistics { mean: three("mean_f32_official"), standard_deviation: three("std_f32_official") }
}

#[test]
fn the_pyramid_agrees_with_the_reference() {
    let picture = golden::picture("swd/setA/0000.webp");
    let image = Planar::from_data(3, picture.height, picture.width, picture.data).unwrap();
    for (level, (actual, side)) in laplacian_pyramid(&image).unwrap().iter().zip(RESOLUTIONS).enumerate() {
        let expected = golden::npy::<f32>(&format!("swd/pyramid_A_first_level{level}_{side}.npy"));
        assert_close("pyramid", actual.data(), expected.as_slice().unwrap(), Tolerance::absolute(1e-4));
    }
}

#[test]
fn descriptors_and_their_distance_agree_with_the_reference() {
    let expected = golden::json("swd/expected.json");
    let mut real = descriptors_at_golden_positions("A");
    let mut fake = descriptors_at_golden_positions("B");
    let directions = golden::npy::<f32>("swd/directions_147x128.npy");
    let directions: Array2<f32> = directions.into_dimensionality::<Ix2>().unwrap();
    let golden_means = golden::numbers(&expected["fixed_directions_distance_f64"]);
    for level in 0..RESOLUTIONS.len() {
        let raw = golden::npy::<f32>(&format!("swd/desc_raw_A_level{level}_first48.npy"));
        assert_close("raw", &real[level][..48 * 147], raw.as_slice().unwrap(), Tolerance::absolute(1e-4));
        let mut exact = [real[level].clone(), fake[level].clone()];
        for ((set, exact), name) in
            [&mut real[level], &mut fake[level]].into_iter().zip(&mut exact).zip(["A", "B"])
        {
            let statistics = channel_statistics(set);
            let reference = &expected["descriptor_stats"][format!("{name}_level{level}")];
            let tolerance = Tolerance::new(1e-6, 1e-6);
            assert_close("mean", &statistics.mean, &golden::numbers(&reference["mean_f64"]), tolerance);
            let deviation = golden::numbers(&reference["std_f64"]);
            assert_close("deviation", &statistics.standard_deviation, &deviation, tolerance);
            normalise_descriptors(exact, &statistics);
            let normal = golden::npy::<f32>(&format!("swd/desc_norm_{name}_level{level}_first48.npy"));
            let normal = normal.as_slice().unwrap();
            assert_close("normalised", &exact[..48 * 147], normal, Tolerance::absolute(1e-4));
            normalise_descriptors(set, &reference_statistics(reference));
        }
        let distances =
            |real: &[f32], fake: &[f32]| projected_distances(real, fake, &directions.view()).unwrap();
        let mean = |distances: &[f64]| distances.iter().sum::<f64>() / distances.len() as f64;
        let per_direction = distances(&real[level], &fake[level]);
        let golden_mean = &golden_means[level..=level];
        assert_close("distance", &[mean(&per_direction)], golden_mean, Tolerance::relative(1e-6));
        // Exact statistics move the means by up to 2e-6 standard deviations, and so the distance.
        let own = mean(&distances(&exact[0], &exact[1]));
        assert_close("distance, own statistics", &[own], golden_mean, Tolerance::relative(5e-6));
        if level == 0 {
            let reference = golden::npy::<f64>("swd/per_direction_level0_f64.npy");
            let reference = reference.as_slice().unwrap();
            assert_close("per direction", &per_direction, reference, Tolerance::relative(5e-6));
        }
    }
}

#[test]
fn the_whole_score_lies_within_the_reference_s_spread() {
    let expected = &golden::json("swd/expected.json")["api_defaults"];
    let (a, b) = (images("A"), images("B"));
    for seed in [0, 1] {
        let score = score(&a, &b, seed);
        let mean = golden::numbers(&expected["mean"]);
        assert_within_three_deviations(&score, &mean, &golden::numbers(&expected["std_ddof1"]));
        for level in &score.levels {
            assert!(level.interval.low < level.value && level.value < level.interval.high);
        }
    }
}

#[test]
fn two_halves_of_one_set_lie_within_the_reference_s_spread() {
    let expected = &golden::json("swd/expected.json")["api_defaults"]["A_even_vs_A_odd"];
    let a = images("A");
    let half = |odd| a.iter().skip(odd).step_by(2).cloned().collect::<Vec<_>>();
    let score = score(&half(0), &half(1), 0);
    let mean = golden::numbers(&expected["mean"]);
    // Ten seeds; ddof 0 to ddof 1.
    let deviation: Vec<f64> =
        golden::numbers(&expected["std_ddof0"]).iter().map(|d| d * (10.0_f64 / 9.0).sqrt()).collect();
    assert_within_three_deviations(&score, &mean, &deviation);
}

#[test]
fn a_set_against_itself_with_fresh_patches_is_the_reference_s_floor() {
    let expected = &golden::json("swd/expected.json")["api_defaults"]["A_vs_A_resampled_patches"];
    let a = images("A");
    let score = score(&a, &a, 0);
    assert_close("floor", &values(&score), &golden::numbers(&expected["mean"]), Tolerance::relative(0.15));
}
